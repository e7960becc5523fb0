"""The page: one file, well formed, safe, the same in light and dark, readable by those who cannot see it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import edgewise as ew
from edgewise.report import Report, report
from edgewise.report.drawing import ROLES
from edgewise.report.gallery import Gallery
from edgewise.report.model import PARTS, ReportData
from edgewise.report.page import page
from edgewise.report.pictures import comparison_pictures, pictures

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """Checks that tags nest, and collects attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def html(small: Report) -> str:
    return small.page.read_text(encoding="utf-8")


def test_the_small_report_has_everything_but_the_training(small: Report, html: str) -> None:
    assert small.broken == ()
    assert small.data.complete
    for subject in small.data.subjects:
        assert {name: part.status for name, part in subject.parts.items()} == {
            **dict.fromkeys(PARTS, "done"), "training": "skipped"
        }  # fmt: skip
        assert subject.spec in html
    drawn = sum(len(pictures(subject)) for subject in small.data.subjects) + len(comparison_pictures(small.data))
    assert drawn == 3 * 8 + 2
    assert len(re.findall(r'<svg[^>]*class="figure"', html)) == drawn
    assert "has not been drawn" not in html


def test_tags_nest_and_ids_are_unique(html: str) -> None:
    ids = Counter(value for _, name, value in read(html).attributes if name == "id")
    assert [name for name, count in ids.items() if count > 1] == []


def test_links_inside_the_page_lead_somewhere(html: str) -> None:
    attributes = read(html).attributes
    ids = {value for _, name, value in attributes if name == "id"}
    targets = {value for _, name, value in attributes if name in ("href", "xlink:href") and value.startswith("#")}
    targets |= {f"#{name}" for name in re.findall(r"url\(#([^)]*)\)", html)}
    assert len(targets) > 20
    assert {target for target in targets if target[1:] not in ids} == set()


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    for tag, name, value in read(html).attributes:
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            assert value.startswith(("#", "data:")), f"<{tag} {name}={value[:60]!r}>"
    assert all(target.startswith(("#", "data:")) for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    without_namespaces = re.sub(r'\bxmlns(:\w+)?="[^"]*"', "", html)
    assert re.findall(r"https?://[^\s\"'<]+", without_namespaces) == []
    assert "default-src 'none'" in html


def test_every_picture_is_well_formed_svg_with_a_text_for_it(html: str) -> None:
    elements = re.findall(r"<svg\b.*?</svg>", html, flags=re.DOTALL)
    for text in elements:
        root = ElementTree.fromstring(text)
        assert root.get("role") == "img"
        assert len(root.get("aria-label") or "") > 10
    assert len(elements) > 20


def test_colours_follow_the_theme(html: str) -> None:
    svg = "".join(re.findall(r"<svg\b.*?</svg>", html, flags=re.DOTALL))
    assert [colour for colour in ROLES if colour in svg] == []
    css = html[html.index("<style>") : html.index("</style>")]
    used = set(re.findall(r"var\(--([a-z]+)\)", html)) - {"tone"}
    assert used <= {*ROLES.values(), "rule", "card", "code", "yes", "care", "no", "unknown"}
    for start in (":root {", ':root:not([data-theme="light"])', ':root[data-theme="dark"] {'):
        block = css[css.index(start) :]
        defined = set(re.findall(r"--([a-z]+):", block[: block.index("}")]))
        assert used <= defined, start


HOSTILE = (
    """</style></script><script>alert(1)</script>"><img src=x onerror='alert(1)'>{{ 7*7 }}{% x %}a&lt;b $\\frac{"""
)


def test_hostile_text_stays_text(small: Report) -> None:
    first = small.data.subjects[0]
    subject = replace(first, spec=HOSTILE, given=HOSTILE, formula=HOSTILE, source=HOSTILE, summary=HOSTILE)
    data = replace(small.data, subjects=(subject, small.data.subjects[1]))
    gallery = Gallery()
    gallery.draw(data)
    reader = read(page(data, gallery))
    assert not [a for a in reader.attributes if a[0] == "img" or a[1].startswith("on")]
    assert sum(1 for a in reader.attributes if a[0] == "script") == 0
    assert HOSTILE in "".join(reader.text)


def test_a_name_from_a_callable_cannot_inject(tmp_path_factory: pytest.TempPathFactory) -> None:
    import torch

    a = ew.activation(lambda x: torch.tanh(x), name="<b onclick=alert(1)>tanh</b>")
    made = report(
        a,
        out=tmp_path_factory.mktemp("r"),
        depths=(3,),
        width=8,
        members=2,
        training=False,
        figures=False,
        progress=False,
    )
    reader = read(made.page.read_text(encoding="utf-8"))
    assert not [attribute for attribute in reader.attributes if attribute[1] == "onclick"]


def test_a_single_activation_has_no_comparison(small: Report) -> None:
    one = ReportData(small.data.subjects[:1], small.data.settings, small.data.provenance, small.data.date)
    text = page(one, Gallery())
    assert 'id="comparison"' not in text
    assert 'id="comparison"' in page(small.data, Gallery())
