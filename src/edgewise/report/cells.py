"""What a table of the page is: heads and rows of cells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    text: str
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    text: str
    classes: str = ""
    href: str = ""


@dataclass(frozen=True)
class Table:
    """label: what it holds, in a few words; note: a sentence under it; open: shown without a click."""

    label: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    open: bool = False
