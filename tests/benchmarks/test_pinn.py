"""The contenders of the PINN benchmark compute the same loss, and its tables say what was missed."""

from __future__ import annotations

import pytest
import torch
from benchmarks.pinn.cases import Case, Operator, cases
from benchmarks.pinn.contenders import functional_residual, nested_residual, network, our_residual, points
from benchmarks.pinn.tables import misses, tables

from edgewise.pinn.jets import layers_of


@pytest.mark.parametrize("operator", ["burgers", "u_xxxx", "biharmonic"])
def test_contenders_agree(operator: Operator) -> None:
    case = Case(operator, depth=2, width=6, points=7, dtype="float64", threads=1)
    net, x = network(case), points(case)
    ours = our_residual(case, layers_of(net), x).flatten()
    for theirs in (nested_residual(case, net, x.clone().requires_grad_()), functional_residual(case, net, x)):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_every_case_is_measured_at_every_number_of_threads() -> None:
    assert {c.threads for c in cases(quick=False, threads=(1, 2))} == {1, 2}
    assert {c.points for c in cases(quick=True, threads=(1,))} == {1000}


def test_tables_and_misses() -> None:
    row = {
        "case": "burgers, 8x20", "operator": "burgers", "network": "8x20", "points": 1000, "dtype": "float64",
        "threads": 1, "seconds": 0.004, "times_as_fast": {"nested autograd": [1.2, 1.1, 1.3], "torch.func": [3, 2, 4]},
        "loss_differs": {"nested autograd": 0.0, "torch.func": 1e-3},
    }  # fmt: skip
    machine = {"processor": "x", "cores": 2, "torch": "2", "deepxde": "1", "rounds": 3, "clock": "c", "date": "d"}
    results = {"machine": machine, "cases": [row]}
    assert "| burgers | 8x20 | 1000 | float64 | 4 | 1.20 (1.10–1.30) | 3.00 (2.00–4.00) |" in tables(results)
    assert misses(results) == [
        "burgers, 8x20: 1.20 times as fast as nested autograd, aim 1.5",
        "burgers, 8x20: loss differs from torch.func's by 1.0e-03, aim 1e-06",
    ]
