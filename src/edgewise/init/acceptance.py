"""What is accepted as a model, as a batch and as an output, and how each is read."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from edgewise.errors import ModelError

_USUAL_KEYS = ("logits", "last_hidden_state")
"""Where Hugging Face models keep what a loss is computed from."""


def accepted(model: object, *, with_values: bool = True) -> nn.Module:
    """The module to read: `model` itself, or what torch.compile, DataParallel or DistributedDataParallel wrapped.

    with_values: whether its parameters must have values.
    Raises ModelError for anything else than an initialised, eager ``nn.Module``: a class or function, a scripted or
    exported module, parameters that are lazy, on the meta device or sharded over processes.
    """
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ModelError(f"the class {model.__name__} was given, expected a model; try {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise ModelError(f"{type(model).__name__} was given, expected a torch.nn.Module")
    inner = model
    while (wrapped := _wrapped(inner)) is not None:
        inner = wrapped
    if isinstance(inner, torch.fx.GraphModule):
        return inner  # its code is plain torch, even where torch.export made it
    for name, module in inner.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"{name} is" if name else "the model is"
            raise ModelError(
                f"{where} a TorchScript module, whose layers cannot be read; give the model it was made from"
            )
    if with_values:
        _check_parameters(inner)
    return inner


def unwrapping(model: object) -> str | None:
    """What `accepted` took off, in a sentence, or None."""
    taken = []
    while isinstance(model, nn.Module) and (wrapped := _wrapped(model)) is not None:
        taken.append(type(model).__name__)
        model = wrapped
    return f"the model was taken out of its {' and '.join(taken)} wrapper" if taken else None


def _wrapped(model: nn.Module) -> nn.Module | None:
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # nothing is compiled before it is imported, which takes long
    if dynamo is not None and isinstance(model, dynamo.OptimizedModule):
        compiled: nn.Module = model._orig_mod
        return compiled
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner: nn.Module = model.module
        return inner
    return None


def _check_parameters(model: nn.Module) -> None:
    named = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in named:
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise ModelError(
                f"{name} is lazy and has no shape yet; run the model once on a batch, then call this again"
            )
        if tensor.is_meta:
            raise ModelError(
                f"{name} is on the meta device and has no values; give it some first: model.to_empty(device='cpu')"
            )
        if type(tensor).__name__ == "DTensor":
            raise ModelError(f"{name} is sharded over processes (DTensor); call this before the model is sharded")


def call_arguments(batch: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of a batch: a tensor, a tuple of positional or a mapping of keyword arguments.

    Raises ModelError for anything else, for sparse tensors and for a batch without samples.
    """
    given = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else (batch,)
    tensors = [value for value in given if isinstance(value, Tensor)]
    for tensor in tensors:
        if tensor.layout is not torch.strided and tensor.layout is not torch.jagged:
            raise ModelError(f"the batch holds a sparse tensor ({tensor.layout}); expected dense ones: try .to_dense()")
    if tensors and tensors[0].layout is torch.strided and tensors[0].numel() == 0:
        raise ModelError(f"the batch is empty (shape {tuple(tensors[0].shape)}); give one sample or more")
    if isinstance(batch, Tensor):
        return (batch,), {}
    if isinstance(batch, Mapping):  # Hugging Face's BatchEncoding is one
        return (), {str(name): value for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(batch), {}
    raise ModelError(
        f"the batch is a {type(batch).__name__}; expected a tensor, a tuple of positional arguments "
        "or a mapping of keyword arguments"
    )


def first_tensor(output: object) -> Tensor:
    """The first floating-point tensor in a model's output: logits or last_hidden_state of a mapping or object first.

    Raises ModelError when there is none.
    """
    for tensor in _tensors(output):
        return tensor
    kind = f"a tensor of {output.dtype}" if isinstance(output, Tensor) else type(output).__name__
    raise ModelError(
        f"the model returned {kind}, expected a floating-point tensor, or a tuple, mapping or object that holds one"
    )


def floating_tensors(output: object) -> tuple[Tensor, ...]:
    """All floating-point tensors in a model's output, each once, `first_tensor` first."""
    found: dict[int, Tensor] = {}
    for tensor in _tensors(output):
        found.setdefault(id(tensor), tensor)
    return tuple(found.values())


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, tuple | list):
        for item in output:
            yield from _tensors(item)
    else:
        if isinstance(output, Mapping):
            named = dict(output)
        elif dataclasses.is_dataclass(output) and not isinstance(output, type):
            named = {f.name: getattr(output, f.name) for f in dataclasses.fields(output)}
        else:
            named = {key: getattr(output, key) for key in _USUAL_KEYS if hasattr(output, key)}
        usual = [key for key in _USUAL_KEYS if key in named]
        for key in (*usual, *(key for key in named if key not in usual)):
            yield from _tensors(named[key])
