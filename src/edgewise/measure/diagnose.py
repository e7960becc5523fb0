"""`diagnose`: what one look at a model on one batch means, and what to do about it."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import nn

from edgewise.init.acceptance import accepted, unwrapping
from edgewise.measure.advice import advice
from edgewise.measure.diagnosis import Diagnosis
from edgewise.measure.judgement import judged
from edgewise.measure.layers import layers_of
from edgewise.measure.look import Look, Loss, look_at
from edgewise.measure.predicted import predicted
from edgewise.measure.provenance import provenance


def diagnose(
    model: nn.Module, batch: object, loss: Loss | None = None, *, seed: int = 0, check: bool | None = None
) -> Diagnosis:
    """What is wrong with a model, where, and the calls that mend it, from one batch; the model is left as it was.

    model: in the mode in which it is to be measured (``model.train()`` for what training sees); torch.compile, DDP and
    DataParallel are looked through. batch: a tensor, a tuple of positional arguments or a mapping of keyword arguments,
    samples first; 16 samples or more make the figures steady.
    loss: what the model returned -> a scalar, ``lambda output: cross_entropy(output, target)``; without one the
    gradient is that of a random unit direction (from `seed`) at the output of every sample.
    check: whether advice is carried out on a copy of the model and measured before it is given; None: for models of up
    to 100 million parameters.

    Takes two forward passes and one backward pass to the inputs (no weight gradients), and the memory of a training
    step; each piece of advice that is tried takes a copy of the model and as much again.
    Raises ModelError for a model or batch that cannot be read, saying at which layer it stopped.

    >>> import torch, edgewise as ew
    >>> model = ew.models.MLP(64, 10, depth=30, width=64, activation="relu")
    >>> diagnosis = ew.diagnose(model, torch.randn(32, 64), check=False)
    >>> diagnosis.level
    'no'
    """
    start = time.perf_counter()
    inner = accepted(model)
    said = unwrapping(model)
    look = look_at(inner, batch, loss, seed=seed)
    found = assembled(inner, look, start, seed, (said,) if said else ())

    def measure(changed: nn.Module, data: object) -> Diagnosis:
        again = time.perf_counter()
        return assembled(changed, look_at(changed, data, loss, seed=seed), again, seed, ())

    given = advice(found, look.graph, inner, batch, measure, check=check)
    return replace(
        found, advice=tuple(given), provenance=replace(found.provenance, seconds=time.perf_counter() - start)
    )


def assembled(model: nn.Module, look: Look, start: float, seed: int, notes: tuple[str, ...]) -> Diagnosis:
    """Figures, findings and verdict of one look; no advice."""
    modules = dict(model.named_modules())
    expected = predicted(look.graph, look.observed.moments, look.weights, modules)
    layers = layers_of(look.graph, look.observed, look.weights, expected, modules)
    tensor = next(model.parameters(), None)
    made = provenance(
        seed=seed,
        device=tensor.device if tensor is not None else torch.device("cpu"),
        dtype=tensor.dtype if tensor is not None else torch.float32,
        seconds=time.perf_counter() - start,
    )
    return judged(type(model).__name__, model, look, layers, made, notes)
