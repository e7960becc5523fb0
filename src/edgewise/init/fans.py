"""How many terms each output of a layer sums, and how many outputs each input reaches: the fans of every layer type.

In one place, because initialisation, diagnosis and learning rates must agree on them. What counts is the average over
positions away from the border, so that weights of variance C_W / fan_in give preactivations of variance C_W <x**2>:
grouped convolutions sum over their own group alone, a transposed convolution of stride s meets every s-th of its taps,
and stacked matrices (queries, keys and values; the gates of a recurrent layer) count one by one. ``torch.nn.init``
ignores all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from edgewise.errors import ModelError

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@dataclass(frozen=True)
class Weight:
    """One weight of a layer that is affine in its input.

    name, bias: the parameter's name within its module, and that of the bias added to its output (None without one).
    fan_in: terms that one output sums, away from the border; fan_out: outputs that one input reaches. Averages, so not
    always whole. blocks: independent matrices stacked along `output_axis` (attention's queries, keys and values) or, in
    a grouped convolution, along axis 0. output_axis, input_axis: which axes of the tensor run over outputs and inputs;
    what remains are a kernel's positions.
    """

    name: str
    bias: str | None
    fan_in: float
    fan_out: float
    blocks: int = 1
    output_axis: int = 0
    input_axis: int = 1


def weights(module: nn.Module) -> tuple[Weight, ...]:
    """The weights a layer applies to its input by itself (not those of its children); empty where it is no such layer.

    Linear, Conv1d-3d and their transposes, Bilinear, MultiheadAttention (its in-projections), recurrent layers and
    their cells, and Hugging Face's ``Conv1D``, whose weight is stored transposed.
    """
    if isinstance(module, nn.Linear):
        return (_matrix("weight", module.weight, _name_of_bias(module)),)
    if isinstance(module, _ConvNd):
        return (_convolution(module),)
    if isinstance(module, nn.Bilinear):
        first, second, out = module.in1_features, module.in2_features, module.out_features
        return (Weight("weight", _name_of_bias(module), first * second, out * (first + second) / 2.0),)
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module)
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return _recurrent(module)
    if is_hugging_face_conv1d(module) and isinstance(module.weight, Tensor):
        rows, columns = module.weight.shape
        return (Weight("weight", _name_of_bias(module), rows, columns, output_axis=1, input_axis=0),)
    return ()


def fan(module: nn.Module, parameter: str = "weight") -> Weight:
    """The fans of one weight of a module; a dotted name ("out_proj.weight") goes into its children.

    Raises ModelError when the module applies no such weight to its input.
    """
    path, _, name = parameter.rpartition(".")
    owner = module.get_submodule(path) if path else module
    for weight in weights(owner):
        if weight.name == name:
            return weight
    known = ", ".join(w.name for w in weights(owner)) or "none"
    raise ModelError(
        f"{type(owner).__name__} has no weight {name!r} that sums over an input (known: {known}); "
        "expected a linear layer or a convolution"
    )


def matrix_fan(weight: Tensor) -> Weight:
    """The fans of a parameter used by a function such as ``F.linear(x, weight)`` or ``F.conv2d``: (out, in, ...).

    Raises ModelError when it has fewer than two dimensions.
    """
    if weight.ndim < 2:
        raise ModelError(f"a weight of shape {tuple(weight.shape)} given, expected (out, in) or (out, in, kernel...)")
    taps = math.prod(weight.shape[2:])
    return Weight("weight", None, weight.shape[1] * taps, weight.shape[0] * taps)


def is_hugging_face_conv1d(module: nn.Module) -> bool:
    """Whether this is the linear layer of GPT-2 in ``transformers``, which stores (in, out)."""
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__.split(".")[0] == "transformers"


def _name_of_bias(module: nn.Module) -> str | None:
    return "bias" if getattr(module, "bias", None) is not None else None


def _matrix(name: str, weight: Tensor, bias: str | None, blocks: int = 1) -> Weight:
    rows, columns = weight.shape
    return Weight(name, bias, columns, rows / blocks, blocks)


def _convolution(module: _ConvNd) -> Weight:
    """A transposed convolution exchanges the parts that inputs and outputs play, and with them the axes."""
    taps, stride, groups = math.prod(module.kernel_size), math.prod(module.stride), module.groups
    bias = _name_of_bias(module)
    into, out = module.in_channels / groups * taps, module.out_channels / groups * taps
    if isinstance(module, _ConvTransposeNd):
        return Weight("weight", bias, into / stride, out, groups, output_axis=1, input_axis=0)
    return Weight("weight", bias, into, out / stride, groups)


def _attention(module: nn.MultiheadAttention) -> tuple[Weight, ...]:
    bias = "in_proj_bias" if module.in_proj_bias is not None else None
    if module.in_proj_weight is not None:
        return (_matrix("in_proj_weight", module.in_proj_weight, bias, blocks=3),)
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    return tuple(_matrix(name, getattr(module, name), bias) for name in names)


def _recurrent(module: nn.RNNBase | nn.RNNCellBase) -> tuple[Weight, ...]:
    gates = next((g for kind, g in _GATES.items() if type(module).__name__.startswith(kind)), 1)
    own = dict(module.named_parameters(recurse=False))
    found = []
    for name, tensor in own.items():
        if name.startswith("weight"):
            bias = name.replace("weight", "bias")
            found.append(_matrix(name, tensor, bias if bias in own else None, _stacked(name, gates)))
    return tuple(found)


def _stacked(name: str, gates: int) -> int:
    """An LSTM's projection (weight_hr) is one matrix; the others hold one a gate."""
    return 1 if name.startswith("weight_hr") else gates
