"""torch's own modules and functions that are registered activations under another name. Exact types only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from edgewise.activations.definition import Activation
from edgewise.activations.registry import names, registered

_FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "abs": (torch.abs, torch.absolute),
    "arctan": (torch.atan, torch.arctan),
    "celu": (torch.celu, F.celu),
    "cos": (torch.cos,),
    "elu": (F.elu,),
    "erf": (torch.erf, torch.special.erf),
    "gelu": (F.gelu,),
    "hardshrink": (F.hardshrink, torch.hardshrink),
    "hardsigmoid": (F.hardsigmoid,),
    "hardswish": (F.hardswish,),
    "hardtanh": (F.hardtanh,),
    "leaky_relu": (F.leaky_relu,),
    "logsigmoid": (F.logsigmoid,),
    "mish": (F.mish,),
    "relu": (torch.relu, F.relu),
    "relu6": (F.relu6,),
    "selu": (torch.selu, F.selu),
    "sigmoid": (torch.sigmoid, F.sigmoid, torch.special.expit),
    "silu": (F.silu,),
    "sin": (torch.sin,),
    "sinc": (torch.sinc, torch.special.sinc),
    "softplus": (F.softplus,),
    "softshrink": (F.softshrink,),
    "softsign": (F.softsign,),
    "tanh": (torch.tanh, F.tanh),
    "tanhshrink": (F.tanhshrink,),
}

_MODULES: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.Mish: "mish",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
    nn.LogSigmoid: "logsigmoid",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Sigmoid: "sigmoid",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
    nn.Tanhshrink: "tanhshrink",
}


def same_as(given: object) -> Activation | None:
    """The registered activation that a torch function or module is, or None.

    A module of `edgewise.nn` is its activation at the current parameter values.
    """
    from edgewise.activations.modules import Elementwise

    if isinstance(given, Elementwise) and type(given).forward is Elementwise.forward and not _hooked(given):
        return given.activation
    found = _module(given) if isinstance(given, nn.Module) else _function(given)
    if found is None or found[0] not in names():
        return None
    return registered(found[0], **found[1])


def _function(given: object) -> tuple[str, dict[str, float]] | None:
    for name, functions in _FUNCTIONS.items():
        if any(given is f for f in functions):
            return name, {}
    return None


def _hooked(given: nn.Module) -> bool:
    return bool(given._forward_hooks or given._forward_pre_hooks)


def _module(given: Any) -> tuple[str, dict[str, float]] | None:
    if _hooked(given):
        return None
    kind = type(given)
    if kind in _MODULES:
        return _MODULES[kind], {}
    if kind is nn.GELU:
        return ("gelu_tanh" if given.approximate == "tanh" else "gelu"), {}
    if kind is nn.LeakyReLU:
        return "leaky_relu", {"a": float(given.negative_slope)}
    if kind is nn.ELU:
        return "elu", {"alpha": float(given.alpha)}
    if kind is nn.CELU:
        return "celu", {"alpha": float(given.alpha)}
    if kind is nn.PReLU and given.num_parameters == 1:
        return "prelu", {"a": float(given.weight.detach())}
    if kind is nn.Softplus and given.threshold >= 20:  # torch switches to x there, which is 2e-9 away
        return "softplus", {"beta": float(given.beta)}
    if kind is nn.Hardtanh and (given.min_val, given.max_val) == (-1, 1):
        return "hardtanh", {}
    if kind is nn.Softshrink and given.lambd > 0:
        return "softshrink", {"lam": float(given.lambd)}
    if kind is nn.Hardshrink and given.lambd > 0:
        return "hardshrink", {"lam": float(given.lambd)}
    return None
