"""The same training step done in several ways, all from the same weights on the same batch.

Each contender is a function of a number of steps that returns the members' losses before the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

import edgewise as ew
from benchmarks.ensembles.settings import CLASSES, FEATURES, LEARNING_RATE, MEMBERS, WIDTH, Case
from edgewise.data import Split
from edgewise.train import Adam, Initial, Member, Parameters, Shape, initialise, minimise
from edgewise.train.gradients import BackPropagation
from edgewise.train.mlp_ensemble import MLPEnsemble

Steps = Callable[[int], Tensor]


@dataclass(frozen=True)
class Work:
    """What every contender is given: where the networks start, and one batch each, [member, example, ...]."""

    case: Case
    shape: Shape
    members: list[Member]
    start: Parameters
    inputs: Tensor
    labels: Tensor


def work(case: Case, device: torch.device) -> Work:
    """Weights at the critical point of the activation; inputs of mean square 1."""
    shape = Shape(FEATURES, WIDTH, case.depth, CLASSES)
    scale = {"relu": (2.0, 1.0), "tanh": (1.0, 1.0), "mrepu(p=2)": (1.0, 1e-3)}[case.activation]
    initial = Initial(c_w=scale[0], c_b=0.0, first_c_w=scale[1], first_c_b=0.0, last_c_w=1.0)
    members = [Member(seed, LEARNING_RATE, initial) for seed in range(MEMBERS)]
    g = torch.Generator().manual_seed(0)
    return Work(
        case, shape, members, initialise(shape, members, device=device),
        torch.randn(MEMBERS, case.batch, FEATURES, generator=g).to(device),
        torch.randint(0, CLASSES, (MEMBERS, case.batch), generator=g).to(device),
    )  # fmt: skip


def product(job: Work) -> Steps:
    """The reference: torch.bmm of [100, batch, 64] and [100, 64, 64] into a tensor that is there."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(MEMBERS, job.case.batch, WIDTH, generator=g).to(job.inputs.device)
    w = torch.randn(MEMBERS, WIDTH, WIDTH, generator=g).to(job.inputs.device)
    out = torch.empty_like(x)

    def steps(count: int) -> Tensor:
        for _ in range(count):
            torch.bmm(x, w, out=out)
        return out

    return steps


def edgewise(job: Work) -> Steps:
    """Forward, loss, backward and Adam as the training loop calls them."""
    activation, rule = ew.activation(job.case.activation), Adam()
    layers = [t.clone() for t in job.start.layers()]
    back = BackPropagation(activation, layers)
    kept = [[torch.zeros_like(t) for t in layers] for _ in range(rule.slots)]
    rates = [torch.full((MEMBERS, 1, 1), LEARNING_RATE, device=t.device) for t in layers]
    alive = torch.ones(MEMBERS, dtype=torch.bool, device=layers[0].device)
    done = 0

    def steps(count: int) -> Tensor:
        nonlocal done
        for _ in range(count):
            done += 1
            losses = back(job.inputs, job.labels)
            rule.step_(layers, back.gradients, kept, rates, alive, step=done, scale=1.0)
        return losses

    return steps


def compiled(job: Work) -> Steps:
    """The same, forward and autograd's backward compiled by torch.compile: what ``minimise(compile=True)`` does."""
    data = Split(job.inputs.reshape(-1, FEATURES), job.labels.reshape(-1))
    everyone = torch.arange(MEMBERS, device=job.inputs.device)
    problem = MLPEnsemble(
        ew.activation(job.case.activation), job.start.select(everyone), job.members, data, batch=job.case.batch
    )
    problem.batch = lambda step: (job.inputs, job.labels)  # type: ignore[method-assign]
    problem.compile_()
    layers, rule, done = problem.tensors(), Adam(), 0
    kept = [[torch.zeros_like(t, requires_grad=False) for t in layers] for _ in range(rule.slots)]
    rates = [torch.full((MEMBERS, 1, 1), LEARNING_RATE, device=t.device) for t in layers]
    alive = torch.ones(MEMBERS, dtype=torch.bool, device=layers[0].device)

    def steps(count: int) -> Tensor:
        nonlocal done
        for _ in range(count):
            done += 1
            losses, gradients = problem.losses_and_gradients(done)
            rule.step_(layers, gradients, kept, rates, alive, step=done, scale=1.0)
        return losses

    return steps


def training_loop(job: Work) -> Steps:
    """`minimise` itself: batches drawn from a data set, losses kept, divergence watched."""
    examples = 2 * job.case.batch
    data = Split(job.inputs[:2].reshape(examples, FEATURES), job.labels[:2].reshape(examples))
    everyone = torch.arange(MEMBERS, device=job.inputs.device)
    problem = MLPEnsemble(
        ew.activation(job.case.activation), job.start.select(everyone), job.members, data, batch=job.case.batch
    )

    def steps(count: int) -> Tensor:
        run = minimise(problem, steps=count, optimiser=Adam(), learning_rate=LEARNING_RATE)
        return run.losses[-1]

    return steps


class _MRePU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.relu(x + 1) ** 2


_MODULES: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "mrepu(p=2)": _MRePU}


def _modules(job: Work) -> Iterator[nn.Module]:
    """The networks as anybody would write them, with the same weights."""
    tensors = job.start.layers()
    weights, biases = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
    for member in range(MEMBERS):
        layers: list[nn.Module] = []
        for weight, bias in zip(weights, biases, strict=True):
            linear = nn.Linear(*weight.shape[1:], device=weight.device)
            with torch.no_grad():
                linear.weight.copy_(weight[member].T)
                linear.bias.copy_(bias[member, 0])
            layers += [linear, _MODULES[job.case.activation]()]
        yield nn.Sequential(*layers[:-1])


def python_loop(job: Work, *, fused: bool | None = None) -> Steps:
    """One nn.Module and one torch.optim.Adam a member, one after the other."""
    networks = list(_modules(job))
    optimisers = [torch.optim.Adam(n.parameters(), lr=LEARNING_RATE, fused=fused) for n in networks]

    def steps(count: int) -> Tensor:
        for _ in range(count):
            losses = []
            for network, optimiser, x, y in zip(networks, optimisers, job.inputs, job.labels, strict=True):
                loss = functional.cross_entropy(network(x), y)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
        return torch.stack(losses)

    return steps


def torch_vmap(job: Work) -> Steps:
    """torch.func: stack_module_state, vmap of grad_and_value of functional_call; torch's fused Adam on the stacks."""
    networks = list(_modules(job))
    parameters, _ = stack_module_state(networks)  # type: ignore[arg-type]
    base = networks[0]
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, fused=True)

    def loss(of_member: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(base, of_member, (x,)), y)

    slope = vmap(grad_and_value(loss))

    def steps(count: int) -> Tensor:
        for _ in range(count):
            gradients, losses = slope(parameters, job.inputs, job.labels)
            for name, parameter in parameters.items():
                parameter.grad = gradients[name]
            optimiser.step()
        return losses.detach()

    return steps
