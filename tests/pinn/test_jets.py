"""Derivatives of networks: exact ones, those of nested automatic differentiation, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from mpmath import mp
from torch import Tensor, nn

import edgewise as ew
from edgewise.activations import Activation
from edgewise.errors import DomainError, ModelError
from edgewise.models.mlp import MLP
from edgewise.pinn import propagation
from edgewise.pinn.jets import derivatives, layers_of
from edgewise.pinn.multi_index import Combination, Index, combination, exponents, laplacian, terms
from edgewise.pinn.nested import nested_derivatives
from edgewise.train.ensemble import Elementwise, forward_layers
from edgewise.train.member_activation import MemberActivation

Wanted = Sequence[Index | Combination]
TO_THIRD: Wanted = [(), (0,), (0, 1), (1, 0, 0), combination({(1,): 1.0, (0, 0): -0.3})]
TO_FOURTH: Wanted = [*TO_THIRD, (0, 0, 1, 1), (1, 1, 1, 1), laplacian(0, 1)]
ROUNDING = 1e-13
"""Sums of some hundred products in float64, relative to the largest derivative."""


def random_layers(
    sizes: tuple[int, ...] = (2, 5, 4, 3), *, members: int = 2, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    pairs = list(pairwise(sizes))
    weights = [torch.randn(members, a, b, generator=generator, dtype=torch.float64) / math.sqrt(a) for a, b in pairs]
    biases = [0.3 * torch.randn(members, 1, b, generator=generator, dtype=torch.float64) for _, b in pairs]
    return tuple(t.to(dtype).requires_grad_() for t in (*weights, *biases))


def points(count: int = 6) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


def by_nesting(sigma: Elementwise, layers: Sequence[Tensor], x: Tensor, wanted: Wanted) -> list[Tensor]:
    summed = [[(exponents(index, 2), c) for index, c in terms(w)] for w in wanted]
    needed = sorted({index for parts in summed for index, _ in parts}, key=sum)
    at = x.expand(layers[0].shape[0], -1, -1)
    found = nested_derivatives(lambda given: forward_layers(sigma, layers, given), at, needed)
    return [torch.stack([c * found[index] for index, c in parts]).sum(0) for parts in summed]


def assert_equal(ours: Sequence[Tensor], theirs: Sequence[Tensor], tolerance: float = ROUNDING) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        torch.testing.assert_close(mine, other, rtol=0, atol=tolerance * (float(other.detach().abs().max()) + 1e-30))


def gradients(found: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Of a sum in which every derivative has the same weight."""
    generator = torch.Generator().manual_seed(5)
    total = torch.zeros((), dtype=found[0].dtype)
    for u in found:
        weight = torch.randn(u.shape, generator=generator, dtype=torch.float64).to(u)
        total = total + (weight * u).sum() / (1e-30 + u.detach().abs().max())
    return torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)


# --- exact values


def test_one_tanh_unit_to_fourth_order() -> None:
    """u = v tanh(a x + b t + c): every derivative is v a**i b**j tanh^(i+j)."""
    a, b, c, v = 1.25, -0.75, 0.375, 1.5
    layers = [torch.tensor(t, dtype=torch.float64)[None] for t in ([[a], [b]], [[v]], [[c]], [[0.25]])]
    x = points(4)
    wanted = [(0,) * i + (1,) * j for i in range(5) for j in range(5 - i)]
    found = derivatives("tanh", layers, x, wanted)
    with mp.workdps(40):
        for row, (p, q) in enumerate(x.tolist()):
            series = mp.taylor(mp.tanh, a * mp.mpf(p) + b * mp.mpf(q) + c, 4)
            for w in wanted:
                i, j = w.count(0), w.count(1)
                exact = v * a**i * b**j * series[i + j] * mp.factorial(i + j) + (0.25 if not w else 0)
                assert float(found[w][0, row, 0]) == pytest.approx(float(exact), rel=1e-13, abs=1e-14)


def test_two_layers_against_high_precision() -> None:
    layers = random_layers((2, 2, 2, 1), members=1)
    w1, w2, w3, b1, b2, b3 = (t[0].tolist() for t in layers)

    def network(x: Any, t: Any) -> Any:
        h = [mp.tanh(w1[0][k] * x + w1[1][k] * t + b1[0][k]) for k in (0, 1)]
        h = [mp.tanh(w2[0][k] * h[0] + w2[1][k] * h[1] + b2[0][k]) for k in (0, 1)]
        return w3[0][0] * h[0] + w3[1][0] * h[1] + b3[0][0]

    at = (0.3, -0.4)
    found = derivatives("tanh", layers, torch.tensor([at], dtype=torch.float64), [(0, 0, 1, 1), (0, 0, 0, 0), (1,)])
    with mp.workdps(50):
        for w, u in found.items():
            exact = mp.diff(network, at, (w.count(0), w.count(1)))
            assert float(u.detach()) == pytest.approx(float(exact), rel=1e-12)


# --- against nested automatic differentiation


