"""A batch is changed exactly as a slow loop over its pixels changes it, and the draws are what they should be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from edgewise.data import Augment
from edgewise.data.augment import Drawn, Normalisation, plain
from edgewise.errors import DomainError

NORMALISATION = Normalisation((0.49, 0.48, 0.44), (0.25, 0.24, 0.26))


def slow(image: Tensor, drawn: Drawn, i: int, augment: Augment, dtype: torch.dtype) -> Tensor:
    """One image, pixel by pixel: pad by reflection, crop, mirror, normalise, cut out."""
    channels, height, width = image.shape
    p = augment.crop
    rows = list(range(p, 0, -1)) + list(range(height)) + list(range(height - 2, height - 2 - p, -1))
    columns = list(range(p, 0, -1)) + list(range(width)) + list(range(width - 2, width - 2 - p, -1))
    working = torch.float64 if dtype == torch.float64 else torch.float32
    mean, std = (torch.tensor(t, dtype=torch.float64) for t in (NORMALISATION.mean, NORMALISATION.std))
    scale, shift = (1 / (255 * std)).to(working), (-mean / std).to(working)
    out = torch.empty(channels, height, width, dtype=dtype)
    for y in range(height):
        for x in range(width):
            source_x = width - 1 - x if drawn.flipped[i] else x
            pixel = image[:, rows[int(drawn.top[i]) + y], columns[int(drawn.left[i]) + source_x]]
            out[:, y, x] = (pixel.to(working) * scale + shift).to(dtype)
            begin_y = int(drawn.centre_row[i]) - augment.cutout // 2
            begin_x = int(drawn.centre_column[i]) - augment.cutout // 2
            if begin_y <= y < begin_y + augment.cutout and begin_x <= x < begin_x + augment.cutout:
                out[:, y, x] = 0
    return out


@pytest.mark.parametrize(
    ("augment", "dtype", "channels_last"),
    [
        (Augment(), torch.float32, False),
        (Augment(crop=3, cutout=4), torch.float32, True),
        (Augment(flip=False, crop=5, cutout=3), torch.bfloat16, False),
        (Augment(crop=0, cutout=20), torch.bfloat16, True),
        (Augment(crop=1), torch.float64, True),
        (Augment(flip=True, crop=0), torch.float16, False),
    ],
)
def test_a_batch_equals_the_loop_over_pixels(augment: Augment, dtype: torch.dtype, channels_last: bool) -> None:
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(
        256, (11, 3, 6, 9), generator=draw, dtype=torch.uint8
    )  # not square: shows a mix-up of rows and columns
    rows = torch.tensor([10, 3, 3, 0, 7])
    drawn = augment.draw(len(rows), (3, 6, 9), draw)
    batch = augment.apply(images, rows, drawn, NORMALISATION, dtype=dtype, channels_last=channels_last)
    assert batch.dtype == dtype
    assert batch.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    for i, row in enumerate(rows.tolist()):
        assert torch.equal(batch[i], slow(images[row], drawn, i, augment, dtype))


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 8, 8)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_without_augmentation_bytes_are_only_normalised(shape: tuple[int, int, int], channels_last: bool) -> None:
    norm = Normalisation(NORMALISATION.mean[: shape[0]], NORMALISATION.std[: shape[0]])
    images = torch.randint(256, (4, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    before = images.clone()
    mean, std = (torch.tensor(t, dtype=torch.float64).view(-1, 1, 1) for t in (norm.mean, norm.std))
    exact = (images.double() / 255 - mean) / std
    values = plain(images, norm, channels_last=channels_last)
    # scale and shift rounded to float32, then two roundings, of numbers up to 255 scale < 5
    torch.testing.assert_close(values.double(), exact, rtol=0, atol=4 * 5 * 2.0**-24)
    assert torch.equal(images, before)


def test_every_offset_and_both_directions_are_drawn_about_as_often() -> None:
    count, augment = 20_000, Augment(crop=2, cutout=4)
    drawn = augment.draw(count, (3, 6, 8), torch.Generator().manual_seed(0))
    for values, sides in (
        (drawn.top, 5), (drawn.left, 5), (drawn.flipped.long(), 2), (drawn.centre_row, 6), (drawn.centre_column, 8),
    ):  # fmt: skip
        seen = torch.bincount(values, minlength=sides)
        p = 1 / sides
        assert len(seen) == sides
        assert ((seen - count * p).abs() <= 5 * (count * p * (1 - p)) ** 0.5).all()  # five standard deviations


def test_a_change_that_is_switched_off_leaves_the_others_as_they_were() -> None:
    draws = [
        Augment(flip=flip, crop=4, cutout=cut).draw(50, (3, 32, 32), torch.Generator().manual_seed(3))
        for flip, cut in ((True, 8), (False, 0))
    ]
    assert torch.equal(draws[0].top, draws[1].top)
    assert torch.equal(draws[0].left, draws[1].left)
    assert draws[0].flipped.any()
    assert not draws[1].flipped.any()


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(DomainError, match="pixels >= 0"):
        Augment(crop=-1)
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    augment = Augment(crop=4)
    drawn = augment.draw(1, (3, 4, 4), torch.Generator())
    with pytest.raises(DomainError, match="less than 4"):
        augment.apply(images, torch.tensor([0]), drawn, NORMALISATION)
