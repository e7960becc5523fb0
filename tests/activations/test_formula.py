"""Formulas evaluated: values and derivatives against mpmath, conventions at kinks, overflow, kinks, facts, pieces."""

from __future__ import annotations

import cmath
import math
import pickle

import mpmath
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.activations.formula.evaluate import program
from edgewise.activations.formula.parse import parse
from edgewise.activations.formula.simplify import simplified
from edgewise.activations.formula.tree import Node, X, apply, number
from edgewise.activations.formula.written import as_text
from edgewise.errors import FormulaError, PrecisionWarning

EPS = torch.finfo(torch.float64).eps

_MPMATH = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": lambda a, b: mpmath.power(a, b),
    "max": lambda a, b: max(a, b),
    "min": lambda a, b: min(a, b),
    "relu": lambda a: max(a, mpmath.mpf(0)),
    "abs": abs,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
}


def _exact(node: Node, x: mpmath.mpf) -> mpmath.mpf:
    """The tree as written, by mpmath; nothing shared with the product."""
    if node.op == "x":
        return x
    if node.op == "number":
        return mpmath.mpf(node.value)
    function = _MPMATH.get(node.op) or getattr(mpmath, node.op)
    return function(*(_exact(a, x) for a in node.args))


def _trees() -> st.SearchStrategy[Node]:
    """Formulas that are finite on the whole line, of moderate size near 0."""
    leaves = st.one_of(st.just(X), st.floats(-3, 3, allow_subnormal=False).map(lambda v: number(round(v, 2))))

    def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        anywhere = st.sampled_from(
            ["relu", "abs", "sin", "cos", "atan", "tanh", "asinh", "erf", "erfc", "sigmoid", "softplus"]
        )
        return st.one_of(
            st.builds(apply, st.sampled_from(["add", "sub", "mul", "max", "min"]), inner, inner),
            st.builds(apply, anywhere, inner),
            inner.map(lambda u: apply("neg", u)),
            inner.map(lambda u: apply("pow", u, number(2))),
            inner.map(lambda u: apply("exp", apply("neg", apply("abs", u)))),
            inner.map(lambda u: apply("log", apply("add", number(1.5), apply("pow", u, number(2))))),
            inner.map(lambda u: apply("sqrt", apply("add", number(0.5), apply("abs", u)))),
            inner.map(lambda u: apply("div", u, apply("add", number(1), apply("exp", apply("neg", u))))),
            inner.map(lambda u: apply("expm1", apply("sin", u))),
        )

    return st.recursive(leaves, grown, max_leaves=8)


@settings(max_examples=150)
@given(_trees(), st.floats(-4, 4))
def test_a_random_formula_has_the_value_that_mpmath_gives_it(tree: Node, at: float) -> None:
    tree = parse(as_text(apply("add", tree, apply("mul", number(0), X))))
    x = torch.tensor([at], dtype=torch.float64)
    # beyond, the roundings of one intermediate are amplified by the next in ways the bound below does not follow
    size = max(abs(float(jet[0])) for jet in program(simplified(tree)).run(x, 0))
    assume(size < 1e4)
    found = float(program(simplified(tree))(x))
    with mpmath.workdps(60):
        exact = float(_exact(tree, mpmath.mpf(at)))
    assert found == pytest.approx(exact, rel=1e-11, abs=1e-13 * (1 + size) ** 2)


SMOOTH = [
    "x*tanh(log(1+exp(x)))",
    "x*(1+erf(x/sqrt(2)))/2",
    "sin(x)*exp(-x**2/3)+x**3",
    "sqrt(1+x**2)*atan(2*x)",
    "asinh(x)**2/(1+x**2)",
    "log(2+cos(3*x))",
    "(1+x**2)**-0.7",
    "sigmoid(sinh(x)/4)-cosh(x/3)",
    "asin(tanh(x)*0.9)+acos(0.5*sin(x))+atanh(0.3*sin(x))",
    "acosh(2+x**2)",
    "erfc(x)*log1p(x**2)",
    "tan(tanh(x))",
    "2**sin(x)",
    "(2+sin(x))**cos(x)",
    "softplus(3*x-1)",
    "expm1(-x**2)",
]


