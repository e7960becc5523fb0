"""Values are written all at once or not at all, and one seed gives one model on every dtype."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgewise.errors import DomainError, ModelError
from edgewise.init import apply


def _tied() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    return model


def test_tied_parameters_appear_once_with_their_other_names() -> None:
    found = apply.parameters(_tied())
    assert list(found) == ["0.weight", "0.bias", "1.bias"]
    assert found["0.weight"][1] == ("1.weight",)
    assert apply.first_names(_tied())["1.weight"] == "0.weight"


def test_dtype_and_requires_grad_are_kept() -> None:
    model = nn.Linear(2, 2).to(torch.bfloat16)
    model.weight.requires_grad_(False)
    apply.write(model, {"weight": torch.full((2, 2), 0.5)})
    assert model.weight.dtype == torch.bfloat16
    assert not model.weight.requires_grad
    assert torch.equal(model.weight, torch.full((2, 2), 0.5, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nothing": torch.zeros(2)}, "no parameter"),
        ({"bias": torch.zeros(3)}, "shape"),
        ({"bias": torch.full((2,), 1e6)}, "not finite in torch.float16"),
    ],
)
def test_an_error_leaves_the_model_as_it_was(values: dict[str, torch.Tensor], message: str) -> None:
    model = nn.Linear(2, 2).to(torch.float16)
    before = {name: p.clone() for name, p in model.named_parameters()}
    with pytest.raises(ModelError, match=message):
        apply.write(model, {"weight": torch.ones(2, 2), **values})
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())


def test_draws_come_from_the_generator_alone() -> None:
    global_state = torch.get_rng_state()
    first = apply.normal((4, 5), 2.0, torch.Generator().manual_seed(1))
    assert torch.equal(first, apply.normal((4, 5), 2.0, torch.Generator().manual_seed(1)))
    assert torch.equal(global_state, torch.get_rng_state())
    assert apply.source(None) is torch.default_generator
    with pytest.raises(DomainError, match="on the CPU"):
        apply.source(3)  # type: ignore[arg-type]
