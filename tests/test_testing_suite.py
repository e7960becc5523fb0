"""The conformance suite itself: it passes what is right, and the right check catches what is wrong."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.activations import Activation, Definition, Facts
from edgewise.activations.pieces import polynomial
from edgewise.testing import CHECKS, SLOW, ConformanceError, ConformanceSuite, NotApplicable, conformance
from edgewise.testing.exact import exact_jet

Form = Callable[[Tensor], Tensor]

# An activation that is right: x exp(-x**2), written down to sigma''', odd, smooth, 0 at both ends.


def _decay(x: Tensor) -> Tensor:
    return torch.exp(-(torch.where(x.abs() < 1e3, x, 1e3 * torch.sign(x)) ** 2))


def _bounded(x: Tensor) -> Tensor:
    return x.clamp(-1e3, 1e3)


def _bump(x: Tensor) -> Tensor:
    return _bounded(x) * _decay(x)


def _bump_first(x: Tensor) -> Tensor:
    return (1 - 2 * _bounded(x) ** 2) * _decay(x)


def _bump_second(x: Tensor) -> Tensor:
    return (4 * _bounded(x) ** 2 - 6) * _bounded(x) * _decay(x)


def _bump_exact(x: Any) -> Any:
    return x * mpmath.exp(-(x**2))


SMOOTH = Facts(formula=r"x e^{-x^2}", limits=(0.0, 0.0), parity="odd")


def _bump_with(
    sigma: Form = _bump, first: Form = _bump_first, second: Form = _bump_second, *, facts: Facts = SMOOTH
) -> Activation:
    return Definition("bump", (sigma, first, second), facts=lambda: facts, source="this test").bind()


# And one with a kink: the leaky rectifier.


def _step(x: Tensor, low: float, high: float, at_zero: float) -> Tensor:
    left, right, middle = (torch.full_like(x, value) for value in (low, high, at_zero))
    return torch.where(x > 0, right, torch.where(x < 0, left, torch.where(x == 0, middle, x)))


def _leaky_facts(**changed: Any) -> Facts:
    line = {"formula": "leaky", "limits": (-math.inf, math.inf), "kinks": (0.0,), "homogeneity": 1.0, "smoothness": 0}
    return Facts(**{**line, **changed})


def _leaky_with(
    sigma: Form = lambda x: torch.where(x > 0, x, 0.1 * x),
    first: Form = lambda x: _step(x, 0.1, 1.0, 0.1),
    second: Form = lambda x: _step(x, 0.0, 0.0, 0.0),
    *,
    facts: Facts | None = None,
    surrogate: Form | None = None,
    backward: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Activation:
    declared = _leaky_facts() if facts is None else facts
    definition = Definition(
        "leaky",
        (sigma, first, second),
        facts=lambda: declared,
        source="this test",
        surrogate=surrogate,
        backward=backward,
    )
    return definition.bind()


def _leaky_exact(x: Any) -> Any:
    return x if x > 0 else x * mpmath.mpf(0.1)


class _Straight(torch.autograd.Function):
    """The leaky rectifier with a gradient of its own, of which torch's tracing of the plain formula knows.

    The formula is differentiated where the activation has an operation of torch's for its backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.1 * x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


