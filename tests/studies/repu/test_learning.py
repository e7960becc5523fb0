"""The parts of the RePU study that train networks: targets and their derivatives, fitting, claims and their figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.report.figures.registry import drawing
from edgewise.studies.claim import Claim
from edgewise.studies.repu import kernels_in_training, mean_output, regression
from edgewise.studies.repu.contenders import contender, start_at
from edgewise.studies.repu.fitting import fit, log_ratios, relative_error
from edgewise.studies.repu.targets import INPUT_SCALE, TARGETS, at, sample
from edgewise.studies.study import Context
from edgewise.train import Shape, forward


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, torch.device("cpu"), torch.float32, tmp_path, lambda done, total: None)


@pytest.mark.parametrize("key", TARGETS)
def test_targets_have_mean_0_and_variance_1_over_the_box(key: str) -> None:
    values = sample(TARGETS[key], 200_000, torch.Generator().manual_seed(0)).value
    error = 5.0 * float(values.square().std()) / math.sqrt(len(values))  # five standard errors of the mean square
    assert abs(float(values.mean())) < 5.0 / math.sqrt(len(values))
    assert abs(float(values.square().mean()) - 1.0) < error


def test_derivatives_are_those_by_the_networks_own_input() -> None:
    """x y z with variance 1/27: d/du of sqrt(27) x y z at u = sqrt(3) x is sqrt(27/3) y z, and so on."""
    point = torch.tensor([[0.3, -0.5, 0.7]], dtype=torch.float64)
    found = at(TARGETS["xyz"], point)
    x, y, z = point[0].tolist()
    c = math.sqrt(27.0)
    np.testing.assert_allclose(found.value, [c * x * y * z], rtol=1e-12)
    np.testing.assert_allclose(found.gradient[0], np.array([y * z, x * z, x * y]) * c / INPUT_SCALE, rtol=1e-12)
    expected = np.array([[0, z, y], [z, 0, x], [y, x, 0]]) * c / INPUT_SCALE**2
    np.testing.assert_allclose(found.second[0], expected, atol=1e-14)
    np.testing.assert_allclose(found.split.inputs[0], point[0] * INPUT_SCALE, rtol=1e-6)


def test_a_second_derivative_against_differences() -> None:
    h, point = 1e-4, torch.tensor([[0.2, -0.4]], dtype=torch.float64)
    for key in ("quartic", "wave", "bump"):
        found = at(TARGETS[key], point)
        ends = [at(TARGETS[key], point + torch.tensor([[side * h, 0.0]])).gradient[0] for side in (-1, 1)]
        slope = (ends[1] - ends[0]) / (2.0 * h * INPUT_SCALE)
        np.testing.assert_allclose(found.second[0, 0], slope, rtol=1e-5, atol=1e-5)


def test_errors_and_their_ratios() -> None:
    truth = torch.tensor([3.0, 4.0])
    values = torch.tensor([[3.0, 4.0], [0.0, 0.0], [math.nan, 1.0]])
    assert relative_error(values, truth).tolist() == [0.0, 1.0, math.inf]
    assert log_ratios([1.0, math.inf, math.inf, 1.0], [10.0, 1.0, math.inf, math.inf]) == [-1, math.inf, 0, -math.inf]


def test_the_rate_with_the_lowest_error_is_kept(context: Context) -> None:
    target, shape = TARGETS["xyz"], Shape(3, 8, 1, 1)
    sigma, initial = contender("gelu", shape)
    test = sample(target, 64, torch.Generator().manual_seed(1))
    fitted = fit(
        sigma, initial, shape, target, test, rates=(1e-9, 1e-2), networks=3, steps=60, batch=32, examples=256,
        context=context, on_step=lambda step: None,
    )  # fmt: skip
    assert fitted.rate == 1e-2
    outputs = forward(sigma, fitted.parameters, test.split.inputs)[..., 0].double()
    np.testing.assert_allclose(relative_error(outputs, test.value), fitted.error, rtol=1e-5)
    assert sorted(fitted.error.tolist())[1] == float(fitted.error[fitted.median])


@pytest.mark.parametrize("spec", ["repu(p=2)", "mrepu(p=2)"])
def test_both_start_where_theory_keeps_the_kernel(spec: str) -> None:
    from edgewise.theory import kernel_flow

    start = start_at(spec, Shape(2, 500, 5, 1), mean_square=0.5)
    flow = kernel_flow(spec, 5, c_w=start.c_w, k0=start.first_c_w * 0.5).kernel
    assert float(flow.max() / flow.min()) < 2.0


TINY = {
    kernels_in_training: replace(kernels_in_training.SMOKE, width=8, networks=9, steps=12, looks=4, examples=128),
    mean_output: replace(mean_output.SMOKE, width=8, networks=9, steps=8, examples=128, test=40),
    regression: replace(regression.SMOKE, width=8, networks=9, steps=8, depths=(2,), examples=128, test=40),
}


@pytest.mark.parametrize("part", TINY, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_a_part_gives_claims_that_draw_themselves_from_json(part: object, context: Context) -> None:
    found = part.run(TINY[part], context)
    claims = (found,) if isinstance(found, Claim) else found
    for claim in claims:
        again = Claim.from_dict(json.loads(json.dumps(claim.to_dict(), allow_nan=False)))
        assert again.verdict == claim.verdict
        assert again.measured == claim.measured
        for name in again.figures:
            drawn = drawing("repu", name)
            assert drawn is not None
            assert drawn.draw(again.data).axes
            assert len(drawn.caption(again.data)) > 50


def test_a_part_gives_the_same_numbers_again(context: Context) -> None:
    first, second = (kernels_in_training.run(TINY[kernels_in_training], context).to_dict() for _ in range(2))
    assert first == second
