"""What networks on an equation minimise: the mean square of the residual and of what the conditions miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from edgewise.activations import Activation
from edgewise.errors import ModelError
from edgewise.pinn.boundary import Penalty, penalties
from edgewise.pinn.embedding import Embedding
from edgewise.pinn.jets import derivatives
from edgewise.pinn.problems.equation import Equation
from edgewise.pinn.sampling import Box, adaptive
from edgewise.pinn.separable import Index
from edgewise.pinn.settings import Settings
from edgewise.pinn.start import InputScale
from edgewise.train.ensemble import Parameters
from edgewise.train.problem import Problem, Slope

ROWS = 4096
"""Points, of all members together, that are taken through the networks at a time: more fall out of the cache."""
_STREAM = 1_000_003
"""Between the seeds of successive draws of points."""


class Objective(Problem):
    """An equation as a problem of the training loop, for M networks at once.

    Every member has collocation points of its own, drawn from its seed; all share the points of the conditions.
    """

    def __init__(
        self,
        equation: Equation,
        activation: Activation,
        parameters: Parameters,
        settings: Settings,
        *,
        points: Tensor | None = None,
        seeds: Sequence[int] | None = None,
    ) -> None:
        """parameters: of networks whose inputs are scaled to [-1, 1]; trained in place.

        points: [member, point, coordinate], None to draw them; seeds: of the members, None for settings.seed and on.
        Raises ModelError for hard conditions where the equation has no transform that makes them exact.
        """
        if settings.boundary == "hard" and equation.hard is None:
            raise ModelError(f"{equation.name} has no exact conditions; try boundary='soft'")
        self.equation, self.activation, self.parameters, self.chosen = equation, activation, parameters, settings
        self.seeds = tuple(range(settings.seed, settings.seed + settings.members)) if seeds is None else tuple(seeds)
        self.members = len(self.seeds)
        like = parameters.first
        self._hard = equation.hard if settings.boundary == "hard" else None
        self._fed = None if self._hard is None else self._hard.embedding
        box = equation.domain if self._fed is None else _range(self._fed, equation)
        self._scale = InputScale.of(*box, dtype=like.dtype, device=like.device)
        self._penalties = () if self._hard is not None else self._conditions(like)
        self._leaves = tuple(view.detach().requires_grad_(True) for view in parameters.layers())
        self._round = 0
        self.points = self._drawn(0) if points is None else points

    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of ``parameters.layers()``, each a leaf of autograd."""
        return self._leaves

    def losses(self, step: int) -> Tensor:
        """The loss of each member at this step's points, [member], differentiable."""
        self._renew(step)
        return torch.stack(list(self._parts(self._batch(step)))).sum(0)

    @torch.enable_grad()
    def losses_and_gradients(self, step: int) -> Slope:
        """Both, back-propagated a few points at a time: what one chunk of points needs then stays in the cache."""
        self._renew(step)
        loss = torch.zeros(self.members, dtype=self.points.dtype, device=self.points.device)
        gradients = [torch.zeros_like(leaf, requires_grad=False) for leaf in self._leaves]
        for part in self._parts(self._batch(step)):
            loss += part.detach()
            found = torch.autograd.grad(part.sum(), self._leaves, allow_unused=True, materialize_grads=True)
            torch._foreach_add_(gradients, found)
        return loss, tuple(gradients)

    def select(self, members: Tensor) -> Objective:
        """A copy of these members, with their own points."""
        some = Objective(
            self.equation, self.activation, self.parameters.select(members), self.chosen,
            points=self.points[members], seeds=[self.seeds[i] for i in members.tolist()],
        )  # fmt: skip
        some._round = self._round
        return some

    def with_all_points(self) -> Objective:
        """The same networks, trained in place, on all points at every step, the points as they are now."""
        chosen = replace(self.chosen, batch=None, resample_every=0)
        return Objective(self.equation, self.activation, self.parameters, chosen, points=self.points, seeds=self.seeds)

    def state(self) -> dict[str, Any]:
        """Points that were drawn on the way depend on what the networks were then."""
        return {"points": self.points, "round": self._round}

    def load_state(self, state: dict[str, Any]) -> None:
        self.points, self._round = state["points"].to(self.points), int(state["round"])

    def settings(self) -> dict[str, Any]:
        """Equation, activation and settings."""
        return {
            "equation": self.equation.to_dict(),
            "activation": self.activation.spec,
            "settings": self.chosen.to_dict(),
            "seeds": list(self.seeds),
        }

    def derivatives(self, x: Tensor, wanted: Sequence[Index]) -> dict[Index, Tensor]:
        """Derivatives of every member's u, [member, example, 1]; x [example, coordinate], or a member's own."""
        layers = self._scale.folded(self._leaves)
        if self._hard is None:
            return derivatives(self.activation, layers, x, wanted)
        needed = self._hard.needs(wanted)
        if self._fed is None:
            return self._hard(derivatives(self.activation, layers, x, needed), x, wanted)
        return self._hard(_through(self._fed, self.activation, layers, x, needed), x, wanted)

    def residual(self, x: Tensor) -> Tensor:
        """The residual of every member, [member, example]."""
        return self.equation.residual(self.derivatives(x, self.equation.wanted), x)

    @torch.no_grad()
    def network(self) -> Parameters:
        """The parameters of the networks as functions of unscaled coordinates; a copy."""
        layers = [tensor.detach().clone() for tensor in self._scale.folded(self.parameters.layers())]
        depth = len(layers) // 2
        weights, biases = layers[:depth], layers[depth:]
        hidden, hidden_bias = self.parameters.hidden.clone(), self.parameters.hidden_bias.clone()
        return Parameters(weights[0], biases[0], hidden, hidden_bias, weights[-1], biases[-1])

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """u of every member at points [example, coordinate]; [member, example]."""
        rows = max(1, 4 * ROWS // self.members)
        return torch.cat([self.derivatives(chunk, [()])[()][..., 0] for chunk in torch.split(x, rows)], dim=1)

    def _parts(self, points: Tensor) -> Iterator[Tensor]:
        """The loss in summands [member], each of few enough points."""
        count = points.shape[1]
        rows = max(1, ROWS // self.members)
        for chunk in torch.split(points, rows, dim=1):
            yield self.residual(chunk).square().sum(1) / count
        for penalty in self._penalties:
            yield penalty.loss(self.derivatives(penalty.points, penalty.wanted))

    def _batch(self, step: int) -> Tensor:
        """The points of a step: the pool's in turn, which spreads the points of a low-discrepancy sequence evenly."""
        batch, pool = self.chosen.batch, self.points.shape[1]
        if batch is None or batch >= pool:
            return self.points
        start = (step - 1) * batch % pool
        if start + batch <= pool:
            return self.points[:, start : start + batch]
        return torch.cat([self.points[:, start:], self.points[:, : start + batch - pool]], dim=1)

    def _renew(self, step: int) -> None:
        """Draws new points where it is time to."""
        every = self.chosen.resample_every
        due = (step - 1) // every if every else 0
        if due > self._round:
            self._round = due
            self.points = self._drawn(due)

    def _drawn(self, turn: int) -> Tensor:
        """Collocation points of every member, [member, point, coordinate], at the turn-th draw."""
        like, count = self.parameters.first, self.chosen.points
        found = []
        for i, seed in enumerate(self.seeds):
            generator = torch.Generator().manual_seed(seed + _STREAM * (turn + 1))
            if turn and self.chosen.adaptive:
                found.append(self._adapted(i, count, generator))
            else:
                design = self.chosen.sampling
                found.append(self.equation.points(count, design=design, generator=generator, dtype=torch.float64))
        return torch.stack(found).to(like)

    def _adapted(self, member: int, count: int, generator: torch.Generator) -> Tensor:
        """Points of one member where its residual is large, in random order."""
        alone = self.select(torch.tensor([member], device=self.parameters.first.device))

        def size(x: Tensor) -> Tensor:
            with torch.no_grad():
                return torch.cat([alone.residual(chunk.to(alone.points))[0] for chunk in torch.split(x, ROWS)])

        found = adaptive(size, self.equation.domain, count, generator=generator)
        return found[torch.randperm(len(found), generator=generator)]

    def _conditions(self, like: Tensor) -> tuple[Penalty, ...]:
        """The points of the conditions, shared evenly among the faces."""
        equation = self.equation
        faces = {(c.axis, c.side) for c in equation.conditions}
        each = max(1, self.chosen.condition_points // max(1, len(faces)))
        found = penalties(
            equation.conditions, equation.domain, each, weights=self.chosen.condition_weight, design="sobol",
            generator=torch.Generator().manual_seed(self.chosen.seed),
        )  # fmt: skip
        return tuple(penalty.to(like.device, like.dtype) for penalty in found)


def _range(fed: Embedding, equation: Equation) -> Box:
    """The lowest and highest value of every feature, from a grid that holds the extremes of whole periods."""
    lows, highs = (torch.tensor(corner, dtype=torch.float64) for corner in equation.domain)
    line = torch.linspace(0.0, 1.0, 65, dtype=torch.float64)[:, None]
    features = fed(lows + (highs - lows) * line)
    return tuple(features.amin(0).tolist()), tuple(features.amax(0).tolist())


def _through(
    fed: Embedding, sigma: Activation, layers: Sequence[Tensor], x: Tensor, wanted: Sequence[Index]
) -> dict[Index, Tensor]:
    """Derivatives of networks of features, with respect to the coordinates behind them."""
    by_features = derivatives(sigma, layers, fed(x), fed.needs(wanted))
    return fed.chained(by_features, x, wanted)
