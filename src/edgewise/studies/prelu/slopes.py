"""PReLU against ReLU on the 14-layer model, and the slopes that it learns, layer by layer: tables 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from edgewise.studies import evidence
from edgewise.studies.claim import ABOVE_ZERO, Check, Claim
from edgewise.studies.prelu import paper
from edgewise.studies.prelu.convergence import images_remarks
from edgewise.studies.prelu.learning import FOURTEEN, INITIAL_SLOPE, WEIGHT_DECAY, Kind, Learned, learn, network
from edgewise.studies.study import Context, Part
from edgewise.studies.subset import subset

KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: dict[Kind, str] = {
    "relu": "ReLU", "shared": "PReLU, a slope a layer", "channel-wise": "PReLU, a slope a channel",
}  # fmt: skip
EARLY, LATE = "conv1", ("conv3_", "fc")
"""The first convolution against the last stage and the linear layers."""


@dataclass(frozen=True)
class Settings:
    seeds: int
    steps: int
    train: int
    test: int
    batch: int = 32
    learning_rate: float = 0.01
    data: str = "cifar10"


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Trains the three kinds from every seed; the same seed sees the same batches and starts from the same numbers."""
    s = settings
    images, _ = subset(s.data, train=s.train, test=s.test)
    total, done = len(KINDS) * s.seeds * s.steps, 0
    found: dict[Kind, list[Learned]] = {kind: [] for kind in KINDS}
    for i in range(s.seeds):
        for kind in KINDS:

            def tick(step: int, before: int = done) -> None:
                context.progress(before + step, total)

            model = network(FOURTEEN, kind, "he", images.shape, context.seed + i)
            found[kind].append(
                learn(model, images, steps=s.steps, batch=s.batch, learning_rate=s.learning_rate,
                      seed=context.seed + i, device=context.device, on_step=tick)
            )  # fmt: skip
            done += s.steps
    told = {
        "data": images.to_dict(),
        "network": (
            "after the 14-layer model of table 1: 3x3, 16 channels, stride 2; 4 of 2x2, 16 channels; 6 of 2x2, 32 "
            "channels; max pooling before each stage; linear layers of 64, 64 and 10; no dropout, no augmentation"
        ),
        "optimiser": (
            f"SGD, momentum 0.9, warm-up 5 %, cosine to 0; decay {WEIGHT_DECAY} of weights, none of slopes or biases"
        ),
        "initialisation": f"variance 2/((1 + a²) fan-in), a = {INITIAL_SLOPE} for PReLU and 0 for ReLU",
    }
    return _accuracy(s, found, told), _early(s, found, told), _counts(s, found, told)


PART = Part(
    key="slopes",
    title="PReLU against ReLU, and its learned slopes",
    run=run,
    settings={
        "smoke": Settings(seeds=2, steps=40, train=1000, test=300, batch=16),
        "full": Settings(seeds=5, steps=1500, train=10000, test=2000),
    },
    seconds={"smoke": 6.0, "full": 550.0},
)


def _accuracy(s: Settings, found: dict[Kind, list[Learned]], told: dict[str, Any]) -> Claim:
    right = {kind: [100.0 * run.accuracy for run in runs] for kind, runs in found.items()}
    gain = {
        kind: evidence.mean([a - b for a, b in zip(right[kind], right["relu"], strict=True)])
        for kind in KINDS if kind != "relu"
    }  # fmt: skip
    means = {kind: sum(values) / len(values) for kind, values in right.items()}
    return Claim(
        key="prelu-accuracy",
        title="PReLU classifies better than ReLU",
        says=(
            "Replacing ReLU by PReLU lowers the top-1 error of the 14-layer model on ImageNet from "
            f"{paper.TOP1['relu']} % to {paper.TOP1['shared']} % with a slope a layer and "
            f"{paper.TOP1['channel-wise']} % with a slope a channel (the paper's numbers, ImageNet)."
        ),
        where="table 2",
        checks=tuple(
            Check(f"{NAMES[kind]}: test accuracy minus ReLU's, same seed, mean", gain[kind], ABOVE_ZERO, "points")
            for kind in gain
        ),
        measured=(
            "on test images of CIFAR-10, small networks: "
            + ", ".join(f"{NAMES[kind]} {means[kind]:.1f} %" for kind in KINDS)
            + "; "
            + "; ".join(f"{NAMES[kind]} {_points(gain[kind])} points against ReLU" for kind in gain)
            + f"; {s.seeds} seeds, 99 % intervals"
        ),
        n=len(KINDS) * s.seeds,
        settings=told,
        numbers={
            "rows": [
                {"activation": NAMES[kind], "accuracy": right[kind],
                 "diverged": sum(run.diverged for run in found[kind]),
                 "final_loss": [run.loss[-1] for run in found[kind]]}
                for kind in KINDS
            ]
        },
        remarks=images_remarks(told),
    )  # fmt: skip


