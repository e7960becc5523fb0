"""`edgewise compare` with a set that is nowhere on this machine: it is downloaded, checked and learnt from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from published_files import Server

from edgewise.cli import main
from edgewise.data import catalogue
from edgewise.data.catalogue import Entry, RemoteFile

QUICK = ("--seeds", "1", "--epochs", "1", "--learning-rate", "0.01", "--quiet", "--json")


def test_the_real_mnist_from_a_server(
    data_folder: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published files, checked against the checksums that edgewise ships; the first mirror is down."""
    files = []
    for remote in catalogue.MNIST.files:
        server.files[f"/mnist/{remote.name}"] = (data_folder / "mnist" / remote.name).read_bytes()
        urls = (f"{server.address}/gone/{remote.name}", f"{server.address}/mnist/{remote.name}")
        files.append(RemoteFile(remote.name, remote.checksum, urls))
    monkeypatch.setitem(catalogue.ENTRIES, "mnist", replace(catalogue.MNIST, files=tuple(files)))
    command = ["compare", "relu", "gelu", "--data", "mnist", "--model", "mlp(depth=2,width=32)", "--train-size", "1000",
               "--test-size", "500", "--out", str(tmp_path / "out"), *QUICK]  # fmt: skip
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["data"]["verified"] is True
    # a guess is right for one in ten; 500 guesses spread by 0.013
    assert all(s["accuracy"]["estimate"] > 0.1 + 4 * 0.013 for s in told["standings"])
    asked = len(server.requests)
    assert asked == 2 * len(files)
    assert CliRunner().invoke(main, command).exit_code == 0
    assert len(server.requests) == asked  # it is at hand now


def test_an_archive_of_batches_from_a_server(
    tiny_colour: Entry, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.ENTRIES, "cifar10", replace(tiny_colour, name="cifar10"))
    result = CliRunner().invoke(
        main, ["compare", "relu", "gelu", "--data", "cifar10", "--model", "cnn(depth=2,width=4)", "--train-size", "8",
               "--out", str(tmp_path / "out"), *QUICK],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert [path for path, _ in server.requests] == ["/tiny.tar.gz"]
    assert json.loads(result.stdout)["data"]["train"] == 8
