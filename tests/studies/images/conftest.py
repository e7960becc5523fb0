"""A set of images that a small network learns in seconds."""

from __future__ import annotations

import pytest
import torch

from edgewise.data import Images, ImageSet
from edgewise.data.images import channel_statistics


def _quadrants(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of 8x8 pixels; one of the four quadrants, the label, is brighter."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 4
    images = torch.randint(0, 120, (count, 1, 8, 8), generator=generator)
    for quadrant in range(4):
        row, column = 4 * (quadrant // 2), 4 * (quadrant % 2)
        images[labels == quadrant, :, row : row + 4, column : column + 4] += 100
    return images.to(torch.uint8), labels


@pytest.fixture(scope="session")
def quadrants() -> ImageSet:
    train, test = _quadrants(160, 0), _quadrants(80, 1)
    mean, std = channel_statistics(train[0])
    return ImageSet(
        "quadrants", "Quadrants", Images(*train, mean, std), Images(*test, mean, std), ("a", "b", "c", "d"),
        "made up", verified=True,
    )  # fmt: skip
