"""New values for the parameters of a model: drawn the same on every device, written all at once or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import DomainError, ModelError


def parameters(model: nn.Module) -> dict[str, tuple[nn.Parameter, tuple[str, ...]]]:
    """Each parameter once, under its first name, with its other names (tied weights), in the model's order."""
    first: dict[int, str] = {}
    found: dict[str, tuple[nn.Parameter, tuple[str, ...]]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) not in first:
            first[id(parameter)] = name
            found[name] = (parameter, ())
        else:
            owner = first[id(parameter)]
            found[owner] = (parameter, (*found[owner][1], name))
    return found


def first_names(model: nn.Module) -> dict[str, str]:
    """From every name of a parameter to the first one, under which `parameters` and reports have it."""
    found = parameters(model).items()
    return {alias: name for name, (_, others) in found for alias in (name, *others)}


def source(generator: torch.Generator | None) -> torch.Generator:
    """The generator to draw from: the one given, or torch's global one (``torch.manual_seed``), both on the CPU.

    Raises DomainError for a generator on another device: draws are made on the CPU so that one seed gives one model.
    """
    if generator is None:
        return torch.default_generator
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        given = f"on {generator.device}" if isinstance(generator, torch.Generator) else f"{generator!r}"
        raise DomainError(
            f"generator {given} given, expected a torch.Generator on the CPU, so that a seed gives the same model on "
            "every device; try generator=torch.Generator().manual_seed(0)"
        )
    return generator


def normal(shape: torch.Size | tuple[int, ...], std: float, generator: torch.Generator) -> Tensor:
    """Independent N(0, std**2) in float32 on the CPU, whatever the model's dtype and device; std = 0 draws nothing."""
    if std == 0.0:
        return torch.zeros(shape)
    return torch.randn(shape, generator=generator, dtype=torch.float32).mul_(std)


def write(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Sets parameters by name to new values, keeping their dtype, device and requires_grad; all of them or none.

    values: any dtype and device; the shape must be the parameter's. A name may be any of a tied parameter's.
    Raises ModelError, with the model untouched, for an unknown name, another shape, or a value that is not finite in
    the parameter's dtype.
    """
    known = dict(model.named_parameters(remove_duplicate=False))
    ready: list[tuple[nn.Parameter, Tensor]] = []
    for name, value in values.items():
        if name not in known:
            raise ModelError(f"{name!r} is no parameter of this {type(model).__name__}; try model.named_parameters()")
        parameter = known[name]
        if value.shape != parameter.shape:
            raise ModelError(
                f"a value of shape {tuple(value.shape)} given for {name}, expected {tuple(parameter.shape)}"
            )
        cast = value.detach().to(device=parameter.device, dtype=parameter.dtype)
        if not bool(torch.isfinite(cast).all()):
            raise ModelError(
                f"{name}: new values up to {float(value.abs().max()):.3g} are not finite in {parameter.dtype}; "
                "try model.float() first"
            )
        ready.append((parameter, cast))
    with torch.no_grad():
        for parameter, cast in ready:
            parameter.copy_(cast)


def restore(saved: Sequence[tuple[nn.Parameter, Tensor]]) -> None:
    """Gives parameters the values they had, whatever those were."""
    with torch.no_grad():
        for parameter, value in saved:
            parameter.copy_(value)
