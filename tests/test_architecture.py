"""The structure holds: data flows one way, the core is light to import, and every promised name is there."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import edgewise

SOURCE = Path(edgewise.__file__).parent
RANK = {
    "errors": 0,
    "files": 0,
    "activations": 1,
    "nn": 1,
    "testing": 2,
    "theory": 2,
    "measure": 3,
    "tailor": 3,
    "init": 3,
    "data": 3,
    "models": 3,
    "construct": 3,
    "train": 4,
    "pinn": 5,
    "studies": 6,
    "report": 7,
    "doctor": 7,
    "cli": 8,
    "__main__": 9,
}
"""The layers of the design, lowest first: a room may import from its own layer or a lower one."""


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "edgewise" else {node.module}
            )
    return {name for name in found if name.startswith("edgewise.") and name != "edgewise.__version__"}


def _files() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.name != "__init__.py"]


@pytest.mark.parametrize("path", _files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    upward = {name for name in _imports(path) if RANK[_room(name)] > RANK[here]}
    assert not upward, f"{here} may not import {sorted(upward)}"


def test_every_room_has_a_rank() -> None:
    rooms = {p.name.removesuffix(".py") for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(RANK)


def test_theory_loads_no_training_or_report_code() -> None:
    code = "import sys, json, edgewise.theory; print(json.dumps([m for m in sys.modules if m.startswith('edgewise.')]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert {_room(name) for name in loaded} <= {"activations", "errors", "theory"}


def test_importing_edgewise_loads_nothing_heavy() -> None:
    heavy = ("torch", "scipy", "matplotlib", "sklearn", "rich")
    code = f"import sys, edgewise; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "[]"
    )


def test_public_names_exist() -> None:
    assert all(getattr(edgewise, name) is not None for name in edgewise.__all__)
    assert "relu" in edgewise.activations()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = edgewise.nonsense