BROKEN: dict[str, tuple[str, Activation, Any, str]] = {
    "a slope wrong by 1e-12": (
        "values",
        _bump_with(first=lambda x: _bump_first(x) * (1 + 1e-12)),
        _bump_exact,
        "sigma'(",
    ),
    "a second derivative wrong by 1e-12": (
        "values",
        _bump_with(second=lambda x: _bump_second(x) * (1 + 1e-12)),
        _bump_exact,
        "sigma''(",
    ),
    "a cancelling formula": ("values", _bump_with(lambda x: (1 + _bump(x)) - 1), _bump_exact, "sigma("),
    "a float64 constant rounded to float32": (
        "values",
        _bump_with(lambda x: _bump(x) * float(torch.tensor(1 / 3).item() * 3)),
        _bump_exact,
        "sigma(",
    ),
    "flushing of sigma''": (
        "tails",
        _bump_with(second=lambda x: torch.where(x.abs() > 20, 0.0, _bump_second(x))),
        _bump_exact,
        "flushed to 0",
    ),
    "early overflow": (
        "tails",
        _leaky_with(lambda x: torch.where(x > 0, torch.sqrt(x * x), 0.1 * x)),
        _leaky_exact,
        "is inf",
    ),
    "a wrong slope, without reference": (
        "integrals",
        _bump_with(first=lambda x: _bump_first(x) + 1e-9),
        None,
        "integrates",
    ),
    "a wrong second derivative, without reference": (
        "integrals",
        _bump_with(second=lambda x: _bump_second(x) * 1.0001),
        None,
        "order 2 integrates",
    ),
    "a slope that gradcheck sees": ("gradcheck", _bump_with(first=lambda x: _bump_first(x) * 1.01), None, "Jacobian"),
    "a second derivative that gradgradcheck sees": (
        "gradgradcheck",
        _bump_with(second=lambda x: _bump_second(x) + 0.1),
        None,
        "Jacobian",
    ),
    "a slope at the kink outside its sides": (
        "kinks",
        _leaky_with(first=lambda x: _step(x, 0.1, 1.0, 2.0)),
        None,
        "sigma' at the kink 0",
    ),
    "a value at the kink that is no limit": (
        "kinks",
        _leaky_with(lambda x: torch.where(x == 0, 1e-3, torch.where(x > 0, x, 0.1 * x))),
        None,
        "sigma at the kink 0",
    ),
    "sigma'' nan at the kink": (
        "kinks",
        _leaky_with(second=lambda x: 0.0 * x / x),
        None,
        "sigma'' at the kink 0 is nan",
    ),
    "kinks out of order": ("kinks", _leaky_with(facts=_leaky_facts(kinks=(1.0, 0.0))), None, "ascending"),
    "smoother than it is": ("smoothness", _leaky_with(facts=_leaky_facts(smoothness=1)), None, "sigma' jumps at 0"),
    "less smooth than it is": ("smoothness", _leaky_with(facts=_leaky_facts(smoothness=-1)), None, "jumps at no kink"),
    "a kink that is not declared": (
        "no_other_kinks",
        _leaky_with(facts=_leaky_facts(kinks=(), smoothness=math.inf)),
        None,
        "sigma' jumps",
    ),
    "a jump that is not declared": (
        "no_other_kinks",
        _bump_with(lambda x: torch.where(x > 0.5, _bump(x) + 1e-4, _bump(x))),
        None,
        "sigma jumps",
    ),
    "the wrong parity": ("parity", _bump_with(facts=Facts("", (0.0, 0.0), parity="even")), None, "declared even"),
    "the wrong degree": ("homogeneity", _leaky_with(facts=_leaky_facts(homogeneity=2.0)), None, "degree 2"),
    "pieces of another function": (
        "pieces",
        _leaky_with(facts=_leaky_facts(pieces=(polynomial([0, 0.2], high=0.0), polynomial([0, 1], low=0.0)))),
        None,
        "pieces give",
    ),
    "pieces with a gap": (
        "pieces",
        _leaky_with(facts=_leaky_facts(pieces=(polynomial([0, 0.1], high=0.0), polynomial([0, 1], low=1.0)))),
        None,
        "do not cover",
    ),
    "a wrong limit": ("limits", _bump_with(facts=Facts("", (0.0, 1.0))), None, "declared 1"),
    "a limit where there is none": (
        "limits",
        Definition("sine", (torch.sin, torch.cos, lambda x: -torch.sin(x)), lambda: Facts("", (0.0, 0.0)), "").bind(),
        None,
        "no limit",
    ),
    "nan at infinity": ("limits", _bump_with(lambda x: x * torch.exp(-x * x)), None, "sigma(-inf) is nan"),
    "a slope that is nan at infinity": (
        "limits",
        _bump_with(first=lambda x: (1 - 2 * x * x) * torch.exp(-x * x)),
        None,
        "sigma'(-inf) is nan",
    ),
    "nan swallowed": (
        "nan",
        _leaky_with(torch.nn.functional.relu, lambda x: (x > 0).to(x.dtype)),
        None,
        "the gradient",
    ),
    "float64 out of float32": ("dtypes", _bump_with(lambda x: _bump(x.double())), None, "dtype torch.float64"),
    "half precision inside": (
        "dtypes",
        _bump_with(lambda x: _bump(x.bfloat16()).float() if x.dtype == torch.float32 else _bump(x)),
        None,
        "in float64",
    ),
    "an input changed in place": ("layouts", _leaky_with(lambda x: x.copy_(torch.where(x > 0, x, 0.1 * x))), None, ""),
    "a lost shape": ("layouts", _bump_with(lambda x: _bump(x).reshape(-1)), None, "has shape"),
    "a lost memory format": ("layouts", _bump_with(lambda x: _bump(x).contiguous()), None, "channels_last"),
    "a choice by value": ("vmap", _leaky_with(lambda x: x if x.sum().item() > 0 else 0.1 * x), None, "raised"),
    "one element influencing another": ("vmap", _bump_with(lambda x: _bump(x) * (1 + 0.0 * x + x.sum())), None, "vmap"),
    "a graph break": (
        "compile",
        _leaky_with(lambda x: x if bool((x > 0).all()) else torch.where(x > 0, x, 0.1 * x)),
        None,
        "failed",
    ),
    "another slope when compiled": (
        "compile",
        _leaky_with(_Straight.apply, backward=lambda grad, x: grad * _step(x, 0.1, 1.0, 0.1)),
        None,
        "compiled gradient",
    ),
    "no ONNX for an operator": ("onnx", _bump_with(lambda x: torch.special.bessel_j1(x)), None, "ONNX export"),
}


