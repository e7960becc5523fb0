"""Image networks by name: "resnet20", "cnn(depth=20,width=32)"; each with any activation and initialisation."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from edgewise import init as initialising
from edgewise import models
from edgewise.errors import SpecError
from edgewise.models.parts import reset_as_torch

Init = Literal["critical", "he", "xavier", "pytorch", "paper"]
"""critical: `ew.init.critical_`; he: variance 2/fan-in whatever the activation; xavier: Glorot and Bengio's; pytorch:
what PyTorch's layers do by themselves; paper: what the model's authors did."""
INITS: tuple[Init, ...] = get_args(Init)
_LONGEST = 200
_IMAGES_FOR_SCALE, _IMAGES_FOR_WHITENING = 64, 5000
"""The second as the network's authors: 4.8 million patches of CIFAR-10."""


@dataclass(frozen=True)
class Family:
    """A model's class and what its name fixes.

    flat: it takes rows of numbers, (inputs, outputs); otherwise images, by `channels` and `outputs`. least: the
    smallest side of an image it can take; smaller ones are padded with zeros.
    """

    make: Callable[..., nn.Module]
    fixed: dict[str, Any] = field(default_factory=dict)
    flat: bool = False
    least: int = 1


FAMILIES: dict[str, Family] = {
    "mlp": Family(models.MLP, flat=True),
    "cnn": Family(models.CNN),
    **{f"vgg{depth}": Family(models.VGG, {"depth": depth}, least=32) for depth in (11, 13, 16, 19)},
    **{f"resnet{depth}": Family(models.ResNet, {"depth": depth}) for depth in (20, 32, 44, 56)},
    "preresnet164": Family(models.PreActivationResNet, {"depth": 164}),
    "wrn28-10": Family(models.WideResNet, {"depth": 28, "widen": 10}),
    "wrn40-4": Family(models.WideResNet, {"depth": 40, "widen": 4}),
    "densenet100-12": Family(models.DenseNet, {"depth": 100, "growth": 12}),
    "fastcnn": Family(models.FastCNN, least=9),
}


def image_networks() -> tuple[str, ...]:
    """Every name that `image_network` knows."""
    return tuple(FAMILIES)


def image_network(
    name: str,
    activation: object = "relu",
    *,
    shape: tuple[int, int, int],
    classes: int,
    init: Init = "critical",
    seed: int = 0,
    sample: Tensor | None = None,
) -> nn.Module:
    """A network for images of `shape` (channels, height, width), initialised from `seed`, on the CPU.

    name: of `image_networks`, with options of its class where wanted, "cnn(depth=20,width=32)". init: see `Init`.
    sample: normalised images [image, channel, height, width]: a first layer that whitens is made from all of them (see
    `images_wanted`), and "critical" measures the inputs' scale on the first 64.
    The same seed gives networks whose random numbers differ between activations by their scale alone.

    Raises SpecError for an unknown name, option or initialisation, and what the model and `ew.init` raise.

    >>> from edgewise.studies.images import image_network
    >>> network = image_network("cnn(depth=3,width=8)", "gelu", shape=(1, 28, 28), classes=10)
    >>> sum(p.numel() for p in network.parameters())
    1338
    """
    family, options = parsed(name)
    if init not in INITS:
        raise SpecError(f"init={init!r} given, expected one of {', '.join(INITS)}; try init='critical'")
    channels, height, width = shape
    with torch.random.fork_rng(devices=[]):  # constructors draw from the global generator; what they drew is replaced
        try:
            if family.flat:
                inner = family.make(channels * height * width, classes, activation=activation, **options)
                network: nn.Module = nn.Sequential(nn.Flatten(), inner)
            else:
                network = inner = family.make(channels=channels, outputs=classes, activation=activation, **options)
                padding = family.least - min(height, width)
                if padding > 0:
                    before, after = padding // 2, padding - padding // 2
                    network = nn.Sequential(nn.ZeroPad2d((before, after, before, after)), inner)
        except TypeError as error:
            raise SpecError(f"model {name!r} given: {error}; expected options of {family.make.__name__}") from None
        _initialise(network, inner, init, seed, sample)
    return network


def _initialise(network: nn.Module, inner: nn.Module, init: Init, seed: int, sample: Tensor | None) -> None:
    generator = torch.Generator().manual_seed(seed)
    inner.reset_parameters(generator)  # type: ignore[operator]
    if init == "pytorch":
        reset_as_torch(inner, generator)
    if isinstance(inner, models.FastCNN) and sample is not None:
        inner.whiten_(sample)
    sample = None if sample is None else sample[:_IMAGES_FOR_SCALE]
    if init == "he":
        initialising.he_(network, sample, gain=math.sqrt(2.0), generator=generator)
    elif init == "xavier":
        initialising.xavier_(network, sample, generator=generator)
    elif init == "critical":
        # gains that stay what they are count most: they alone decide the kernel that an activation ever sees
        fixed = [m.weight for m in inner.modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.requires_grad]
        for gain in fixed:
            gain.requires_grad_(True)
        initialising.critical_(network, sample, generator=generator)
        for gain in fixed:
            gain.requires_grad_(False)


def images_wanted(name: str) -> int:
    """How many images a sample should hold for a model. Raises SpecError for an unknown name."""
    return _IMAGES_FOR_WHITENING if parsed(name)[0].make is models.FastCNN else _IMAGES_FOR_SCALE


def is_flat(name: str) -> bool:
    """Whether a model takes images as rows of numbers. Raises SpecError for an unknown name."""
    return parsed(name)[0].flat


def parsed(name: str) -> tuple[Family, dict[str, Any]]:
    """The family of a name and all options, those of the name included. Raises SpecError."""
    base, bracket, rest = name.strip().partition("(")
    base = base.strip().lower()
    if base not in FAMILIES:
        near = difflib.get_close_matches(base, FAMILIES, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; try resnet20"
        raise SpecError(f"unknown model {name[:_LONGEST]!r}, expected one of {', '.join(FAMILIES)}{hint}")
    family = FAMILIES[base]
    return family, {**family.fixed, **(_options(name, rest) if bracket else {})}


def _options(name: str, rest: str) -> dict[str, Any]:
    """The options in "depth=20,width=32)", every value a Python literal."""
    wrong = SpecError(
        f"model {name[:_LONGEST]!r} cannot be read, expected options as in cnn(depth=20,width=32) or "
        "mlp(depth=3,norm='layer')"
    )
    if len(name) > _LONGEST:
        raise wrong
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise wrong
        if any(option.arg is None for option in call.keywords):
            raise wrong
        return {str(option.arg): ast.literal_eval(option.value) for option in call.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise wrong from None
