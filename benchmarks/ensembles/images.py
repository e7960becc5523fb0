"""Ensembles of small convolutional networks beside a Python loop over the same networks and torch.func.vmap."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

import edgewise as ew
from benchmarks.ensembles.settings import CLASSES, LEARNING_RATE
from edgewise.data import Split
from edgewise.train import Adam, Initial, Member
from edgewise.train.conv_ensemble import ConvEnsemble
from edgewise.train.convolutional import ConvShape

CASES = {
    "50 members, 14 x 14 x 1, 8 channels, batch 16": (50, ConvShape(1, 14, 8, 3, CLASSES, strides=(1, 2, 1)), 16),
    "32 members, 8 x 8 x 1, 16 channels, batch 32": (32, ConvShape(1, 8, 16, 3, CLASSES, head="flatten"), 32),
    "16 members, 28 x 28 x 1, 16 channels, batch 32": (16, ConvShape(1, 28, 16, 3, CLASSES, strides=(1, 2, 2)), 32),
    "16 members, 32 x 32 x 3, 16 channels, batch 32": (16, ConvShape(3, 32, 16, 4, CLASSES, strides=(1, 2, 1, 2)), 32),
}

Step = Callable[[], Tensor]


def measured(name: str, device: torch.device, rounds: int, clock: str) -> dict[str, Any]:
    """Seconds a step with relu and Adam, in turn; losses of the second step show that all did the same work."""
    members, shape, batch = CASES[name]
    initial = Initial(c_w=2.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)
    everyone = [Member(seed, LEARNING_RATE, initial, order_seed=0) for seed in range(members)]
    g = torch.Generator().manual_seed(0)
    data = Split(
        torch.randn(batch, shape.channels * shape.size**2, generator=g),
        torch.randint(0, CLASSES, (batch,), generator=g),
    )
    problem = ConvEnsemble.drawn(ew.activation("relu"), shape, everyone, data, batch=batch, device=device)
    start = [t.detach().clone() for t in problem.tensors()]
    images = (
        data.inputs.reshape(batch, shape.channels, shape.size, shape.size).to(device).expand(members, -1, -1, -1, -1)
    )
    labels = data.labels.to(device).expand(members, -1)
    steps = {
        "edgewise": _edgewise(problem),
        "loop, fused Adam": _loop(list(_modules(shape, start)), images, labels),
        "torch.func.vmap": _vmap(list(_modules(shape, start)), images, labels),
    }
    now = getattr(time, clock)

    def seconds(step: Step) -> float:
        begun = now()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return float(now() - begun)

    for step in steps.values():
        step()
    losses = {who: step() for who, step in steps.items()}
    taken = [{who: seconds(step) for who, step in steps.items()} for _ in range(rounds)]
    ours = [row["edgewise"] for row in taken]
    return {
        "case": name,
        "threads": torch.get_num_threads(),
        "edgewise_ms": 1e3 * statistics.median(ours),
        "times_as_fast": {
            who: [f(row[who] / row["edgewise"] for row in taken) for f in (statistics.median, min, max)]
            for who in steps if who != "edgewise"
        },
        "loss_off": {who: float((value / losses["edgewise"] - 1.0).abs().max()) for who, value in losses.items()},
    }  # fmt: skip


def _edgewise(problem: ConvEnsemble) -> Step:
    layers, rule, done = problem.tensors(), Adam(), 0
    kept = [[torch.zeros_like(t, requires_grad=False) for t in layers] for _ in range(rule.slots)]
    rates = [torch.full((len(t), *[1] * (t.dim() - 1)), LEARNING_RATE, device=t.device) for t in layers]
    alive = torch.ones(problem.members, dtype=torch.bool, device=layers[0].device)

    def step() -> Tensor:
        nonlocal done
        done += 1
        losses, gradients = problem.losses_and_gradients(done)
        rule.step_(layers, gradients, kept, rates, alive, step=done, scale=1.0)
        return losses

    return step


def _modules(shape: ConvShape, layers: list[Tensor]) -> Iterator[nn.Module]:
    """The networks as anybody would write them, with the same weights."""
    count = shape.depth + 1
    for member in range(len(layers[0])):
        modules: list[nn.Module] = []
        for i, stride in enumerate(shape.steps):
            conv = nn.Conv2d(layers[i].shape[2], shape.width, 3, stride=stride, padding=1, device=layers[i].device)
            with torch.no_grad():
                conv.weight.copy_(layers[i][member])
                conv.bias.copy_(layers[count + i][member])  # type: ignore[union-attr]
            modules += [conv, nn.ReLU()]
        linear = nn.Linear(shape.features, shape.outputs, device=layers[0].device)
        with torch.no_grad():
            linear.weight.copy_(layers[count - 1][member].T)
            linear.bias.copy_(layers[-1][member, 0])
        modules += [nn.AdaptiveAvgPool2d(1)] if shape.head == "mean" else []
        yield nn.Sequential(*modules, nn.Flatten(), linear)


def _loop(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Step:
    optimisers = [torch.optim.Adam(n.parameters(), lr=LEARNING_RATE, fused=True) for n in networks]

    def step() -> Tensor:
        losses = []
        for network, optimiser, x, y in zip(networks, optimisers, images, labels, strict=True):
            loss = functional.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    return step


def _vmap(networks: list[nn.Module], images: Tensor, labels: Tensor) -> Step:
    parameters, _ = stack_module_state(networks)  # type: ignore[arg-type]
    base = networks[0]
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, fused=True)

    def loss(of_member: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(base, of_member, (x,)), y)

    slope = vmap(grad_and_value(loss))

    def step() -> Tensor:
        gradients, losses = slope(parameters, images, labels)
        for name, parameter in parameters.items():
            parameter.grad = gradients[name]
        optimiser.step()
        return losses.detach()

    return step
