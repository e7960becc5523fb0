"""Random streams of a run: one generator for every purpose, so that none repeats another.

torch's generator on the CPU starts from the low 32 bits of its seed alone; seeds made by adding or shifting numbers
meet each other there. A digest of the seed and the purpose does not.
"""

from __future__ import annotations

import hashlib
import json

import torch


def stream(seed: int, *purpose: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded by `seed` and what it is for: the same for the same numbers and words, on that device.

    >>> import torch
    >>> from edgewise.train.streams import stream
    >>> a, b, c = (torch.rand(2, generator=stream(0, "order", number)) for number in (1, 1, 2))
    >>> torch.equal(a, b), torch.equal(a, c)
    (True, False)
    """
    text = json.dumps([seed, *purpose]).encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
    return torch.Generator(device).manual_seed(number)
