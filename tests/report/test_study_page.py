"""The page of a study: all there, safe, and drawn again from the JSON alone."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from edgewise.measure.provenance import Provenance
from edgewise.report.study_markdown import study_markdown
from edgewise.report.study_page import LEVEL, study_html, write_study
from edgewise.studies.claim import Check, Claim
from edgewise.studies.evidence import Interval
from edgewise.studies.registry import studies
from edgewise.studies.result import MARK, Missing, StudyResult

DOCS = Path(__file__).parents[2] / "docs"
ORIGIN = Provenance(0, "0.1", "2.13", "3.12", "abc", "cpu", "float32", 1, 2.0)


def claim(key: str, low: float, high: float, figures: tuple[str, ...] = ()) -> Claim:
    check = Check(f"{key}: C_W is 1", Interval((low + high) / 2, low, high, 0.99, 12, "mean"), (0.0, 1.0))
    row = {"p": 2, "expected": 1.5, "ratio": {"estimate": 1.5, "low": 1.4, "high": 1.6}}
    curve = {"p": 2, "kernel": [1e-3, 1.0], "chi_parallel": [1.0, 2.0], "chi_perp": [1.0, 1.5]}
    data = {"rows": [row], "mrepu": [curve], "width": 8, "networks": 4}
    return Claim(key, f"Title of {key}", "<b>says</b>", "Figure 1", (check,), "seen in 12 runs", 12, {"width": 8}, {},
                 figures, data, ("A remark.",), provenance=ORIGIN)  # fmt: skip


@pytest.fixture
def result() -> StudyResult:
    claims = (
        claim("good", 0.2, 0.8, ("susceptibility.repu",)), claim("bad", 2.0, 3.0, ("nothing.known",)),
        claim("open", 0.5, 1.5),
    )  # fmt: skip
    missing = (Missing("gone", "A part", "internal error (a slip)", True), Missing("later", "Another", "not asked for"))
    return StudyResult(
        "repu", "The title", "A paper", "What it is", "smoke", claims, missing, "2026-02-03T04:05:06", ORIGIN
    )


def test_every_claim_is_there_with_a_verdict_that_needs_no_colour(result: StudyResult) -> None:
    page = study_html(result)
    for made in result.claims:
        section = page[page.index(f'id="{made.key}"') :]
        assert MARK[made.verdict] in section
        assert f'class="verdict {LEVEL[made.verdict]}"' in section
        assert f'href="#{made.key}"' in page
    assert "A part failed: internal error (a slip)." in page
    assert "Not in this run: Another." in page
    assert "Seen in 12 runs." in page


def test_text_is_escaped_and_nothing_is_loaded(result: StudyResult) -> None:
    page = study_html(result)
    assert "<b>says</b>" not in page
    assert "&lt;b&gt;says" in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "default-src 'none'" in page
    assert "<var>C</var><sub>W</sub> is 1" in page


def test_figures_are_inline_with_theme_colours_and_unknown_ones_are_named(result: StudyResult) -> None:
    page = study_html(result)
    assert page.count('class="figure"') == 1
    assert "var(--blue)" in page
    assert "nothing.known" in page


def test_the_page_is_the_same_when_drawn_from_the_json(result: StudyResult, tmp_path: Path) -> None:
    first = write_study(result, tmp_path / "a")
    plain = json.loads((tmp_path / "a" / "repu.json").read_text(encoding="utf-8"))
    again = write_study(StudyResult.from_dict(plain), tmp_path / "b")
    assert first.read_text(encoding="utf-8") == again.read_text(encoding="utf-8")
    assert (tmp_path / "b" / "figures" / "repu" / "susceptibility.repu.png").stat().st_size > 1000


def test_data_of_another_version_leave_the_page_standing(result: StudyResult) -> None:
    broken = replace(result.claims[0], data={"rows": []})
    page = study_html(replace(result, claims=(broken,)))
    assert "cannot be drawn by this version" in page


def test_the_markdown_names_every_claim_and_escapes_its_bars(result: StudyResult) -> None:
    made = replace(result.claims[0], title="log|log K|")
    text = study_markdown(replace(result, claims=(made, *result.claims[1:])))
    assert "[log\\|log K\\|](#loglog-k)" in text
    assert "results/repu/figures/susceptibility.repu.png" in text
    assert text.count("\n## ") == 1 + len(result.claims)


@pytest.fixture
def generate() -> ModuleType:
    """docs/generate_study.py."""
    spec = importlib.util.spec_from_file_location("generate_study", DOCS / "generate_study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_run_of_one_part_leaves_the_other_claims_as_committed(result: StudyResult, generate: ModuleType) -> None:
    again, added = claim("bad", 0.1, 0.2), claim("new", 0.1, 0.2)
    made = replace(
        result, claims=(again, added), date="2027-01-01T00:00:00",
        missing=(Missing("first", "Done before", "not asked for"), Missing("later", "Another", "not asked for")),
    )  # fmt: skip
    found = generate.combined(result, made)
    assert found.claims == (result.claims[0], again, result.claims[2], added)
    assert [part.key for part in found.missing] == ["later"]  # "gone" was made up for, "first" was there
    assert found.date == made.date


@pytest.mark.parametrize("study", studies())
def test_the_page_in_the_docs_is_in_step_with_the_committed_result(study: str, generate: ModuleType) -> None:
    page, made = generate.page(study), generate.result(study)
    assert page.exists() == made.exists()
    if made.exists():
        assert page.read_text(encoding="utf-8") == generate.written(study), f"run python docs/generate_study.py {study}"
        for name in re.findall(r"\]\((results/[^)]+\.png)\)", page.read_text(encoding="utf-8")):
            assert (DOCS / name).exists(), name
