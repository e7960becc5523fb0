"""What each leaf module of a model is: by its type, by what it is called, or by what it does to numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from edgewise.activations import Activation
from edgewise.activations.modules import Elementwise as EdgewiseModule
from edgewise.init.graph import Kind
from edgewise.init.tracing.recognition import Elementwise, module_activation, torch_module_activation


@dataclass(frozen=True)
class Layer:
    """One leaf module. note: what about it could not be read exactly, without its name."""

    kind: Kind
    detail: str
    activation: Activation | None = None
    factor: float | None = None
    note: str = ""
    several_outputs: bool = False


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_POOLS = (
    *(getattr(nn, f"{kind}Pool{d}d") for kind in ("Avg", "Max", "AdaptiveAvg", "AdaptiveMax", "LP") for d in "123"),
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
)
_NORMS = (
    *(getattr(nn, f"{kind}Norm{d}d") for kind in ("Batch", "Instance") for d in "123"),
    *(nn.LayerNorm, nn.RMSNorm, nn.SyncBatchNorm, nn.GroupNorm),
)
_PADS = tuple(
    getattr(nn, f"{kind}Pad{d}d") for kind in ("Zero", "Constant", "Reflection", "Replication") for d in "123"
)

_KINDS: tuple[tuple[Kind, tuple[type[nn.Module], ...]], ...] = (
    ("linear", (nn.Linear, nn.Bilinear, *_CONVOLUTIONS)),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("norm", _NORMS),
    ("attention", (nn.MultiheadAttention,)),
    ("weights", (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)),
    ("pool", _POOLS),
    ("dropout", (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)),
    (
        "reshape",
        (
            nn.Identity,
            nn.Flatten,
            nn.Unflatten,
            nn.PixelShuffle,
            nn.PixelUnshuffle,
            nn.ChannelShuffle,
            nn.Unfold,
            *_PADS,
        ),
    ),
)
_KIND_OF: dict[type[nn.Module], Kind] = {kind: name for name, kinds in _KINDS for kind in kinds}

_PARAMETRIC = (nn.PReLU, nn.RReLU)


def leaves(model: nn.Module) -> dict[str, Layer]:
    """The leaf modules of a model by qualified name, each module once: those that are one node, not looked into."""
    found: dict[str, Layer] = {}
    inside: set[int] = set()
    for name, module in model.named_modules():
        if id(module) in inside or isinstance(module, parametrize.ParametrizationList):
            continue
        layer = read_module(module)
        if layer is not None:
            found[name] = layer
            inside |= {id(child) for child in module.modules()}
        elif parametrize.is_parametrized(module):
            inside |= {id(child) for child in module.parametrizations.modules()}
    return found


def read_module(module: nn.Module) -> Layer | None:
    """What a module is, or None where it has to be looked into."""
    kind = _type_of(module)
    for base in kind.__mro__:
        # a subclass that brings its own forward is something else
        if base in _KIND_OF and kind.forward is base.forward:
            return Layer(
                _KIND_OF[base], _detail(module, base), note=_note(module), several_outputs=base is nn.MultiheadAttention
            )
    if isinstance(module, EdgewiseModule) or kind in _PARAMETRIC:
        return _parametric(module)
    children = [child for name, child in module.named_children() if name != "parametrizations"]
    if children:
        return None
    by_name = _by_name(module, kind)
    if by_name is not None:
        return by_name
    of_torch = kind.__module__.startswith("torch.nn.modules")
    if not any(True for _ in module.parameters()) and kind.forward is not nn.Module.forward:
        found = torch_module_activation(module) if kind.__module__ == "torch.nn.modules.activation" else None
        if kind in (nn.GLU, nn.Threshold) or found is None or found.kind == "unknown":
            found = module_activation(module) or found
        if kind is nn.GLU:
            return Layer("multiply", "GLU")
        if found is not None:
            return _elementwise(found, kind.__name__)
    if of_torch and kind.forward is not nn.Module.forward and kind not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
        several = isinstance(module, nn.RNNBase)
        return Layer("unknown", kind.__name__, note=f"{kind.__name__} is not understood", several_outputs=several)
    return None


def _type_of(module: nn.Module) -> type[nn.Module]:
    if parametrize.is_parametrized(module):
        return parametrize.type_before_parametrizations(module)
    return type(module)


def _elementwise(found: Elementwise, detail: str) -> Layer:
    if found.kind == "activation":
        return Layer("activation", detail, activation=found.activation)
    if found.kind == "scale":
        return Layer("scale", detail, factor=found.factor)
    if found.kind == "identity":
        return Layer("dropout" if "drop" in detail.lower() else "reshape", detail)
    return Layer("unknown", detail, note=f"{detail} is not understood: {found.reason or 'it gives truth values'}")


def _parametric(module: nn.Module) -> Layer:
    """An activation module with parameters of its own, at their present values; of several channels the mean."""
    from edgewise.activations.registry import registered

    detail = _type_of(module).__name__
    if any(p.is_meta for p in module.parameters()):
        return Layer("unknown", detail, note=f"{detail} has no values yet")
    if isinstance(module, nn.RReLU):
        slope = (module.lower + module.upper) / 2
        note = "its random slope is taken at its mean" if module.training else ""
        return Layer("activation", detail, registered("leaky_relu", a=slope), note=note)
    if isinstance(module, nn.PReLU):
        slopes = module.weight.detach().double()
        note = "its slopes differ between channels and are taken at their mean" if _spread(slopes) else ""
        return Layer("activation", detail, registered("prelu", a=short(slopes)), note=note)
    assert isinstance(module, EdgewiseModule)
    members = module.activations
    if len(members) == 1:
        return Layer("activation", detail, members[0])
    means = {name: sum(m.parameters[name] for m in members) / len(members) for name in members[0].parameters}
    note = "its parameters differ between channels and are taken at their mean" if len(set(members)) > 1 else ""
    return Layer("activation", detail, members[0].definition.bind(**means), note=note)


def short(values: torch.Tensor) -> float:
    """The mean of some numbers, without the digits that their precision does not hold."""
    return float(f"{float(values.detach().double().mean()):.7g}")


def _spread(values: torch.Tensor) -> bool:
    return bool(values.max() > values.min())


def _by_name(module: nn.Module, kind: type[nn.Module]) -> Layer | None:
    """Modules that others wrote anew under a usual name."""
    name = kind.__name__
    parameters = dict(module.named_parameters(recurse=False))
    if name == "Conv1D" and kind.__module__.startswith("transformers"):
        rows, columns = parameters["weight"].shape
        return Layer("linear", f"Conv1D({rows} -> {columns})")
    if name.endswith("Norm") and all(p.ndim <= 1 for p in parameters.values()):
        return Layer("norm", name)
    if not parameters and name.lower() in ("dropout", "droppath", "stochasticdepth", "stabledropout"):
        return Layer("dropout", name)
    return None


def _detail(module: nn.Module, base: type[nn.Module]) -> str:
    if isinstance(module, nn.Linear):
        return f"{base.__name__}({module.in_features} -> {module.out_features})"
    if isinstance(module, nn.Bilinear):
        return f"Bilinear({module.in1_features}, {module.in2_features} -> {module.out_features})"
    if isinstance(module, _CONVOLUTIONS):
        kernel = "x".join(map(str, module.kernel_size))
        groups = f", groups {module.groups}" if module.groups > 1 else ""
        return f"{base.__name__}({module.in_channels} -> {module.out_channels}, {kernel}{groups})"
    if isinstance(module, nn.Embedding):
        return f"Embedding({module.num_embeddings} -> {module.embedding_dim})"
    if isinstance(module, nn.MultiheadAttention):
        return f"MultiheadAttention({module.embed_dim}, {module.num_heads} heads)"
    return base.__name__


def _note(module: nn.Module) -> str:
    if parametrize.is_parametrized(module):
        return "its parameters are computed by torch.nn.utils.parametrize"
    return ""
