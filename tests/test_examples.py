"""Every example in the README, the docs and the docstrings runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import edgewise

ROOT = Path(__file__).parents[1]
PAGES = [
    p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if ">>>" in p.read_text(encoding="utf8")
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_of_a_page(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf8")
    assert result.attempted > 0
    assert result.failed == 0


def test_examples_in_docstrings() -> None:
    failed = []
    for module in pkgutil.walk_packages(edgewise.__path__, "edgewise."):
        if module.name.endswith("__main__"):
            continue
        result = doctest.testmod(importlib.import_module(module.name), optionflags=FLAGS)
        failed += [module.name] * bool(result.failed)
    assert not failed
