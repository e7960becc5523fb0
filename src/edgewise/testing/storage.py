"""Copies and saved state: pickle, deepcopy, state_dict, trainable parameters."""

from __future__ import annotations

import copy
import math
import pickle
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.activations.modules import module_of
from edgewise.errors import SpecError
from edgewise.testing import points
from edgewise.testing.outcome import ConformanceError, NotApplicable
from edgewise.testing.rounding import allowed_rounding

if TYPE_CHECKING:
    from edgewise.activations import Activation


def check_spec(activation: Activation) -> None:
    """``ew.activation(a.spec) == a`` and equal activations have equal hashes.

    Raises ConformanceError, NotApplicable for callables.
    """
    from edgewise.activations import activation as make

    try:
        again = make(activation.spec)
    except SpecError as error:
        raise NotApplicable(f"{activation.spec!r} is not text that can be read back: {error}") from None
    if again != activation or hash(again) != hash(activation):
        raise ConformanceError(f"ew.activation({activation.spec!r}) is {again!r}, not the activation it came from")


def check_pickle(activation: Activation) -> None:
    """The activation and its module survive pickle and deepcopy with the same values.

    Raises ConformanceError, NotApplicable where the activation wraps something that Python cannot pickle (a lambda),
    or is a family of the user's that is not registered.
    """
    x = points.smooth(activation.kinks, margin=1e-3)
    for original in (activation, activation.module()):
        kind = "the module" if isinstance(original, nn.Module) else "the activation"
        expected = original(x.float()).detach()
        try:
            stored = pickle.dumps(original)
        except (pickle.PicklingError, AttributeError, TypeError, ValueError) as error:
            raise NotApplicable(f"{kind} cannot be pickled: {error}") from None
        try:
            twins = {"pickle": pickle.loads(stored), "deepcopy": copy.deepcopy(original)}
        except SpecError as error:
            raise NotApplicable(f"{kind} is stored as {activation.spec!r}, which is not registered: {error}") from None
        for how, twin in twins.items():
            if not torch.equal(twin(x.float()).detach(), expected):
                raise ConformanceError(f"{activation.spec}: {kind} gives other values after {how}")
        if kind == "the activation" and twins["pickle"] != activation:
            raise ConformanceError(f"{activation.spec}: the activation is not equal to its pickled copy")


def check_module(activation: Activation) -> None:
    """``a.module()`` computes sigma, with trainable parameters or without; state_dict moves them to another module.

    Raises ConformanceError.
    """
    x = points.smooth(activation.kinks, margin=1e-3)
    for trainable in (None, True, False):
        module = module_of(activation, trainable=trainable).double()
        module.reset_parameters()  # to float64: learned parameters begin in the default dtype
        # A new parameter has torch's default dtype, so it may be a rounding away from the activation's.
        rounding = torch.finfo(torch.get_default_dtype()).eps
        now = module.activation
        for name, value in activation.parameters.items():
            if not abs(now.parameters[name] - value) <= rounding * abs(value):
                raise ConformanceError(
                    f"{activation.spec}: module(trainable={trainable}) has {name}={now.parameters[name]}"
                )
        if bool(((module(x) - now(x)).abs() > allowed_rounding(now, x, 0)).any()):
            raise ConformanceError(
                f"{activation.spec}: module(trainable={trainable}) computes something else than sigma"
            )
        count = sum(p.numel() for p in module.parameters())
        if (trainable is False and count) or (
            trainable is True and count < sum(p.learnable for p in activation.definition.parameters)
        ):
            raise ConformanceError(f"{activation.spec}: module(trainable={trainable}) has {count} trainable numbers")
    source, target = (activation.module(trainable=True).double() for _ in range(2))
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.mul_(1 + 2**-7)
    target.load_state_dict(source.state_dict())
    if not torch.equal(source(x), target(x)):
        raise ConformanceError(f"{activation.spec}: load_state_dict(state_dict()) gives a module with other values")


def check_parameter_gradients(activation: Activation) -> None:
    """Gradients with respect to the parameters agree with central differences (float64, away from kinks).

    Raises ConformanceError, NotApplicable where there are no parameters to train.
    """
    module = activation.module(trainable=True).double()
    parameters = dict(module.named_parameters())
    if not parameters:
        raise NotApplicable("no parameters to train")
    x = points.smooth(activation.kinks, margin=0.05, reach=3.0)
    for name, parameter in parameters.items():
        (gradient,) = torch.autograd.grad(module(x).sum(), parameter, allow_unused=True)
        if gradient is None or not bool(gradient.isfinite().all()):
            raise ConformanceError(f"{activation.spec}: the gradient in {name} is {gradient}")
        difference, error = _parameter_difference(module, parameter, x)
        if activation.definition.surrogate is None and not abs(gradient.sum().item() - difference) <= error:
            raise ConformanceError(
                f"{activation.spec}: the gradient in {name} is {gradient.sum().item():.9g}, "
                f"differences give {difference:.9g}"
            )


def _parameter_difference(module: nn.Module, parameter: nn.Parameter, x: torch.Tensor) -> tuple[float, float]:
    """The central difference of ``module(x).sum()`` in the parameter, and its error from twice the step."""

    def total(shift: float) -> float:
        with torch.no_grad():
            before = parameter.clone()
            parameter.add_(shift)
            value = module(x).sum().item()
            parameter.copy_(before)
        return float(value)

    h = 1e-5 * max(1e-2, parameter.abs().max().item())
    fine, coarse = ((total(s) - total(-s)) / (2 * s) for s in (h, 2 * h))
    size = module(x).abs().sum().item()
    return fine, 4 * abs(fine - coarse) + 64 * torch.finfo(torch.float64).eps * size / h + math.ulp(1.0)
