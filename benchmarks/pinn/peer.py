"""DeepXDE with its PyTorch backend: Burgers' equation as in its documentation, and one training step of it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.pinn.cases import SAME_LOSS, Case
from benchmarks.pinn.contenders import NU, PRINCIPAL, TANH, Route, network
from edgewise.pinn.jets import derivatives, layers_of

BOUNDARY, INITIAL = 80, 160
"""Points of the conditions, as in DeepXDE's example."""


def deepxde(dtype: str) -> Any:
    """The library, computing in that precision."""
    os.environ["DDE_BACKEND"] = "pytorch"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import deepxde as dde

        dde.config.set_default_float(dtype)
        torch.set_default_dtype(torch.float32)
    return dde


def burgers(dde: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """The residual of its example."""

    def residual(x: Tensor, y: Tensor) -> Tensor:
        dy_x = dde.grad.jacobian(y, x, i=0, j=0)
        dy_t = dde.grad.jacobian(y, x, i=0, j=1)
        dy_xx = dde.grad.hessian(y, x, i=0, j=0)
        found: Tensor = dy_t + y * dy_x - NU * dy_xx
        return found

    return residual


def steps(case: Case) -> dict[str, Route]:
    """A whole step of training, Adam included, on the points that DeepXDE drew, once the losses are seen to agree."""
    dde, net = deepxde(case.dtype), network(case)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model = _model(dde, case)
    linears = [m for m in net if isinstance(m, torch.nn.Linear)]
    with torch.no_grad():
        for theirs, mine in zip(model.net.linears, linears, strict=True):
            theirs.weight.copy_(mine.weight)
            theirs.bias.copy_(mine.bias)

    def theirs_step() -> Tensor:
        model.train_state.set_data_train(*model.data.train_next_batch(None))
        state = model.train_state
        model._train_step(state.X_train, state.y_train, state.train_aux_vars)
        return torch.zeros(())

    def theirs_loss() -> Tensor:
        state = model.train_state
        losses = model._outputs_losses(True, state.X_train, state.y_train, state.train_aux_vars)[1]
        return torch.as_tensor(np.sum(losses))

    every = torch.as_tensor(model.data.train_x, dtype=getattr(torch, case.dtype))
    first, second = int(model.data.num_bcs[0]), int(sum(model.data.num_bcs))
    inside, conditions = every[second:], every[:second]
    target = torch.cat([torch.zeros(first, 1), -torch.sin(torch.pi * every[first:second, :1])]).to(every)
    layers = [t.detach().clone().requires_grad_() for t in layers_of(net)]
    optimiser = torch.optim.Adam(layers, lr=1e-3)

    def our_loss() -> Tensor:
        u = derivatives(TANH, layers, inside, [(), (0,), PRINCIPAL])
        missed = (derivatives(TANH, layers, conditions, [()])[()][0] - target).square()
        return (u[PRINCIPAL] + u[()] * u[0,]).square().mean() + missed[:first].mean() + missed[first:].mean()

    def our_step() -> Tensor:
        optimiser.zero_grad()
        our_loss().backward()
        optimiser.step()
        return torch.zeros(())

    model.train_state.set_data_train(*model.data.train_next_batch(None))
    model.train_state.set_data_test(*model.data.test())
    begin, theirs_begin = float(our_loss().detach()), float(theirs_loss())
    _agree(case, begin, theirs_begin)
    return {"edgewise": our_step, "DeepXDE": theirs_step}


def _agree(case: Case, ours: float, theirs: float) -> None:
    if abs(ours - theirs) > SAME_LOSS * abs(theirs):
        raise AssertionError(f"{case}: losses {ours!r} and {theirs!r} differ")


def _model(dde: Any, case: Case) -> Any:
    dde.config.set_random_seed(0)
    geometry = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 0.99))
    edge = dde.icbc.DirichletBC(geometry, lambda x: 0, lambda _, on: on)
    start = dde.icbc.IC(geometry, lambda x: -np.sin(np.pi * x[:, 0:1]), lambda _, on: on)
    data = dde.data.TimePDE(
        geometry, burgers(dde), [edge, start], num_domain=case.points, num_boundary=BOUNDARY, num_initial=INITIAL
    )
    model = dde.Model(data, dde.nn.FNN([2, *[case.width] * case.depth, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3)
    return model
