"""The compiled route: the same function, the same gradients, in every layout and transform; only faster."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

import edgewise as ew
from edgewise.activations.kernels import choice, cuda, llvm
from edgewise.activations.kernels.program import FUNCTIONS, NotRecordable, Program, Slot, Step, record
from edgewise.testing import calculus, conformance
from edgewise.testing.suite import SLOW

if not llvm.available()[0]:
    pytest.skip("no compiler for kernels: " + llvm.available()[1], allow_module_level=True)

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@pytest.fixture
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of one element take the compiled route too."""
    monkeypatch.setattr(choice, "SMALLEST", 1)


@pytest.mark.parametrize("name", ew.activations())
def test_every_activation_is_compiled_in_every_dtype(name: str) -> None:
    a = ew.activation(name)
    for dtype in DTYPES:
        assert choice._kernel(a, "value", dtype, "cpu") is not None
        assert choice._kernel(a, "gradient", dtype, "cpu") is not None


@pytest.mark.parametrize("name", ew.activations())
@pytest.mark.usefixtures("every_size")
def test_every_activation_conforms_on_the_compiled_route(name: str) -> None:
    assert conformance(name, only={"gradient", "nan", "dtypes", "layouts", "kinks", "vmap", "jvp"}).failed == ()


@pytest.mark.parametrize(
    "name",
    [
        "gelu",
        "tanh",
        "silu",
        "lisht",
        "softplus",
        "elu",
        "rescu_gaussian",
        "sinc",
        "snake",
        "cos_minus_x",
        "mrepu(p=2.5)",
    ],
)
@pytest.mark.usefixtures("every_size")
def test_compiled_values_are_as_exact_as_the_formula(name: str) -> None:
    assert conformance(name, only={"values", "values_float32", "tails", "tails_float32"}).failed == ()


@pytest.mark.parametrize("name", ["mrepu(p=2)", "relu", "helu(0.3)"])
@pytest.mark.usefixtures("every_size")
def test_all_other_checks_pass_on_the_compiled_route(name: str) -> None:
    assert conformance(name, skip=SLOW).failed == ()
    calculus.check_gradient(ew.activation(name))


@pytest.mark.parametrize("name", ew.activations())
def test_piecewise_polynomials_come_out_to_the_last_bit_and_the_others_within_units(name: str) -> None:
    a = ew.activation(name)
    x = torch.linspace(-12, 12, 8191)
    found, expected = a(x), choice.formula(a, "value")(x)
    if a.pieces is not None and not any(f in _functions(a) for f in (*FUNCTIONS, "pow")):
        assert torch.equal(found, expected)
    # each of two routes is within 32 units of sigma and of what x's own rounding does (edgewise.testing.values)
    slope = choice.formula(a, "gradient")(x.double(), torch.ones_like(x).double())
    allowed = 64 * torch.finfo(torch.float32).eps * (expected.double().abs() + (x * slope).abs())
    assert bool(((found - expected).double().abs() <= allowed + torch.finfo(torch.float32).smallest_normal).all())


def _functions(a: ew.Activation) -> set[str]:
    return {step.operation for step in choice.recorded(a, "value", torch.float32).steps}


@pytest.mark.parametrize(
    ("name", "low", "high", "units"), [("exp", -110.0, 88.7, 1.0), ("tanh", -12.0, 12.0, 2.0), ("erfc", -6.0, 9.3, 7.0)]
)
def test_elementary_functions_in_float32(name: str, low: float, high: float, units: float) -> None:
    function = {"exp": torch.exp, "tanh": torch.tanh, "erfc": torch.erfc}[name]
    kernel = llvm.compiled(record(function, 1, torch.float32), torch.float32)
    x = torch.linspace(low, high, 2_000_003)
    exact = function(x.double())
    unit = torch.maximum(_spacing(exact.float()).double(), torch.tensor(2.0**-149, dtype=torch.float64))
    assert float(((kernel(x).double() - exact).abs() / unit).max()) <= units
    ends = torch.tensor([math.inf, -math.inf, math.nan, 0.0, 200.0, -200.0])
    torch.testing.assert_close(kernel(ends), function(ends), rtol=0.0, atol=0.0, equal_nan=True)


