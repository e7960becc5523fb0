"""An InitReport finds its parameters, is plain JSON and prints everything a reader needs."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from edgewise.init.report import InitReport, LayerCheck, ParameterRecord

REPORT = InitReport(
    scheme="critical",
    reason="a sentence about it all",
    parameters=(
        ParameterRecord(
            "fc.weight", "fc", (4, 3), "initialised", "the input", 3.0, 1.5, 0.25, 0.7071, 1.0, "K wanted is 1"
        ),
        ParameterRecord("fc.bias", "fc", (4,), "initialised", "the input", 3.0, 1.5, 0.25, 0.5, 1.0, "K wanted is 1"),
        ParameterRecord("table.weight", "table", (9, 4), "left", reason="embedding", shared_with=("head.weight",)),
    ),
    notes=("one thing to know",),
    source="torch.fx",
    seed=3,
    output_kernel=math.inf,
    checks=(LayerCheck("fc", "Linear(3 -> 4)", 1.0, 1.25),),
)


def test_a_parameter_is_found_by_any_of_its_names() -> None:
    assert REPORT["head.weight"] is REPORT["table.weight"]
    assert [r.parameter for r in REPORT.initialised] == ["fc.weight", "fc.bias"]
    assert [r.parameter for r in REPORT.left] == ["table.weight"]
    with pytest.raises(KeyError):
        REPORT["fc"]


def test_to_dict_is_json_without_infinities() -> None:
    plain = json.loads(json.dumps(REPORT.to_dict(), allow_nan=False))
    assert plain["output_kernel"] is None
    assert plain["parameters"][0]["shape"] == [4, 3]
    assert plain["checks"][0]["measured"] == 1.25


def test_the_panel_shows_layers_reasons_and_measurements() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(REPORT)
    shown = console.export_text()
    for text in ("a sentence about it all", "the input", "0.7071", "table.weight: embedding", "one thing", "1.25"):
        assert text in shown
    assert LayerCheck("x", "", None, 1.0).ratio is None
