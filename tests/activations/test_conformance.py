"""Every registered activation passes the conformance suite, at its default parameters and at others."""

from __future__ import annotations

import pytest
import torch

import edgewise as ew
from edgewise.activations import registry
from edgewise.testing import SLOW, check_compile_all, check_onnx_all, conformance
from edgewise.testing.references import FAMILIES

OTHER_PARAMETERS = (
    "celu(alpha=2.5)",
    "cos(omega=0.3)",
    "elu(alpha=0.3)",
    "gsmelu(alpha=0.3, beta=1.5, g_minus=-0.2, g_plus=1.7)",
    "gsmelu(alpha=0.3, beta=1.5, g_minus=0.2, g_plus=1.2, t=0.4)",
    "hardshrink(lam=1.3)",
    "helu(alpha=1)",
    "leaky_relu(a=-0.5)",
    "monomial(p=1)",
    "monomial(p=7)",
    "mrepu(p=1)",
    "mrepu(p=1.5)",
    "mrepu(p=2.5, shift=0.7)",
    "mrepu(p=3)",
    "prelu(a=1)",
    "repu(p=1)",
    "repu(p=1.5)",
    "repu(p=2.7)",
    "repu(p=3)",
    "rescu_epanechnikov(beta=0.3)",
    "rescu_gaussian(beta=2.5)",
    "rescu_triangle(beta=0.3)",
    "sin(omega=30)",
    "smelu(beta=0.3)",
    "snake(a=5)",
    "softplus(beta=5)",
    "softshrink(lam=1.3)",
    "squareplus(b=0.01)",
    "swish(beta=-1.3)",
    "swish(beta=0)",
    "swish(beta=10)",
)

MAY_NOT_APPLY = {"kinks", "parity", "homogeneity", "pieces", "parameter_gradients"}
"""What a registered activation may lack; every other check has to run."""

WITH_SURROGATE = {"gradcheck", "gradgradcheck", "hessian"}

INDUCTOR = ("gelu", "helu", "mish", "mrepu", "sinc", "softplus", "squareplus", "swish(beta=0.5)", "x_arcsinh_squared")
"""For these code is generated; they use every elementary function of the others. The rest is captured as a graph."""


@pytest.mark.parametrize("spec", [*ew.activations(), *OTHER_PARAMETERS])
def test_a_registered_activation_conforms(spec: str) -> None:
    report = conformance(spec, skip=SLOW)
    report.raise_if_failed()
    skipped = {c.name for c in report.checks if c.outcome == "skipped"}
    surrogate = ew.activation(spec).definition.surrogate is not None
    assert skipped <= (MAY_NOT_APPLY | WITH_SURROGATE if surrogate else MAY_NOT_APPLY)


def test_every_registered_name_has_a_reference() -> None:
    assert set(ew.activations()) - FAMILIES.keys() == set()


def test_every_family_with_parameters_is_also_tried_at_others() -> None:
    tried = {ew.activation(spec).name for spec in OTHER_PARAMETERS}
    families = {ew.activation(name).definition for name in ew.activations()}
    assert {d.name for d in families if d.parameters} - tried == set()


def test_an_alias_is_its_own_definition() -> None:
    """`FAMILIES` spells aliases out; they have to be the functions that the registry makes of them."""
    from mpmath import mp

    assert registry.registered("silu").name == "swish"
    for name in ("silu", "relu2"):
        a = ew.activation(name)
        x = torch.linspace(-3, 3, 25, dtype=torch.float64)
        exact = torch.tensor([float(FAMILIES[name]()(mp.mpf(t))) for t in x.tolist()], dtype=torch.float64)
        torch.testing.assert_close(a(x), exact, rtol=1e-14, atol=0)


def test_all_compile_without_a_graph_break() -> None:
    check_compile_all([ew.activation(spec) for spec in (*ew.activations(), *OTHER_PARAMETERS)])


def test_inductor_generates_code_for_them() -> None:
    check_compile_all([ew.activation(spec) for spec in INDUCTOR], backend="inductor")


def test_all_export_to_onnx_and_run_in_onnxruntime() -> None:
    check_onnx_all([ew.activation(name) for name in ew.activations()])


@pytest.mark.parametrize("compiled", [False, True])
def test_helu_passes_gradients_beyond_minus_alpha(compiled: bool) -> None:
    """Kimhi et al., arXiv 2411.10573: forward max(0, x), backward 1 where x > -alpha."""
    helu = ew.activation("helu(alpha=0.05)")
    function = torch.compile(helu.__call__, fullgraph=True, backend="aot_eager") if compiled else helu
    x = torch.tensor([-2.0, -0.0501, -0.05, -0.0499, 0.0, 0.5, float("inf")], dtype=torch.float64, requires_grad=True)
    y = function(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.tolist() == [0, 0, 0, 0, 0, 0.5, float("inf")]
    assert gradient.tolist()[:-1] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("name", ew.activations())
def test_no_symmetry_goes_undeclared(name: str) -> None:
    a = ew.activation(name)
    x = torch.tensor([0.05, 0.17, 0.3, 0.73, 1.9, 4.2, 7.7], dtype=torch.float64)
    even, odd = (torch.allclose(a(-x), s * a(x), rtol=1e-12, atol=1e-300) for s in (1, -1))
    assert a.parity == ("even" if even else "odd" if odd else None)
    both = torch.cat([-x, x])
    value, doubled = a(both), a(2 * both)
    degrees = (doubled / value).abs().log2()[value != 0]
    homogeneous = bool((doubled[value == 0] == 0).all()) and float(degrees.max() - degrees.min()) < 1e-9
    assert (a.homogeneity is not None) == homogeneous
