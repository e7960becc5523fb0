"""`ew.init.trace`: the data flow of a model, by torch.fx where that works, else by running it once on a batch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from edgewise.errors import TraceError
from edgewise.init.acceptance import accepted, unwrapping
from edgewise.init.graph import ModelGraph
from edgewise.init.tracing import symbolic
from edgewise.init.tracing.recorder import record


def trace(model: nn.Module, batch: object = None) -> ModelGraph:
    """The calls of a model and what feeds what.

    batch: a tensor, a tuple of positional or a mapping of keyword arguments; needed where torch.fx cannot follow the
    model (control flow that depends on values, as in most Hugging Face models), which is then run on it once, without
    gradients, its buffers and the random state restored.
    Raises TraceError where torch.fx fails and no batch is given, ModelError for what is no model or cannot be run.
    """
    inner = accepted(model)
    said = unwrapping(model)
    with unchanged(inner):
        try:
            graph = symbolic.read(inner, batch)
        except Exception as error:  # torch.fx stops with errors of every kind, the model's own among them
            if batch is None:
                raise TraceError(_what_to_do(inner, error)) from error
            with torch.no_grad():
                graph = record(inner, batch).graph
    return replace(graph, notes=(said, *graph.notes)) if said else graph


def _what_to_do(model: nn.Module, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return (
        f"torch.fx cannot follow {type(model).__name__} ({first}); pass a batch that the model can be run on, "
        "or say by hand what feeds each layer: fed_by={'layer': 'relu', ...}"
    )


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Gives the model its buffers and the process its random state back."""
    buffers = [
        (module, name, tensor, None if tensor is None else tensor.detach().clone())
        for module in model.modules()
        for name, tensor in module._buffers.items()
    ]
    devices = {t.device for t in (*model.parameters(), *model.buffers()) if t.device.type == "cuda"}
    python = random.getstate()
    try:
        with torch.random.fork_rng([d.index or 0 for d in devices]):
            yield
    finally:
        random.setstate(python)
        with torch.no_grad():
            for module, name, tensor, value in buffers:
                if tensor is not None and value is not None and not torch.equal(tensor, value):
                    tensor.copy_(value)
                module._buffers[name] = tensor
