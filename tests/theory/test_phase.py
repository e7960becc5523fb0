"""The phase diagram and the critical line."""

from __future__ import annotations

import pytest
import torch

from edgewise.errors import DomainError
from edgewise.theory import PHASES, critical_line, kernel_flow, phase_diagram


def test_relu_changes_phase_at_two() -> None:
    diagram = phase_diagram("relu", c_w=[1.0, 1.99, 2.01, 3.0], c_b=[0.0, 0.5], depth=64)
    assert [PHASES[i] for i in diagram.phase[0].tolist()] == ["vanishes", "ordered", "chaotic", "diverges"]
    assert [PHASES[i] for i in diagram.phase[1].tolist()] == ["ordered", "ordered", "chaotic", "diverges"]
    assert diagram.survived[0].tolist() == [20, 64, 64, 35]  # 2**-19 > 1e-6 > 2**-20; 1.5**34 < 1e6 < 1.5**35


def test_every_cell_is_a_kernel_flow() -> None:
    c_w, c_b = torch.linspace(0.5, 3.5, 5), torch.linspace(0.0, 1.0, 3)
    diagram = phase_diagram("gelu", c_w=c_w, c_b=c_b, depth=12, k0=0.5, skip=0.3)
    flows = kernel_flow("gelu", 12, c_w=c_w.double(), c_b=c_b.double()[:, None], k0=0.5, skip=0.3)
    torch.testing.assert_close(diagram.kernel, flows.kernel[-1], rtol=1e-13, atol=0)
    torch.testing.assert_close(diagram.chi_perp, flows.chi_perp[-1], rtol=1e-13, atol=0)


@pytest.mark.parametrize("spec", ["tanh", "gelu", "softplus"])
@pytest.mark.parametrize("skip", [0.0, 0.7])
def test_the_critical_line_separates_the_phases(spec: str, skip: float) -> None:
    line = critical_line(spec, torch.tensor([0.3, 1.0, 4.0]), skip=skip)
    for k, c_w, c_b in zip(line.kernel.tolist(), line.c_w.tolist(), line.c_b.tolist(), strict=True):
        flow = kernel_flow(spec, 2, c_w=c_w, c_b=c_b, k0=k, skip=skip)
        assert float(flow.kernel[1]) == pytest.approx(k, rel=1e-12)
        assert float(flow.chi_perp[0]) == pytest.approx(1.0, abs=1e-12)


def test_the_critical_line_of_relu_is_a_point_repeated() -> None:
    line = critical_line("relu")
    assert line.c_w.numel() == 400
    torch.testing.assert_close(line.c_w, torch.full((400,), 2.0, dtype=torch.float64))
    assert float(line.c_b.abs().max()) == 0.0


def test_grids_must_be_one_dimensional_and_in_range() -> None:
    with pytest.raises(DomainError, match="one-dimensional"):
        phase_diagram("tanh", c_w=torch.ones(2, 2), c_b=[0.0])
    with pytest.raises(DomainError, match="c_b"):
        phase_diagram("tanh", c_w=[1.0], c_b=[-0.1])


def test_as_a_dictionary() -> None:
    plain = phase_diagram("tanh", c_w=[1.0, 2.0], c_b=[0.0], depth=4).to_dict()
    assert plain["phase"] == [["ordered", "chaotic"]]
