"""What several families share: PyTorch's own initialisation from a generator, and the check of a count."""

from __future__ import annotations

import math

from torch import Generator, nn

from edgewise.errors import DomainError


def reset_as_torch(model: nn.Module, generator: Generator | None) -> None:
    """Draws every linear and convolutional layer as PyTorch does, and resets every other module that can be.

    Weights and biases are uniform in +-1/sqrt(fan-in), which is what ``kaiming_uniform_(a=sqrt(5))`` comes to; unlike
    PyTorch's own `reset_parameters` this takes a generator.
    """
    for module in model.modules():
        if module is model:
            continue
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1.0 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()


def reset_as_he(model: nn.Module, generator: Generator | None) -> None:
    """As `reset_as_torch`, then the weights of convolutions normal with variance 2/fan-in (He et al. 2015, eq. 10)."""
    reset_as_torch(model, generator)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)


def checked_count(name: str, value: object, *, least: int = 1) -> int:
    """`value`, an integer that is at least `least`. Raises DomainError when it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DomainError(f"{name}={value!r} given, expected an integer >= {least}; try {name}={max(least, 10)}")
    return value
