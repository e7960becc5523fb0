"""What the commands print: a console that is plain in a pipe, JSON, and files written in one step."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 120
"""Columns where there is no terminal to ask: enough for every table not to wrap."""


def console(*, stderr: bool = False) -> Console:
    """A rich console; no colours, codes or wrapping at 80 columns in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_json(value: Any) -> None:
    """`value` as JSON on stdout; ASCII escapes where the terminal's encoding has no Greek letters."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    print(json.dumps(value, indent=2, ensure_ascii=not encoding.startswith("utf"), allow_nan=False))


def write(path: Path, text: str) -> None:
    """`text` to `path`, whole or not at all."""
    from edgewise.report.files import write_text

    write_text(path, text)
