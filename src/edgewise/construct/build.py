"""`edgewise.construct.polynomial`: coefficients in, network out, with what it can and cannot do."""

from __future__ import annotations

import math
import warnings

import torch
from torch import nn

from edgewise.construct.description import Construction
from edgewise.construct.given import polynomial_given
from edgewise.construct.network import PolynomialNetwork, fewest_layers, network_of
from edgewise.construct.precision import precision
from edgewise.construct.series import Series
from edgewise.construct.unit import Unit, unit_of
from edgewise.errors import ConstructionError, PrecisionWarning

_TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-3}
_ORDERS = ("value", "first derivative", "second derivative")


def polynomial(
    coefficients: object,
    activation: object = "mrepu",
    *,
    domain: object = None,
    basis: str = "power",
    everywhere: bool | None = None,
    dtype: torch.dtype = torch.float64,
    tolerance: float | None = None,
) -> PolynomialNetwork:
    """A network of RePU or MRePU units that equals a polynomial, [..., variables] -> [..., 1].

    coefficients: c[i, j, ...] of x**i y**j ... as a list, array or tensor (a dimension a variable); or a mapping of
    exponents, an int or a tuple, to coefficients; or a ``numpy.polynomial`` object of one variable. ints and Fractions
    are taken exactly. activation: "repu(p=...)" with whole p >= 2, "relu2" or "mrepu(p=...)".
    domain: (low, high) or a pair for each variable, [-1, 1] by default (a numpy object's own): where the accuracy is
    stated, and where an MRePU network is exact. basis: "power", "chebyshev", "legendre", "hermite", "hermite_e" or
    "laguerre", in the variables as they are.
    everywhere: RePU networks are exact everywhere in real arithmetic, at twice the units; False leaves that out.
    tolerance: what the relative errors of value, first and second derivatives are held against, 1e-10 in float64 and
    1e-3 in float32; a PrecisionWarning tells when they are larger, ``.construction`` holds them.
    Raises ConstructionError, or SpecError where the activation is none.
    Li, Tang & Yu, arXiv 1903.05858; Chebyshev form: Tang, Li & Yu, arXiv 1911.05467; MRePU: Kim & Kang, arXiv
    2408.02697, Theorem 8.
    """
    unit = unit_of(activation, everywhere)
    check_dtype(dtype)
    given = polynomial_given(coefficients, domain, basis)
    return described(given.series, unit, dtype, tolerance, given.size)


def described(
    series: Series, unit: Unit, dtype: torch.dtype, tolerance: float | None, size: float
) -> PolynomialNetwork:
    """The network with its description; size: sum |c_k| max |P_k| of the coefficients as they were given."""
    allowed = _TOLERANCES[dtype] if tolerance is None else _checked_tolerance(tolerance)
    network = network_of(series, unit, dtype)
    measured = precision(network, series, dtype)
    linear = [module for module in network.layers if isinstance(module, nn.Linear)]
    found = Construction(
        activation=unit.activation.spec,
        variables=series.variables,
        degree=series.degree,
        degrees=series.degrees,
        box=series.box,
        layer_degree=unit.degree,
        fewest_layers=fewest_layers(series.degree, unit.degree),
        widths=tuple(module.out_features for module in linear[:-1]),
        weights=sum(int((p != 0).sum()) for p in network.parameters()),
        coefficients=len(series.terms),
        general_coefficients=math.comb(series.degree + series.variables, series.variables),
        exact="everywhere" if unit.mirrored else "on the box",
        dtype=str(dtype).removeprefix("torch."),
        norms=measured.norms,
        errors=measured.errors,
        tolerance=allowed,
        condition=size / measured.norms[0] if measured.norms[0] else 1.0,
        reason=_reason(measured.errors, allowed, unit, dtype),
    )
    network.construction = found
    if not found.accurate:
        warnings.warn(found.reason, PrecisionWarning, stacklevel=3)
    return network


def _reason(errors: tuple[float, float, float], allowed: float, unit: Unit, dtype: torch.dtype) -> str:
    where = "everywhere" if unit.mirrored else "on its box"
    name = str(dtype).removeprefix("torch.")
    worse = [f"{order} {error:.1e}" for order, error in zip(_ORDERS, errors, strict=True) if not error <= allowed]
    if not worse:
        return (
            f"Equal to the polynomial {where} in real arithmetic; in {name} within {max(errors):.1e} of the sup norms "
            f"over the box, first and second derivatives included."
        )
    return (
        f"Equal to the polynomial {where} in real arithmetic, but in {name} not within {allowed:g} of the sup norms "
        f"over the box: {', '.join(worse)}; try a smaller p, a lower degree, a domain nearer 0, or float64."
    )


def check_dtype(dtype: object) -> None:
    if dtype not in _TOLERANCES:
        raise ConstructionError(
            f"dtype={dtype} given, expected torch.float64 or torch.float32; try dtype=torch.float64"
        )


def _checked_tolerance(tolerance: object) -> float:
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < float("inf"):
        raise ConstructionError(f"tolerance={tolerance!r} given, expected a positive number; try tolerance=1e-10")
    return float(tolerance)
