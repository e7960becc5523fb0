"""torch's functions by one name each, whether called as a function, a method, an operator or in place."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import nn

from edgewise.init.graph import Kind

_SAME = {
    "iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ipow": "pow", "imatmul": "matmul",
    "truediv": "div", "true_divide": "div", "divide": "div", "subtract": "sub", "multiply": "mul",
    "rsub": "rsub", "radd": "add", "rmul": "mul", "rtruediv": "rdiv", "rdiv": "rdiv", "rpow": "rpow",
    "rmatmul": "rmatmul", "negative": "neg", "absolute": "abs", "clip": "clamp", "concat": "cat",
    "concatenate": "cat", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2", "expit": "sigmoid", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne", "swapaxes": "transpose",
    "swapdims": "transpose", "moveaxis": "movedim", "max_pool1d_with_indices": "max_pool1d",
    "max_pool2d_with_indices": "max_pool2d", "max_pool3d_with_indices": "max_pool3d",
    "and": "logical_and", "or": "logical_or", "invert": "logical_not", "bitwise_and": "logical_and",
    "bitwise_or": "logical_or", "bitwise_not": "logical_not", "pos": "positive",
}  # fmt: skip

_DISPATCHED: dict[Any, str] = {
    getattr(F, name): name
    for name in (f"{kind}max_pool{d}d" for kind in ("", "adaptive_", "fractional_") for d in "123")
    if hasattr(F, name)
}


def canonical(target: object) -> str:
    """The name under which a function is known here: "add" for torch.add, Tensor.add_, ``+`` and ``+=``."""
    if isinstance(target, str):
        name = target
    else:
        try:
            if target in _DISPATCHED:
                return _DISPATCHED[target]
        except TypeError:
            pass
        name = getattr(target, "__name__", type(target).__name__)
        if name in ("__get__", "__set__"):
            return f"{name.strip('_')}_{getattr(getattr(target, '__self__', None), '__name__', '')}"
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
    name = name.strip("_")
    return _SAME.get(name, name)


def from_torch(target: object) -> bool:
    """Whether a function is torch's own or Python's operator, so that its name says what it does."""
    if isinstance(target, str):
        return True
    module = getattr(target, "__module__", None)
    return module is None or module.split(".")[0] in ("torch", "_operator", "operator", "builtins", "math")


def in_place(target: object, kwargs: dict[str, Any]) -> bool:
    """Whether the call writes its result into its first argument."""
    if kwargs.get("inplace") is True:
        return True
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    if name.startswith("__"):
        return name.startswith("__i") and name not in ("__invert__", "__index__", "__int__", "__iter__")
    if target in (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow):
        return True
    return name.endswith("_")


_ALIASES = """
    clone contiguous detach to float double half bfloat16 cuda cpu type type_as positive requires_grad alias get_data
"""
ALIASES = frozenset(_ALIASES.split())
"""What leaves every number where it is."""

_ABOUT = """
    size dim ndimension numel nelement stride storage_offset element_size get_device is_floating_point is_complex
    is_contiguous is_inference is_nonzero item tolist len zeros_like ones_like empty_like full_like rand_like randn_like
    randint_like new_zeros new_ones new_empty new_full new_tensor argmax argmin argsort isnan isinf isfinite all any
    equal allclose shape getattr finfo broadcast_shapes is_tensor result_type can_cast hash id assert assert_is_none
    register_hook retain_grad is_shared is_pinned data_ptr format repr str bool int untyped_storage has_torch_function
    searchsorted nonzero unique bincount multinomial record_stream backward is_autocast_enabled numpy
    get_shape get_dtype get_device get_ndim get_grad get_grad_fn get_requires_grad get_is_leaf get_is_cuda get_is_cpu
    get_layout get_names get_is_sparse get_is_quantized get_is_nested get_is_meta get_is_mps get_itemsize get_nbytes
    get__version get__base get_output_nr get_training
"""
ABOUT = frozenset(_ABOUT.split())
"""What asks about a tensor, or makes a constant like it."""

_SEVERAL = "chunk split split_with_sizes tensor_split hsplit vsplit unbind unsafe_chunk unsafe_split topk sort"
SEVERAL = frozenset(_SEVERAL.split())
"""What gives a tuple of tensors."""

_NAMES: dict[Kind, str] = {
    "reshape": f"""
        {_SEVERAL} view reshape flatten unflatten ravel squeeze unsqueeze transpose t permute movedim expand expand_as
        repeat repeat_interleave tile broadcast_to getitem select narrow index_select gather take take_along_dim
        masked_select flip roll rot90 tril triu diagonal unfold view_as reshape_as pixel_shuffle pixel_unshuffle
        channel_shuffle pad masked_fill as_strided atleast_1d atleast_2d atleast_3d slice constant_pad_nd
        get_T get_mT get_H get_mH get_real
    """,
    "norm": "layer_norm rms_norm batch_norm group_norm instance_norm native_layer_norm native_batch_norm",
    "dropout": """
        dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout native_dropout
    """,
    "weights": "softmax log_softmax softmin gumbel_softmax",
    "pool": """
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
        adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d
        fractional_max_pool2d fractional_max_pool3d mean nanmean median amax amin max min interpolate upsample
    """,
    "attention": "scaled_dot_product_attention multi_head_attention_forward",
    "concatenate": "cat stack hstack vstack dstack column_stack",
    "embedding": "embedding embedding_bag one_hot",
}
KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}

_CONTRACTIONS = """
    linear matmul mm bmm mv dot addmm addmv baddbmm addbmm einsum tensordot bilinear rmatmul inner conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d grouped_mm
"""
CONTRACTIONS = frozenset(_CONTRACTIONS.split())
"""Matrix products and convolutions."""

NAMED_ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish, "elu": nn.ELU,
    "celu": nn.CELU, "selu": nn.SELU, "leaky_relu": nn.LeakyReLU, "softplus": nn.Softplus, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid, "logsigmoid": nn.LogSigmoid, "log_sigmoid": nn.LogSigmoid, "softsign": nn.Softsign,
    "tanhshrink": nn.Tanhshrink, "hardtanh": nn.Hardtanh, "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid,
    "softshrink": nn.Softshrink, "hardshrink": nn.Hardshrink, "threshold": nn.Threshold,
}  # fmt: skip
"""Functions that take what the module of the same purpose takes, in the same order."""
