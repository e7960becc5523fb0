"""Other ways to the same batch: one image after another, groups of equal shifts, one gather over all bytes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.data import Augment
from edgewise.data.augment import Drawn, Normalisation

Route = Callable[[Tensor, Tensor, Drawn, Augment, Normalisation], Tensor]


def batched(images: Tensor, rows: Tensor, drawn: Drawn, augment: Augment, normalisation: Normalisation) -> Tensor:
    """edgewise: rows of pixels gathered, then bytes in them, then one conversion."""
    return augment.apply(images, rows, drawn, normalisation)


def image_by_image(
    images: Tensor, rows: Tensor, drawn: Drawn, augment: Augment, normalisation: Normalisation
) -> Tensor:
    """What a data set with a transform an image does, in this process and without its overhead."""
    scale, shift = normalisation.affine(images.device, torch.float32)
    height, width = images.shape[2:]
    done = []
    for row, top, left, flipped in zip(
        rows.tolist(), drawn.top.tolist(), drawn.left.tolist(), drawn.flipped.tolist(), strict=True
    ):
        image = functional.pad(images[row].float(), (augment.crop,) * 4, mode="reflect")
        image = image[:, top : top + height, left : left + width]
        done.append((image.flip(-1) if flipped else image) * scale + shift)
    return torch.stack(done)


def by_shift(images: Tensor, rows: Tensor, drawn: Drawn, augment: Augment, normalisation: Normalisation) -> Tensor:
    """The batch padded, then the images of one shift after another cut out, rows first, then columns."""
    scale, shift = normalisation.affine(images.device, torch.float32)
    height, width = images.shape[2:]
    padded = functional.pad(images[rows].float(), (augment.crop,) * 4, mode="reflect")
    tall = padded.new_empty(*padded.shape[:2], height, padded.shape[3])
    for offset in range(2 * augment.crop + 1):
        chosen = drawn.top == offset
        tall[chosen] = padded[chosen, :, offset : offset + height]
    small = tall.new_empty(*tall.shape[:3], width)
    for offset in range(2 * augment.crop + 1):
        chosen = drawn.left == offset
        small[chosen] = tall[chosen, :, :, offset : offset + width]
    return torch.where(drawn.flipped.view(-1, 1, 1, 1), small.flip(-1), small).mul_(scale).add_(shift)


def one_gather(images: Tensor, rows: Tensor, drawn: Drawn, augment: Augment, normalisation: Normalisation) -> Tensor:
    """Every byte by an index of its own."""
    scale, shift = normalisation.affine(images.device, torch.float32)
    channels, height, width = images.shape[1:]

    def inside(index: Tensor, size: int) -> Tensor:
        return (size - 1) - ((size - 1) - index.abs()).abs()

    along = torch.arange(width)
    mirrored = torch.where(drawn.flipped[:, None], width - 1 - along, along)
    column = inside(drawn.left[:, None] - augment.crop + mirrored, width)
    row = inside(drawn.top[:, None] - augment.crop + torch.arange(height), height)
    pixel = (row[:, :, None] * width + column[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
    chosen = images.index_select(0, rows).flatten(2).gather(2, pixel)
    return chosen.view(-1, channels, height, width).float().mul_(scale).add_(shift)


PEERS: dict[str, Route] = {
    "image by image": image_by_image,
    "shift by shift": by_shift,
    "one gather": one_gather,
}
