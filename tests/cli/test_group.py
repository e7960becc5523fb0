"""The manners every command shares: quick help, one-line errors, exit codes, formulas that start with a minus."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from edgewise.cli import main
from edgewise.cli.group import SPEC, TAKES_SPEC, EdgewiseGroup
from edgewise.errors import SpecError

HEAVY = ("torch", "numpy", "scipy", "matplotlib", "sklearn", "rich", "jinja2")


@pytest.mark.parametrize("arguments", [["--help"], *[[name, "--help"] for name in main.commands]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from edgewise.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: assert not end.code\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []
    assert "Usage: " in done.stdout


@pytest.mark.parametrize("name", list(main.commands))
def test_every_command_has_an_example_and_json(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"]).stdout
    assert "Example" in shown
    assert "--json" in shown
    assert all(len(option) > 2 for p in main.commands[name].params for option in p.opts), (
        "a short option would eat formulas"
    )


@click.group(cls=EdgewiseGroup)
def toy() -> None:
    """Commands that end in every way a command can."""


@toy.command(context_settings=TAKES_SPEC)
@click.argument("spec", type=SPEC)
@click.option("--json", "as_json", is_flag=True)
def echo(spec: str, as_json: bool) -> None:
    print(repr(spec), as_json)


@toy.command()
@click.argument("how")
def end(how: str) -> int:
    raises = {
        "user": SpecError("no activation named\n'x'"),
        "bug": ZeroDivisionError("a slip"),
        "interrupt": KeyboardInterrupt(),
        "file": FileNotFoundError(2, "No such file or directory", "there"),
    }
    if how in raises:
        raise raises[how]
    return int(how)


@pytest.mark.parametrize("spec", ["-x*tanh(x)", "-x", "-2*x", "--x", "-json(x)", "--sin(x)", "-x*exp(-x)"])
def test_a_formula_may_start_with_a_minus(spec: str) -> None:
    for arguments in (["echo", spec, "--json"], ["echo", "--json", "--", spec]):
        assert CliRunner().invoke(toy, arguments).stdout == f"{spec!r} True\n"


def test_a_misspelt_option_is_not_taken_for_a_formula() -> None:
    result = CliRunner().invoke(toy, ["echo", "relu", "--jsno"])
    assert result.exit_code == 2
    assert "--jsno" in result.stderr


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [
        ("user", 2, "edgewise: no activation named 'x'\n"),
        ("bug", 70, "edgewise: internal error: ZeroDivisionError: a slip"),
        ("interrupt", 130, "edgewise: interrupted\n"),
        ("file", 2, "edgewise: [Errno 2] No such file or directory: 'there'\n"),
        ("1", 1, ""),
        ("0", 0, ""),
    ],
)
def test_ends_with_one_line_and_the_right_code(how: str, code: int, told: str) -> None:
    result = CliRunner().invoke(toy, ["end", how])
    assert result.exit_code == code
    shown = result.stderr.lstrip("\n")  # click ends the line that shows ^C
    assert shown.startswith(told)
    assert shown.count("\n") == (1 if told else 0)
    assert "Traceback" not in result.stderr


def test_an_unknown_command_points_at_the_help() -> None:
    result = CliRunner().invoke(main, ["raport"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "edgewise --help" in result.stderr
