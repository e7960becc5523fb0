"""`edgewise list`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from edgewise.activations.registry import names
from edgewise.cli import main


def test_json_has_every_registered_name_with_its_facts() -> None:
    rows = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)
    assert [row["name"] for row in rows] == names()
    tanh = next(row for row in rows if row["name"] == "tanh")
    assert (tanh["parity"], tanh["smoothness"], tanh["kinks"]) == ("odd", "infinity", [])
    relu = next(row for row in rows if row["name"] == "relu")
    assert (relu["parity"], relu["smoothness"], relu["kinks"]) == (None, 0, [0.0])


def test_the_table_has_a_row_for_each_and_no_escape_codes_in_a_pipe() -> None:
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in names())
    assert "\x1b" not in result.stdout
