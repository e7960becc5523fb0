"""Looking at a model without leaving a trace: mode, gradients, buffers, cached tensors, random numbers come back."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def left_as_found(model: nn.Module) -> Iterator[None]:
    """Whatever happens inside the block, an exception too, the model and the random state are afterwards as before.

    Restored are training mode and hooks of every module, `requires_grad` and `.grad` of every parameter, every buffer
    (the running statistics of batch normalisation, the vectors of spectral normalisation) by value and identity,
    tensors that modules keep as plain attributes, and the random states of torch (CPU and the model's CUDA devices),
    Python and numpy. Parameters are not copied: a forward and a backward pass do not write to them.
    """
    modules = list(model.modules())
    parameters = list(model.parameters())
    training = [module.training for module in modules]
    gradients = [(p, p.requires_grad, p.grad) for p in parameters]
    buffers = [(module, dict(module._buffers), _copies(module._buffers)) for module in modules if module._buffers]
    cached = [(module, {k: v for k, v in vars(module).items() if isinstance(v, Tensor)}) for module in modules]
    hooks = [
        (module, {name: dict(vars(module)[name]) for name in _HOOKS if name in vars(module)}) for module in modules
    ]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    python_state = random.getstate()
    numpy: Any = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        for module, mode in zip(modules, training, strict=True):
            module.training = mode  # not train(): that would run the module's own side effects
        for parameter, required, gradient in gradients:
            parameter.requires_grad_(required)
            parameter.grad = gradient
        with torch.no_grad():
            for module, held, values in buffers:
                module._buffers.clear()
                module._buffers.update(held)
                for name, value in values.items():
                    now = held[name]
                    if now is not None and _differs(now, value):
                        now.copy_(value)
        for module, attributes in cached:
            for name in [k for k, v in vars(module).items() if isinstance(v, Tensor) and k not in attributes]:
                del module.__dict__[name]
            module.__dict__.update(attributes)
        for module, kept in hooks:
            for name, entries in kept.items():
                table = vars(module)[name]
                if dict(table) != entries:
                    table.clear()
                    table.update(entries)


_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called",
)  # fmt: skip


def _copies(buffers: dict[str, Tensor | None]) -> dict[str, Tensor]:
    return {name: buffer.detach().clone() for name, buffer in buffers.items() if buffer is not None}


def _differs(now: Tensor | None, before: Tensor) -> bool:
    """Bitwise, so that a buffer that holds nan is not written in vain; writing would bump its version counter."""
    return now is not None and not torch.equal(
        now.detach().contiguous().view(-1).view(torch.uint8), before.contiguous().view(-1).view(torch.uint8)
    )
