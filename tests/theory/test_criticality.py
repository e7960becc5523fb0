"""Critical points: the reference table, why there is none, invariances, the search itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.errors import AverageError, DivergentAverageError
from edgewise.theory import chi_parallel, chi_perp, criticality, kernel, kernel_flow
from edgewise.theory.criticality import critical_points
from edgewise.theory.scan import Moments

HALF_STABLE = [  # K*, C_b, C_W, the side it attracts from; PDLT section 5.3.4 and quadrature, to the digits given
    ("gelu", 3.561552813, 0.172922390756, 1.983058257438, "above"),
    ("gelu_tanh", 3.556772845, 0.172895198264, 1.982888240, "above"),
    ("silu", 14.32017362, 0.555143170722, 1.988004678269, "below"),
    ("quick_gelu", 4.943438913, 0.191639879923, 1.988004678, "below"),
    ("hardswish", 4.803855949, 0.507145848789, 1.973289584, "below"),
    ("mish", 1.670169132, 0.094521787371, 2.013524070, "below"),
    ("lisht", 3.580043405, 0.275916730385, 0.988076193, "below"),
    ("snake", 0.304688932, 0.017135873206, 0.686666522, "above"),
    ("arctan_squared_minus_x", 0.529338203, 0.018711845512, 0.715529902, "above"),
    ("swish(beta=2)", 3.58004340, 0.13878579, 1.98800468, "below"),
]


def half_unit(shown: float) -> float:
    """Half a unit in the last of the digits a number is given with, 1e-9 at best."""
    return max(0.51 * 10.0 ** -len(repr(shown).partition(".")[2]), 1e-9)


@pytest.mark.parametrize(("spec", "k_star", "c_b", "c_w", "side"), HALF_STABLE)
def test_half_stable_points_of_the_reference_table(spec: str, k_star: float, c_b: float, c_w: float, side: str) -> None:
    point = ew.analyze(spec).critical
    assert point is not None
    assert point.universality_class == "half_stable"
    assert point.kernel == pytest.approx(k_star, abs=half_unit(k_star))
    assert point.c_b == pytest.approx(c_b, abs=1e-9 if half_unit(c_b) <= 1e-9 else half_unit(c_b))
    assert point.c_w == pytest.approx(c_w, abs=half_unit(c_w))
    assert point.stability == f"attracts from {side}"


@pytest.mark.parametrize(
    ("spec", "c_w"),
    [
        ("identity", 1.0),
        ("abs", 1.0),
        ("relu", 2.0),
        ("leaky_relu", 1.99980002),
        ("prelu", 1.88235294),
        ("helu", 2.0),
        ("max(x, 0.2*x)", 2 / 1.04),
        ("abs(x)+x/2", 0.8),
        ("relu(2*x)-relu(-x)", 0.4),
        ("swish(beta=0)", 4.0),
    ],
)
def test_scale_invariant_activations_hold_every_kernel(spec: str, c_w: float) -> None:
    points = critical_points(spec)
    assert [p.universality_class for p in points] == ["scale_invariant"]
    assert points[0].kernel is None
    assert points[0].c_b == 0.0
    assert points[0].c_w == pytest.approx(c_w, abs=half_unit(c_w))


def test_a_callable_that_is_scale_invariant_is_found_to_be() -> None:
    points = critical_points(lambda x: torch.maximum(x, 0.2 * x))
    assert [p.universality_class for p in points] == ["scale_invariant"]
    assert points[0].c_w == pytest.approx(2 / 1.04, rel=1e-9)


@pytest.mark.parametrize(
    ("spec", "c_w", "a1", "b1"),
    [
        ("gelu", 4.0, 6 / math.pi, 8 / math.pi),
        ("silu", 4.0, 0.75, 1.0),
        ("hardswish", 4.0, 1 / 3, 4 / 9),
        ("snake", 1.0, 3.0, 4.0),
        ("arctan_squared_minus_x", 1.0, 3.0, 4.0),
        ("mrepu(p=1)", 1.0, 3.0, 4.0),
        ("mrepu(p=2)", 1.0, 18.0, 22.0),
        ("mrepu(p=3)", 1.0, 45.0, 54.0),
        ("mish", 1 / 0.36, 0.693, None),
        ("telu", 1.724061, 0.047, 0.351),
        ("bent_identity", 1.0, 0.1875, 0.25),
    ],
)
def test_unstable_zero(spec: str, c_w: float, a1: float, b1: float | None) -> None:
    r = ew.analyze(spec)
    point = next(p for p in r.solutions if p.kernel == 0.0)
    assert point.universality_class == "k_star_zero_unstable"
    assert (point.c_b, point.stability) == (0.0, "unstable")
    assert point.c_w == pytest.approx(c_w, rel=1e-6)
    given_digits = 5.1e-4 if a1 in (0.693, 0.047) else 1e-11
    assert r.expansion.a1 == pytest.approx(a1, abs=given_digits)
    if b1 is not None:
        assert r.expansion.b1 == pytest.approx(b1, abs=given_digits)


@pytest.mark.parametrize(
    ("spec", "c_w", "a1"),
    [
        ("tanh", 1.0, -2.0),
        ("arctan", 1.0, -2.0),
        ("sin", 1.0, -1.0),
        ("gcu", 1.0, -3.0),
        ("erf", math.pi / 4, -2.0),
        ("min_sin", 1.0, -0.5),
        ("max_tanh", 1.0, -1.0),
    ],
)
def test_stable_zero(spec: str, c_w: float, a1: float) -> None:
    r = ew.analyze(spec)
    assert [p.universality_class for p in r.solutions] == ["k_star_zero"]
    point = r.solutions[0]
    assert (point.kernel, point.c_b) == (0.0, 0.0)
    assert point.c_w == pytest.approx(c_w, rel=1e-14)
    assert r.expansion.a1 == pytest.approx(a1, abs=1e-11)
    assert point.p_perp == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize(
    ("spec", "c_w", "a_half"),
    [("elu", 1, -0.798), ("celu(alpha=2)", 1, -0.399), ("softsign", 1, -3.19), ("selu", 0.476771, -1.176)],
)
def test_stable_zero_with_the_square_root_law(spec: str, c_w: float, a_half: float) -> None:
    r = ew.analyze(spec)
    point = r.critical
    assert point is not None
    assert point.universality_class == "k_star_zero"
    assert point.c_w == pytest.approx(c_w, abs=5e-7)
    assert r.expansion.a_half == pytest.approx(a_half, abs=5e-3 if a_half < -3 else 5e-4)
    assert point.p_perp == pytest.approx(2.0, abs=1e-10)


@pytest.mark.parametrize(("spec", "c_w"), [("hardtanh", 1.0), ("relu6", 2.0)])
def test_stable_zero_exponentially_flat(spec: str, c_w: float) -> None:
    point = ew.analyze(spec).critical
    assert point is not None
    assert point.universality_class == "k_star_zero"
    assert point.c_w == c_w
    assert "flat" in point.correction


@pytest.mark.parametrize(
    ("spec", "to_zero"),
    [("softplus", 1.69), ("logsigmoid", 1.69), ("squareplus", 2.0), ("smelu", 1.5), ("gsmelu", 1.48)],
)
def test_relu_like_without_a_critical_point_but_at_infinity(spec: str, to_zero: float) -> None:
    r = ew.analyze(spec)
    assert r.critical is None
    assert r.universality_class == "none"
    assert r.asymptotics is not None
    assert r.asymptotics.to_zero.ratio == pytest.approx(to_zero, abs=5e-3)
    assert r.asymptotics.to_infinity.ratio == pytest.approx(1.0, abs=1e-9)
    assert r.asymptotics.to_infinity.c_w == pytest.approx(2.0, rel=2e-4)
    assert "only as K → ∞" in r.reason


@pytest.mark.parametrize(
    ("spec", "ratio"),
    [("repu(p=2)", 1.5), ("repu(p=3)", 5 / 3), ("repu(p=1.5)", 4 / 3), ("monomial(p=2)", 1.5), ("relu2", 1.5)],
)
def test_powers_have_a_constant_ratio_and_explode_double_exponentially(spec: str, ratio: float) -> None:
    r = ew.analyze(spec)
    assert r.critical is None
    assert r.asymptotics is not None
    assert r.asymptotics.to_zero.ratio == r.asymptotics.to_infinity.ratio == pytest.approx(ratio, rel=1e-14)
    assert "double-exponential" in r.reason


def test_the_double_exponential_law_of_repu_is_the_flow() -> None:
    flow = kernel_flow("repu(p=2)", 6, c_w=1.0, k0=0.6)
    threshold = 2 / 3  # K_c = 2/(3 C_W)
    expected = [threshold * (0.6 / threshold) ** (2**layer) for layer in range(6)]
    assert flow.kernel.tolist() == pytest.approx(expected, rel=1e-11)
    assert "K_c = 0.6667/C_W" in ew.analyze("repu(p=2)").reason


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sigmoid", "C_b = -4 < 0"),
        ("hardsigmoid", "C_b = -9 < 0"),
        ("max_sigmoid", "C_b = -4 < 0"),
        ("x_arcsinh_squared", "logarithmically"),
        ("cos", "g(K) falls with K"),
        ("gaussian", "g(K) falls with K"),
        ("sinc", "g(K) falls with K"),
        ("cos_minus_x", "χ∥ < χ⊥ at every K (the ratio never exceeds 0.6667)"),
        ("sinc_plus_x", "χ∥ < χ⊥ at every K"),
        ("hardshrink", "σ jumps"),
        ("tanhshrink", "only as K → ∞"),
        ("x + 1", "C_b < 0"),
        ("relu(x + 1)", "C_b < 0"),
        ("x - x", "constant"),
        ("sqrt(abs(x))", "⟨σ'²⟩ = ∞"),
    ],
)
def test_where_there_is_none_the_reason_says_why(spec: str, words: str) -> None:
    r = ew.analyze(spec)
    assert r.critical is None
    assert r.universality_class == "none"
    assert words in r.reason


def test_a_constant_callable_is_said_to_be_constant() -> None:
    assert "σ is constant" in ew.analyze(lambda x: torch.ones_like(x)).reason


def test_a_gsmelu_through_the_origin_is_unstable_at_zero() -> None:
    """With t chosen so that sigma(0) = 0, C_W = 1/sigma'(0)**2."""
    g_minus, alpha = 0.01, 0.1
    bend = (1 - g_minus) / (4 * alpha)
    shift = bend * alpha**2  # value of the default at 0 is -g_minus alpha + ... ; move it there
    base = float(ew.activation("gsmelu")(torch.zeros(1, dtype=torch.float64)))
    assert base == pytest.approx(shift, rel=1e-9)
    r = ew.analyze(f"gsmelu(alpha=0.1, beta=0.1, g_minus=0.01, g_plus=1, t={-g_minus * alpha - base!r})")
    assert [p.universality_class for p in r.solutions] == ["k_star_zero_unstable"]
    assert r.solutions[0].c_w == pytest.approx(1 / 0.505**2, rel=1e-12)


