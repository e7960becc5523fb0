"""The command-line half of docs/tutorial.md: the file it shows, diagnosed, prints what the page shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgewise.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf8")


def test_the_command_prints_the_verdict_and_the_calls_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def batch" in block)
    (command,) = re.findall(r"^    \$ edgewise (.+)$", PAGE, re.MULTILINE)
    (tmp_path / "net.py").write_text(source, encoding="utf8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "net", raising=False)
    result = CliRunner().invoke(main, command.split(), env={"COLUMNS": "110"})
    assert result.exit_code == 0, result.output
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    words = [line.strip("│ ") for line in shown.splitlines()]
    told = [line for line in words if line.startswith(("Gradients vanish, and", "ew.", "layer  "))]
    assert len(told) == 4  # the verdict, two calls, the head of the table; figures differ between machines
    printed = [line.strip("│ ") for line in result.output.splitlines()]
    assert [line for line in told if line not in printed] == []
    assert (tmp_path / "diagnosis.html").stat().st_size > 10_000


def test_the_mend_of_the_page_is_the_advice_of_the_command() -> None:
    calls = re.findall(r"^│ +(ew\..*?) +│$", PAGE, re.MULTILINE)
    (script,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "import net" in block)
    assert len(calls) == 2
    assert script.endswith("\n".join(calls) + "\n")
