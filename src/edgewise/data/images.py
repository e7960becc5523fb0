"""Labelled images kept as bytes, and the normalised batches they are seen in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewise.data.augment import Augment, Normalisation, plain
from edgewise.data.dataset import Split
from edgewise.errors import DomainError

_ROWS_AT_ONCE = 4096
"""Images converted at a time where all are: their float64 copies then stay below 100 MB at 3x32x32."""


@dataclass(frozen=True)
class Images:
    """images: uint8 [image, channel, height, width]; labels: int64 [image], on the same device.

    mean, std: per channel, of pixels scaled to 0...1; what batches are normalised with. Of a test set they are those of
    the training set.
    """

    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        shape, channels = tuple(self.images.shape), self.images.shape[1] if self.images.ndim == 4 else 0
        if self.images.ndim != 4 or self.images.dtype != torch.uint8 or tuple(self.labels.shape) != shape[:1]:
            raise DomainError(
                f"images {shape} of {self.images.dtype} and labels {tuple(self.labels.shape)} given, expected uint8 "
                "images [image, channel, height, width] and one label an image"
            )
        if len(self.mean) != channels or len(self.std) != channels or min(self.std, default=0.0) <= 0.0:
            raise DomainError(
                f"mean={self.mean}, std={self.std} given for images with {channels} channels, expected one mean and "
                "one std > 0 a channel"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        _, channels, height, width = self.images.shape
        return int(channels), int(height), int(width)

    @property
    def normalisation(self) -> Normalisation:
        """How bytes become the numbers networks see."""
        return Normalisation(self.mean, self.std)

    def to(self, device: torch.device | str) -> Images:
        """The same images on a device; those already there are not copied."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def select(self, rows: Tensor) -> Images:
        """The images at these row numbers, in this order; rows: int64 [chosen]."""
        rows = rows.to(self.images.device)
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def split(
        self, held_out: int | float, generator: torch.Generator, *, by_class: bool = True
    ) -> tuple[Images, Images]:
        """(the rest, the held out): disjoint, drawn at random, every class in the same proportion if `by_class`.

        held_out: a number of images (int) or a fraction of them (float); exactly so many are held out. By class, the
        share of each class is rounded down or up to make up that number.

        Raises DomainError unless both parts get at least one image.
        """
        count = held_out if isinstance(held_out, int) else held_out * len(self)
        if not 0.5 < count < len(self) - 0.5:
            raise DomainError(
                f"held_out={held_out!r} given, expected a number of images from 1 to {len(self) - 1} or a fraction "
                "between 0 and 1"
            )
        labels = self.labels.cpu()
        classes = torch.bincount(labels) if by_class else torch.tensor([len(self)])
        kept, taken = [], []
        for label, cut in enumerate(_shares(classes.tolist(), round(count))):
            rows = torch.nonzero(labels == label).flatten() if by_class else torch.arange(len(self))
            rows = rows[torch.randperm(len(rows), generator=generator)]
            taken.append(rows[:cut])
            kept.append(rows[cut:])
        # in their old order: which images are held out is random, nothing else is
        rest, held = torch.cat(kept).sort().values, torch.cat(taken).sort().values
        return self.select(rest), self.select(held)

    def batches(
        self,
        size: int,
        generator: torch.Generator | None = None,
        *,
        augment: Augment | None = None,
        mirrored: Tensor | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        drop_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the images: (inputs [image, channel, height, width], labels [image]), normalised.

        generator: a CPU generator that orders the images and draws the augmentation, so that the same seed gives the
        same batches on every device; None keeps the images in order. augment: None for the images as they are.
        mirrored: where flips alternate, bool [image]: who is in this pass, see `augment.alternating`. device: where
        batches are made; the images are moved there once for the pass (`to` does it for good).
        drop_last: leave out an incomplete last batch.

        Raises DomainError for a size below 1, for an augmentation without a generator, and for alternating flips
        without `mirrored`.
        """
        if size < 1 or (augment is not None and generator is None):
            raise DomainError(
                f"size={size} given, expected size >= 1"
                if size < 1
                else "augment given without a generator; try generator=torch.Generator().manual_seed(0)"
            )
        alternate = augment is not None and augment.flip == "alternate"
        if alternate != (mirrored is not None) or (mirrored is not None and len(mirrored) != len(self)):
            told = "no mirrored images" if mirrored is None else f"{len(mirrored)} mirrored or not"
            raise DomainError(
                f"{told} given for flip={augment and augment.flip!r} of {len(self)} images, expected a bool an image "
                f"where flips alternate; try mirrored=alternating({len(self)}, seed=0, number=0)"
            )
        return self._batches(size, generator, augment, mirrored, device, dtype, channels_last, drop_last)

    def _batches(
        self,
        size: int,
        generator: torch.Generator | None,
        augment: Augment | None,
        mirrored: Tensor | None,
        device: torch.device | str | None,
        dtype: torch.dtype,
        channels_last: bool,
        drop_last: bool,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        here = self if device is None else self.to(device)
        order = torch.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator)
        where = order  # what is drawn is put together on the CPU
        order = order.to(here.images.device)
        end = len(self) - len(self) % size if drop_last else len(self)
        for first in range(0, end, size):
            rows = order[first : first + size]
            if augment is None or generator is None:
                chosen = here.images[first : first + size] if generator is None else here.images.index_select(0, rows)
                inputs = plain(chosen, self.normalisation, dtype=dtype, channels_last=channels_last)
            else:
                drawn = augment.draw(len(rows), self.shape, generator)
                if mirrored is not None:
                    drawn = replace(drawn, flipped=mirrored[where[first : first + size]])
                inputs = augment.apply(
                    here.images, rows, drawn, self.normalisation, dtype=dtype, channels_last=channels_last
                )
            yield inputs, here.labels[rows]

    def flat(self, *, unit: bool = False, dtype: torch.dtype = torch.float32) -> Split:
        """All images as normalised rows [image, channel * height * width], for networks without convolutions.

        unit: each image is then divided by the root of its mean square, so that a first layer with weight variance
        C_W / fan-in has K(1) = C_b + C_W for every image (an image of exactly the mean everywhere stays 0).
        """
        rows = torch.empty(len(self), self.images[:1].numel(), dtype=dtype, device=self.images.device)
        for first in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            values = plain(self.images[part], self.normalisation, dtype=torch.float64).flatten(1)
            if unit:
                scale = values.square().mean(1, keepdim=True).sqrt()
                values = values / torch.where(scale > 0, scale, 1.0)
            rows[part] = values
        return Split(rows, self.labels)


def _shares(sizes: list[int], total: int) -> list[int]:
    """`total` shared out in proportion to sizes: rounded down, and the largest remainders up."""
    exact = [total * size / sum(sizes) for size in sizes]
    shares = [int(share) for share in exact]
    first = sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i])
    for i in first[: total - sum(shares)]:
        shares[i] += 1
    return shares


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each channel of uint8 images [image, channel, height, width], pixels scaled to 0...1.

    Exact sums of integers; std is that of the whole population. A channel that is constant gets std 1.
    """
    channels, pixels = images.shape[1], images[:, 0].numel()
    total = torch.zeros(channels, dtype=torch.int64)
    squares = torch.zeros(channels, dtype=torch.int64)
    for first in range(0, len(images), _ROWS_AT_ONCE):
        wide = images[first : first + _ROWS_AT_ONCE].to(torch.int32)
        total += wide.sum((0, 2, 3)).cpu()
        squares += (wide * wide).sum((0, 2, 3)).cpu()
    mean = total.double() / pixels
    deviation = (squares.double() / pixels - mean.square()).clamp(min=0.0).sqrt()
    std = torch.where(deviation > 0, deviation / 255.0, 1.0)
    return tuple((mean / 255.0).tolist()), tuple(std.tolist())
