"""Random parts of a labelled set in which every class has the same share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def stratified(labels: Tensor, fractions: Sequence[float], generator: torch.Generator) -> list[Tensor]:
    """Row numbers of each fraction and of the rest, disjoint, every class in the same proportion, shuffled.

    labels: int64 [example], from 0, on the CPU. The number of each class in a part is its share, rounded.
    """
    parts: list[list[Tensor]] = [[] for _ in range(len(fractions) + 1)]
    for label in range(int(labels.max()) + 1):
        rows = torch.nonzero(labels == label).flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        sizes = [round(fraction * len(rows)) for fraction in fractions]
        pieces = torch.split(rows, [*sizes, len(rows) - sum(sizes)])
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    joined = [torch.cat(part) for part in parts]
    return [rows[torch.randperm(len(rows), generator=generator)] for rows in joined]
