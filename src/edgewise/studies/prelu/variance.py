"""The variance law: what a layer does to the size of signals and gradients under He's rule, Xavier's, a fixed std."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from edgewise import init
from edgewise.measure.denormals import flushed_denormals
from edgewise.models import CNN
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.prelu.learning import INITIAL_SLOPE
from edgewise.studies.prelu.paper import MODEL_B
from edgewise.studies.study import Context, Part

SIDE, CHANNELS = 8, 3
FIXED_STD = 0.01
"""The fixed standard deviation of the paper's worked example."""


@dataclass(frozen=True)
class Settings:
    """networks, depth, width: of the networks whose signals are measured; deep_networks: model B's, for gradients."""

    networks: int
    depth: int
    width: int
    deep_networks: int


@dataclass(frozen=True)
class Rule:
    """key, name: of an initialisation; variance: of the weights, times fan-in."""

    key: str
    name: str
    activation: str
    variance: float

    @property
    def bits(self) -> float:
        """log2 of sqrt(1/2 (1 + a^2) n Var[w]), a the slope below 0: He et al. 2015, equation (9) and section 2.2."""
        slope = INITIAL_SLOPE if self.activation == "prelu" else 0.0
        return 0.5 * math.log2(0.5 * (1.0 + slope**2) * self.variance)


RULES = (
    Rule("he", "ReLU, He: n Var[w] = 2", "relu", 2.0),
    Rule("xavier", "ReLU, Xavier: n Var[w] = 1", "relu", 1.0),
    Rule("prelu", "PReLU, He with a: n Var[w] = 2/(1 + a²)", "prelu", 2.0 / (1.0 + INITIAL_SLOPE**2)),
    Rule("prelu-plain", "PReLU, He without a: n Var[w] = 2", "prelu", 2.0),
)


def run(settings: Settings, context: Context) -> tuple[Claim, Claim]:
    """The law of signals in deep plain networks, and the worked example on gradients."""
    s = settings
    total = len(RULES) * s.networks + 10 * s.deep_networks
    done = 0

    def tick(weight: int) -> None:
        nonlocal done
        done += weight
        context.progress(done, total)

    with torch.no_grad():
        bits = {
            rule.key: torch.stack([_signals(s, rule, context, i, number, tick) for number in range(s.networks)])
            for i, rule in enumerate(RULES)
        }
    gradients = {
        key: [_gradient(std, context, 10 + i, number, tick) for number in range(s.deep_networks)]
        for i, (key, std) in enumerate((("derived", None), ("fixed", FIXED_STD)))
    }
    return _law(s, bits), _example(s, gradients)


PART = Part(
    key="variance",
    title="The size of signals and gradients by depth",
    run=run,
    settings={
        "smoke": Settings(networks=24, depth=30, width=48, deep_networks=4),
        "full": Settings(networks=50, depth=30, width=80, deep_networks=10),
    },
    seconds={"smoke": 6.0, "full": 40.0},
)


def _signals(
    s: Settings, rule: Rule, context: Context, stream: int, number: int, tick: Callable[[int], None]
) -> Tensor:
    """log2 of the standard deviation of every layer's preactivations over the first layer's, [layer]."""
    source = torch.Generator().manual_seed(_seed(context, stream, number))
    with torch.random.fork_rng(devices=[]):
        model = CNN(CHANNELS, 1, depth=s.depth, width=s.width, activation=rule.activation)
    init.he_(model, gain=math.sqrt(rule.variance), generator=source)
    seen: list[Tensor] = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, z: seen.append(z.double().square().mean()))
    with flushed_denormals():
        model(torch.randn(1, CHANNELS, SIDE, SIDE, generator=source))
    tick(1)
    squares = torch.stack(seen)
    return 0.5 * torch.log2(squares / squares[0])


def _gradient(std: float | None, context: Context, stream: int, number: int, tick: Callable[[int], None]) -> float:
    """log10 of the standard deviation of the gradient that reaches the input of model B's second convolution.

    std: of all weights; None for equation (14), sqrt(2 / (9 x filters)). The gradient at the tenth layer is N(0, 1).
    """
    source = torch.Generator().manual_seed(_seed(context, stream, number))
    x = torch.randn(1, MODEL_B[0], 4, 4, generator=source).clamp(min=0.0).double().requires_grad_(True)
    z = x
    for place, (before, after) in enumerate(pairwise(MODEL_B)):
        deviation = math.sqrt(2.0 / (9.0 * after)) if std is None else std
        weight = torch.randn(after, before, 3, 3, generator=source).double() * deviation
        signal = nn.functional.pad(z if place == 0 else z.relu(), (1, 1, 1, 1), mode="circular")
        z = nn.functional.conv2d(signal, weight)
    (gradient,) = torch.autograd.grad(z, x, torch.randn(z.shape, generator=source).double())
    tick(5)
    return math.log10(float(gradient.square().mean().sqrt()))


def worked_example() -> float:
    """How much smaller the gradient is with the fixed deviation: the product of sqrt(2/n^)/0.01 over conv2 … conv10."""
    return math.prod(math.sqrt(2.0 / (9.0 * filters)) / FIXED_STD for filters in MODEL_B[1:])