def _spacing(x: Tensor) -> Tensor:
    return torch.nextafter(x.abs(), torch.tensor(math.inf)) - x.abs()


def test_an_element_depends_on_its_value_alone() -> None:
    a = ew.activation("gelu")
    x = torch.randn(100_003)
    whole = a(x)
    for piece in (slice(1, None), slice(7, 80_000), slice(None, None, 2)):
        assert torch.equal(a(x[piece]), whole[piece])
    assert torch.equal(a(x[:100_000].reshape(100, 1000).t()), whole[:100_000].reshape(100, 1000).t())


def test_threads_share_the_work_without_changing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    a = ew.activation("silu")
    x = torch.randn(300_001)
    one = a(x)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(a(x), one)
        without = llvm.Libraries(llvm._libraries().functions, False, llvm._libraries().bits)
        monkeypatch.setattr(llvm, "_libraries", lambda: without)  # a torch without GNU OpenMP
        kernel = llvm.compiled(choice.recorded(a, "value", torch.float32), torch.float32)
        assert torch.equal(kernel(x), one)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("every_size")
def test_transforms_and_modes_see_the_formula() -> None:
    a = ew.activation("gelu")
    x = torch.linspace(-3, 3, 8192)
    torch.testing.assert_close(torch.vmap(torch.func.grad(lambda t: a(t)))(x), a.derivative(x, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, of tracing as such
        traced = torch.jit.trace(lambda t: a(t), (x,), check_trace=False)
    torch.testing.assert_close(traced(2 * x), a(2 * x))
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(lambda t: a(t))(x)
    torch.testing.assert_close(graph(2 * x), a(2 * x))
    negative = torch.complex(x, x).conj().imag  # a lazy sign: the memory holds +x
    assert negative.is_neg()
    torch.testing.assert_close(a(negative), a(-x))
    assert a(torch.empty(8192, device="meta")).shape == (8192,)


def test_gradients_of_every_layout_and_second_order() -> None:
    a = ew.activation("mrepu(p=2)")
    x = torch.randn(64, 128, dtype=torch.float64)
    for make in (lambda t: t, lambda t: t.t(), lambda t: t[:, ::2], lambda t: t[:1].expand(64, 128)):
        leaf = make(x).detach().requires_grad_()
        grad = torch.randn(leaf.shape, dtype=torch.float64)
        for given in (grad, grad[:1].expand_as(grad), torch.ones(()).double().expand(grad.shape)):
            (found,) = torch.autograd.grad(a(leaf), leaf, given)
            torch.testing.assert_close(found, given * a.derivative(leaf.detach(), 1), rtol=1e-14, atol=1e-14)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(a(leaf).sum(), leaf, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), leaf)
    torch.testing.assert_close(curvature, a.derivative(x, 2), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("spec", ["relu", "gelu", "mrepu(p=2)"])
def test_tangents_pass_through_value_and_gradient(spec: str) -> None:
    a = ew.activation(spec)
    with torch.autograd.forward_ad.dual_level():
        x = torch.linspace(-3, 3, 6000, dtype=torch.float64, requires_grad=True)
        value = a(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x)))
        (slope,) = torch.autograd.grad(value.sum(), x)
        first = torch.autograd.forward_ad.unpack_dual(value).tangent
        second = torch.autograd.forward_ad.unpack_dual(slope).tangent
    assert first is not None
    assert second is not None
    torch.testing.assert_close(first, a.derivative(x, 1))
    torch.testing.assert_close(second, a.derivative(x, 2))


def test_an_infinite_gradient_meets_a_flat_side_as_in_torch() -> None:
    x = torch.linspace(-1, 1, 5000).requires_grad_()
    grad = torch.full_like(x, math.inf)
    (ours,) = torch.autograd.grad(ew.activation("relu")(x), x, grad)
    (torchs,) = torch.autograd.grad(torch.relu(x), x, grad)
    assert torch.equal(ours, torchs)


