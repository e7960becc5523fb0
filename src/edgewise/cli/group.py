"""How every command behaves: plain one-line errors, exit codes, Ctrl-C, formulas that start with a minus."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import click

from edgewise.errors import EdgewiseError, EdgewiseWarning

CONTEXT: dict[str, Any] = {"help_option_names": ["--help"], "max_content_width": 100}
"""No command defines a short option: "-x*tanh(x)" is a formula, and click would read letters of it as options."""

TAKES_SPEC: dict[str, Any] = {**CONTEXT, "ignore_unknown_options": True}

_LONG_OPTION = re.compile(r"--[a-z][a-z-]+(=.*)?", re.DOTALL)


class EdgewiseGroup(click.Group):
    """A click group that prints errors in one line on stderr and never a traceback.

    Exit codes: 2 for what the user can correct, 130 for Ctrl-C, 70 for a bug (EDGEWISE_DEBUG=1 shows where).
    """

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                code = super().main(*args, standalone_mode=False, **extra)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted", 130)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "edgewise"
            _fail(f"{_one_line(error.format_message())} (see `{command} --help`)", 2)
        except click.ClickException as error:
            _fail(_one_line(error.format_message()), 2)
        except EdgewiseError as error:
            _fail(_one_line(str(error)), 2)
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # or the interpreter complains once more at exit
            sys.exit(141)
        except OSError as error:
            _fail(_one_line(str(error)), 2)
        except Exception as error:
            if os.environ.get("EDGEWISE_DEBUG"):
                raise
            told = f"{type(error).__name__}: {error}"
            _fail(f"internal error: {_one_line(told)} (EDGEWISE_DEBUG=1 shows where; please report it)", 70)
        sys.exit(code if isinstance(code, int) else 0)


class SpecType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on only
    """An activation as text; a misspelt option ends up here too, as unknown options may be formulas, and is refused."""

    name = "spec"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and _LONG_OPTION.fullmatch(value):
            raise click.NoSuchOption(value.partition("=")[0], ctx=ctx, possibilities=_close_options(value, ctx))
        return value


SPEC = SpecType()


def _close_options(given: str, ctx: click.Context | None) -> Sequence[str]:
    import difflib

    known = [name for p in ctx.command.params for name in p.opts if name.startswith("--")] if ctx else []
    return difflib.get_close_matches(given.partition("=")[0], known)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fail(message: str, code: int) -> NoReturn:
    print(f"edgewise: {message}", file=sys.stderr)
    sys.exit(code)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    """edgewise's own warnings in one line; a library's are for its developers."""
    if issubclass(category, EdgewiseWarning):
        print(f"edgewise: warning: {_one_line(str(message))}", file=sys.stderr)
