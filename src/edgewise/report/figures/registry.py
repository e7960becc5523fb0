"""The figures of the studies by name: "kernels.law" of study "repu" is FIGURES["law"] in `figures.repu.kernels`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgewise.studies import studies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Drawing:
    """How the data of a claim become a figure.

    title: in a few words. draw: from `Claim.data` alone, so that pages are drawn again from the JSON. caption: what to
    see, in sentences, with the scale of the first layer where kernels are shown. wide: takes the whole width of the
    page.
    """

    title: str
    draw: Callable[[Data], Figure]
    caption: Callable[[Data], str]
    wide: bool = False


def drawing(study: str, name: str) -> Drawing | None:
    """The drawing of that name; None for one that this version of edgewise does not have."""
    module, _, figure = name.partition(".")
    if study not in studies():
        return None
    package = f"edgewise.report.figures.{study}"
    if module not in import_module(package).MODULES:
        return None
    found: Mapping[str, Drawing] = import_module(f"{package}.{module}").FIGURES
    return found.get(figure)