# --- every solution of every activation is one ------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*ew.activations(), "softshrink(lam=2)", "relu(x-3)", "x-x**5", "sin(x)**3+x"])
def test_solutions_solve_the_criticality_conditions(spec: str) -> None:
    a = ew.activation(spec)
    for p in critical_points(a):
        at = {None: 7.0, 0.0: 1e-9}.get(p.kernel, p.kernel)
        # at K* = 0 the conditions hold up to the leading correction, at most |a_1/2| sqrt(K) ~ 3.2 * 3e-5 here
        off = 1e-9 if p.kernel != 0.0 else 6e-4 if "½" in p.correction else 1e-6
        assert float(chi_parallel(a, at, c_w=p.c_w)) == pytest.approx(1.0, abs=off)
        assert float(chi_perp(a, at, c_w=p.c_w)) == pytest.approx(1.0, abs=off)
        assert p.c_b >= 0.0
        assert float(p.c_b + p.c_w * kernel(a, at)) == pytest.approx(at, rel=off)


def test_the_preferred_solution_comes_first() -> None:
    assert [p.universality_class for p in critical_points("gelu")] == ["half_stable", "k_star_zero_unstable"]
    assert [p.universality_class for p in critical_points("x-x**5")] == ["half_stable", "k_star_zero"]


