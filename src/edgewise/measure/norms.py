"""What a normalisation does to gradients on their way back."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.theory.normalisation import normalised_layer

Kind = Literal["batch", "layer", "rms", "group"]


def kind_of_norm(module: nn.Module | None) -> Kind | None:
    """Which of the normalisations that theory knows a module is, by its type's name; None for others."""
    called = type(module).__name__.lower()
    if "batchnorm" in called or "instancenorm" in called:
        return "batch"
    if "groupnorm" in called:
        return "group"
    if "rmsnorm" in called or called == "t5layernorm":
        return "rms"
    return "layer" if "layernorm" in called else None


def chi_backward(a: Activation, module: nn.Module | None) -> float | None:
    """The factor on the squared gradient through a norm, the activation after it and the next random weights.

    None for norms that theory does not know, and for batch statistics that are not taken from the batch (eval mode).
    """
    kind = kind_of_norm(module)
    stored = module is not None and not module.training and getattr(module, "running_var", None) is not None
    if module is None or kind is None or (kind == "batch" and stored):
        return None
    gain = getattr(module, "weight", None)
    scale = float(gain.detach().float().square().mean().sqrt()) if isinstance(gain, Tensor) else 1.0
    try:
        return normalised_layer(a, kind, scale=scale).chi_backward
    except EdgewiseError:
        return None
