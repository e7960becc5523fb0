"""The module: linear layers and power units whose composition is a given polynomial."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgewise.construct.growth import grown, ladder, summed
from edgewise.construct.layer import Affine, Layer, combination, dense
from edgewise.construct.series import Exponents, Series, changed, chebyshev_powers
from edgewise.construct.tree import delivered, planned
from edgewise.construct.unit import Unit

if TYPE_CHECKING:
    from edgewise.construct.description import Construction


class PolynomialNetwork(nn.Module):
    """A plain feed-forward network, [..., variables] -> [..., 1]: ``layers`` is an ``nn.Sequential`` of ``nn.Linear``
    and activation modules in turn, to be trained, saved and exported as any other.

    construction: what was built and how exact it is; it describes the network as built, not as trained since.
    """

    construction: Construction

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def network_of(polynomial: Series, unit: Unit, dtype: torch.dtype) -> PolynomialNetwork:
    """The network that equals the series: everywhere where the unit is mirrored, else on its box."""
    layers, out = _built(polynomial, unit)
    modules: list[nn.Module] = []
    signals = polynomial.variables
    for layer in layers:
        modules += [_linear(*layer.linear_part(signals), dtype), unit.activation.module(trainable=False)]
        signals = len(layer)
    modules.append(_linear(*dense([out], signals), dtype))
    return PolynomialNetwork(nn.Sequential(*modules))


def fewest_layers(degree: int, q: int) -> int:
    """ceil(log_q degree), at least 1: L layers of units of degree q make polynomials of degree q**L at most."""
    return max(1, len(ladder(degree, q)) - 1)


def _built(polynomial: Series, unit: Unit) -> tuple[list[Layer], Affine]:
    inputs = [_scaled_input(polynomial, i) for i in range(polynomial.variables)]
    active = [i for i, degree in enumerate(polynomial.degrees) if degree] or [0]
    if len(active) == 1:
        return _one_variable(polynomial, unit, inputs[active[0]], active[0])
    terms = {tuple(k[i] for i in active): c for k, c in polynomial.terms.items()}
    if polynomial.degree <= unit.degree:
        return _one_layer(terms, unit, [inputs[i] for i in active])
    return _several_variables(terms, unit, [inputs[i] for i in active])


def _scaled_input(polynomial: Series, i: int) -> Affine:
    """u_i = (x_i - centre) / half-width."""
    half = polynomial.half_width(i)
    return Affine({i: float(1 / half)}, float(-polynomial.centre(i) / half))


def _one_variable(polynomial: Series, unit: Unit, u: Affine, axis: int) -> tuple[list[Layer], Affine]:
    coefficients = {k[axis]: c for k, c in polynomial.terms.items()}
    steps = ladder(max(coefficients, default=0), unit.degree)[1:-1]
    values, layers = [u], []
    for degree in steps:
        layers.append(Layer(unit))
        values = grown(layers[-1], values, degree)
    layers.append(Layer(unit))
    return layers, summed(layers[-1], values, coefficients)


def _one_layer(terms: dict[Exponents, Fraction], unit: Unit, inputs: Sequence[Affine]) -> tuple[list[Layer], Affine]:
    """A total degree of at most q: every monomial by polarisation."""
    for axis in range(len(inputs)):
        terms = changed(terms, axis, chebyshev_powers(unit.degree))
    layer, parts, constant = Layer(unit), [], 0.0
    for k, c in terms.items():
        factors = [i for i, exponent in enumerate(k) for _ in range(exponent)]
        if not factors:
            constant = float(c)
        elif len(set(factors)) == 1:
            parts.append((float(c), layer.powers(inputs[factors[0]], len(factors))[-1]))
        else:
            parts.append((float(c), layer.product([inputs[i] for i in factors])))
    return [layer], combination(parts, constant)


def _several_variables(
    terms: dict[Exponents, Fraction], unit: Unit, inputs: Sequence[Affine]
) -> tuple[list[Layer], Affine]:
    """First the Chebyshev polynomials of each variable, then their products."""
    ladders = [ladder(max(k[i] for k in terms), unit.degree)[1:] for i in range(len(inputs))]
    growing = max(map(len, ladders))
    layers = [Layer(unit) for _ in range(growing)]
    values = [[u] for u in inputs]
    for i, steps in enumerate(ladders):
        wait = growing - len(steps)
        for number, layer in enumerate(layers):
            values[i] = (
                [layer.identity(values[i][0])] if number < wait else grown(layer, values[i], steps[number - wait])
            )
    size = sum((abs(c) for c in terms.values()), Fraction(0))
    plan = planned({k: float(c / size) for k, c in terms.items()}, len(inputs), unit.degree)
    above = [Layer(unit) for _ in range(plan.height)]
    (out,) = delivered(plan, above, values)
    return layers + above, combination([(float(size), out)])


def _linear(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> nn.Linear:
    rows, columns = weight.shape
    linear = nn.Linear(columns, rows, device="meta", dtype=dtype).to_empty(device="cpu")  # draws no random numbers
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    return linear