@pytest.mark.parametrize("activation", [_bump_with(), _leaky_with()], ids=["smooth", "kinked"])
def test_what_is_right_passes(activation: Activation) -> None:
    exact = _bump_exact if activation.name == "bump" else _leaky_exact
    report = conformance(activation, exact, skip=("compile_inductor",))
    assert report.passed, str(report)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_is_caught_by_its_check(fault: str) -> None:
    check, activation, reference, message = BROKEN[fault]
    (result,) = conformance(activation, reference, only=[check]).checks
    assert result.outcome == "failed", f"{fault}: {result}"
    assert message in result.message


@pytest.mark.parametrize("check", ["jvp", "jacobians", "hessian"])
def test_a_wrong_forward_rule_is_caught(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transforms go through edgewise's own rule, not the activation's: here it forgets the slope."""
    from edgewise.activations import differentiable

    assert conformance("tanh", only=[check]).passed
    monkeypatch.setattr(differentiable._Jet, "jvp", staticmethod(lambda ctx, *tangents: tangents[0].clone()))
    assert not conformance("tanh", only=[check]).passed


def test_a_surrogate_is_held_to_its_own_rule() -> None:
    straight = _leaky_with(surrogate=torch.ones_like)
    report = conformance(straight, _leaky_exact, skip=SLOW)
    assert report.passed, str(report)
    assert {c.name for c in report.checks if c.outcome == "skipped"} >= {"gradcheck", "gradgradcheck", "hessian"}
    (compiled,) = conformance(straight, only=["compile"]).checks
    assert compiled.outcome == "passed", compiled.message


def test_the_exact_derivatives_are_exact() -> None:
    """Against closed forms: in the middle, in a tail of size 1e-290 and beside a kink."""
    with mpmath.workdps(60):
        for x in (0.3, -2.0, 1e-300, 40.0):
            jet = exact_jet(mpmath.sin, x, ())
            truth = [mpmath.sin(x), mpmath.cos(x), -mpmath.sin(x), -mpmath.cos(x)]
            assert all(abs(v - t) <= 1e-19 * abs(t) for v, t in zip(jet.values[:3], truth, strict=False))
        gaussian = exact_jet(lambda t: mpmath.exp(-(t**2)), 25.8, ())
        slope = -2 * mpmath.mpf(25.8) * mpmath.exp(-(mpmath.mpf(25.8) ** 2))
        assert abs(gaussian.values[1] / slope - 1) < 1e-19
        beside = exact_jet(lambda t: t**2 if t > 1 else 2 * t - 1, 1 + 1e-15, (1.0,))
        assert abs(beside.values[2] - 2) < 1e-19


def test_the_report_reads_well() -> None:
    report = conformance(
        _leaky_with(facts=_leaky_facts(homogeneity=2.0)), only=["kinks", "homogeneity", "parity", "values"]
    )
    assert report.reason == "leaky does not conform: 1 checks passed, 1 failed, 2 skipped."
    assert [c.name for c in report.failed] == ["homogeneity"]
    assert "no reference was given" in str(report)
    assert report.to_dict()["checks"][0]["outcome"] == "skipped"
    with pytest.raises(ConformanceError, match="homogeneity: leaky: declared homogeneous of degree 2"):
        report.raise_if_failed()
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report)
    assert "does not conform" in console.export_text()


def test_worst_errors_are_measured() -> None:
    (values,) = conformance("tanh", only=["values"]).checks
    assert values.worst is not None
    assert 0 < values.worst.fraction < 1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    report = conformance("relu", only=["values", "onnx", "nan"])
    assert [c.outcome for c in report.checks] == ["skipped", "passed", "skipped"]
    assert "mpmath is not installed: pip install 'edgewise[testing]'" in report.checks[0].message
    assert "onnxruntime not installed" in report.checks[2].message


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="no check named speed"):
        conformance("relu", only=["speed"])


def test_every_check_is_a_test_of_the_class() -> None:
    assert {name.removeprefix("test_") for name in dir(ConformanceSuite) if name.startswith("test_")} == CHECKS.keys()


def test_the_class_fails_like_the_function() -> None:
    class Wrong(ConformanceSuite):
        activation = BROKEN["a wrong limit"][1]

    with pytest.raises(ConformanceError, match="declared 1"):
        Wrong().test_limits()  # type: ignore[attr-defined]
    with pytest.raises(pytest.skip.Exception, match="no reference was given"):
        Wrong().test_values()  # type: ignore[attr-defined]


def test_checks_can_be_called_one_by_one() -> None:
    from edgewise.testing import check_homogeneity

    check_homogeneity(ew.activation("relu"))
    with pytest.raises(NotApplicable, match="no homogeneity"):
        check_homogeneity(ew.activation("gelu"))


class TestAFormula(ConformanceSuite):
    activation = "x*sigmoid(2*x)"
    reference = lambda x: x / (1 + mpmath.exp(-2 * x))  # noqa: E731
    skip = ("compile_inductor",)


class TestAFormulaWithAKink(ConformanceSuite):
    activation = "x*relu(x+1)**2"
    reference = staticmethod(lambda x: x * (x + 1) ** 2 if x > -1 else mpmath.mpf(0))
    skip = ("compile_inductor",)


def _swinging(x: Tensor) -> Tensor:
    return torch.where(x < 0.5, torch.sin(x), x * x)


class TestACallable(ConformanceSuite):
    """Discontinuous at 0.5, where edgewise has to find the jump."""

    activation = staticmethod(_swinging)
    reference = staticmethod(lambda x: mpmath.sin(x) if x < 0.5 else x**2)
    skip = ("compile_inductor",)