@pytest.mark.parametrize("text", SMOOTH)
def test_derivatives_to_order_five_are_those_of_mpmath(text: str) -> None:
    tree = parse(text)
    a = ew.activation(text)
    places = [-2.7, -0.9, -1e-3, 0.0, 0.35, 1.1, 3.3]
    x = torch.tensor(places, dtype=torch.float64)
    for order in range(6):
        found = a.derivative(x, order)
        for at, value in zip(places, found.tolist(), strict=True):
            with mpmath.workdps(60):
                exact = (
                    mpmath.diff(lambda t: _exact(tree, t), at, order, h=mpmath.mpf(10) ** -9)
                    if order
                    else _exact(tree, mpmath.mpf(at))
                )
                scale = sum(
                    abs(mpmath.diff(lambda t: _exact(tree, t), at, k, h=mpmath.mpf(10) ** -9))
                    for k in range(1, order + 2)
                )
            # mpmath's difference itself is off by about h = 1e-9 of the next derivative times order
            assert abs(value - float(exact)) <= (2e-8 if order else 1e-14) * float(abs(exact) + scale)


def test_conventions_at_kinks_are_those_of_pytorch() -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    for text, function in [
        ("relu(x)", torch.relu),
        ("abs(x)", torch.abs),
        ("max(x, 0)", lambda t: torch.maximum(t, torch.zeros_like(t))),
        ("min(x, 2*x)", lambda t: torch.minimum(t, 2 * t)),
        ("x*relu(x)", lambda t: t * torch.relu(t)),
    ]:
        at = zero.clone().requires_grad_()
        (expected,) = torch.autograd.grad(function(at).sum(), at)
        assert torch.equal(ew.activation(text).derivative(zero), expected), text


def test_awkward_points_have_no_nan() -> None:
    x = torch.tensor([-1e200, -1e3, -750.0, -1.0, 0.0, 1.0, 750.0, 1e3, 1e200], dtype=torch.float64)
    expected = {
        "cos(0*x)*x": ("identity", x),
        "sqrt(x**2)": ("abs(x)", x),
        "x/(1+exp(-x))": ("silu", x),
        "log(1+exp(x))": ("softplus", x),
        "x*tanh(exp(x))": ("telu", x),
        "exp(x)/(1+exp(x))": ("sigmoid", x),
        "1-2/(1+exp(2*x))": ("tanh", x),
        "relu(x+1)**2*x": ("mrepu", x[1:-1]),
    }
    for text, (same, at) in expected.items():
        for order in range(3):
            found, wanted = ew.activation(text).derivative(at, order), ew.activation(same).derivative(at, order)
            assert torch.allclose(found, wanted, rtol=1e-13, atol=1e-15), (text, order, found, wanted)


def test_overflow_is_infinite_and_never_nan() -> None:
    x = torch.tensor([-1e200, -1e3, 1e3, 1e200], dtype=torch.float64)
    for order in range(4):
        assert ew.activation("exp(x)").derivative(x, order).tolist() == [0.0, 0.0, math.inf, math.inf]
        assert bool((ew.activation("x*exp(-x**2)").derivative(x, order) == 0).all())
    infinite = torch.tensor([-math.inf, math.inf, math.nan], dtype=torch.float64)
    value = ew.activation("x*sigmoid(x)")(infinite)
    assert value[:2].tolist() == [0.0, math.inf]
    assert bool(torch.isnan(value[2]))
    assert bool(torch.isnan(ew.activation("relu(x)").derivative(infinite)[2]))


@pytest.mark.parametrize(
    ("text", "kinks", "smoothness"),
    [
        ("relu(3*x+1)", (-1 / 3,), 0),
        ("relu(x)**3", (0.0,), 2),
        ("relu(x)**2.5", (0.0,), 2),
        ("abs(x)**1.5", (0.0,), 1),
        ("abs(x)**2", (), math.inf),
        ("relu(x)-relu(-x)", (), math.inf),
        ("x*abs(x)", (0.0,), 1),
        ("relu(x**2-2)", (-math.sqrt(2), math.sqrt(2)), 0),
        ("relu((x-1)**2)", (), math.inf),
        ("sqrt((x-1)**2)", (1.0,), 0),
        ("sqrt(x**4+x**2)", (0.0,), 0),
        ("min(x, sin(x))", (0.0,), 2),
        ("relu(x-5000)", (5000.0,), 0),
        ("min(max(x, -0.3), 1.7)", (-0.3, 1.7), 0),
        ("max(x, tanh(x))", (0.0,), 2),
        ("relu(exp(x)-2)", (math.log(2),), 0),
        ("abs(tanh(x)-0.5)", (math.atanh(0.5),), 0),
        ("relu(x-1e-8)-relu(x)", (0.0, 1e-8), 0),
        ("hardswish(2*x)", (-1.5, 1.5), 0),
        ("tanh(50*x)", (), math.inf),
    ],
)
def test_kinks_are_found_from_the_tree(text: str, kinks: tuple[float, ...], smoothness: float) -> None:
    a = ew.activation(text)
    assert len(a.kinks) == len(kinks)
    for found, exact in zip(a.kinks, kinks, strict=True):
        assert abs(found - exact) <= 2 * math.ulp(exact)
    assert a.smoothness == smoothness