@pytest.mark.parametrize(
    "sigma", [a for a in map(ew.activation, ew.activations()) if a.definition.surrogate is None], ids=lambda a: a.spec
)
def test_values_and_gradients_equal_nested_autograd(sigma: Activation) -> None:
    layers, x = random_layers(), points()
    ours = derivatives(sigma, layers, x, TO_THIRD)
    theirs = by_nesting(sigma, layers, x, TO_THIRD)
    assert_equal([ours[w] for w in TO_THIRD], theirs)
    assert_equal(gradients([ours[w] for w in TO_THIRD], layers), gradients(theirs, layers))


@pytest.mark.parametrize("spec", ["tanh", "sigmoid", "sin", "mrepu(p=4)", "x*tanh(x+1)"])
def test_fourth_order_equals_nested_autograd(spec: str) -> None:
    sigma, layers, x = ew.activation(spec), random_layers(), points()
    ours = [*derivatives(sigma, layers, x, TO_FOURTH).values()]
    theirs = by_nesting(sigma, layers, x, TO_FOURTH)
    assert_equal(ours, theirs)
    assert_equal(gradients(ours, layers), gradients(theirs, layers))


@pytest.mark.parametrize(("spec", "kink"), [("relu", 0.0), ("relu2", 0.0), ("mrepu(p=2)", -1.0), ("softshrink", 0.5)])
def test_at_a_kink_derivatives_are_those_of_torch(spec: str, kink: float) -> None:
    sigma = ew.activation(spec)
    layers = [torch.tensor(t, dtype=torch.float64)[None] for t in ([[2.0], [1.0]], [[3.0]], [[kink]], [[0.0]])]
    x = torch.zeros(1, 2, dtype=torch.float64)
    wanted: Wanted = [(), (0,), (0, 1)]
    assert_equal([*derivatives(sigma, layers, x, wanted).values()], by_nesting(sigma, layers, x, wanted), 0.0)


def test_a_straight_through_gradient_reaches_the_value_alone() -> None:
    """HeLU's slope for back-propagation is not its derivative: u_x takes the one, the gradient of u the other."""
    sigma = ew.activation("helu(alpha=0.5)")
    layers = random_layers((2, 6, 1))
    found = derivatives(sigma, layers, points(), [(), (0,)])
    relu = derivatives("relu", layers, points(), [(), (0,)])
    assert_equal([found[()], found[0,]], [relu[()], relu[0,]])
    (mine,) = torch.autograd.grad(found[()].sum(), layers[0])
    (theirs,) = torch.autograd.grad(forward_layers(sigma, layers, points()).sum(), layers[0])
    assert_equal([mine], [theirs])
    assert not torch.allclose(mine, torch.autograd.grad(relu[()].sum(), layers[0])[0])


def test_a_function_nothing_is_known_of_is_differentiated_by_autograd() -> None:
    layers, x = random_layers(), points()
    ours = derivatives(lambda z: torch.tanh(z) + 0.0, layers, x, TO_THIRD)
    known = derivatives(torch.tanh, layers, x, TO_THIRD)
    assert_equal([*ours.values()], [*known.values()])
    assert_equal(gradients([*ours.values()], layers), gradients([*known.values()], layers))


def test_members_with_constants_of_their_own() -> None:
    sigma = MemberActivation(ew.activation("tanh"), [(1.2, 0.1, 0.9, -0.05), (0.7, -0.2, 1.1, 0.3)])
    layers, x = random_layers(), points()
    ours = [*derivatives(sigma, layers, x, TO_THIRD).values()]
    theirs = by_nesting(sigma, layers, x, TO_THIRD)
    assert_equal(ours, theirs)
    assert_equal(gradients(ours, layers), gradients(theirs, layers))


# --- gradients


