"""Plain networks of one activation, a seed and a learning rate each, trained as one program."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from edgewise.activations import Activation
from edgewise.data import Images, ImageSet, Split
from edgewise.measure.denormals import flushed_denormals
from edgewise.measure.provenance import provenance
from edgewise.models import CNN, MLP
from edgewise.studies.images.evaluation import Curve, Score, sums
from edgewise.studies.images.memory import kept_for_backward
from edgewise.studies.images.networks import parsed
from edgewise.studies.images.run import ImageRun
from edgewise.train import Checkpoints, Initial, Look, Member, MLPEnsemble, Parameters, WarmupCosine, minimise
from edgewise.train.conv_ensemble import ConvEnsemble
from edgewise.train.convolutional import ConvParameters, ConvShape
from edgewise.train.live import Optimiser
from edgewise.train.training import LOSS_BOUND

Ensemble = MLPEnsemble | ConvEnsemble

_IMAGES_AT_ONCE, _PICTURES_AT_ONCE = 1000, 50
"""Scored at a time, by plain networks and by convolutional ones, all of whose layers are held."""
ANY = Initial(c_w=1.0, c_b=0.0, first_c_w=1.0, first_c_b=0.0, last_c_w=1.0)
"""Not used: the members begin where modules of theirs were initialised."""


def can_be_one_program(model: str, activation: Activation, whole: ImageSet, *, augmented: bool) -> bool:
    """Whether networks of this model can: plain ones, without norms or learned slopes, on images as they are."""
    family, options = parsed(model)
    _, height, width = whole.shape
    plain = family.make is MLP or (family.make is CNN and options.get("kernel_size", 3) == 3 and height == width)
    plain = plain and options.get("norm") is None and options.get("bias", True)
    return bool(plain) and not augmented and not list(activation.module().parameters())


def as_ensemble(
    networks: Sequence[nn.Module], activation: Activation, data: Split, shape: tuple[int, int, int],
    members: Sequence[Member], batch: int,
) -> Ensemble:  # fmt: skip
    """The problem of training plain networks, as `image_network` makes them, that begin where these are."""
    inner = next((m for m in networks[0].modules() if isinstance(m, CNN)), None)
    if inner is None:
        return MLPEnsemble(activation, stacked(networks), members, data, batch=batch)
    convolutions = [m for m in inner.modules() if isinstance(m, nn.Conv2d)]
    conv = ConvShape(
        channels=shape[0], size=shape[1], width=convolutions[0].out_channels, depth=len(convolutions),
        outputs=inner.head.out_features, padding="circular" if convolutions[0].padding_mode == "circular" else "zeros",
    )  # fmt: skip
    return ConvEnsemble(activation, conv, stacked_conv(networks), members, data, batch=batch)


def train_members(
    networks: Sequence[nn.Module],
    activation: Activation,
    image_set: ImageSet,
    *,
    seeds: Sequence[int],
    learning_rates: Sequence[float],
    epochs: int,
    batch: int,
    optimiser: Optimiser,
    watch: Mapping[str, Images],
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[int], None] | None = None,
    label: str = "",
) -> tuple[ImageRun, ...]:
    """As `train_images` for each network, which are left as they were; one run each.

    networks: as `image_network` makes them, one for each seed and learning rate; all begin with the same first batch
    order for the same seed. The seconds of the program are shared out evenly among its members.
    """
    data = image_set.train.flat()
    size = min(batch, len(data))
    per_epoch = len(data) // size
    steps = epochs * per_epoch
    members = [Member(s, rate, ANY) for s, rate in zip(seeds, learning_rates, strict=True)]
    problem = as_ensemble(networks, activation, data, image_set.shape, members, size)
    at_once = _IMAGES_AT_ONCE if isinstance(problem, MLPEnsemble) else _PICTURES_AT_ONCE
    flat = {name: images.flat() for name, images in watch.items()}
    since = [time.perf_counter()]

    def clock(look: Look) -> Tensor:
        seconds = torch.full((look.problem.members, 1), time.perf_counter() - since[0], dtype=torch.float64)
        assert isinstance(look.problem, MLPEnsemble | ConvEnsemble)
        columns = [_scores(look.problem, split, at_once) for split in flat.values()]
        return torch.cat([seconds, *columns], dim=1)

    def go_on(look: Look) -> Tensor:
        since[0] = time.perf_counter()
        return torch.zeros(look.problem.members)

    run = minimise(
        problem,
        steps=steps,
        optimiser=optimiser,
        learning_rate=torch.tensor(learning_rates),
        schedule=WarmupCosine(max(1, steps // 20)),
        record={"clock": clock, "go on": go_on},
        record_every=range(0, steps + 1, per_epoch),
        checkpoints=checkpoints,
        loss_bound=LOSS_BOUND,
        on_step=on_step,
    )
    seen = run.records["clock"]  # [look, member, 1 + 2 sets]
    every = seen[:, :, 0].nan_to_num().amax(1).sum().item() / len(networks)
    test = image_set.test.flat()
    tested = [Score(right, loss, len(test)) for right, loss in _scores(problem, test, at_once).tolist()]
    first = next(image_set.train.batches(size))[0]
    kept = kept_for_backward(lambda: networks[0](first).sum(), tuple(networks[0].parameters()))
    told = provenance(seed=seeds[0], device=first.device, dtype=torch.float32, seconds=run.seconds).to_dict()
    runs = []
    for i, (network, seed, rate) in enumerate(zip(networks, seeds, learning_rates, strict=True)):
        rows = seen[:, i]
        edges = list(run.recorded_at)
        runs.append(
            ImageRun(
                label=label, seed=seed, learning_rate=rate, epochs=epochs, batch=size, steps=steps, images=len(data),
                parameters=sum(p.numel() for p in network.parameters()), test=tested[i],
                epochs_seen=tuple(step // per_epoch for step in edges),
                curves={
                    name: Curve(tuple(rows[:, 1 + 2 * j].tolist()), tuple(rows[:, 2 + 2 * j].tolist()), len(split))
                    for j, (name, split) in enumerate(flat.items())
                },
                batch_loss=tuple(float(run.losses[a:b, i].mean()) for a, b in itertools.pairwise(edges)),
                seconds=every, kept_bytes=kept, peak_bytes=None, diverged_at=int(run.diverged_at[i]), why=run.why[i],
                provenance=told,
            )
        )  # fmt: skip
    return tuple(runs)


def stacked(networks: Sequence[nn.Module]) -> Parameters:
    """The weights and biases of plain networks of one shape, as an ensemble's."""
    each = [[m for m in network.modules() if isinstance(m, nn.Linear)] for network in networks]

    def weight(layer: int) -> Tensor:
        return torch.stack([linears[layer].weight.detach().T for linears in each]).contiguous()

    def bias(layer: int) -> Tensor:
        return torch.stack([linears[layer].bias.detach()[None] for linears in each])

    last = len(each[0]) - 1
    between = range(1, last)
    like, width = weight(0), each[0][0].out_features
    hidden = [weight(i) for i in between] or [like.new_empty(0, len(each), width, width)]
    hidden_bias = [bias(i) for i in between] or [like.new_empty(0, len(each), 1, width)]
    join = torch.stack if last > 1 else torch.cat
    return Parameters(like, bias(0), join(hidden), join(hidden_bias), weight(last), bias(last))