def test_a_cubic_has_its_roots_to_the_last_bits() -> None:
    found = ew.activation("relu(x**3-2*x+0.3)").kinks
    with mpmath.workdps(30):
        roots = sorted(float(r) for r in mpmath.polyroots([1, 0, -2, mpmath.mpf(0.3)]))
    assert found == pytest.approx(roots, abs=4e-16)


def test_kinks_without_end_are_kept_to_a_thousand_and_warned_of() -> None:
    with pytest.warns(PrecisionWarning, match="kinks without end"):
        a = ew.activation("relu(sin(x))")
    inside = [k * math.pi for k in range(-318, 319)]
    assert a.kinks == pytest.approx(inside, rel=1e-15, abs=1e-15)
    assert a.pieces is None
    with pytest.warns(PrecisionWarning):
        fast = ew.activation("abs(sin(20*x))")
    assert 990 <= len(fast.kinks) <= 1000
    assert min(abs(k) for k in fast.kinks if k) == pytest.approx(math.pi / 20, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1/x", "x = 0"),
        ("log(x)", "x = 0"),
        ("sqrt(x)", "x = -"),
        ("1/(x-3)", "x = 3"),
        ("x/(x**2-2)", "x = 1.41421|x = -1.41421"),
        ("tan(x)", "x = 1.5708|x = -1.5708"),
        ("asin(x)", "x = -1|x = 1"),
        ("sin(x)/x", "sinc"),
        ("x**0.5", "x = -"),
        ("x**x", "x = "),
        ("exp(x)/exp(2*x)", "overflows there"),
    ],
)
def test_a_formula_without_a_value_somewhere_is_refused_with_the_place(text: str, at: str) -> None:
    with pytest.raises(FormulaError, match=at):
        ew.activation(text)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("exp(x)", (0.0, math.inf)),
        ("atan(x)", (-math.pi / 2, math.pi / 2)),
        ("x*cos(x)", (math.nan, math.nan)),
        ("sqrt(x**2+1)-x", (math.inf, 0.0)),
        ("log(1+x**2)", (math.inf, math.inf)),
        ("sin(x)/(1+x**2)", (0.0, 0.0)),
        ("3*x/(2+abs(x))", (-3.0, 3.0)),
        ("min(x, sin(x))", (-math.inf, math.nan)),
        ("-x**3", (math.inf, -math.inf)),
    ],
)
def test_limits_are_read_off(text: str, limits: tuple[float, float]) -> None:
    assert ew.activation(text).limits == pytest.approx(limits, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "parity", "homogeneity"),
    [
        ("x*abs(x)", "odd", 2.0),
        ("abs(x)**1.5", "even", 1.5),
        ("relu(x)-0.3*relu(-x)", None, 1.0),
        ("x**3-x", "odd", None),
        ("cos(x)", "even", None),
        ("relu(x-40)", None, None),
        ("x+1e-3*x**2", None, None),
    ],
)
def test_symmetries_are_seen(text: str, parity: str | None, homogeneity: float | None) -> None:
    a = ew.activation(text)
    assert a.parity == parity
    assert a.homogeneity == (pytest.approx(homogeneity, rel=1e-12) if homogeneity else None)