@pytest.mark.parametrize("lam", [0.5, 2.0])
def test_softshrink_has_a_family_of_critical_points(lam: float) -> None:
    """sigma = 0 at its kinks makes chi_parallel = chi_perp for every K; sigma'**2 is the chance to be beyond lam."""
    point = critical_points(f"softshrink(lam={lam})")[0]
    assert point.kernel is not None
    assert point.c_w == pytest.approx(1 / math.erfc(lam / math.sqrt(2 * point.kernel)), rel=1e-12)
    assert point.c_b > 0
    assert "family" in point.reason


@settings(max_examples=5, derandomize=True)
@given(scale=st.floats(0.2, 5.0), stretch=st.floats(0.2, 5.0))
def test_scaling_an_activation_moves_its_critical_points_predictably(scale: float, stretch: float) -> None:
    """c sigma(s x) has K*/s**2, C_W/(c s)**2, C_b/s**2."""
    plain = critical_points("x*sigmoid(x+0.1)")
    moved = critical_points(f"{scale!r}*x*sigmoid({stretch!r}*x+0.1)*{stretch!r}")
    assert [p.universality_class for p in moved] == [p.universality_class for p in plain]
    for p, q in zip(plain, moved, strict=True):
        assert p.kernel is not None
        assert q.kernel == pytest.approx(p.kernel / stretch**2, rel=1e-7, abs=0)
        assert q.c_w == pytest.approx(p.c_w / (scale * stretch) ** 2, rel=1e-9)
        assert q.c_b == pytest.approx(p.c_b / stretch**2, rel=1e-7, abs=1e-15)


