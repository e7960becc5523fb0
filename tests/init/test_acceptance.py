"""What is accepted as a model, a batch and an output."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from edgewise.errors import ModelError
from edgewise.init.acceptance import accepted, call_arguments, first_tensor, floating_tensors, unwrapping


def test_wrappers_come_off() -> None:
    inner = nn.Linear(2, 2)
    assert accepted(inner) is inner
    assert unwrapping(inner) is None
    nested = torch.compile(nn.DataParallel(inner), backend="eager")
    assert accepted(nested) is inner
    assert unwrapping(nested) == "the model was taken out of its OptimizedModule and DataParallel wrapper"


def test_what_is_refused_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"the class Linear was given, expected a model; try Linear\("):
        accepted(nn.Linear)
    with pytest.raises(ModelError, match=r"function was given, expected a torch\.nn\.Module"):
        accepted(torch.relu.__class__ and (lambda x: x))
    with pytest.raises(ModelError, match=r"1\.weight is lazy .*run the model once"):
        accepted(nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)))
    with pytest.raises(ModelError, match=r"weight is on the meta device .*to_empty"):
        accepted(nn.Linear(2, 2, device="meta"))
    with pytest.raises(ModelError, match="0 is a TorchScript module"):
        accepted(nn.Sequential(torch.jit.script(nn.Linear(2, 2))))


def test_batches() -> None:
    x = torch.zeros(2)
    assert call_arguments(x) == ((x,), {})
    assert call_arguments((x, None)) == ((x, None), {})
    assert call_arguments([x]) == ((x,), {})
    assert call_arguments({"x": x}) == ((), {"x": x})
    with pytest.raises(ModelError, match="the batch is a int; expected a tensor, a tuple"):
        call_arguments(3)


def test_batches_that_hold_nothing_to_measure_are_refused() -> None:
    with pytest.raises(ModelError, match=r"the batch is empty \(shape \(0, 3\)\); give one sample"):
        call_arguments(torch.zeros(0, 3))
    with pytest.raises(ModelError, match=r"sparse tensor .*try \.to_dense"):
        call_arguments({"x": torch.eye(3).to_sparse()})
    assert call_arguments((torch.zeros(2), torch.zeros(0)))[0][1].numel() == 0  # an empty cache beside the samples


@dataclass
class Output:
    loss: Tensor
    last_hidden_state: Tensor


class Holder:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


def test_the_first_tensor_of_an_output() -> None:
    a, b, numbers = torch.zeros(2), torch.ones(3), torch.arange(3)
    assert first_tensor(a) is a
    assert first_tensor((numbers, [a, b])) is a
    assert first_tensor({"loss": a, "logits": b}) is b
    assert first_tensor(Output(a, b)) is b
    assert first_tensor(Holder(b)) is b
    assert first_tensor(namedtuple("Pair", "u v")(numbers, b)) is b
    assert floating_tensors({"loss": a, "logits": (b, a)}) == (b, a)
    for nothing in (numbers, None, 3.0, {}, (numbers,), "text"):
        with pytest.raises(ModelError, match="expected a floating-point tensor, or a tuple"):
            first_tensor(nothing)
