"""The page of a diagnosis: one file, well formed, safe, verdict and calls on top, pictures of what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from test_page import HOSTILE, read
from torch import nn

import edgewise as ew
from edgewise.measure.diagnosis import Diagnosis
from edgewise.report import diagnosis_page
from edgewise.report.diagnosis_page import html
from edgewise.report.drawing import ROLES


@pytest.fixture(scope="module")
def sick() -> Diagnosis:
    torch.manual_seed(0)
    return ew.diagnose(ew.models.MLP(64, 10, depth=30, width=64, activation="relu"), torch.randn(32, 64))


@pytest.fixture(scope="module")
def page(sick: Diagnosis) -> str:
    return html(sick)


def test_it_is_well_formed_and_loads_nothing(page: str) -> None:
    reader = read(page)
    for _, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action", "data"):
            assert value.startswith(("#", "data:"))
    assert re.findall(r"https?://[^\s\"'<]+", re.sub(r'\bxmlns(:\w+)?="[^"]*"', "", page)) == []
    assert "default-src 'none'" in page
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_verdict_and_calls_come_before_the_pictures(sick: Diagnosis, page: str) -> None:
    text = "".join(read(page).text)
    order = [text.index(part) for part in (sick.headline, "ew.init.critical_(model, batch)", "Every layer in numbers")]
    assert order == sorted(order)
    assert "Tried on a copy of this model" in text
    for row in sick.layers:
        assert row.name in text


def test_four_pictures_in_the_colours_of_the_theme(page: str) -> None:
    pictures = re.findall(r"<svg\b.*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) == 4
    for text in pictures:
        assert len(ElementTree.fromstring(text).get("aria-label") or "") > 10
        assert [colour for colour in ROLES if colour in text] == []


def test_every_kind_of_diagnosis_has_a_page() -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 64)
    overflowing = ew.models.MLP(64, 10, depth=12, width=64, activation="relu2")
    for module in overflowing.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    for model in (
        overflowing,
        nn.Linear(64, 4),
        nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 1)),
    ):
        read(html(ew.diagnose(model, x, check=False)))


def test_hostile_names_stay_text(sick: Diagnosis) -> None:
    rows = tuple(replace(row, name=HOSTILE, detail=HOSTILE) for row in sick.layers)
    made = replace(sick, model=HOSTILE, headline=HOSTILE, notes=(HOSTILE,), activations=(HOSTILE,), layers=rows)
    reader = read(html(made))
    assert not [a for a in reader.attributes if a[0] == "img" or a[1].startswith("on")]
    assert HOSTILE in "".join(reader.text)


def test_written_whole(sick: Diagnosis, tmp_path: Path) -> None:
    path = diagnosis_page(sick, out=tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf8") == html(sick)
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