@pytest.mark.parametrize("spec", ["tanh", "sin"])
def test_gradients_and_their_gradients_are_those_of_finite_differences(spec: str) -> None:
    sigma = ew.activation(spec)
    layers = random_layers((2, 2, 2, 1))

    def found(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(derivatives(sigma, given, x, [(), (0,), (1, 0), combination({(0, 0): 0.5, (1,): 1.0})]).values())

    x = points(2).requires_grad_()
    assert torch.autograd.gradcheck(found, (x, *layers))
    assert torch.autograd.gradgradcheck(found, (x, *layers))


def test_a_result_can_be_back_propagated_twice_and_in_part() -> None:
    layers, x = random_layers(), points()
    u = derivatives("tanh", layers, x, [(), (0,), (0, 0)])
    once = torch.autograd.grad(u[0, 0].sum(), layers, retain_graph=True)
    again = torch.autograd.grad(u[0, 0].sum() + u[()].sum(), layers)
    alone = derivatives("tanh", layers, x, [(0, 0)])[0, 0]
    assert_equal(once, torch.autograd.grad(alone.sum(), layers), 1e-14)
    value = torch.autograd.grad(forward_layers(torch.tanh, layers, x).sum(), layers)
    assert_equal(again, [a + b for a, b in zip(once, value, strict=True)])


def test_without_gradients_nothing_is_kept() -> None:
    layers = tuple(t.detach() for t in random_layers())
    u = derivatives("tanh", layers, points(), [(0, 0)])[0, 0]
    assert u.grad_fn is None
    assert_equal([u], by_nesting(torch.tanh, layers, points(), [(0, 0)]))


@pytest.mark.parametrize("spec", ["tanh", "gelu"])
@pytest.mark.parametrize("tile", [1, 20, 50])
def test_tiles_make_no_difference(monkeypatch: pytest.MonkeyPatch, spec: str, tile: int) -> None:
    """20 numbers are four points of one member at width five; 50 are all points of one, with threads made one."""
    layers, x = random_layers(members=3), points(7)
    whole = [*derivatives(spec, layers, x, TO_THIRD).values()]
    expected = gradients(whole, layers)
    monkeypatch.setattr(propagation, "TILE", tile)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    parts = [*derivatives(spec, layers, x, TO_THIRD).values()]
    assert_equal(parts, whole, 1e-14)
    assert_equal(gradients(parts, layers), expected, 1e-14)


def test_members_do_not_influence_one_another() -> None:
    layers = random_layers(members=3)
    own = torch.stack([points(5) + i for i in range(3)])
    together = derivatives("sin", layers, own, TO_THIRD)
    for i in range(3):
        alone = derivatives("sin", [t[i : i + 1] for t in layers], own[i], TO_THIRD)
        assert_equal([together[w][i : i + 1] for w in TO_THIRD], [alone[w] for w in TO_THIRD], 1e-14)


def test_single_precision_is_that_of_its_rounding() -> None:
    exact, single = random_layers(), random_layers(dtype=torch.float32)
    u = [*derivatives("tanh", exact, points(), TO_FOURTH).values()]
    v = [*derivatives("tanh", single, points().float(), TO_FOURTH).values()]
    assert all(t.dtype == torch.float32 for t in v)
    assert_equal([t.double() for t in v], u, 2e-5)  # ROUNDING, with 6e-8 for 1.1e-16 and the points rounded too
    assert_equal([t.double() for t in gradients(v, single)], gradients(u, exact), 2e-5)


# --- where torch wants to see every operation


def loss_of(spec: str) -> Callable[..., Tensor]:
    sigma, principal = ew.activation(spec), combination({(1,): 1.0, (0, 0): -0.01})

    def loss(x: Tensor, *layers: Tensor) -> Tensor:
        u = derivatives(sigma, layers, x, [(), (0,), principal])
        return (u[principal] + u[()] * u[0,]).square().mean()

    return loss


@pytest.mark.parametrize("spec", ["tanh", "mrepu(p=2)"])
def test_compiles_without_a_graph_break(spec: str) -> None:
    loss, layers, x = loss_of(spec), random_layers(), points()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    eager, traced = loss(x, *layers), compiled(x, *layers)
    assert_equal([traced], [eager])
    assert_equal(
        torch.autograd.grad(traced, layers, allow_unused=True, materialize_grads=True),
        torch.autograd.grad(eager, layers, allow_unused=True, materialize_grads=True),
    )


def test_transforms_of_torch_func() -> None:
    loss, layers, x = loss_of("tanh"), random_layers(), points()
    expected = torch.autograd.grad(loss(x, *layers), layers[0])
    plain = [t.detach() for t in layers]
    assert_equal([torch.func.grad(loss, argnums=1)(x, *plain)], expected)
    direction = torch.ones_like(plain[0])
    _, along = torch.func.jvp(lambda w: loss(x, w, *plain[1:]), (plain[0],), (direction,))
    torch.testing.assert_close(along, (expected[0] * direction).sum(), rtol=1e-12, atol=1e-14)


# --- models and mistakes


@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_a_model_are_views_of_its_parameters(bias: bool) -> None:
    model = MLP(2, 1, depth=3, width=8, activation="tanh", bias=bias).double()
    x = points()
    u = derivatives("tanh", layers_of(model), x, [()])[()]
    assert_equal([u[0]], [model(x)])
    u.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_what_is_no_plain_network_is_refused() -> None:
    with pytest.raises(ModelError, match="no linear layer"):
        layers_of(nn.Sequential(nn.Tanh()))
    with pytest.raises(ModelError, match="parameters outside"):
        layers_of(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1)))
    with pytest.raises(ModelError, match="follow one another"):
        layers_of(nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)))


def test_shapes_that_do_not_fit_are_refused() -> None:
    layers = random_layers()
    with pytest.raises(DomainError, match="takes 2 coordinates"):
        derivatives("tanh", layers, torch.zeros(4, 3), [()])
    with pytest.raises(DomainError, match="tensors given as layers"):
        derivatives("tanh", layers[:3], points(), [()])
    with pytest.raises(DomainError, match="coordinate numbers 0 to 1"):
        derivatives("tanh", layers, points(), [(2,)])
