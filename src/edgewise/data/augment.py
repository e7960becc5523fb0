"""Random flips, crops and cutouts of a whole batch of byte images at once, and their normalisation.

No image is touched by itself: a batch is two gathers by index arithmetic, on bytes, and one conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from edgewise.errors import DomainError


@dataclass(frozen=True)
class Normalisation:
    """x = (byte / 255 - mean) / std, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def affine(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(scale, shift), each [channel, 1, 1]: x = scale * byte + shift, computed in float64, rounded to `dtype`."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        std = torch.tensor(self.std, dtype=torch.float64)
        scale, shift = 1.0 / (255.0 * std), -mean / std
        return tuple(t.to(device=device, dtype=dtype).view(-1, 1, 1) for t in (scale, shift))  # type: ignore[return-value]


@dataclass(frozen=True)
class Drawn:
    """What was drawn for each image of a batch.

    top, left: int64 [image], where the crop begins in the padded image, 0 to 2 * crop. flipped: bool [image].
    centre_row, centre_column: int64 [image], the pixel in the middle of what is cut out.
    """

    top: Tensor
    left: Tensor
    flipped: Tensor
    centre_row: Tensor
    centre_column: Tensor


@dataclass(frozen=True)
class Augment:
    """Which random changes an image goes through, in this order.

    crop: pad by so many pixels on every side by reflection (the border pixel is not repeated) and take a window of the
    old size at a random place. flip: mirror left and right with probability 1/2, or "alternate": some in the first
    pass, the others in the second, and so on in turn, see `alternating`. cutout: set a square of this side, around a
    random pixel and clipped at the border, to 0, the mean (DeVries and Taylor, arXiv:1708.04552). For an even side the
    square begins side/2 before its pixel.

    Raises DomainError for negative sizes and another word for `flip`.
    """

    flip: bool | Literal["alternate"] = True
    crop: int = 4
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.flip not in (True, False, "alternate"):
            raise DomainError(f"flip={self.flip!r} given, expected True, False or 'alternate'; try flip='alternate'")
        if self.crop < 0 or self.cutout < 0:
            raise DomainError(f"crop={self.crop}, cutout={self.cutout} given, expected numbers of pixels >= 0")

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Drawn:
        """Random numbers for `count` images of (channels, height, width), from a CPU generator.

        All five are always drawn, so that switching one change off leaves the others as they were. Of alternating flips
        a batch alone cannot know: `flipped` is false, and `Images.batches` puts the right ones there.
        """
        _, height, width = shape

        def below(bound: int) -> Tensor:
            return torch.randint(bound, (count,), generator=generator)

        return Drawn(
            top=below(2 * self.crop + 1),
            left=below(2 * self.crop + 1),
            flipped=below(2).bool() & (self.flip is True),
            centre_row=below(height),
            centre_column=below(width),
        )

    def apply(
        self,
        images: Tensor,
        rows: Tensor,
        drawn: Drawn,
        normalisation: Normalisation,
        *,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> Tensor:
        """The images at `rows`, changed as drawn and normalised, [image, channel, height, width] in `dtype`.

        images: uint8 [stored, channel, height, width]; rows: int64 [image], on the same device.

        Raises DomainError when the crop is not smaller than the image: a reflection cannot reach further.
        """
        height, width = images.shape[2:]
        if self.crop >= min(height, width):
            raise DomainError(
                f"crop={self.crop} given for images of {height}x{width}, expected less than {min(height, width)}"
            )
        device = images.device
        row = _reflected(drawn.top[:, None] - self.crop + torch.arange(height), height).to(device)
        along = torch.arange(width)
        mirrored = torch.where(drawn.flipped[:, None], width - 1 - along, along)
        column = _reflected(drawn.left[:, None] - self.crop + mirrored, width).to(device)
        chosen = _gather(images, rows, row, column)
        inputs = plain(chosen, normalisation, dtype=dtype, channels_last=channels_last)
        if self.cutout:
            # beyond the border the index stops at the border pixel, which is cut out anyway
            square = torch.arange(self.cutout) - self.cutout // 2
            down = (drawn.centre_row[:, None] + square).clamp(0, height - 1)
            across = (drawn.centre_column[:, None] + square).clamp(0, width - 1)
            pixel = (down[:, :, None] * width + across[:, None, :]).flatten(1).to(device)
            inputs.flatten(2).scatter_(2, pixel[:, None].expand(-1, inputs.shape[1], -1), 0.0)
        return inputs


def alternating(count: int, seed: int, number: int) -> Tensor:
    """Which of `count` images are mirrored in pass `number`, from 0, where flips alternate; bool [image], on the CPU.

    In the first pass it is drawn for each image with probability 1/2; in every following pass it is the other ones, so
    that two passes in a row show every image both ways. Source: K. Jordan, arXiv:2404.00498.
    """
    first = torch.randint(2, (count,), generator=torch.Generator().manual_seed(seed)).bool()
    return first if number % 2 == 0 else ~first


def plain(
    images: Tensor, normalisation: Normalisation, *, dtype: torch.dtype = torch.float32, channels_last: bool = False
) -> Tensor:
    """uint8 images [image, channel, height, width] normalised, in `dtype`; computed in at least float32.

    x = byte * scale + shift, rounded after each of the two, so that every route gives the same numbers.
    """
    working = torch.float64 if dtype == torch.float64 else torch.float32
    scale, shift = normalisation.affine(images.device, working)
    count, channels, height, width = images.shape
    if not channels_last:
        return images.to(working).contiguous().mul_(scale).add_(shift).to(dtype)
    # bytes are interleaved before they grow, and a whole row of pixels is one vector: 1.6 times as fast as converting
    # the finished batch
    pixels = torch.stack(images.unbind(1), dim=-1).view(count, height, width * channels).to(working)
    pixels.mul_(scale.flatten().repeat(width)).add_(shift.flatten().repeat(width))
    return pixels.to(dtype).view(count, height, width, channels).permute(0, 3, 1, 2)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Positions outside 0...size-1 mirrored at the border pixels, which are not repeated."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def _gather(images: Tensor, rows: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """images[rows[i], c, row[i, y], column[i, x]] as [i, c, y, x]; row: [i, y]; column: [i, x].

    Whole rows of pixels are copied first and bytes picked within them second: a quarter faster than picking all bytes
    at once, whose index is 32 times as large.
    """
    channels, height, width = images.shape[1:]
    plane = rows[:, None] * channels + torch.arange(channels, device=images.device)
    line = (plane[:, :, None] * height + row[:, None, :]).flatten()
    lines = images.reshape(-1, width).index_select(0, line).view(-1, channels, height, width)
    return lines.gather(3, column[:, None, None, :].expand(-1, channels, height, -1))