@pytest.mark.parametrize(
    "text",
    [
        "x*relu(x+1)**2",
        "sin(3*x)+x",
        "x*cos(x)",
        "x+sin(x)**2",
        "min(max(x,-1),1)",
        "(x-1)**3/4",
        "cos(2*x-0.7)*sin(x/3+1)*x**2",
        "relu(x**2-2)*sin(x)",
        "abs(abs(x)-1)",
        "gcu(2*x+1)",
        "hardswish(1-x)",
        "sqrt((2*x-1)**2)",
        "x*sin(pi*x)**3",
    ],
)
def test_pieces_are_the_formula(text: str) -> None:
    a = ew.activation(text)
    assert a.pieces is not None
    assert a.pieces[0].low == -math.inf
    assert a.pieces[-1].high == math.inf
    for piece, following in zip(a.pieces, a.pieces[1:], strict=False):
        assert piece.high == following.low
    for piece in a.pieces:
        low, high = max(piece.low, -9.0), min(piece.high, 9.0)
        for t in (0.05, 0.4, 0.9):
            x = low + t * (high - low)
            total = sum(term.amplitude * x**term.power * cmath.exp(1j * term.frequency * x) for term in piece.terms)
            size = sum(abs(term.amplitude) * abs(x) ** term.power for term in piece.terms)
            assert abs(total - float(a(torch.tensor(x, dtype=torch.float64)))) <= 64 * EPS * (size + 1)


@pytest.mark.parametrize(
    "text", ["exp(x)", "x*sigmoid(x)", "abs(x)**1.5", "sin(x**2)", "relu(x-1000)**12", "1/(1+x**2)"]
)
def test_what_is_not_piecewise_trigonometric_has_no_pieces(text: str) -> None:
    assert ew.activation(text).pieces is None


def test_torch_transforms_and_precisions() -> None:
    a = ew.activation("x*tanh(log(1+exp(x)))+0.1*min(x,sin(x))+0.2*gelu(x)")
    x = torch.linspace(-3, 3, 14, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(a, x)
    assert torch.autograd.gradgradcheck(a, x)
    second = torch.func.vmap(torch.func.hessian(a))(x.detach())
    assert torch.allclose(second, a.derivative(x.detach(), 2), rtol=1e-13)
    compiled = torch.compile(a, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x.detach()), a(x.detach()), rtol=1e-14)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        low = a.derivative(x.detach().to(dtype), 1)
        assert low.dtype == dtype
        assert torch.allclose(
            low.double(),
            a.derivative(x.detach().to(dtype).double(), 1),
            rtol=4 * torch.finfo(dtype).eps,
            atol=1e-2 * torch.finfo(dtype).eps ** 0.5,
        )
    assert a(torch.empty(0, 3)).shape == (0, 3)
    assert a.derivative(x.detach().reshape(2, 7).T, 2).shape == (7, 2)


def test_formulas_are_equal_and_pickled_by_their_text() -> None:
    a = ew.activation("x * relu(x + 1)**2")
    assert a == ew.activation("x*relu(x+1)**2.0")
    assert hash(a) == hash(ew.activation("x*relu(x+1)**2.0"))
    assert a != ew.activation("mrepu(p=2)")
    assert a.spec == "x*relu(x+1)**2"
    assert pickle.loads(pickle.dumps(a)) == a
    named = ew.activation("x*relu(x+1)**2", name="mine", kinks=(-1.0, 2.0))
    assert (named.name, named.spec, named.kinks) == ("mine", "x*relu(x+1)**2", (-1.0, 2.0))
    assert pickle.loads(pickle.dumps(named)) == named
    assert named != a


def test_latex_is_drawn_by_matplotlib() -> None:
    from matplotlib import mathtext

    parser = mathtext.MathTextParser("path")
    for text in [*SMOOTH, "-x**2", "max(x, min(2e-7*x, 3))", "abs(x)**1.5*pi", "gelu_tanh(x)/(1+x**2)", "2*3*x*2**-x"]:
        latex = ew.activation(text).formula if text not in ("-x**2",) else "-x^{2}"
        parser.parse(f"${latex}$")
    assert ew.activation("x*relu(x+1)**2").formula == r"x\,\max\left(x + 1,\, 0\right)^{2}"
    assert ew.activation("-x**2/(1+x**2)").formula == r"\frac{-x^{2}}{1 + x^{2}}"


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [("max(x, 0.1*x)", 0.1, 1.0), ("min(x, 0.1*x)", 1.0, 0.1), ("max(x, 2*x, 3)", 0.0, 2.0), ("max(x, 1*x)", 1.0, 1.0)],
)
def test_a_tie_at_infinity_has_the_slope_of_the_side_that_leads_there(text: str, left: float, right: float) -> None:
    ends = torch.tensor([-math.inf, math.inf], dtype=torch.float64)
    assert ew.activation(text).derivative(ends).tolist() == [left, right]
