"""The formula parser: what it reads, what it refuses and how it says so; hostile text gets no further than an error."""

from __future__ import annotations

import string
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.activations.formula.parse import MAX_DEPTH, MAX_LENGTH, Call, parse
from edgewise.activations.formula.written import as_text
from edgewise.errors import FormulaError, SpecError


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" x * relu( x+1 )**2.0 ", "x*relu(x+1)**2"),
        ("-x**2", "-(x**2)"),
        ("x - (1 - x)", "x-(1-x)"),
        ("x/(2*x**2+1)", "x/((2*(x**2))+1)"),
        ("arctan(x) + ln(2 + exp(x))", "atan(x)+log(2+exp(x))"),
        ("max(x, 0, -1)", "max(max(x, 0), -1)"),
        ("2**-x", "2**(-x)"),
        ("pi*x + e", "pi*x+e"),
    ],
)
def test_one_formula_has_one_normalised_text(text: str, same: str) -> None:
    assert as_text(parse(text)) == as_text(parse(same))
    assert parse(as_text(parse(text))) == parse(text)


def test_a_name_with_numbers_is_a_family_and_with_x_a_function() -> None:
    assert parse("gelu") == Call("gelu", (), {})
    assert parse("gelu()") == Call("gelu", (), {})
    assert parse(" mrepu( 2 , shift = 1e-3*2 ) ") == Call("mrepu", (2.0,), {"shift": 0.002})
    assert parse("mrepu(p=sqrt(4), shift=pi/2)").keywords == {"p": 2.0, "shift": pytest.approx(1.5707963267948966)}
    assert not isinstance(parse("gelu(x)"), Call)
    assert not isinstance(parse("gelu(2*x) + 0.1*x"), Call)


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("x*foo(x)", "unknown function foo", "column 3 (x*>>>foo(x)<<<)"),
        ("x*gellu(x)", "did you mean gelu", "column 3"),
        ("2x", "2*x", "column 2"),
        ("2(x)", "called like a function", "column 1"),
        ("x(2)", "x*(...)", "column 1"),
        ("x^2", "write **", "column 2"),
        ("x−1", "write -", "column 2"),
        ("ｘ+1", "not part of the language", "column 1"),
        ("x.__class__", "an attribute", "column 1"),
        ("x.real*2", "an attribute", "column 1"),
        ("np.tanh(x)", "named function", "column 1"),
        ("x[0]", "not part of the language", "column 2"),
        ("(lambda: x)()", "not part of the language", "column 8"),
        ("'x'", "not part of the language", "column 1"),
        ("x if x else x", "a condition", "column 1"),
        ("x and x", "and / or", "column 1"),
        ("not x", "not is not part", "column 1"),
        ("x==x", "a comparison", "column 1"),
        ("x//2", "operator //", "column 1"),
        ("1j*x", "not a real number", "column 1"),
        ("True*x", "not a real number", "column 1"),
        ("None*x", "not a real number", "column 1"),
        ("relu(*x)", "cannot unpack", "column 6"),
        ("x, x", "a list of values", "column 1"),
        ("x*9**9**9", "beyond 100", "column 6"),
        ("x*10**99*10**99", "", ""),
        ("1e400*x", "a number beyond 1e+100", "column 1"),
        ("x + 10.0**80*10**80", "a constant beyond", "column 5"),
        ("x + sqrt(-1)", "without a value", "column 5"),
        ("x + log(0)", "without a value", "column 5"),
        ("x/(1-1)", "division by zero", "column 4"),
        ("x + (-8)**0.5", "without a value", "column 5"),
        ("relu(x, 1)", "one argument", "column 1"),
        ("max(x)", "two or more", "column 1"),
        ("gelu(x, p=2)", "mentions x", "column 6"),
        ("x + gelu(x, p=2)", "named argument", "column 5"),
        ("exp(p=x)", "no named arguments", "column 7"),
        ("mrepu(p=2, p=3)", "given twice", "column 14"),
        ("mrepu(**x)", "unpack", "column 9"),
        ("3.5", "constant 3.5", "column 1"),
        ("exp", "exp(x)", "column 1"),
        ("y*2", "only variable is x", "column 1"),
        ("sign(x)", "tanh(100*x)", "column 1"),
        ("gelu(", "cannot be read", "column 5"),
        ("x x", "cannot be read", "column 3"),
        ("x\x00", "not part of the language", "column 2"),
        ("x#1", "not part of the language", "column 2"),
    ],
)
def test_a_refusal_is_one_line_that_points_at_the_place(text: str, problem: str, place: str) -> None:
    if not problem:
        parse(text)
        return
    with pytest.raises(FormulaError) as refused:
        parse(text)
    message = str(refused.value)
    assert problem in message
    assert place in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t ",
        "(" * 300 + "x" + ")" * 300,
        "-" * (MAX_LENGTH - 1) + "x",
        "x**" * 300 + "x",
        "x" * (MAX_LENGTH + 1),
        "x+" * 10**6 + "x",
        "relu(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1),
        "9" * 999 + "*x",
        "x*(" * 300,
        "\ud800*x",
        "x\u2028+1",
        "__import__(x)",
        "().__class__.__bases__",
        "(x for x in (x))",
        "yield x",
        "await x",
        "0_0.0if x else x",
        "1_x",
        "1__0*x",
        "0777*x",
        "1.e+*x",
        "..x",
        "x = 1",
        "x=",
        "=",
        "gelu(p=)",
        "gelu(=2)",
        "mrepu(p=(p=2))",
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        ew.activation(text)


_WORDS = """x 1 2.5 1e308 1e-320 ( ) + - * / ** , = . relu exp log gelu min( max( sin( tan( abs( x) mrepu(p= if
__class__ lambda else pi e _ 0x1f 1j"""
_TOKENS = st.sampled_from(_WORDS.split())


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet=string.printable, max_size=80),
        st.lists(_TOKENS, max_size=14).map("".join),
    )
)
@example("x" + "\N{COMBINING ACUTE ACCENT}")
@example("ﬁ(x)")
def test_no_text_whatever_escapes_the_typed_errors(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ew.errors.PrecisionWarning)
        refusal, made = "", None
        try:
            made = ew.activation(text)
        except SpecError as error:
            refusal = str(error)
        if made is None:
            assert refusal
            assert "\n" not in refusal
        else:
            assert ew.activation(made.spec) == made


def test_names_with_arguments_are_checked_by_the_family() -> None:
    assert ew.activation("mrepu(2)") == ew.activation(" mrepu ( p = 2.0 ) ")
    for text, said in [
        ("mrepu(p=0.5)", "outside"),
        ("mrepu(q=1)", "no parameter 'q'"),
        ("mrepu(1, 2, 3)", "3 arguments"),
        ("mrepu(2, p=2)", "given twice"),
    ]:
        with pytest.raises(SpecError, match=said.replace("(", r"\(")):
            ew.activation(text)


@pytest.mark.parametrize(
    "text",
    [
        "max(" + ",".join(f"sin({i}*x)" for i in range(90)) + ")",
        "relu(" * 40 + "sin(" * 40 + "x" + ")" * 80,
        "hardshrink(" * 70 + "x" + ")" * 70,
        "max_sigmoid(" * 60 + "x" + ")" * 60,
        "max(" + ",".join(f"x**{i}" for i in range(2, 99)) + ")",
        "+".join(f"abs(sin({i}*x))" for i in range(1, 60)),
    ],
)
def test_text_that_takes_too_much_work_to_understand_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="too much work"):
        ew.activation(text)
