"""What every activation is compared with: torch's own version, or the nearest built-in one; naive formulas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

Function = Callable[[Tensor], Tensor]

SAME: dict[str, tuple[str, Function]] = {
    "abs": ("torch.abs", torch.abs),
    "arctan": ("torch.atan", torch.atan),
    "celu": ("F.celu", F.celu),
    "cos": ("torch.cos", torch.cos),
    "elu": ("F.elu", F.elu),
    "erf": ("torch.erf", torch.erf),
    "gelu": ("F.gelu", F.gelu),
    "gelu_tanh": ("F.gelu tanh", partial(F.gelu, approximate="tanh")),
    "hardshrink": ("F.hardshrink", F.hardshrink),
    "hardsigmoid": ("F.hardsigmoid", F.hardsigmoid),
    "hardswish": ("F.hardswish", F.hardswish),
    "hardtanh": ("F.hardtanh", F.hardtanh),
    "identity": ("torch.clone", torch.clone),
    "leaky_relu": ("F.leaky_relu", F.leaky_relu),
    "logsigmoid": ("F.logsigmoid", F.logsigmoid),
    "mish": ("F.mish", F.mish),
    "prelu": ("F.leaky_relu", partial(F.leaky_relu, negative_slope=0.25)),
    "relu": ("F.relu", F.relu),
    "relu6": ("F.relu6", F.relu6),
    "selu": ("F.selu", F.selu),
    "sigmoid": ("torch.sigmoid", torch.sigmoid),
    "silu": ("F.silu", F.silu),
    "sin": ("torch.sin", torch.sin),
    "sinc": ("torch.sinc", torch.sinc),
    "softplus": ("F.softplus", F.softplus),
    "softshrink": ("F.softshrink", F.softshrink),
    "softsign": ("F.softsign", F.softsign),
    "swish": ("F.silu", F.silu),
    "tanh": ("torch.tanh", torch.tanh),
    "tanhshrink": ("F.tanhshrink", F.tanhshrink),
}
"""The same function in torch."""

NEAREST: dict[str, tuple[str, Function]] = {
    "arctan_squared_minus_x": SAME["arctan"],
    "bent_identity": SAME["softplus"],
    "cos_minus_x": SAME["cos"],
    "gaussian": ("torch.exp", torch.exp),
    "gcu": SAME["cos"],
    "gsmelu": SAME["hardswish"],
    "helu": SAME["relu"],
    "lisht": SAME["tanh"],
    "max_sigmoid": SAME["sigmoid"],
    "max_tanh": SAME["tanh"],
    "min_sin": SAME["sin"],
    "monomial": ("torch.square", torch.square),
    "mrepu": SAME["relu"],
    "quick_gelu": SAME["silu"],
    "relu2": SAME["relu"],
    "repu": SAME["relu"],
    "rescu_epanechnikov": SAME["hardswish"],
    "rescu_gaussian": SAME["gelu"],
    "rescu_triangle": SAME["hardswish"],
    "serf": SAME["mish"],
    "sinc_plus_x": SAME["sinc"],
    "smelu": SAME["hardswish"],
    "snake": SAME["sin"],
    "squareplus": SAME["softplus"],
    "telu": SAME["mish"],
    "x_arcsinh_squared": ("torch.asinh", torch.asinh),
}
"""Where torch has none: the built-in function that does the most similar work."""

NAIVE: dict[str, tuple[str, Function]] = {
    "mrepu": ("x * F.relu(x + 1)**2", lambda x: x * F.relu(x + 1) ** 2),
    "relu2": ("F.relu(x)**2", lambda x: F.relu(x) ** 2),
    "gelu": ("0.5 * x * (1 + erf(x / sqrt 2))", lambda x: 0.5 * x * (1 + torch.erf(x * 0.7071067811865476))),
    "silu": ("x * sigmoid(x)", lambda x: x * torch.sigmoid(x)),
    "mish": ("x * tanh(softplus(x))", lambda x: x * torch.tanh(F.softplus(x))),
    "smelu": (
        "where(x >= 1, x, where(x <= -1, 0, (x + 1)**2 / 4))",
        lambda x: torch.where(x >= 1, x, torch.where(x <= -1, 0.0, (x + 1) ** 2 / 4)),
    ),
}
"""As one would write it down."""


def built_in(name: str) -> tuple[str, Function]:
    return SAME[name] if name in SAME else NEAREST[name]


def liger_relu2() -> Function | None:
    """Liger's squared ReLU, where it is installed (it needs a GPU)."""
    try:
        from liger_kernel.ops.relu_squared import LigerReLUSquaredFunction
    except ImportError:
        return None
    apply: Function = LigerReLUSquaredFunction.apply
    return apply
