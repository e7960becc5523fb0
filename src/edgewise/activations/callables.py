"""Any elementwise function of a tensor, or nn.Module, as an activation: checked, differentiated, its kinks found.

A module is copied as it is now: training it afterwards changes nothing here. Its parameters take the precision of what
it is given, so that theory can evaluate it in float64.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.activations import seen
from edgewise.activations.definition import Activation, Definition, Facts
from edgewise.activations.differentiation import HIGHEST, Differentiated, differentiated
from edgewise.activations.kinks import jumps
from edgewise.activations.scanning import noise, scanned
from edgewise.activations.torch_names import same_as
from edgewise.errors import NotElementwiseError, PrecisionWarning, SpecError

Function = Callable[[Tensor], Tensor]


def callable_activation(
    given: Callable[..., Any], *, kinks: tuple[float, ...] | None = None, name: str | None = None
) -> Activation:
    """The activation that a function of a tensor computes.

    torch's own activations become the registered ones, unless `kinks` or `name` ask for something else. Derivatives
    come from automatic differentiation; kinks are found by scanning |x| <= 1000 unless given.
    Raises NotElementwiseError when it is not elementwise, SpecError when it is not finite on the whole line; warns
    (PrecisionWarning) where torch cannot differentiate it.
    """
    if isinstance(given, type):
        raise SpecError(
            f"the class {given.__name__} was given, expected a function or a module; try {given.__name__}()"
        )
    known = same_as(given) if kinks is None and name is None else None
    if known is not None:
        return known
    label = name or _label(given)
    sigma: Function = _Snapshot(given, label) if isinstance(given, nn.Module) else given
    check_elementwise(sigma, label)
    derivative = differentiated(sigma)
    _check_defined(sigma, (), label)
    places, cut_at = scanned(derivative, derivative.exact_order) if kinks is None else (list(kinks), math.inf)
    _check_defined(sigma, places, label)
    derivative = derivative.knowing(tuple(places))
    found = jumps(derivative.through, places, max_order=HIGHEST, noise=noise(derivative, HIGHEST))
    points = tuple(k.at for k in found) if kinks is None else kinks
    derivative = derivative.knowing(points)
    _warn(label, derivative, cut_at, points)
    facts = Facts(
        formula=rf"\mathrm{{{label.replace('_', ' ')}}}(x)",
        limits=seen.limits(sigma),
        kinks=points,
        parity=seen.parity(sigma),
        homogeneity=seen.homogeneity(sigma),
        smoothness=min((k.order - 1 for k in found), default=math.inf),
    )
    made = Definition(
        name=label,
        derivatives=tuple(partial(derivative, order=k) for k in range(5)),
        facts=lambda: facts,
        source="a function given by the user",
        surrogate=derivative.surrogate,
        summary=f"The function {label}.",
        opaque=True,
        made_from=(sigma.module if isinstance(sigma, _Snapshot) else given, kinks, name),
    )
    return made.bind()


def _check_defined(sigma: Function, special: Sequence[float], label: str) -> None:
    """Raises SpecError where sigma has no finite value: on a grid, and at the points given in particular."""
    where = seen.undefined(sigma, special)
    if where is not None:
        point, value = where
        what = "not defined" if math.isnan(value) else "not finite"
        raise SpecError(f"{label} is {what} at x = {point:.6g}; expected a function that is finite on the whole line")


def _warn(label: str, derivative: Differentiated, cut_at: float, points: tuple[float, ...]) -> None:
    if derivative.note:
        warnings.warn(f"{label}: {derivative.note}", PrecisionWarning, stacklevel=5)
    if any(abs(p) > 0.9 * cut_at for p in points):
        warnings.warn(
            f"{label} has kinks without end; those with |x| <= {cut_at:.4g} are kept, "
            "so averages lose accuracy where K reaches beyond",
            PrecisionWarning,
            stacklevel=5,
        )


def _label(given: object) -> str:
    label = getattr(given, "__name__", None)
    if not isinstance(label, str):
        label = getattr(getattr(given, "func", None), "__name__", None) or type(given).__name__
    return "callable" if label == "<lambda>" else label


class _Snapshot:
    """A module as it is now, without gradients of its parameters, in whatever precision it is called with."""

    def __init__(self, module: nn.Module, label: str) -> None:
        try:
            self.module = copy.deepcopy(module).requires_grad_(False)
        except Exception as error:
            raise SpecError(
                f"{label} cannot be copied ({_first_line(error)}); try a function of a tensor instead"
            ) from error
        self._copies: dict[tuple[torch.dtype, torch.device], nn.Module] = {}
        self._plain = not any(t.is_floating_point() for t in (*module.parameters(), *module.buffers()))

    def __call__(self, x: Tensor) -> Tensor:
        if self._plain:
            return self.module(x)  # type: ignore[no-any-return]
        key = x.dtype, x.device
        if key not in self._copies:
            self._copies[key] = copy.deepcopy(self.module).to(dtype=x.dtype, device=x.device)
        return self._copies[key](x)  # type: ignore[no-any-return]


def check_elementwise(sigma: Function, label: str) -> None:
    """Raises NotElementwiseError unless sigma maps every element alone and always alike, keeping shape and dtype."""
    generator = torch.Generator().manual_seed(20240817)
    x = 3 * torch.randn(48, generator=generator, dtype=torch.float64)
    y = _called(sigma, x, label)
    again = _called(sigma, x, label)
    if not torch.equal(y.nan_to_num(), again.nan_to_num()):
        raise NotElementwiseError(f"{label} gives different values for the same input; try its .eval() mode")
    for shape in ((6, 8), (2, 3, 8), (1, 3, 4, 4)):
        if not _agree(_called(sigma, x.reshape(shape), label).reshape(-1), y):
            raise NotElementwiseError(f"{label} gives other values at shape {shape}; expected an elementwise function")
    order = torch.randperm(48, generator=generator)
    if not _agree(_called(sigma, x[order], label), y[order]):
        raise NotElementwiseError(f"{label} depends on where an element stands; expected an elementwise function")
    changed = x.clone()
    changed[7], changed[31] = -2.5 * x[7] + 1, 40.0
    others = torch.ones(48, dtype=torch.bool)
    others[[7, 31]] = False
    if not _agree(_called(sigma, changed, label)[others], y[others]):
        raise NotElementwiseError(f"{label} lets one element influence another; expected an elementwise function")
    far = torch.logspace(-9, 9, 400, dtype=torch.float64)
    among = _called(sigma, torch.cat([x, far, -far]), label)[:48]
    if not _agree(among, y):
        raise NotElementwiseError(f"{label} lets one element influence another; expected an elementwise function")
    single = torch.cat([_called(sigma, v.reshape(1), label) for v in x[:4]])
    if not _agree(single, y[:4]):
        raise NotElementwiseError(f"{label} gives other values for a single element; expected an elementwise function")
    _called(sigma, x.float(), label)


def _agree(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=1e-12, atol=1e-13, equal_nan=True))


def _called(sigma: Function, x: Tensor, label: str) -> Tensor:
    before = x.clone()
    try:
        with torch.no_grad():
            y = sigma(x)
    except Exception as error:
        raise NotElementwiseError(
            f"{label} cannot be applied to a tensor of shape {tuple(x.shape)}, {x.dtype}: {_first_line(error)}; "
            "expected an elementwise function of one tensor"
        ) from error
    if not isinstance(y, Tensor) or y.layout is not torch.strided:
        raise NotElementwiseError(f"{label} returns {_kind(y)}, expected a tensor; write it with torch functions")
    if y.shape != x.shape:
        raise NotElementwiseError(
            f"{label} turns shape {tuple(x.shape)} into {tuple(y.shape)}; expected an elementwise function"
        )
    if y.dtype != x.dtype:
        raise NotElementwiseError(f"{label} turns {x.dtype} into {y.dtype}; expected a function that keeps the dtype")
    if not torch.equal(x, before):
        raise NotElementwiseError(f"{label} changes its input in place; return a new tensor, as with inplace=False")
    return y.detach()


def _kind(y: object) -> str:
    return f"a {y.layout} tensor" if isinstance(y, Tensor) else type(y).__name__


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__
