"""Weight decay of what should decay: weight matrices and kernels, not biases, gains of norms or learned activations.

Decaying a PReLU's slopes would push them to 0, that is, to ReLU (He et al. 2015, arXiv 1502.01852, section 2.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def decaying(module: nn.Module) -> tuple[nn.Parameter, ...]:
    """The trained parameters of at least two dimensions, tied ones once: weights of linear layers and convolutions."""
    return tuple(p for p in module.parameters() if p.requires_grad and p.dim() > 1)


def decay_groups(module: nn.Module, weight_decay: float = 5e-4) -> list[dict[str, Any]]:
    """Two parameter groups for a torch optimiser: weights, which decay, and everything else, which does not.

    >>> import torch, edgewise as ew
    >>> from edgewise.train.decay import decay_groups
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), ew.nn.PReLU(8), torch.nn.Linear(8, 2))
    >>> optimiser = torch.optim.SGD(decay_groups(model), lr=0.01, momentum=0.9)
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimiser.param_groups]
    [(2, 0.0005), (3, 0.0)]
    """
    weights = decaying(module)
    chosen = {id(p) for p in weights}
    others = [p for p in module.parameters() if p.requires_grad and id(p) not in chosen]
    return [{"params": list(weights), "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def penalty(module: nn.Module, weight_decay: float) -> Tensor:
    """weight_decay/2 times the sum of squares of `decaying`: its gradient is SGD's weight decay of those alone."""
    weights = decaying(module)
    total = torch.stack([w.square().sum() for w in weights]).sum() if weights else torch.zeros(())
    return 0.5 * weight_decay * total
