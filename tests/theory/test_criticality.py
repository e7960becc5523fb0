"""Critical points: the reference table, high-precision solutions, invariances, the laws to 10 000 layers."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.errors import DivergentAverageError
from edgewise.theory import chi_parallel, chi_perp, criticality, kernel, kernel_flow
from edgewise.theory.criticality import critical_points
from edgewise.theory.scan import Moments

HALF_STABLE = [  # papers.md section 11: K*, C_b, C_W, the side it attracts from, and the digits given
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


# --- against mpmath ---------------------------------------------------------------------------------------------------


def gelu(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = mp.ncdf(x)
    return x * gate, gate + x * mp.npdf(x)


def silu(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = 1 / (1 + mp.exp(-x))
    return x * gate, gate + x * gate * (1 - gate)


def mish(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    e = mp.exp(x)
    gate = mp.tanh(mp.log1p(e))
    return x * gate, gate + x * (1 - gate**2) * e / (1 + e)


def snake(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    return x + mp.sin(x) ** 2, 1 + mp.sin(2 * x)


def x_erf(x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    gate = mp.erf(x)
    return x * gate, gate + 2 * x * mp.exp(-(x**2)) / mp.sqrt(mp.pi)


@pytest.mark.parametrize(
    ("spec", "sigma"),
    [("gelu", gelu), ("silu", silu), ("x*tanh(log(1+exp(x)))", mish), ("snake", snake), ("x*erf(x)", x_erf)],
)
def test_half_stable_points_match_mpmath(spec: str, sigma: Callable[[mp.mpf], tuple[mp.mpf, mp.mpf]]) -> None:
    """The root is sought beside the one to be checked, in the reference's own equations, to 30 digits."""
    point = next(p for p in critical_points(spec) if p.kernel)
    assert point.kernel is not None
    with mp.workdps(30):

        def mean(f: Callable[[mp.mpf], mp.mpf], k: mp.mpf) -> mp.mpf:
            root, panels = mp.sqrt(k), [-12, -6, -3, 0, 3, 6, 12]
            return mp.quad(lambda u: f(root * u) * mp.npdf(u), panels, method="gauss-legendre")

        def gap(k: mp.mpf) -> mp.mpf:  # chi_parallel - chi_perp, over C_W
            def integrand(z: mp.mpf) -> mp.mpf:
                s, slope = sigma(z)
                return (z * s / k - slope) * slope

            return mean(integrand, k)

        start = mp.mpf(point.kernel)
        k_star = mp.findroot(gap, (start * (1 + mp.mpf(10) ** -4), start * (1 - mp.mpf(10) ** -4)), tol=1e-30)
        c_w = 1 / mean(lambda z: sigma(z)[1] ** 2, k_star)
        c_b = k_star - c_w * mean(lambda z: sigma(z)[0] ** 2, k_star)
    assert point.kernel == pytest.approx(float(k_star), rel=1e-9)
    assert point.c_w == pytest.approx(float(c_w), abs=1e-10)
    assert point.c_b == pytest.approx(float(c_b), abs=1e-9)


def test_gelu_has_its_critical_kernel_in_closed_form() -> None:
    assert ew.analyze("gelu").critical.kernel == pytest.approx((3 + math.sqrt(17)) / 2, abs=1e-9)  # type: ignore[union-attr]


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


@settings(max_examples=5, deadline=None, derandomize=True)
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
    ("spec", "shown"), [("exp(x)", "= 2 at every K"), ("exp(x**2)", "Averages exist"), ("x**50", "1.98")]
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


# --- laws -------------------------------------------------------------------------------------------------------------

DEPTH = 10_000


@pytest.mark.parametrize(
    ("spec", "k0"),
    [
        ("tanh", 0.5),
        ("sin", 1.0),
        ("gcu", 0.1),
        ("erf", 0.3),
        ("elu", 0.5),
        ("softsign", 0.1),
        ("selu", 0.2),
        ("x-x**5", 0.1),
    ],
)
def test_the_power_laws_hold_to_ten_thousand_layers(spec: str, k0: float) -> None:
    """The next order in K changes K and 1 - chi by a relative O(log l/l), for s = 2 by O(l**(-1/2))."""
    a = ew.activation(spec)
    point = next(p for p in critical_points(a) if p.kernel == 0.0)
    s = point.law.exponent
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, c_b=0.0, k0=k0)
    layer = torch.tensor([DEPTH - 1])
    assert point.p_perp is not None
    off = 8 * math.log(DEPTH) / DEPTH if s <= 1 else 8 / math.sqrt(DEPTH)
    assert float(flow.kernel[-1]) == pytest.approx(float(point.law.kernel(layer, k0)), rel=off)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(1 + 1 / s, rel=off)
    assert float((1 - flow.chi_perp[-1]) * DEPTH) == pytest.approx(point.p_perp, rel=off)


@pytest.mark.parametrize(("spec", "k0"), [("hardtanh", 0.2), ("relu6", 4.0), ("min(max(x,-1),2)", 0.3)])
def test_the_flat_law_holds_to_ten_thousand_layers(spec: str, k0: float) -> None:
    """The Gaussian tail beyond the kink is its leading term up to 1 - 3/(2u), u = c**2/2K, which moves u by 3/(2u)."""
    a = ew.activation(spec)
    point = critical_points(a)[0]
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, k0=k0)
    u = 0.5 * point.law.distance**2 / float(flow.kernel[-1])
    by_law = 0.5 * point.law.distance**2 / float(point.law.kernel(torch.tensor([DEPTH - 1]), k0))
    assert u == pytest.approx(by_law, abs=2 * 1.5 / u)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(1.0, abs=2.5 / u)


