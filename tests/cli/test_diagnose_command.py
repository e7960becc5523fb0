"""`edgewise diagnose` as a user types it: factories, batches of every kind, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from edgewise.cli import main

FACTORIES = """
import torch, edgewise as ew
from torch import nn

def deep():
    return ew.models.MLP(64, 10, depth=20, width=64, activation="relu")

def with_batch():
    return deep(), torch.randn(16, 64)

def tokens():
    return ew.models.GPT(64, depth=2)

class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)
    def forward(self, x, scale):
        return self.fc(x) * scale.mean()

ready = nn.Linear(64, 4)
number = 3
def batch():
    return torch.randn(16, 64)
def loss(output):
    return output.square().mean()
def fails():
    raise ValueError("no weights\\nhere")
def text():
    return "a model"
def needs(width):
    return nn.Linear(width, 1)
"""


@pytest.fixture(autouse=True)
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "factories_of_a_user.py").write_text(FACTORIES, encoding="utf8")
    (tmp_path / "broken_of_a_user.py").write_text("import no_such_package\n", encoding="utf8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def run(factory: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["diagnose", f"factories_of_a_user:{factory}", *arguments])


def told(factory: str, *arguments: str) -> dict[str, object]:
    result = run(factory, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_it_prints_the_verdict_and_the_calls() -> None:
    result = run("with_batch")
    assert result.exit_code == 0
    assert "Gradients vanish" in result.stdout
    assert "ew.init.critical_(model, batch)" in result.stdout
    assert "\x1b" not in result.stdout


def test_json_and_seed() -> None:
    first, again = (told("deep", "--batch", "16x64", "--seed", "3") for _ in range(2))
    assert first["layers"] == again["layers"]
    assert first["level"] == "no"
    assert told("deep", "--batch", "16x64", "--seed", "4")["layers"] != first["layers"]


def test_batches_of_every_kind(tmp_path: Path) -> None:
    x = torch.randn(16, 64)
    np.save(tmp_path / "x.npy", x.double().numpy())  # numpy's own float64 becomes the model's dtype
    np.savez(tmp_path / "x.npz", x=x.numpy())
    torch.save(x, tmp_path / "x.pt")
    found = [told("deep", "--batch", name, "--no-check")["input_kernel"] for name in ("x.npy", "x.npz", "x.pt")]
    assert found == pytest.approx([float(x.square().mean())] * 3, rel=1e-5)
    assert told("deep", "--batch", "factories_of_a_user:batch", "--no-check")["level"] == "no"
    assert told("ready", "--batch", "4x64")["level"] == "unknown"
    assert told("tokens", "--batch", "2x8:64", "--no-check")["model"] == "GPT"


def test_several_arrays_are_keyword_arguments(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", x=np.ones((4, 8)), scale=np.ones(3))
    assert told("Keywords", "--batch", "two.npz")["depth"] == 1


def test_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"x": torch.randn(16, 64)}, tmp_path / "x.safetensors")
    assert told("deep", "--batch", "x.safetensors", "--no-check")["level"] == "no"


def test_pickles_are_not_run(tmp_path: Path) -> None:
    import pickle

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "run",))

    (tmp_path / "x.pt").write_bytes(pickle.dumps(Hostile()))
    np.save(tmp_path / "x.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    for name in ("x.pt", "x.npy"):
        assert run("deep", "--batch", name).exit_code == 2
    assert not (tmp_path / "run").exists()


def test_loss_and_mode() -> None:
    found = told("deep", "--batch", "16x64", "--loss", "factories_of_a_user:loss", "--mode", "eval", "--no-check")
    assert found["mode"] == "eval"
    assert isinstance(found["loss"], float)


def test_a_page(tmp_path: Path) -> None:
    result = run("with_batch", "--html", "out/page.html")
    assert result.exit_code == 0
    text = (tmp_path / "out" / "page.html").read_text(encoding="utf8")
    assert "ew.init.critical_(model, batch)" in text
    assert "page written to" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("factories_of_a_user:deep",), "no batch"),
        (("factories_of_a_user:deep", "--batch", "16x63"), "cannot be run on this batch"),
        (("factories_of_a_user:deep", "--batch", "0x64"), "expected 1 to"),
        (("factories_of_a_user:deep", "--batch", "99999999x99999999"), "expected 1 to"),
        (("factories_of_a_user:deep", "--batch", "nothing.npy"), "no file nothing.npy"),
        (("factories_of_a_user:deep", "--batch", "some words"), "expected a shape"),
        (("factories_of_a_user:dep", "--batch", "16x64"), "did you mean 'deep'?"),
        (("factories_of_a_user:number", "--batch", "16x64"), "is a int"),
        (("factories_of_a_user:fails", "--batch", "16x64"), "ValueError: no weights"),
        (("factories_of_a_user:text", "--batch", "16x64"), "returned str"),
        (("factories_of_a_user:needs", "--batch", "16x64"), "takes no arguments"),
        (("factories_of_a_user", "--batch", "16x64"), "expected package.module:name"),
        (("no_such_module_here:x", "--batch", "16x64"), "ModuleNotFoundError"),
        (("broken_of_a_user:x", "--batch", "16x64"), "no_such_package"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], told: str) -> None:
    result = CliRunner().invoke(main, ["diagnose", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_module_that_is_not_here_is_looked_for_elsewhere() -> None:
    result = CliRunner().invoke(main, ["diagnose", "no_such_module_here:build", "--batch", "4x4"])
    assert result.exit_code == 2
    assert "run this where no_such_module_here.py is" in result.stderr
