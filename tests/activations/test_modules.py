"""Activations as modules: PyTorch's manners, learned parameters with right gradients, pickling."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

import edgewise as ew
from edgewise.activations import registry
from edgewise.activations.modules import Elementwise
from edgewise.errors import DomainError, SpecError

CLASSES = {cls._family: cls for cls in vars(ew.nn).values() if isinstance(cls, type) and cls is not Elementwise}
WITH_PARAMETERS = [n for n in registry.names() if any(p.learnable for p in registry.definition(n).parameters)]


@pytest.mark.parametrize("name", registry.names())
def test_every_registered_name_has_a_class_with_its_parameters(name: str) -> None:
    cls = CLASSES[name]
    assert cls.__name__ in ew.nn.__all__
    assert cls.__doc__
    if name != "silu":
        signature = inspect.signature(cls).parameters
        for parameter in registry.definition(name).parameters:
            default = signature[parameter.name].default
            assert default == (None if parameter.derived else parameter.default)
    assert cls().activation == ew.activation(name)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ew.activation(name).module(trainable=False)(x), ew.activation(name)(x))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_gradients_in_x_and_in_the_parameters_are_right(name: str) -> None:
    a = ew.activation(name)
    module = a.module(trainable=True).double()
    module.reset_parameters()
    names, values = zip(*module.named_parameters(), strict=True)
    x = torch.linspace(-3.3, 3.2, 27, dtype=torch.float64)
    for kink in a.kinks:
        x = x[(x - kink).abs() > 1e-2]

    def forward(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        result = torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))
        assert isinstance(result, torch.Tensor)
        return result

    assert torch.autograd.gradcheck(forward, (x.requires_grad_(), *(v.detach().requires_grad_() for v in values)))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_learned_parameters_survive_state_dict_pickle_and_deepcopy(name: str) -> None:
    module = ew.activation(name).module(trainable=True)
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(1.0625)
    x = torch.linspace(-2, 2, 9)
    fresh = ew.activation(name).module(trainable=True)
    fresh.load_state_dict(module.state_dict())
    for twin in (fresh, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))
    module.reset_parameters()
    assert torch.equal(module(x), ew.activation(name).module(trainable=True)(x))


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 4, 4)])
def test_prelu_a_channel_is_pytorchs(shape: tuple[int, ...]) -> None:
    ours, theirs = ew.nn.PReLU(3), nn.PReLU(3)
    slopes = torch.tensor([0.1, -0.5, 2.0])
    with torch.no_grad():
        ours.a.copy_(slopes)
        theirs.weight.copy_(slopes)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(ours(x), theirs(x))
    ours(x).square().sum().backward()
    theirs(x).square().sum().backward()
    torch.testing.assert_close(ours.a.grad, theirs.weight.grad)
    assert [a.parameters["a"] for a in ours.activations] == slopes.double().tolist()


def test_a_learned_power_has_a_finite_gradient_left_of_the_kink() -> None:
    module = ew.nn.MRePU(p=2, shift=1, trainable=("p", "shift"))
    module(torch.tensor([-5.0, -1.0])).sum().backward()
    assert module.p.grad.item() == 0.0
    assert module.shift.grad.item() == 0.0


def test_module_activation_follows_what_was_learned() -> None:
    module = ew.nn.GSmeLU(trainable=("g_minus",))
    with torch.no_grad():
        module.g_minus.fill_(0.5)
    assert module.activation == ew.activation("gsmelu(g_minus=0.5)")  # t follows: the left line stays through 0
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(module(x), module.activation(x))
    module = ew.nn.Softplus(trainable=True)
    with torch.no_grad():
        module.beta.fill_(-1.0)
    with pytest.raises(SpecError, match="beta=-1 is outside"):
        _ = module.activation


def test_what_is_learned_by_default_and_on_request() -> None:
    assert [n for n, _ in ew.nn.PReLU().named_parameters()] == ["a"]
    assert not list(ew.nn.Swish().parameters())
    assert [n for n, _ in ew.nn.MRePU(trainable=True).named_parameters()] == ["p", "shift"]
    assert [n for n, _ in ew.nn.MRePU(trainable="p").named_parameters()] == ["p"]
    assert [n for n, _ in ew.activation("swish").module(trainable=["beta"]).named_parameters()] == ["beta"]
    assert ew.nn.Swish(trainable=True, dtype=torch.float64).beta.dtype == torch.float64
    assert repr(ew.nn.MRePU(trainable="p")) == "MRePU(p=2, shift=1, trainable=('p',))"


def test_half_precision_is_computed_in_float32() -> None:
    module = ew.nn.Swish(trainable=True).to(torch.bfloat16)
    x = torch.linspace(-4, 4, 33, dtype=torch.bfloat16, requires_grad=True)
    y = module(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, nn.functional.silu(x.float()).to(torch.bfloat16))
    y.sum().backward()
    assert module.beta.grad.dtype == torch.bfloat16


def test_anything_can_be_a_module() -> None:
    module = ew.nn.Elementwise("x*sigmoid(2*x)")
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(module(x), ew.nn.Swish(beta=2.0)(x))
    torch.testing.assert_close(pickle.loads(pickle.dumps(module))(x), module(x))
    compiled = torch.compile(ew.nn.Swish(trainable=True), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), nn.functional.silu(x))


def test_mistakes_are_told() -> None:
    with pytest.raises(SpecError, match="swish cannot learn 'gamma'; it can learn beta"):
        ew.nn.Swish(trainable="gamma")
    with pytest.raises(SpecError, match="cannot learn 'alpha'"):
        ew.nn.HeLU(trainable=["alpha"])
    with pytest.raises(SpecError, match="no parameter is learned"):
        ew.nn.Swish(num_parameters=4)
    with pytest.raises(AttributeError, match="beta of Swish is fixed"):
        ew.nn.Swish().beta = 2.0
    with pytest.raises(DomainError, match="3 channels"):
        ew.nn.PReLU(3)(torch.randn(2, 4))
    with pytest.raises(DomainError, match=r"\.activations"):
        _ = ew.nn.PReLU(3).activation
    with pytest.raises(DomainError, match="floating point"):
        ew.nn.PReLU()(torch.ones(2, dtype=torch.int64))
