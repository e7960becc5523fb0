"""The real sets, where they are at hand: what is known about them holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgewise import data


@pytest.mark.parametrize(
    ("name", "first", "zeros", "mean", "std"),
    [
        ("mnist", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], 5923, 0.1307, 0.3081),
        ("fashion_mnist", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], 6000, 0.2860, 0.3530),
    ],
)
def test_grey_sets(
    data_folder: Path, tmp_path: Path, name: str, first: list[int], zeros: int, mean: float, std: float
) -> None:
    found = data.load(name, folder=data_folder, cache=tmp_path, verify=True)
    assert isinstance(found, data.ImageSet)
    assert (len(found.train), len(found.test), found.shape) == (60_000, 10_000, (1, 28, 28))
    assert found.train.labels[:10].tolist() == first
    assert int((found.train.labels == 0).sum()) == zeros
    # the constants everybody uses are these, rounded to four digits
    assert found.mean[0] == pytest.approx(mean, abs=5e-5)
    assert found.std[0] == pytest.approx(std, abs=5e-5)
    assert found.verified
    assert found.remarks == ()


def test_cifar10(data_folder: Path, tmp_path: Path) -> None:
    found = data.cifar10(folder=data_folder, cache=tmp_path, verify=True)
    assert (len(found.train), len(found.test), found.shape) == (50_000, 10_000, (3, 32, 32))
    assert torch.bincount(found.train.labels).tolist() == [5000] * 10
    assert torch.bincount(found.test.labels).tolist() == [1000] * 10
    assert [found.class_names[i] for i in found.train.labels[:3]] == ["frog", "truck", "truck"]
    assert found.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-5)
    assert found.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-5)
    assert found.verified
