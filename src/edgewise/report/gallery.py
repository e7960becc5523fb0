"""The drawn pictures of a report: inline SVG kept from one version of the page to the next, PNG files beside it."""

from __future__ import annotations

from pathlib import Path

from edgewise.report.drawing import inline_svg, png
from edgewise.report.files import slug, write_bytes
from edgewise.report.model import ReportData
from edgewise.report.pictures import Picture, comparison_pictures, pictures

Key = tuple[int, str]
"""(index of the subject, name of the picture); index -1 holds the comparisons."""


class Gallery:
    """Draws each picture once; again only when its part's data are others."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where PNG twins go, None for none."""
        self._folder = folder
        self._drawn: dict[Key, tuple[object, str]] = {}

    def svg(self, key: Key) -> str | None:
        """The inline SVG of a picture, None when it has not been drawn."""
        return self._drawn[key][1] if key in self._drawn else None

    def draw(self, report: ReportData) -> None:
        """Draws what a report has data for."""
        slugs = file_names(report)
        for index, subject in enumerate(report.subjects):
            for picture in pictures(subject):
                self._add((index, picture.name), picture, slugs[index], subject.data(picture.part))
        for picture in comparison_pictures(report):
            data = tuple(id(subject.data(picture.part)) for subject in report.subjects)
            self._add((-1, picture.name), picture, "", data)

    def _add(self, key: Key, picture: Picture, prefix: str, source: object) -> None:
        if key in self._drawn and (self._drawn[key][0] is source or self._drawn[key][0] == source):
            return
        figure = picture.draw()
        element = f"f{key[0]}-{picture.name}" if key[0] >= 0 else f"c-{picture.name}"
        self._drawn[key] = (source, inline_svg(figure, key=element, label=picture.alt))
        if self._folder is not None:
            name = "-".join(part for part in (prefix, picture.name) if part)
            write_bytes(self._folder / f"{name}.png", png(figure))


def file_names(report: ReportData) -> tuple[str, ...]:
    """A file name for each subject, distinct even where two specs look alike once their signs are gone."""
    names: list[str] = []
    for subject in report.subjects:
        name, n = slug(subject.spec), 2
        while name in names:
            name, n = f"{slug(subject.spec)}-{n}", n + 1
        names.append(name)
    return tuple(names)
