"""One look at a model: a forward and a backward pass in which every layer is measured, and nothing left changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.errors import DomainError, ModelError
from edgewise.init.acceptance import call_arguments, first_tensor
from edgewise.init.graph import ModelGraph
from edgewise.init.tracing.recorder import record
from edgewise.measure.layer_weights import LayerWeights, layer_weights
from edgewise.measure.model_state import left_as_found
from edgewise.measure.moments import MOST_SAMPLES
from edgewise.measure.observation import Observed, Observer

Loss = Callable[[Any], Tensor]
"""What the model returned -> a scalar tensor to be differentiated."""


@dataclass(frozen=True)
class Look:
    """What one forward and backward pass showed. gradient_note: why there is no gradient, where there is none."""

    graph: ModelGraph
    observed: Observed
    weights: dict[str, LayerWeights]
    loss: float | None
    gradient_note: str
    mode: str


def look_at(
    model: nn.Module,
    batch: object,
    loss: Loss | None = None,
    *,
    seed: int = 0,
    graph: ModelGraph | None = None,
    most_samples: int = MOST_SAMPLES,
) -> Look:
    """The measurement alone. graph: of an earlier look at the same model, which saves the first pass.

    Raises as `diagnose` does.
    """
    if loss is not None and not callable(loss):
        raise ModelError(
            f"loss={type(loss).__name__} given, expected a function of the model's output; "
            "try loss=lambda output: torch.nn.functional.cross_entropy(output, target)"
        )
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise DomainError(f"seed={seed!r} given, expected a whole number; try seed=0")
    modules = dict(model.named_modules())
    parameters: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    with left_as_found(model), torch.inference_mode(False):
        if graph is None:
            with torch.no_grad():
                graph = record(model, batch).graph
        kept = frozenset(id(t) for t in (*model.parameters(), *model.buffers()))
        observer = Observer(graph, modules, gradients=True, most_samples=most_samples, kept=kept)
        with torch.enable_grad():
            recording = record(model, _followed(batch), observe=observer)
            value, note = _backward(recording.output, loss, observer, seed)
        observed = observer.observed()
        weights = {
            node.name: found
            for node in graph.of_kind("linear")
            if (found := layer_weights(node, modules, parameters)) is not None
        }
    return Look(graph, observed, weights, value, note, "train" if model.training else "eval")


def _followed(batch: object) -> object:
    """The batch with floating-point tensors that take a gradient: copies, so that the caller's stay as they are."""

    def follow(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            leaf = value.detach().clone().requires_grad_()
            return leaf.clone()  # no leaf, so that a model may change it in place
        if isinstance(value, tuple | list):
            return type(value)(follow(item) for item in value) if type(value) in (tuple, list) else value
        return value

    args, kwargs = call_arguments(batch)
    if kwargs:
        return {name: follow(value) for name, value in kwargs.items()}
    return tuple(follow(value) for value in args)


def _backward(output: Any, loss: Loss | None, observer: Observer, seed: int) -> tuple[float | None, str]:
    """Runs the backward pass; the value of the loss, and why there is no gradient where there is none."""
    if loss is not None:
        try:
            scalar = loss(output)
        except Exception as error:
            told = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
            raise ModelError(
                f"the loss stopped with {told}; it is called with what the model returned; "
                "try loss=lambda output: torch.nn.functional.cross_entropy(output, target)"
            ) from error
        if not isinstance(scalar, Tensor) or scalar.numel() != 1:
            shape = f"shape {tuple(scalar.shape)}" if isinstance(scalar, Tensor) else type(scalar).__name__
            raise ModelError(f"the loss returned {shape}, expected a scalar tensor; try reduction='mean'")
        value = float(scalar.detach())
    else:
        y = first_tensor(output)
        generator = torch.Generator().manual_seed(seed)
        u = torch.randn(y.shape, generator=generator, dtype=torch.float32)
        rows = u.reshape(u.shape[0] if u.ndim > 1 else 1, -1) if u.ndim else u.reshape(1, 1)
        rows /= torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        scalar, value = (y.float() * u.to(y.device)).sum(), None
    if not scalar.requires_grad:
        return value, "no gradient reaches the output: it is computed under torch.no_grad() or detached"
    if not math.isfinite(float(scalar.detach())):
        return value, "the loss is not finite, so there is no gradient" if loss is not None else (
            "the output is not finite, so there is no gradient"
        )
    sources = [s for s in observer.sources if s.requires_grad]
    if not sources:
        return value, "no layer takes a gradient"
    torch.autograd.grad(scalar, sources, allow_unused=True)
    return value, ""


def activations_of(graph: ModelGraph) -> tuple[Activation, ...]:
    """The activations of a model, the most frequent first."""
    counts: dict[Activation, int] = {}
    for node in graph.of_kind("activation"):
        if node.activation is not None:
            counts[node.activation] = counts.get(node.activation, 0) + 1
    return tuple(sorted(counts, key=lambda a: -counts[a]))
