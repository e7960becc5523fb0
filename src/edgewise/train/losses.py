"""What networks are trained to lower, one number a member, each with its slope in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from edgewise.errors import DomainError

MemberLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs [member, example, output], targets) -> [member], differentiable; no member looks at another."""
Loss = Literal["cross_entropy", "mse"] | MemberLoss


@dataclass(frozen=True)
class CrossEntropy:
    """Mean cross-entropy of outputs [example, class] and classes, int64 [example], of a single network; one number.

    smoothing: a target gives the share `smoothing` evenly to all classes, its own among them, and the rest to its own.
    Raises DomainError for a share outside [0, 1). Source: Szegedy et al., arXiv 1512.00567, section 7.
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 1.0:
            raise DomainError(f"smoothing={self.smoothing!r} given, expected a share in [0, 1); try smoothing=0.1")

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the examples."""
        return functional.cross_entropy(outputs, targets, label_smoothing=self.smoothing)


def member_losses(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each member, [member], differentiable.

    outputs: [member, example, output]. targets: of "cross_entropy" the classes, int64 [member, example], of "mse" the
    values, [member, example, output], of a callable what it takes; without the member axis they are the same for all.
    "cross_entropy" is the mean over examples, "mse" the mean of squares over examples and outputs.
    Raises DomainError for another name.
    """
    if callable(loss):
        return loss(outputs, targets)
    if loss == "cross_entropy":
        labels = targets.expand(outputs.shape[:2])
        return functional.cross_entropy(outputs.mT, labels, reduction="none").mean(1)
    if loss == "mse":
        return (outputs - targets).square().mean((1, 2))
    raise DomainError(f'loss={loss!r} given, expected "cross_entropy", "mse" or a callable (outputs, targets)')


def losses_and_slopes(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """`member_losses` and the derivative of each with respect to its outputs; the outputs may be overwritten."""
    if loss == "cross_entropy":
        # along a last dimension of a few classes torch's softmax is twenty times as slow
        logs = functional.log_softmax(outputs.mT, 1)
        labels = (targets if targets.dim() == 2 else targets.expand(outputs.shape[:2])).unsqueeze(1)
        losses = logs.gather(1, labels).squeeze(1).mean(1).neg_()
        slope = logs.exp_().scatter_(1, labels, -1.0, reduce="add")
        return losses, slope.div_(outputs.shape[1]).mT
    if loss == "mse":
        off = outputs - targets
        return off.square().mean((1, 2)), off.mul_(2.0 / (off.shape[1] * off.shape[2]))
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_(True)
        losses = member_losses(loss, leaf, targets)
        (slope,) = torch.autograd.grad(losses.sum(), leaf)
    return losses.detach(), slope
