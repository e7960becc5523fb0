"""Which activation an elementwise function is: a registered one where the values agree, else itself."""

from __future__ import annotations

import contextlib
import copy
import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn

from edgewise.activations import Activation, activation
from edgewise.activations.callables import check_elementwise
from edgewise.activations.registry import names, registered
from edgewise.activations.torch_names import same_as
from edgewise.errors import EdgewiseError, SpecError
from edgewise.init.tracing.expressions import Operation, X, as_formula

_AGREE = 1e-6
"""Two functions are taken for the same when their values differ by less than this share of max(1, |value|): constants
are often written with seven digits, and no two registered activations are that close."""

_SAME_VALUES = {"helu", "prelu"}  # relu and leaky_relu forward, told apart only by what they learn from


@dataclass(frozen=True)
class Elementwise:
    """What an elementwise function is: the identity, times `factor`, an activation, a mask of truth values or unknown.

    reason: of an unknown one, why.
    """

    kind: Literal["identity", "scale", "activation", "mask", "unknown"]
    activation: Activation | None = None
    factor: float | None = None
    reason: str = ""


@lru_cache(maxsize=512)
def expression_activation(expression: Operation) -> Elementwise:
    """What an expression of elementwise functions is."""
    if expression is X:
        return Elementwise("identity")
    if expression.activation is not None and expression.args == (X,):
        return Elementwise("activation", expression.activation)
    if not _known(expression):
        alone = expression.name in ("mul", "div") and X in expression.args and expression.args[0] != expression.args[1]
        if alone:
            return Elementwise("scale")
        return Elementwise("unknown", reason="it depends on a number that is not known before the model runs")
    found = _by_values(expression)
    if found is not None:
        return found
    text = as_formula(expression)
    try:
        return Elementwise("activation", _quietly(text if text is not None else expression))
    except EdgewiseError as error:
        return Elementwise("unknown", reason=str(error))


def module_activation(module: nn.Module) -> Elementwise | None:
    """What a module without parameters does, where that is elementwise; None where it is not, or takes other inputs."""
    bare = _without_hooks(module)
    known = same_as(bare)
    if known is not None:
        return Elementwise("activation", known)
    try:
        probe = copy.deepcopy(bare)
        check_elementwise(probe, type(module).__name__)
    except Exception:  # whatever a module raises on a tensor it was not made for
        return None
    found = _by_values(probe)
    if found is not None:
        return found
    from edgewise.init.tracing.symbolic import elementwise_expression  # which reads modules by way of this one

    expression = elementwise_expression(bare)
    if expression is not None and as_formula(expression) is not None:
        return expression_activation(expression)
    try:
        return Elementwise("activation", _quietly(bare))
    except EdgewiseError:
        return None


def function_activation(function: Callable[[Tensor], Tensor], label: str) -> Activation | None:
    """The activation that a function of one tensor is, or None where it is none."""
    try:
        check_elementwise(function, label)
        found = _by_values(function)
        if found is not None:
            return found.activation
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return activation(function, name=label)
    except Exception:  # whatever a function raises on a tensor it was not made for
        return None


def torch_module_activation(module: nn.Module) -> Elementwise:
    """What one of torch's own activation modules is."""
    found = module_activation(module)
    if found is None:
        return Elementwise("unknown", reason=f"{type(module).__name__} is not finite on the whole line")
    return found


def _known(expression: Operation) -> bool:
    return all(_known(arg) if isinstance(arg, Operation) else not math.isnan(arg) for arg in expression.args)


def _quietly(spec: object) -> Activation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = "region" if isinstance(spec, Operation) else None
        return activation(spec, name=name)


def _without_hooks(module: nn.Module) -> nn.Module:
    """The module without the hooks others have hung on it; its tensors are shared."""
    if not (module._forward_hooks or module._forward_pre_hooks):
        return module
    bare = copy.copy(module)
    bare.__dict__ = dict(module.__dict__)
    bare._forward_hooks, bare._forward_pre_hooks = OrderedDict(), OrderedDict()
    return bare


def _points() -> Tensor:
    """Both signs, near and far, none of them round."""
    near = torch.linspace(-6.013, 6.029, 61, dtype=torch.float64)
    return torch.cat([near, torch.tensor([-21.3, -11.7, -0.0101, 0.0103, 11.9, 21.1], dtype=torch.float64)])


def _by_values(function: Callable[[Tensor], Tensor]) -> Elementwise | None:
    """The identity, a scale, a mask or a registered activation with the same values, or None."""
    x = _points()
    with torch.no_grad():
        value = function(x)
    if not isinstance(value, Tensor) or value.shape != x.shape:
        return None
    if not value.is_floating_point():
        return Elementwise("mask")
    if _agree(value, x):
        return Elementwise("identity")
    factor = float(value[-1] / x[-1])
    if _agree(value, factor * x):
        return Elementwise("scale", factor=factor)
    for candidate, expected in _registered():
        if _agree(value, expected):
            return Elementwise("activation", candidate)
    for candidate in _with_parameter(function):
        if _agree(value, candidate(x)):
            return Elementwise("activation", candidate)
    return None


def _agree(value: Tensor, expected: Tensor) -> bool:
    return bool(((value - expected).abs() <= _AGREE * expected.abs().clamp(min=1.0)).all())


@lru_cache(maxsize=1)
def _registered_names() -> tuple[str, ...]:
    return tuple(name for name in names() if name not in _SAME_VALUES)


def _registered() -> Iterator[tuple[Activation, Tensor]]:
    """Every registered activation at its defaults with its values at the points."""
    x = _points()
    for name in _registered_names():
        known = registered(name)
        yield known, known(x)


def _with_parameter(function: Callable[[Tensor], Tensor]) -> Iterator[Activation]:
    """Members of the families with one parameter which the function could be, by its value at one point."""
    with torch.no_grad():
        left, right = function(torch.tensor([-1.0, 1.0], dtype=torch.float64)).tolist()
        two = float(function(torch.tensor([2.0], dtype=torch.float64)))
    if not all(map(math.isfinite, (left, right, two))):
        return
    guesses: list[tuple[str, str, float]] = []
    if right == 1.0:
        guesses.append(("leaky_relu", "a", -left))
    if 0.5 < right < 1:
        guesses.append(("swish", "beta", -math.log(1 / right - 1)))
    if left == 0 and right == 1 and two > 0:
        guesses.append(("repu", "p", math.log2(two)))
    if left == 0 and right > 1:
        guesses.append(("mrepu", "p", math.log2(right)))
    for name, parameter, value in guesses:
        with contextlib.suppress(SpecError):  # out of the family's range
            yield registered(name, **{parameter: round(value, 9)})