def _law(s: Settings, bits: dict[str, Tensor]) -> Claim:
    last = {key: found[:, -1].tolist() for key, found in bits.items()}
    steps = s.depth - 1
    he = evidence.mean(last["he"])
    lost = _per_layer(evidence.difference_of_means(last["he"], last["xavier"]), steps)
    slope = _per_layer(evidence.difference_of_means(last["prelu-plain"], last["prelu"]), steps)
    kept = evidence.mean(last["prelu"])
    expected = RULES[3].bits
    return Claim(
        key="variance-law",
        title="Under Xavier's rule a ReLU network loses a factor √2 of its signal a layer, under He's it does not",
        says=(
            "With ½ n Var[w] = 1 the variance of the layers' responses stays the same; with Xavier's n Var[w] = 1 "
            "their standard deviation after L layers is smaller by 1/√2^L. With PReLU of slope a the condition is "
            "½ (1 + a²) n Var[w] = 1."
        ),
        where="section 2.2, equations (9), (10), (15)",
        checks=(
            Check("He: bits of standard deviation gained from the first layer to the last, at most a factor of 2", he,
                  (-1.0, 1.0), "bits"),
            Check("Xavier: bits lost in every layer against He; ½ is the factor √2", lost, (0.45, 0.55), "bits"),
            Check("PReLU, rule with a: bits gained from the first layer to the last, at most a factor of 2", kept,
                  (-1.0, 1.0), "bits"),
            Check(f"PReLU: bits a layer that the rule without a adds; ½ log2(1 + a²) = {expected:.4f}", slope,
                  (0.5 * expected, 1.5 * expected), "bits"),
        ),
        measured=(
            f"over {steps} layers of width {s.width} the standard deviation changes by {_bits(he)} bits under He's; "
            f"Xavier's loses {lost.estimate:.3f} ({lost.low:.3f} to {lost.high:.3f}) bits a layer more, ½ by the law; "
            f"{s.networks} networks a rule, 99 % intervals"
        ),
        n=len(RULES) * s.networks,
        settings={
            "network": "3x3 convolutions at the border of whose images the other side begins, no pooling",
            "inputs": f"one {SIDE}x{SIDE} image of {CHANNELS} channels of standard normal numbers a network",
        },
        numbers={
            "rows": [
                {"rule": rule.name, "theory_bits_per_layer": rule.bits,
                 "bits": evidence.mean(last[rule.key]).to_dict()}
                for rule in RULES
            ]
        },
        figures=("variance.layers",),
        data={
            "steps": steps,
            "rules": [
                {"key": rule.key, "name": rule.name, "theory": rule.bits, "layers": _spread(bits[rule.key])}
                for rule in RULES
            ],
        },
        remarks=(
            "The law is one of averages over weights. The logarithm of a narrow network's signal lies below it, by "
            f"about 5 layers/(4 width) nats or {5 * steps / (4 * s.width * math.log(2)):.2f} bits here, at either.",
        ),
    )  # fmt: skip


def _example(s: Settings, gradients: dict[str, list[float]]) -> Claim:
    smaller = evidence.difference_of_means(gradients["derived"], gradients["fixed"])
    exact = worked_example()
    return Claim(
        key="variance-example",
        title="With a fixed deviation of 0.01 the gradient of a VGG of ten convolutions is smaller by 1/(1.7·10⁴)",
        says=(
            "In VGG's model B with weights of standard deviation 0.01 the gradient that arrives at conv2 from conv10 "
            "is smaller by 1/(5.9 × 4.2² × 2.9² × 2.1⁴) = 1/(1.7 × 10⁴) than with the derived deviations."
        ),
        where="section 2.2, the example after equation (15)",
        checks=(
            Check("the product of the ratios of deviations, unrounded; the paper prints 1.7 × 10⁴",
                  evidence.computed(exact, 1e-9 * exact), (1.65e4, 1.75e4)),
            Check("log10 of the same in networks of those ten convolutions, within a factor 1.5 of the product",
                  smaller, (math.log10(exact / 1.5), math.log10(exact * 1.5)), "decades"),
        ),
        measured=(
            f"the product is {exact:,.0f}; in {s.deep_networks} networks of each kind with the paper's channels the "
            f"gradient is smaller by a factor {10**smaller.estimate:,.0f} ({10**smaller.low:,.0f} to "
            f"{10**smaller.high:,.0f}, 99 % interval)"
        ),
        n=2 * s.deep_networks,
        settings={"filters": list(MODEL_B), "images": "4x4, the other side begins at the border, no pooling"},
        numbers={key: evidence.mean(values).to_dict() for key, values in gradients.items()},
    )  # fmt: skip


def _per_layer(found: evidence.Interval, layers: int) -> evidence.Interval:
    return replace(found, estimate=found.estimate / layers, low=found.low / layers, high=found.high / layers)


def _spread(bits: Tensor) -> dict[str, Any]:
    """Of each layer, what a figure draws: the mean over networks and one standard deviation."""
    return {"mean": _rounded(bits.mean(0)), "deviation": _rounded(bits.std(0))}


def _rounded(values: Tensor) -> list[float]:
    return [round(float(value), 4) for value in values]


def _bits(found: evidence.Interval) -> str:
    return f"{found.estimate:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def _seed(context: Context, stream: int, number: int) -> int:
    return int(torch.randint(2**62, (), generator=context.generator(stream, number), device=context.device))
