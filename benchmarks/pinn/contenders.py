"""The same loss and gradient by us, nested autograd, torch.func and DeepXDE, on the same weights and points."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

import edgewise as ew
from benchmarks.pinn.cases import Case
from edgewise.pinn.jets import derivatives, layers_of
from edgewise.pinn.multi_index import Combination, combination

NU = 0.01 / math.pi
Route = Callable[[], Tensor]
"""Computes the loss and its gradient by all weights; returns the loss."""

TANH = ew.activation("tanh")
BIHARMONIC = combination({(0, 0, 0, 0): 1.0, (0, 0, 1, 1): 2.0, (1, 1, 1, 1): 1.0})
PRINCIPAL = combination({(1,): 1.0, (0, 0): -NU})


def network(case: Case) -> nn.Sequential:
    """Weights as Glorot's, from a fixed seed."""
    generator, dtype = torch.Generator().manual_seed(0), getattr(torch, case.dtype)
    sizes = [2, *[case.width] * case.depth, 1]
    net = nn.Sequential()
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        linear = nn.Linear(fan_in, fan_out, dtype=dtype)
        nn.init.xavier_normal_(linear.weight, generator=generator)
        nn.init.uniform_(linear.bias, -0.1, 0.1, generator=generator)
        net.append(linear)
        if i < case.depth:
            net.append(nn.Tanh())
    return net


def points(case: Case) -> Tensor:
    """(x, t) or (x, y), uniform on [-1, 1]^2."""
    generator = torch.Generator().manual_seed(1)
    return (2 * torch.rand(case.points, 2, generator=generator, dtype=torch.float64) - 1).to(getattr(torch, case.dtype))


def routes(case: Case, compiled: bool) -> dict[str, Route]:
    """By name; ours is "edgewise"."""
    net, x = network(case), points(case)
    weights = tuple(net.parameters())

    def with_gradient(residual: Callable[[], Tensor], leaves: tuple[Tensor, ...]) -> Route:
        def run() -> Tensor:
            loss = residual().square().mean()
            torch.autograd.grad(loss, leaves, allow_unused=True)
            return loss.detach()

        return run

    layers = tuple(t.detach().clone().requires_grad_() for t in layers_of(net))
    at = x.clone().requires_grad_()
    found = {
        "edgewise": with_gradient(lambda: our_residual(case, layers, x), layers),
        "nested autograd": with_gradient(lambda: nested_residual(case, net, at), weights),
        "torch.func": with_gradient(lambda: functional_residual(case, net, x), weights),
    }
    if case.operator == "burgers":
        found["DeepXDE"] = with_gradient(_deepxde(case, net, x), weights)
    if compiled:
        traced = torch.compile(lambda given: our_residual(case, given, x), fullgraph=True)
        found["edgewise, compiled"] = with_gradient(lambda: traced(layers), layers)
    return found


def our_residual(case: Case, layers: tuple[Tensor, ...], x: Tensor) -> Tensor:
    if case.operator == "burgers":
        wanted: list[tuple[int, ...] | Combination] = [(), (0,), PRINCIPAL]
        u = derivatives(TANH, layers, x, wanted)
        return u[PRINCIPAL] + u[()] * u[0,]
    if case.operator == "biharmonic":
        return derivatives(TANH, layers, x, [BIHARMONIC])[BIHARMONIC]
    return derivatives(TANH, layers, x, [(0, 0, 0, 0)])[0, 0, 0, 0]


def nested_residual(case: Case, net: nn.Module, x: Tensor) -> Tensor:
    """One gradient an order, of all coordinates at once: the fewest that reverse mode needs."""

    def gradient(u: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        return both[:, 0], both[:, 1]

    u = net(x)[:, 0]
    if case.operator == "burgers":
        u_x, u_t = gradient(u)
        return u_t + u * u_x - NU * gradient(u_x)[0]
    if case.operator == "biharmonic":
        return _laplacian(_laplacian(u, gradient), gradient)
    for _ in range(4):
        u = gradient(u)[0]
    return u


def _laplacian(u: Tensor, gradient: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    by_x, by_y = gradient(u)
    return gradient(by_x)[0] + gradient(by_y)[1]


def functional_residual(case: Case, net: nn.Module, x: Tensor) -> Tensor:
    """Forward mode within forward mode, all points at once."""
    along = [torch.zeros_like(x).index_fill_(1, torch.tensor(i), 1.0) for i in (0, 1)]

    def value(at: Tensor) -> Tensor:
        return net(at)[:, 0]

    def slope(f: Callable[[Tensor], Tensor], i: int) -> Callable[[Tensor], Tensor]:
        return lambda at: torch.func.jvp(f, (at,), (along[i],))[1]

    if case.operator == "burgers":
        u, u_t = torch.func.jvp(value, (x,), (along[1],))
        u_x, u_xx = torch.func.jvp(slope(value, 0), (x,), (along[0],))
        return u_t + u * u_x - NU * u_xx
    if case.operator == "biharmonic":
        twice = [slope(slope(value, i), i) for i in (0, 1)]

        def laplacian(at: Tensor) -> Tensor:
            return twice[0](at) + twice[1](at)

        return slope(slope(laplacian, 0), 0)(x) + slope(slope(laplacian, 1), 1)(x)
    return slope(slope(slope(slope(value, 0), 0), 0), 0)(x)


def _deepxde(case: Case, net: nn.Sequential, x: Tensor) -> Callable[[], Tensor]:
    """The residual as its users write it, through its own derivatives."""
    from benchmarks.pinn.peer import burgers, deepxde

    dde = deepxde(case.dtype)

    def residual() -> Tensor:
        at = x.detach().requires_grad_()
        found = burgers(dde)(at, net(at))
        dde.grad.clear()
        return found

    return residual
