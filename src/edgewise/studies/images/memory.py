"""The memory that training needs, beyond parameters and optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def kept_for_backward(forward: Callable[[], Any], parameters: tuple[Tensor, ...]) -> int:
    """Bytes of all tensors that the graph of `forward` holds on to, each storage once, parameters left out.

    It is what an activation's choice of saved tensors decides, on every device, and unlike the memory of a process it
    does not depend on what ran before. Views of a tensor that is kept anyway cost nothing.
    """
    known = {p.untyped_storage().data_ptr() for p in parameters}
    seen: dict[int, int] = {}
    held: list[Tensor] = []  # so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            seen[storage.data_ptr()] = storage.nbytes()
            held.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(seen.values())