def step_seconds(
    problems: Mapping[str, Callable[[], Ensemble]], optimiser: Optimiser, *, rounds: int, steps: int,
    told: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:  # fmt: skip
    """Seconds of a training step of each, round by round, one after the other in every round, after a warm-up."""
    found: dict[str, list[float]] = {name: [] for name in problems}
    for round_ in range(rounds + 1):
        for name, make in problems.items():
            problem = make()
            begun = time.perf_counter()
            minimise(problem, steps=steps, optimiser=optimiser, learning_rate=1e-6)
            if round_:
                found[name].append((time.perf_counter() - begun) / steps)
            told()
    return found


def stacked_conv(networks: Sequence[nn.Module]) -> ConvParameters:
    """The weights and biases of plain convolutional networks of one shape, as an ensemble's."""
    kinds = (nn.Conv2d, nn.Linear)
    each = list(zip(*([m for m in network.modules() if isinstance(m, kinds)] for network in networks), strict=True))
    heads = each[-1]
    weights = [torch.stack([m.weight.detach() for m in layer]) for layer in each[:-1]]
    biases = [torch.stack([m.bias.detach() for m in layer if m.bias is not None]) for layer in each[:-1]]
    weights.append(torch.stack([m.weight.detach().T for m in heads]).contiguous())
    biases.append(torch.stack([m.bias.detach()[None] for m in heads if m.bias is not None]))
    return ConvParameters(tuple(weights), tuple(biases))


@torch.no_grad()
def _scores(problem: Ensemble, split: Split, at_once: int) -> Tensor:
    """Accuracy and loss of every member, [member, 2]."""
    total = torch.zeros(problem.members, 2, dtype=torch.float64)
    with flushed_denormals():
        for first in range(0, len(split), at_once):
            inputs, labels = split.inputs[first : first + at_once], split.labels[first : first + at_once]
            total += sums(problem.preactivations(inputs)[-1], labels).cpu()
    return total / len(split)
