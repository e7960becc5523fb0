"""A single `nn.Module` and the batches it learns from, as a problem with one member for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewise.errors import TrainingError
from edgewise.train.checkpoints import digest
from edgewise.train.problem import Problem, Slope

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""The batches (inputs, targets) of a pass through the data, by its number from 0; the same number, the same batches."""


class Network(Problem):
    """Any `nn.Module`, trained in place; its buffers (statistics of a norm) and dropout's random state are its state.

    batches: of each pass; a generator seeded by the number of the pass makes order and augmentation resumable. loss: of
    the outputs and the targets, one number. autocast: a type such as torch.bfloat16 for what may be computed in it.
    label: what to call it in the settings of a checkpoint.

    The module is put into training mode if it is in evaluation mode as a whole; parts of it that are not stay so.
    Parameters that need no gradient stay as they are. Raises TrainingError for a module without any that do.
    """

    members = 1

    def __init__(
        self,
        module: nn.Module,
        batches: Batches,
        loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
        *,
        autocast: torch.dtype | None = None,
        label: str = "",
    ) -> None:
        self.module, self.loss, self.autocast, self.label = module, loss, autocast, label
        self._parameters = tuple(p for p in module.parameters() if p.requires_grad)
        if not self._parameters:
            raise TrainingError(
                f"{type(module).__name__} given, which has no parameter to train; expected one whose parameters "
                "require a gradient"
            )
        self._tensors = tuple(p.detach().unsqueeze(0) for p in self._parameters)
        self._call: Callable[[Tensor], Tensor] = module
        self._stream = _Stream(batches)

    def tensors(self) -> tuple[Tensor, ...]:
        """The parameters, seen as those of one member: [1, ...]."""
        return self._tensors

    def losses(self, step: int) -> Tensor:
        """Of the batch of that step, [1]."""
        inputs, targets = self._stream.batch(step)
        device = self._parameters[0].device
        if not self.module.training:
            self.module.train()
        inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        with torch.autocast(device.type, dtype=self.autocast, enabled=self.autocast is not None):
            loss = self.loss(self._call(inputs), targets)
        if loss.dim():
            raise TrainingError(
                f"a loss of shape {tuple(loss.shape)} given, expected one number; try the mean over the batch"
            )
        return loss[None]

    def losses_and_gradients(self, step: int) -> Slope:
        """The loss, detached, and the gradients, each [1, ...]."""
        losses = self.losses(step)
        slopes = torch.autograd.grad(losses.sum(), self._parameters, allow_unused=True, materialize_grads=True)
        return losses.detach(), tuple(slope.unsqueeze(0) for slope in slopes)

    def select(self, members: Tensor) -> Network:
        """Itself: there is only one."""
        return self

    def preactivations(self, probe: Tensor) -> tuple[Tensor, ...]:
        """What every linear and convolutional layer gives, in the order of its first call, each [1, example, ...].

        The module is looked at in evaluation mode, and left as it was.
        """
        seen: dict[nn.Module, Tensor] = {}

        def keep(layer: nn.Module, _: Any, output: Tensor) -> None:
            seen.setdefault(layer, output.detach())

        kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
        hooks = [m.register_forward_hook(keep) for m in self.module.modules() if isinstance(m, kinds)]
        modes = {m: m.training for m in self.module.modules()}
        like = self._parameters[0]
        try:
            self.module.eval()
            with torch.no_grad():
                self.module(probe.to(device=like.device, dtype=like.dtype))
        finally:
            for hook in hooks:
                hook.remove()
            for module, mode in modes.items():
                module.training = mode
        return tuple(z.unsqueeze(0) for z in seen.values())

    def state(self) -> dict[str, Any]:
        """The module's buffers, the place in the data and the random state that dropout draws from."""
        device = self._parameters[0].device
        return {
            **{f"buffer {name}": buffer.detach().clone() for name, buffer in self.module.named_buffers()},
            "random": torch.get_rng_state(),
            **({"random cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}),
            **self._stream.state(),
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Puts back what `state` said."""
        for name, buffer in self.module.named_buffers():
            buffer.copy_(state[f"buffer {name}"])
        torch.set_rng_state(state["random"])
        device = self._parameters[0].device
        if device.type == "cuda" and "random cuda" in state:
            torch.cuda.set_rng_state(state["random cuda"].cpu(), device)
        self._stream.load_state(state)

    def settings(self) -> dict[str, Any]:
        """What it is, as JSON values."""
        names = [f"{name} {list(p.shape)}" for name, p in self.module.named_parameters() if p.requires_grad]
        return {
            "label": self.label,
            "first batch": self._stream.digest(),
            "module": type(self.module).__name__,
            "parameters": names,
            "loss": _name(self.loss),
            "autocast": str(self.autocast),
        }

    def compile_(self) -> None:
        """The module's forward and backward become compiled programs where that can be done."""
        from edgewise.train.compilation import compiled

        self._call = compiled(self.module, self._parameters[0].device)


def _name(loss: Callable[..., Tensor]) -> str:
    """A function's name, a dataclass with its fields, the class of anything else."""
    usual = repr(loss) if is_dataclass(loss) else type(loss).__name__
    return str(getattr(loss, "__name__", usual))


class _Stream:
    """Batches one after the other over all passes; it knows where it is and can go back there."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._begin(0, 0, 0)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of `step`, from 1; asking for steps in order costs nothing, going back replays from the start."""
        if step < self._step or (step == self._step and self._current is None):
            self._begin(0, 0, 0)
        while self._step < step or self._current is None:
            self._next()
        return self._current

    def digest(self) -> str:
        """That of the first batch of all: other data, or an order that cannot be had again, shows in it."""
        with torch.random.fork_rng(devices=[]):
            return digest(next(iter(self._batches(0)), ()))

    def state(self) -> dict[str, Any]:
        """Where it is, as JSON values."""
        return {"pass": self._pass, "place": self._place, "batch of step": self._step}

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes there; costs nothing where it is there already."""
        if state != {**state, **self.state()}:
            self._begin(state["pass"], state["place"], state["batch of step"])

    def _begin(self, number: int, place: int, step: int) -> None:
        """At the start of pass `number`, `place` batches of it behind, the last of them that of `step`."""
        self._pass, self._place, self._step = number, 0, step - place
        self._iterator: Iterator[tuple[Tensor, Tensor]] = iter(self._batches(number))
        self._current: tuple[Tensor, Tensor] | None = None
        for _ in range(place):
            self._next()

    def _next(self) -> None:
        try:
            self._current = next(self._iterator)
        except StopIteration:
            if self._place == 0:
                raise TrainingError(f"pass {self._pass} through the data has no batch, expected at least one") from None
            self._pass, self._place = self._pass + 1, 0
            self._iterator = iter(self._batches(self._pass))
            self._next()
            return
        self._place += 1
        self._step += 1