def test_what_cannot_be_recorded_runs_as_written() -> None:
    x = torch.linspace(-3, 3, 5000)
    mine = ew.activation(lambda t: t * torch.sigmoid(t))
    with pytest.raises(NotRecordable, match="function of the user's"):
        choice.recorded(mine, "value", torch.float32)
    torch.testing.assert_close(mine(x), torch.nn.functional.silu(x))
    for refused in (lambda t: t if t.mean() > 0 else -t, lambda t: t if t > 0 else -t, lambda t: t + torch.ones(3)):
        with pytest.raises(NotRecordable):
            record(refused, 1, torch.float32)


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.linspace(-3, 3, 5000)
    compiled = ew.activation("gelu")(x)
    monkeypatch.setattr(choice, "ACTIVE", False)
    assert choice.value(ew.activation("gelu"), x) is None
    assert choice.status() == (False, "switched off by EDGEWISE_KERNELS=0")
    torch.testing.assert_close(ew.activation("gelu")(x), compiled, rtol=1e-5, atol=1e-7)


def test_a_kernel_that_differs_is_dropped() -> None:
    a = ew.activation("gelu")
    wrong = llvm.compiled(choice.recorded(ew.activation("silu"), "value", torch.float32), torch.float32)
    right = llvm.compiled(choice.recorded(a, "value", torch.float32), torch.float32)
    assert choice._agrees(right, a, "value", torch.float32, "cpu")
    assert not choice._agrees(wrong, a, "value", torch.float32, "cpu")


def test_a_formula_and_a_tailored_activation_are_compiled() -> None:
    tailored = ew.tailor("gelu", depth=20)
    for a in (ew.activation("x*relu(x+1)**2"), ew.activation("min(max(x,-1),2)"), tailored):
        assert choice._kernel(a, "value", torch.float32, "cpu") is not None
        assert choice._kernel(a, "gradient", torch.float32, "cpu") is not None


def test_a_missing_library_function_means_the_formula() -> None:
    program = Program(1, (Step("nonesuch", (Slot(0),)),), Slot(1))
    with pytest.raises(llvm.NotCompilable, match="nonesuch"):
        llvm.compiled(program, torch.float32)


@pytest.mark.skipif(shutil.which("g++") is None, reason="the text of the CUDA kernels is checked with g++")
def test_the_text_for_cuda_computes_the_formula(tmp_path: Path) -> None:
    specs = [ew.activation(name) for name in ew.activations()]
    texts, calls = ["#include <cmath>", "using namespace std;"], []
    for i, a in enumerate(specs):
        texts.append(cuda.source(choice.recorded(a, "value", torch.float64), f"value{i}"))
        texts.append(cuda.source(choice.recorded(a, "gradient", torch.float64), f"gradient{i}"))
        calls.append(
            f"  if (which == {i}) {{ out[k] = value{i}<double>(x[k]); slope[k] = gradient{i}<double>(x[k], 0.75); }}"
        )
    texts.append(
        'extern "C" void run(int which, long n, const double* x, double* out, double* slope) {\n'
        " for (long k = 0; k < n; k++) {\n" + "\n".join(calls) + "\n }\n}"
    )
    source, library = tmp_path / "kernels.cpp", tmp_path / "kernels.so"
    source.write_text("\n".join(texts))
    subprocess.run(["g++", "-O0", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    run = ctypes.CDLL(str(library)).run
    for i, a in enumerate(specs):
        x = choice._points(a)
        x = x[x.abs() < 1e15]
        out, slope = torch.empty_like(x), torch.empty_like(x)
        run(i, ctypes.c_long(len(x)), *(ctypes.c_void_p(t.data_ptr()) for t in (x, out, slope)))
        torch.testing.assert_close(out, a(x), rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(
            slope, choice.formula(a, "gradient")(x, torch.full_like(x, 0.75)), rtol=1e-9, atol=1e-12
        )