# --- the search itself ------------------------------------------------------------------------------------------------


def fake_moments(excess: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Moments]:
    def at(_: object, k: torch.Tensor) -> Moments:
        one = torch.ones_like(k)
        return Moments(k, k, 1 + excess(k.log()), one, 1e-15 * one)

    return at


@pytest.mark.parametrize(
    ("excess", "roots"),
    [
        (lambda u: 0.02 * (u - 0.0123) ** 2, [0.0123]),  # touches
        (lambda u: -0.02 * (u - 0.0123) ** 2, [0.0123]),
        (lambda u: 0.02 * (u - 0.0123) ** 2 + 1e-7, []),  # comes close
        (lambda u: 0.02 * ((u - 0.01) ** 2 - 1e-6), [0.009, 0.011]),  # two crossings between grid points
        (lambda u: torch.tanh(u - 2) * torch.tanh(u + 3) * torch.tanh(u), [-3.0, 0.0, 2.0]),
    ],
)
def test_all_roots_are_found(
    excess: Callable[[torch.Tensor], torch.Tensor], roots: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = fake_moments(excess)
    monkeypatch.setattr(criticality, "moments", at)
    grid = at(None, torch.logspace(-10, 10, 321, dtype=torch.float64))
    found = criticality._finite_roots(ew.activation("tanh"), grid)
    assert [math.log(k) for k in found] == pytest.approx(roots, abs=1e-5)


@pytest.mark.parametrize(
    ("spec", "shown"), [("exp(x)", "= 2 at every K"), ("exp(x**2)", "Averages were had"), ("x**50", "1.98")]
)
def test_averages_that_stop_short_still_give_an_answer(spec: str, shown: str) -> None:
    r = ew.analyze(spec)
    assert r.critical is None
    assert shown in r.reason


def test_no_finite_average_at_all_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Moments:
        raise DivergentAverageError("nothing is finite")

    monkeypatch.setattr("edgewise.theory.scan.moments", refuse)
    with pytest.raises(DivergentAverageError):
        ew.analyze("tanh")


@pytest.mark.parametrize("size", [1e-100, 1e-14, 1e14])
def test_the_size_of_an_activation_does_not_matter(size: float) -> None:
    points = critical_points(f"{size!r}*tanh(x)")
    assert [p.universality_class for p in points] == ["k_star_zero"]
    assert points[0].c_w == pytest.approx(size**-2, rel=1e-12)
    assert "a₁ = -2" in points[0].correction


def test_an_activation_too_small_for_its_square_is_a_typed_error() -> None:
    with pytest.raises(AverageError, match="below the smallest float64"):
        critical_points("1e-200*relu(x)")
    with pytest.raises(AverageError):
        critical_points("1e-90*tanh(1e-90*x)")


def test_a_step_narrower_than_any_kernel_is_not_taken_for_a_constant() -> None:
    """tanh(s x) has K* = 0, C_W = 1/s**2 and a_1 = -2 s**2, however steep."""
    for steep in (1e5, 1e7, 1e9):
        point = critical_points(f"tanh({steep!r}*x)")[0]
        assert point.universality_class == "k_star_zero"
        assert point.c_w == pytest.approx(steep**-2, rel=1e-9)
