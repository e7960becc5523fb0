"""Poisson's and the clamped plate's solutions agree with series, with formulas and with tables."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from edgewise.errors import DomainError
from edgewise.pinn.problems import biharmonic as plate
from edgewise.pinn.problems import problem
from edgewise.pinn.reference.galerkin import biharmonic, clamped, dirichlet, poisson, square_reference
from edgewise.pinn.separable import Separable, Wave

ORIGIN = torch.zeros(1, 2, dtype=torch.float64)


def test_poisson_agrees_with_the_double_sine_series_of_a_square_under_uniform_load() -> None:
    reference = square_reference(poisson, dirichlet, lambda x: torch.ones_like(x[:, 0]), 40)
    # torsion of a square bar (Timoshenko & Goodier): the series of cosh, at the centre
    odd = range(1, 60, 2)
    series = 0.5 - 16.0 / math.pi**3 * sum((-1) ** ((n - 1) // 2) / (n**3 * math.cosh(n * math.pi / 2.0)) for n in odd)
    assert float(reference.interpolate(ORIGIN)) == pytest.approx(series, abs=reference.error_estimate)


@pytest.mark.parametrize(
    ("solve", "basis", "exact", "order"),
    [
        (poisson, dirichlet, Separable(((Wave(math.pi), Wave(3.0 * math.pi)),)), 2),
        (biharmonic, clamped, plate._COSINES, 4),
    ],
    ids=["poisson", "biharmonic"],
)
@pytest.mark.parametrize("functions", [8, 12, 16, 20, 28])
def test_error_estimates_bound_the_error_at_any_number_of_polynomials(solve, basis, exact, order, functions) -> None:  # type: ignore[no-untyped-def]
    def source(x: Tensor) -> Tensor:
        second: Tensor = -(exact.derivative(x, (0, 0)) + exact.derivative(x, (1, 1)))
        fourth: Tensor = (
            exact.derivative(x, (0, 0, 0, 0))
            + 2.0 * exact.derivative(x, (0, 0, 1, 1))
            + exact.derivative(x, (1, 1, 1, 1))
        )
        return second if order == 2 else fourth

    reference = square_reference(solve, basis, source, functions)
    truth = exact(reference.points())
    off = float((reference.values.flatten() - truth).abs().max() / truth.abs().max())
    assert off <= reference.error_estimate
    assert functions < 28 or off < 1e-12


def test_a_clamped_plate_under_uniform_load_bends_as_the_tables_say() -> None:
    reference = problem("biharmonic").reference()
    # w = 0.00126532 q a^4 / D at the centre (Taylor & Govindjee 2004), side a = 2, q / D = 49.4
    assert float(reference.interpolate(ORIGIN)) == pytest.approx(0.00126532 * 16.0 * 49.4, rel=5e-9 / 0.00126532)


def test_poisson_with_bumps_agrees_with_finite_differences() -> None:
    from scipy.sparse import diags, identity, kron
    from scipy.sparse.linalg import spsolve

    from edgewise.pinn.problems.poisson_2d import _bumps

    def centre(n: int) -> Tensor:
        h = 2.0 / n
        x = torch.linspace(-1.0, 1.0, n + 1, dtype=torch.float64)[1:-1]
        line = diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(n - 1, n - 1)) / h**2
        matrix = kron(line, identity(n - 1)) + kron(identity(n - 1), line)
        u = spsolve(matrix.tocsc(), _bumps(torch.cartesian_prod(x, x)).numpy())
        every = n // 20
        return torch.from_numpy(u).reshape(n - 1, n - 1)[every - 1 :: every, every - 1 :: every]

    coarse, fine, finest = centre(40), centre(80), centre(160)
    better, best = (4 * fine - coarse) / 3, (4 * finest - fine) / 3
    x = torch.linspace(-1.0, 1.0, 21, dtype=torch.float64)[1:-1]
    found = problem("poisson_2d", source="bumps").reference().interpolate(torch.cartesian_prod(x, x))
    # Richardson's extrapolation errs by h^4: 1/15 of the last change
    assert float((found - best.flatten()).abs().max()) <= float((best - better).abs().max()) / 15 * 2
    assert float((best - better).abs().max()) < 1e-2


def test_the_bases_are_orthonormal_in_their_stiffness_and_satisfy_their_conditions() -> None:
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    for basis in (dirichlet(12), clamped(12)):
        for order in range(basis.stiff):
            # values of L_k at the ends are exactly 1, derivatives k (k + 1) / 2: rounding relative to those
            assert float(basis.at(ends, order).abs().max()) < 1e-15 * 16**2
        x, w = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(30))
        values = basis.at(x, basis.stiff)
        torch.testing.assert_close(
            values.T @ (w[:, None] * values), torch.eye(12, dtype=torch.float64), rtol=0.0, atol=1e-12
        )


def test_a_reference_reads_points_of_any_shape_and_refuses_others() -> None:
    reference = problem("poisson_2d").reference()
    points = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    found = reference.interpolate(points)
    assert found.shape == (3, 5)
    assert found.dtype == torch.float32
    predicted = torch.stack([reference.values.flatten(), 1.1 * reference.values.flatten()])
    torch.testing.assert_close(
        reference.relative_l2(predicted), torch.tensor([0.0, 0.1], dtype=torch.float64), rtol=1e-12, atol=1e-15
    )
    assert reference.relative_l2(found.flatten(), points.reshape(-1, 2)) < 1e-6
    with pytest.raises(DomainError, match=r"points of shape \(4, 3\) given"):
        reference.interpolate(torch.zeros(4, 3))
    with pytest.raises(DomainError, match="predictions of shape"):
        reference.relative_l2(torch.zeros(7))


def test_a_reference_is_plain_json() -> None:
    reference = problem("heat").reference()
    found = json.loads(json.dumps(reference.to_dict()))
    assert found["values"][50][10] == float(reference.values[50, 10])
    assert [len(axis) for axis in found["grid"]] == list(reference.values.shape)
    assert found["error_estimate"] == reference.error_estimate
    assert {"method", "reason"} < set(found)