@pytest.mark.parametrize(
    ("spec", "start"), [("mish", -0.2), ("snake", 0.2), ("serf", -0.1), ("arctan_squared_minus_x", 0.3)]
)
def test_the_half_stable_law_holds_to_ten_thousand_layers(spec: str, start: float) -> None:
    a = ew.activation(spec)
    point = critical_points(a)[0]
    assert point.kernel is not None
    assert point.p_perp is not None
    k0 = point.kernel * (1 + start)
    flow = kernel_flow(a, DEPTH, c_w=point.c_w, c_b=point.c_b, k0=k0)
    delta = float(flow.kernel[-1]) - point.kernel
    by_law = float(point.law.kernel(torch.tensor([DEPTH - 1]), k0)) - point.kernel
    # delta' = (c/2) delta**2 (1 + O(delta/K*)) with delta ~ 2/(|c| l): a relative O(log l/(|c| K* l))
    off = 4 * math.log(DEPTH) / (abs(point.law.coefficient) * point.kernel * DEPTH)
    assert off < 0.2
    assert delta == pytest.approx(by_law, rel=off)
    assert float((1 - flow.chi_parallel[-1]) * DEPTH) == pytest.approx(2.0, rel=off + 0.05)
    assert float((1 - flow.chi_perp[-1]) * DEPTH) == pytest.approx(point.p_perp, rel=off + 0.05)


@pytest.mark.parametrize(
    ("spec", "below", "above"), [("gelu", False, True), ("mish", True, False), ("silu", True, False)]
)
def test_half_stable_points_attract_from_one_side_only(spec: str, below: bool, above: bool) -> None:
    point = critical_points(spec)[0]
    assert point.kernel is not None
    assert point.basin is not None
    start = torch.tensor([0.995, 1.005], dtype=torch.float64) * point.kernel
    flow = kernel_flow(spec, 2000, c_w=point.c_w, c_b=point.c_b, k0=start)
    closer = (flow.kernel[-1] - point.kernel).abs() < (start - point.kernel).abs()
    assert closer.tolist() == [below, above]
    assert [point.basin[0] <= float(k) <= point.basin[1] for k in start] == [below, above]


@pytest.mark.parametrize(("spec", "low", "high"), [("gelu", 0.8, 0.9), ("silu", 1.01, 1.02), ("hardswish", 2, 3)])
def test_where_the_repelling_side_leads(spec: str, low: float, high: float) -> None:
    """Another fixed point of the same map, within these multiples of K*: K moves towards it from both sides."""
    point = critical_points(spec)[0]
    assert point.kernel is not None
    assert point.escapes_to is not None
    assert low < point.escapes_to / point.kernel < high
    beside = torch.tensor([0.999, 1.001], dtype=torch.float64) * point.escapes_to
    motion = point.c_b + point.c_w * kernel(spec, beside) - beside
    assert (motion > 0).tolist() == [True, False]


def test_mish_grows_without_bound_above_its_point() -> None:
    point = critical_points("mish")[0]
    assert point.escapes_to == math.inf
    assert "grows without bound" in point.reason


@pytest.mark.parametrize(("spec", "slope"), [("gelu", -2.87e-4), ("silu", 5.7e-6), ("mish", 1.6e-2)])
def test_the_strength_of_a_half_stable_point(spec: str, slope: float) -> None:
    assert critical_points(spec)[0].parallel_slope == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(
    ("spec", "a1"), [("mrepu(p=1)", 3), ("mrepu(p=2)", 18), ("mrepu(p=3)", 45), ("gelu", 6 / math.pi)]
)
def test_an_unstable_zero_runs_away_near_its_horizon(spec: str, a1: float) -> None:
    a = ew.activation(spec)
    point = next(p for p in critical_points(a) if p.kernel == 0.0)
    k0 = 1 / (2000 * a1)
    assert point.law.horizon(k0) == pytest.approx(2000, rel=1e-10)
    flow = kernel_flow(a, 2500, c_w=point.c_w, k0=k0)
    # until K has grown tenfold the next order, a relative O(a_1 K), is below one part in a hundred
    tenfold = int((flow.kernel > 10 * k0).nonzero()[0])
    assert tenfold == pytest.approx(0.9 * 2000, rel=0.05)
    assert float(flow.kernel[-1]) > 1000 * k0


def test_telu_grows_away_from_zero_but_turns_back() -> None:
    """a_1 > 0, yet g(K) = A_2 K again at a K found here with mpmath."""
    point = critical_points("telu")[0]
    with mp.workdps(20):

        def growth(k: mp.mpf) -> mp.mpf:
            z = lambda u: mp.sqrt(k) * u * mp.tanh(mp.exp(mp.sqrt(k) * u))  # noqa: E731
            return mp.quad(lambda u: z(u) ** 2 * mp.npdf(u), [-10, -3, 0, 3, 10]) / (mp.tanh(1) ** 2 * k) - 1

        expected = float(mp.findroot(growth, (0.02, 0.03), tol=1e-12))
    assert point.stability == "unstable"
    assert point.turning_kernel == pytest.approx(expected, rel=1e-6)
    flow = kernel_flow("telu", 200_000, c_w=point.c_w, k0=0.005)
    assert float(flow.kernel[-1]) == pytest.approx(expected, rel=0.05)
    assert "only until" in point.reason
