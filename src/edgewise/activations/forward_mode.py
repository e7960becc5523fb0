"""torch's forward-mode differentiation, with its noisy and its private corner kept in one place."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from edgewise.errors import PrecisionWarning

try:
    from torch.autograd.forward_ad import _set_fwd_grad_enabled
except ImportError:  # private in PyTorch: without it everything but nested forward mode is as it should be

    def _set_fwd_grad_enabled(mode: bool) -> contextlib.AbstractContextManager[None]:  # type: ignore[no-redef]
        warnings.warn(
            "this PyTorch does not let forward mode nest: a jvp of a jvp takes the slope for constant; "
            "try torch.func.jacrev in the inner place",
            PrecisionWarning,
            stacklevel=2,
        )
        return contextlib.nullcontext()


forward_mode = _set_fwd_grad_enabled
"""``with forward_mode(True)``: tangents are followed, also inside the jvp of an autograd Function."""


def along_x(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """f'(x) of an elementwise f, by forward mode."""
    if not torch.compiler.is_compiling():
        _ready()
    at = x.clone()  # an expanded tensor cannot carry a tangent
    tangent: Tensor = torch.func.jvp(f, (at,), (torch.ones_like(at),))[1]
    return tangent


@cache
def _ready() -> None:
    """The first jvp of a process compiles torch's own rules, by a torch.jit.script that torch itself has deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.script", DeprecationWarning)
        torch.func.jvp(torch.neg, (torch.zeros(1),), (torch.ones(1),))
