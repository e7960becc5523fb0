"""`ew.analyze` as a whole: what it returns, how it renders, and the table in the docs."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

import edgewise as ew

ROOT = Path(__file__).parents[2]
SPECS = [*ew.activations(), "x*relu(x+1)**2", "exp(x)", "x-x", "x+x*sqrt(abs(x))"]


@pytest.mark.parametrize("spec", SPECS)
def test_every_analysis_has_a_reason_and_survives_json(spec: str) -> None:
    r = ew.analyze(spec)
    assert len(r.reason) > 40
    assert r.reason.endswith(".")
    plain = json.loads(json.dumps(r.to_dict(), allow_nan=False))
    assert plain["universality_class"] == r.universality_class
    assert (plain["critical"] is None) == (r.critical is None) == (r.universality_class == "none")
    assert len(plain["solutions"]) == len(r.solutions)
    if r.critical is not None:
        assert plain["critical"]["c_w"] == r.critical.c_w
        assert plain["critical"]["law"]["text"] == str(r.critical.law)


@pytest.mark.parametrize("spec", ["gelu", "relu", "repu(p=2)", "hardshrink", "sin"])
def test_it_renders_in_a_terminal_and_in_html(spec: str) -> None:
    from rich.console import Console

    r = ew.analyze(spec)
    out = io.StringIO()
    Console(file=out, width=100).print(r)
    text = out.getvalue()
    page = r._repr_html_()
    for shown in (r.activation.spec, "Lipschitz", "curvature"):
        assert shown in text
        assert shown in page
    if r.critical is not None:
        assert f"{r.critical.c_w:.10g}" in text
        assert f"{r.critical.c_w:.10g}" in page
    assert page.count("<td>") == page.count("</td>") > 5


def test_html_is_escaped() -> None:
    page = ew.analyze(ew.activation("tanh(x)", name="<b>tanh</b>"))._repr_html_()
    assert "<b>" not in page


def test_it_takes_anything_that_is_an_activation() -> None:
    by_name = ew.analyze("gelu").critical
    by_module = ew.analyze(torch.nn.GELU()).critical
    by_formula = ew.analyze("x*(1+erf(x/sqrt(2)))/2").critical
    assert by_name is not None
    for other in (by_module, by_formula):
        assert other is not None
        assert other.c_b == pytest.approx(by_name.c_b, abs=1e-9)
        assert other.c_w == pytest.approx(by_name.c_w, abs=1e-9)


def test_helu_says_that_its_backward_pass_differs() -> None:
    assert "Φ(α/√K)" in ew.analyze("helu").reason
    assert "Φ" not in ew.analyze("relu").reason


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_classes", ROOT / "docs" / "generate_classes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_class_table_in_the_docs_is_up_to_date() -> None:
    """Same words in the same places, same numbers to the digits shown (the last of them may round differently)."""
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    written = (ROOT / "docs" / "classes.md").read_text(encoding="utf8")
    fresh = generator().page()
    assert number.sub("#", fresh) == number.sub("#", written), "run python docs/generate_classes.py"
    for now, then in zip(number.findall(fresh), number.findall(written), strict=True):
        last = 10.0 ** -len(then.partition("e")[0].partition(".")[2]) * 10.0 ** int(then.partition("e")[2] or 0)
        assert float(now) == pytest.approx(float(then), rel=1e-8, abs=1.01 * last)
