"""A trained network as an ordinary torch module of the equation's coordinates, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.activations import Activation, activation
from edgewise.errors import DataError
from edgewise.files import write_bytes
from edgewise.pinn.hard import Hard


class SolutionModule(nn.Module):
    """u as a function of the coordinates, [..., coordinate] -> [...]: a plain network, and conditions where built in.

    layers: weights [fan-in, unit] of all layers, then biases [1, unit], for unscaled coordinates.
    """

    def __init__(self, sigma: Activation, layers: Sequence[Tensor], hard: Hard | None = None) -> None:
        super().__init__()
        depth = len(layers) // 2
        self.hard = hard
        self.network = nn.Sequential()
        for i, (weight, bias) in enumerate(zip(layers[:depth], layers[depth:], strict=True)):
            fan_in, units = weight.shape
            linear = nn.Linear(fan_in, units, device=weight.device, dtype=weight.dtype)
            with torch.no_grad():
                linear.weight.copy_(weight.T)
                linear.bias.copy_(bias.flatten())
            self.network.append(linear)
            if i < depth - 1:
                self.network.append(sigma.module(trainable=False))

    def forward(self, x: Tensor) -> Tensor:
        fed = None if self.hard is None else self.hard.embedding
        out: Tensor = self.network(x if fed is None else fed(x))
        return out[..., 0] if self.hard is None else self.hard({(): out}, x, [()])[()][..., 0]


def save(module: SolutionModule, path: str | Path, about: Mapping[str, Any]) -> Path:
    """The weights as safetensors, `about` as its metadata; written whole or not at all. Raises OSError."""
    from safetensors.torch import save as serialised

    target = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_bytes(target, serialised(tensors, metadata={"edgewise.pinn": json.dumps(about)}))
    return target


def load(path: str | Path) -> SolutionModule:
    """The module that `Solution.save` wrote; its conditions too where they are built in.

    Raises DataError for a file that is none of these, SpecError for an activation that a text does not make again.
    """
    from safetensors import SafetensorError, safe_open

    from edgewise.pinn.problems import problem

    source = Path(path)
    try:
        with safe_open(source, framework="pt") as file:
            about = json.loads((file.metadata() or {})["edgewise.pinn"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{source}: expected a network saved by Solution.save, found none ({error})") from None
    weights = sorted((name for name in tensors if name.endswith("weight")), key=_place)
    biases = sorted((name for name in tensors if name.endswith("bias")), key=_place)
    case = about["problem"]
    hard = problem(case["name"], **case["settings"]).hard if about["settings"]["boundary"] == "hard" else None
    layers = [tensors[name].T for name in weights] + [tensors[name][None] for name in biases]
    return SolutionModule(activation(about["activation"]), layers, hard)


def _place(name: str) -> int:
    """Where in the network a tensor of that name is: network.4.weight is before network.10.weight."""
    return int(name.split(".")[1])