def _early(s: Settings, found: dict[Kind, list[Learned]], told: dict[str, Any]) -> Claim:
    learned = [kind for kind in KINDS if kind != "relu"]
    means = {kind: [_layer_means(run) for run in found[kind]] for kind in learned}
    early = {kind: evidence.mean([_early_minus_late(m) for m in means[kind]]) for kind in learned}
    first = {kind: evidence.mean([m[EARLY] for m in means[kind]]) for kind in learned}
    every = [abs(value) for kind in learned for run in found[kind] for of in run.slopes.values() for value in of]
    above = sum(value > 1.0 for value in every)
    return Claim(
        key="prelu-slopes",
        title="Early layers learn large slopes, later layers small ones",
        says=(
            "The first convolution learns a slope well above 0 (0.681 shared, 0.596 on average over channels); deeper "
            "layers learn smaller ones. Slopes rarely exceed 1 although nothing holds them."
        ),
        where="table 1, section 2.1",
        checks=(
            *(
                Check(
                    f"{NAMES[kind]}: slope of conv1 minus the mean of conv3_1 … fc2, mean over networks", early[kind],
                    ABOVE_ZERO,
                )
                for kind in learned
            ),
            Check("share of slopes beyond ±1, all networks", evidence.computed(above / len(every)), (0.0, 0.1)),
        ),
        measured=(
            "; ".join(
                f"{NAMES[kind]}: conv1 {first[kind].estimate:.2f}, larger than the later layers by "
                f"{early[kind].estimate:.2f} ({early[kind].low:.2f} to {early[kind].high:.2f})"
                for kind in learned
            )
            + f"; {above} of {len(every):,} slopes beyond ±1; all began at {INITIAL_SLOPE}; {s.seeds} networks each"
        ),
        n=len(learned) * s.seeds,
        settings=told,
        numbers={
            "rows": [
                {"layer": layer, **{kind: evidence.mean([m[layer] for m in means[kind]]).to_dict() for kind in learned},
                 "paper_shared": paper.SHARED[i], "paper_channel_wise": paper.CHANNEL_WISE[i]}
                for i, layer in enumerate(paper.LAYERS)
            ]
        },
        figures=("slopes.layers",),
        data={
            "layers": list(paper.LAYERS),
            "start": INITIAL_SLOPE,
            "kinds": [
                {
                    "kind": kind,
                    "name": NAMES[kind],
                    "networks": [[round(m[layer], 4) for layer in paper.LAYERS] for m in means[kind]],
                    "paper": list(paper.SHARED if kind == "shared" else paper.CHANNEL_WISE),
                }
                for kind in learned
            ],
        },
        remarks=(
            "The paper trained for 75 epochs of ImageNet; here slopes had far less time to leave where they began.",
            *images_remarks(told),
        ),
    )  # fmt: skip


def _counts(s: Settings, found: dict[Kind, list[Learned]], told: dict[str, Any]) -> Claim:
    extra = {kind: found[kind][0].extra for kind in KINDS}
    plain = found["relu"][0].parameters
    differ = evidence.mean(
        [100.0 * (a.accuracy - b.accuracy) for a, b in zip(found["channel-wise"], found["shared"], strict=True)]
    )
    return Claim(
        key="prelu-shared",
        title="A slope a layer costs 13 parameters and is nearly as good as one a channel",
        says=(
            "PReLU adds a negligible number of parameters: one a layer is 13 for the 14-layer model, and is comparable "
            "with one a channel (32.71 % against 32.64 % top-1 error on ImageNet, the paper's numbers)."
        ),
        where="section 2.1, table 2",
        checks=(
            Check("slopes of the 14-layer network, one a layer", evidence.computed(extra["shared"]), (13.0, 13.0)),
            Check("slopes of the network with one a channel, share of its parameters",
                  evidence.computed(100.0 * extra["channel-wise"] / (plain + extra["channel-wise"])), (0.0, 1.0), "%"),
            Check("test accuracy, channel-wise minus shared, same seed, mean: within 3 points", differ, (-3.0, 3.0),
                  "points"),
        ),
        measured=(
            f"{extra['shared']} slopes shared and {extra['channel-wise']} channel-wise on top of {plain:,} parameters; "
            f"channel-wise is {_points(differ)} points better (99 % interval, {s.seeds} seeds)"
        ),
        n=2 * s.seeds,
        settings=told,
        numbers={"slopes": extra, "parameters_of_relu": plain},
        remarks=images_remarks(told),
    )  # fmt: skip


def _layer_means(run: Learned) -> dict[str, float]:
    return {layer: sum(values) / len(values) for layer, values in run.slopes.items()}


def _early_minus_late(means: dict[str, float]) -> float:
    late = [value for layer, value in means.items() if layer.startswith(LATE)]
    return means[EARLY] - sum(late) / len(late)


def _points(found: evidence.Interval) -> str:
    return f"{found.estimate:+.1f} ({found.low:+.1f} to {found.high:+.1f})"
