"""What a plan must say about a model besides its numbers: borders, weights used twice, norms that explode backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.errors import EdgewiseError
from edgewise.init.graph import ModelGraph
from edgewise.init.roles import Part, Roles
from edgewise.theory.normalisation import normalised_layer

_NORMS = (("batch", "batch"), ("rms", "rms"), ("group", "group"), ("layer", "layer"))


def borders(graph: ModelGraph, modules: Mapping[str, nn.Module]) -> list[str]:
    """What is not predicted at the borders of images."""
    padded = [node.name for node in graph.of_kind("linear") if _pads_with_zeros(modules.get(node.module or ""))]
    if not padded:
        return []
    return [
        f"{len(padded)} convolution{'s pad' if len(padded) > 1 else ' pads'} with zeros: K is predicted away from "
        "the border, where sums have fewer terms; the deeper, the further in this reaches (verify= measures it, "
        "correct=True mends the mean)"
    ]


def _pads_with_zeros(module: nn.Module | None) -> bool:
    if getattr(module, "padding_mode", None) != "zeros":
        return False
    wide = any(size > 1 for size in getattr(module, "kernel_size", ()))
    return wide and getattr(module, "padding", 0) not in (0, "valid", (0,), (0, 0), (0, 0, 0))


def repeated(graph: ModelGraph, tensors: Mapping[str, Tensor]) -> list[str]:
    """Layers whose weights are used more than once in a pass."""
    used = [p for node in graph.of_kind("linear") for p in dict.fromkeys(node.parameters)]
    several = sorted({p for p in used if used.count(p) > 1 and p in tensors and tensors[p].ndim > 1})
    if not several:
        return []
    return [
        f"{', '.join(several[:3])}{' and more' if len(several) > 3 else ''}: used several times, initialised for the "
        "first use; later uses are predicted as if their weights were drawn anew"
    ]


def normalised_layers(graph: ModelGraph, roles: Roles, held: Callable[[str], Tensor | None]) -> list[str]:
    """What each kind of norm that feeds an activation does to perturbations and gradients, layer by layer.

    held: the value a norm's parameter will have.
    """
    cases: dict[tuple[str, Activation, float], int] = {}
    for node in graph.of_kind("norm"):
        part = roles.parts.get(node.name, Part())
        if part.feeds == "activation" and part.activation is not None and part.branch is None:
            weight = held(node.parameters[0]) if node.parameters else None
            scale = 1.0 if weight is None else float(weight.detach().double().pow(2).mean().sqrt())
            kind = next((kind for word, kind in _NORMS if word in node.detail.lower()), "")
            case = (kind, part.activation, round(scale, 6))
            cases[case] = cases.get(case, 0) + 1
    found = []
    for (kind, a, scale), count in cases.items():
        if kind and scale > 0.0:
            try:
                layer = normalised_layer(a, kind, scale=scale)  # type: ignore[arg-type]
            except EdgewiseError:
                continue
            found.append(
                f"{count} times {kind} norm and {a.spec}: chi_parallel={layer.chi_parallel:.4g}, chi_perp="
                f"{layer.chi_perp:.4g}, backward {layer.chi_backward:.4g} a layer without skips ({layer.reason})"
            )
    return found
