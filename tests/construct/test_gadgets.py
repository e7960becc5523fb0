"""The identities the layers are made of hold, and no unit's kink lies where its arguments can be."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from exact_polynomials import DIGITS, mp
from mpmath import mpf, workdps

from edgewise.construct import gadgets
from edgewise.construct.gadgets import REACH, Gadget
from edgewise.construct.unit import Unit, unit_of

SPECS = ("repu(p=2)", "repu(p=3)", "repu(p=4)", "repu(p=6)", "mrepu(p=1)", "mrepu(p=2)", "mrepu(p=3)", "mrepu(p=5)")
HALF_ULP = mpf(2) ** -53


def _misses(unit: Unit, gadget: Gadget, target: int, values: tuple[Fraction, ...], wanted: Fraction) -> bool:
    """Off by more than rounding each weight, argument and constant to float64 can explain."""
    with workdps(DIGITS):
        total, allowed = mp(Fraction(gadget.constants[target])), abs(mp(Fraction(gadget.constants[target])))
        for weight, argument in zip(gadget.weights[target], gadget.arguments, strict=True):
            y = sum((Fraction(a) * v for a, v in zip(argument, values, strict=True)), Fraction(0))
            bound = sum(c * abs(y) ** k for k, c in enumerate(unit.taylor))
            steep = sum(k * c * abs(y) ** (k - 1) for k, c in enumerate(unit.taylor) if k)
            total += mpf(weight) * mp(unit.at(y))
            allowed += abs(mpf(weight)) * (mp(Fraction(bound)) + mp(Fraction(steep)))
        return bool(abs(total - mp(wanted)) > HALF_ULP * allowed)


def _points(count: int) -> list[tuple[Fraction, ...]]:
    return list(
        itertools.product((Fraction(-1), Fraction(-3, 7), Fraction(0), Fraction(5, 8), Fraction(1)), repeat=count)
    )


@pytest.mark.parametrize("spec", SPECS)
def test_powers(spec: str) -> None:
    unit = unit_of(spec, None)
    gadget = gadgets.powers(unit.taylor, unit.degree)
    assert len(gadget.arguments) == unit.degree
    assert not any(_misses(unit, gadget, k, v, v[0] ** k) for v in _points(1) for k in range(1, unit.degree + 1))


@pytest.mark.parametrize("spec", SPECS)
def test_powers_times_another_value(spec: str) -> None:
    unit = unit_of(spec, None)
    gadget = gadgets.powers_times(unit.taylor)
    assert not any(_misses(unit, gadget, j, p, p[0] ** j * p[1]) for p in _points(2) for j in range(unit.degree))


@pytest.mark.parametrize("spec", SPECS)
def test_products_of_as_many_factors_as_the_degree(spec: str) -> None:
    unit = unit_of(spec, None)
    for factors in range(1, min(unit.degree, 4) + 1):
        gadget = gadgets.product(unit.taylor, factors)
        for point in _points(factors)[::3]:
            wanted = Fraction(1)
            for value in point:
                wanted *= value
            assert not _misses(unit, gadget, 0, point, wanted)


@pytest.mark.parametrize("spec", SPECS)
def test_no_kink_can_be_met_on_the_box(spec: str) -> None:
    unit = unit_of(spec, None)
    made = [gadgets.powers(unit.taylor, unit.degree), gadgets.powers_times(unit.taylor)]
    made += [gadgets.product(unit.taylor, m) for m in range(1, unit.degree + 1)]
    for gadget in made:
        farthest = max(sum(abs(Fraction(a)) for a in argument) for argument in gadget.arguments)
        assert farthest <= REACH + Fraction(1, 2**50) < 1
