"""The reference networks have the sizes of their papers, take any activation and can be traced."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor, fx, nn

import edgewise as ew
from edgewise.errors import DomainError, SpecError
from edgewise.models import CNN, GPT, MLP, VGG, DenseNet, FastCNN, PlainCNN, PreActivationResNet, ResNet, WideResNet


def _made(family: str, activation: object = "gelu") -> tuple[nn.Module, Tensor, tuple[int, ...]]:
    """A small member of a family, a batch for it, and the shape of its output."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 8, 8, generator=generator)
    tokens = torch.randint(11, (2, 5), generator=generator)
    if family == "mlp":
        return MLP(6, 4, depth=3, width=5, activation=activation, norm="layer"), images[0, :, 0, :6], (3, 4)
    if family == "cnn":
        return CNN(3, 4, depth=3, width=5, activation=activation, norm="batch"), images, (2, 4)
    if family == "resnet":
        return ResNet(14, outputs=4, width=4, activation=activation), images, (2, 4)
    if family == "preactivation":
        return PreActivationResNet(20, outputs=4, width=4, activation=activation), images, (2, 4)
    if family == "wide":
        return WideResNet(10, 1, outputs=4, activation=activation), images, (2, 4)
    if family == "vgg":
        return VGG((1, 2), outputs=4, width=4, activation=activation), images, (2, 4)
    if family == "plain":
        return PlainCNN(outputs=4, first=4, stages=((1, 4), (2, 4)), hidden=5, activation=activation), images, (2, 4)
    if family == "fast":
        return FastCNN(outputs=4, width=3, activation=activation), images.repeat(1, 1, 2, 2), (2, 4)
    if family == "densenet":
        return DenseNet(10, 3, bottleneck=True, outputs=4, activation=activation), images, (2, 4)
    return GPT(11, context=8, depth=2, width=8, heads=2, activation=activation), tokens, (2, 5, 11)


FAMILIES = ("mlp", "cnn", "resnet", "preactivation", "wide", "vgg", "plain", "densenet", "fast", "gpt")


class _ActivationsAreLeaves(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, ew.nn.Elementwise) or super().is_leaf_module(module, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_traced_model_is_the_model(family: str) -> None:
    model, batch, shape = _made(family)
    model.eval()
    traced = fx.GraphModule(model, _ActivationsAreLeaves().trace(model))
    assert model(batch).shape == shape
    assert torch.equal(traced(batch), model(batch))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "activation",
    ["relu", "mrepu(p=2)", "x*sigmoid(1.5*x)", torch.tanh, nn.SiLU()],
    ids=["relu", "mrepu", "formula", "function", "module"],
)
def test_any_activation_in_every_place_and_a_gradient_at_every_parameter(family: str, activation: object) -> None:
    model, batch, _ = _made(family, activation)
    places = [module for module in model.modules() if isinstance(module, ew.nn.Elementwise)]
    expected = {
        "mlp": 3, "cnn": 3, "resnet": 1 + 2 * 6, "preactivation": 3 * 6 + 1, "wide": 3 * 2 + 1, "vgg": 3,
        "plain": 4 + 2, "densenet": 3 * 2 + 2 + 1, "fast": 1 + 3 * 2, "gpt": 2,
    }[family]  # fmt: skip
    assert len(places) == expected  # a module of its own at every place
    assert all(place.activation == ew.activation(activation) for place in places)
    model(batch).square().mean().backward()
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generator_fixes_all_parameters_and_the_global_one_is_left_alone(family: str) -> None:
    model, _, _ = _made(family, "prelu")
    before = torch.get_rng_state()
    model.reset_parameters(torch.Generator().manual_seed(7))
    first = [p.clone() for p in model.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3.0)
    model.reset_parameters(torch.Generator().manual_seed(7))
    assert all(torch.equal(a, b) for a, b in zip(first, model.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_models_survive_pickling() -> None:
    for family in FAMILIES:
        model, batch, _ = _made(family, "swish(beta=1.5)")
        model.eval()
        again = pickle.loads(pickle.dumps(model))
        assert torch.equal(again(batch), model(batch))


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_resnets_have_the_published_number_of_parameters() -> None:
    # He et al. 2016a, table 6: 0.27M, 0.46M, 0.66M, 0.85M parameters at depth 20, 32, 44, 56
    counts = {depth: _count(ResNet(depth)) for depth in (20, 32, 44, 56)}
    assert {depth: round(count / 1e6, 2) for depth, count in counts.items()} == {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85}
    # option B: two projections, 1x1 convolutions 16 -> 32 and 32 -> 64, each with the scale and shift of its norm
    assert _count(ResNet(20, shortcut="B")) - counts[20] == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_preactivation_resnets_have_the_published_number_of_parameters() -> None:
    # He et al. 2016b: ResNet-110 and ResNet-164 1.7M; ResNet-1001 10.2M
    assert round(_count(PreActivationResNet(110, block="basic")) / 1e6, 1) == 1.7
    assert round(_count(PreActivationResNet(164)) / 1e6, 1) == 1.7
    # a unit of ResNet-164 in its third stage, written out: 256 -> 64 -> 64 -> 256
    unit = PreActivationResNet(164).stages[2][1]
    assert _count(unit) == 2 * 256 + 256 * 64 + 2 * 64 + 9 * 64 * 64 + 2 * 64 + 64 * 256


def test_wide_and_dense_networks_have_the_published_number_of_parameters() -> None:
    # Zagoruyko & Komodakis 2016, table 4: WRN-40-4 8.9M, WRN-28-10 36.5M; Huang et al. 2017, table 2: DenseNet-100 with
    # growth 12 7.0M, its BC form 0.8M
    assert round(_count(WideResNet(40, 4)) / 1e6, 1) == 8.9
    assert round(_count(WideResNet(28, 10)) / 1e6, 1) == 36.5
    assert round(_count(DenseNet(100, 12)) / 1e6, 1) == 7.0
    assert round(_count(DenseNet(100, 12, bottleneck=True)) / 1e6, 1) == 0.8


def test_vgg_has_the_convolutions_of_configuration_d() -> None:
    # Simonyan & Zisserman 2015, table 1, configuration D: two, two, three, three, three convolutions of these widths
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    shapes = list(zip([3, *widths[:-1]], widths, strict=True))
    convolutions = sum(9 * before * after + after for before, after in shapes)
    assert _count(VGG(16)) == convolutions + 2 * sum(widths) + 512 * 10 + 10
    assert _count(VGG(16, norm=None)) == convolutions + 512 * 10 + 10


def test_the_fast_network_has_the_published_number_of_parameters() -> None:
    # K. Jordan 2024: 1.97 million; the fixed gains of its six norms are parameters of torch's layers too
    assert round(_count(FastCNN()) / 1e6, 2) == 1.97
    groups = [(24, 64), (64, 256), (256, 256)]
    trained = 24 + sum(9 * a * b + 9 * b * b + 2 * b for a, b in groups) + 256 * 10
    assert sum(p.numel() for p in FastCNN().parameters() if p.requires_grad) == trained


def test_the_first_filters_of_the_fast_network_hand_channels_on() -> None:
    model = FastCNN(width=4)
    x = torch.randn(2, 24, 5, 5)
    assert torch.equal(model.groups[0].conv1(x), x[:, :4])  # 4 filters for 24 channels
    y = torch.randn(2, 4, 5, 5)
    assert torch.equal(model.groups[1].conv1(y)[:, :4], y)
    assert not torch.equal(model.groups[1].conv1(y)[:, 4:8], y)


def _moving_images(count: int) -> Tensor:
    """Images whose neighbouring pixels and channels go together, as those of photographs do."""
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 3, 12, 12, generator=g)
    smooth = nn.functional.avg_pool2d(noise, 3, stride=1)
    return (
        torch.stack([smooth[:, 0], smooth[:, 0] + 0.3 * smooth[:, 1], smooth[:, 2]], 1) + 0.2 * noise[..., 1:-1, 1:-1]
    )


def test_patches_leave_the_first_layer_of_the_fast_network_white() -> None:
    model, images = FastCNN(), _moving_images(200)
    model.whiten_(images)
    z = model.whitening(images).detach().double().permute(1, 0, 2, 3).flatten(1)
    assert torch.equal(z[12:], -z[:12])
    products = z[:12] @ z[:12].mT / z.shape[1]
    # independently: patches cut out one by one, their moments' eigenvalues from a singular value decomposition
    patches = (
        torch.stack([images[:, :, i : i + 2, j : j + 2] for i in range(9) for j in range(9)]).flatten(2).flatten(0, 1)
    )
    variances = torch.linalg.svdvals(patches.double()).square() / len(patches)
    torch.testing.assert_close(products.diag(), variances / (variances + 5e-4), rtol=1e-5, atol=0)
    off = products - products.diag().diag()
    assert off.abs().max() < 1e-5  # float32 filters and images
    assert products.diag().min() > 0.9
    assert not model.whitening.weight.requires_grad
    assert model.whitening.bias.requires_grad


def test_white_filters_do_not_depend_on_the_number_of_images_taken_at_a_time() -> None:
    images, ones = _moving_images(30), torch.ones(2, 3, 9, 9)
    once, often = FastCNN(), FastCNN()
    once.whiten_(images)
    often.whiten_(images.repeat(40, 1, 1, 1))  # 1200 images, in parts of 500: the same moments
    torch.testing.assert_close(once.whitening.weight, often.whitening.weight, rtol=1e-4, atol=1e-4)
    once.whiten_(ones)  # directions without variance stay finite
    assert torch.isfinite(once(torch.randn(2, 3, 9, 9))).all()


def test_a_dense_layer_keeps_what_came_in() -> None:
    model = DenseNet(10, 3, activation="tanh")
    x = torch.randn(2, 16, 4, 4)
    out = model.blocks[0](x)
    assert out.shape[1] == 16 + 3
    assert torch.equal(out[:, :16], x)


def test_depth_counts_the_layers_with_weights() -> None:
    for model, depth in (
        (VGG((2, 3, 1)), 6 + 1),
        (WideResNet(16, 1), 16 - 2),  # the paper counts the two projections that replace identities too
        (DenseNet(22, 4), 22),
        (DenseNet(22, 4, bottleneck=True), 22),
        (ResNet(20), 20),
        (PreActivationResNet(20, block="basic"), 20),
        (PreActivationResNet(29), 29),
        (MLP(3, 2, depth=7), 7 + 1),
        (CNN(3, 2, depth=7), 7 + 1),
        (FastCNN(), 1 + 6 + 1),
    ):
        layers = [name for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        assert len([name for name in layers if "shortcut" not in name]) == depth


def test_shortcut_a_keeps_every_second_pixel_and_adds_channels_of_zeros() -> None:
    shortcut = ResNet(8, width=2).stages[1][0].shortcut
    x = torch.randn(1, 2, 4, 4)
    out = shortcut(x)
    assert torch.equal(out[:, :2], x[:, :, ::2, ::2])
    assert torch.equal(out[:, 2:], torch.zeros(1, 2, 2, 2))


def test_a_circular_cnn_has_no_preferred_position() -> None:
    model = CNN(1, 3, depth=4, width=4, padding_mode="circular")
    x = torch.randn(1, 1, 6, 6)
    torch.testing.assert_close(model.layers(x.roll((2, 3), (2, 3))), model.layers(x).roll((2, 3), (2, 3)))


def test_gpt_cannot_look_ahead() -> None:
    model, tokens, _ = _made("gpt")
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 11
    difference = (model(tokens) - model(changed)).abs().amax((0, 2))
    assert torch.equal(difference[:3], torch.zeros(3))
    assert (difference[3:] > 0).all()


def test_gpt_parameters_and_tied_head() -> None:
    vocabulary, context, depth, width = 11, 8, 2, 8
    block = 4 * width**2 + 8 * width**2 + 2 * width  # attention, MLP, two RMS norms
    free = GPT(vocabulary, context=context, depth=depth, width=width, heads=2)
    assert _count(free) == (2 * vocabulary + context) * width + depth * block + width
    tied = GPT(vocabulary, context=context, depth=depth, width=width, heads=2, tied=True)
    assert tied.head.weight is tied.tokens.weight
    assert _count(free) - _count(tied) == vocabulary * width


def test_stated_initialisations_are_the_ones_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    mlp = MLP(64, 10, depth=2, width=256)
    mlp.reset_parameters(generator)
    weight = mlp.layers[1].linear.weight.detach()  # uniform in +-1/16: 65,536 draws come within 1e-3 of the bounds
    assert weight.abs().max() <= 1 / 16
    assert weight.abs().max() > (1 - 1e-3) / 16
    resnet = ResNet(20)
    resnet.reset_parameters(generator)
    kernel = resnet.stages[2][
        1
    ].conv1.weight.detach()  # 36,864 normal draws: relative error of a variance sqrt(2 / n) = 0.74 %
    assert abs(float(kernel.var()) * 9 * 64 / 2 - 1) < 4 * 0.0074
    gpt = GPT(500, depth=8, width=64)
    gpt.reset_parameters(generator)
    block = gpt.blocks[3]  # up, down: 16,384 draws, 1.1 % in the variance, 0.55 % in the standard deviation
    assert abs(float(block.mlp.up.weight.detach().std()) / 0.02 - 1) < 4 * 0.0056
    assert abs(float(block.mlp.down.weight.detach().std()) / (0.02 / 4) - 1) < 4 * 0.0056


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: ResNet(21), DomainError, "6n\\+2; try depth=20"),
        (lambda: WideResNet(27), DomainError, "6n\\+4; try depth=22"),
        (lambda: DenseNet(99), DomainError, "3n\\+4; try depth=97"),
        (lambda: VGG(15), DomainError, "11, 13, 16, 19"),
        (lambda: VGG(16, norm="layer"), SpecError, "'batch' or None"),
        (lambda: PreActivationResNet(112), DomainError, "9n\\+2; try depth=110"),
        (lambda: PreActivationResNet(29, block="wide"), SpecError, "'basic' or 'bottleneck'"),
        (lambda: ResNet(20, shortcut="C"), SpecError, "'A' or 'B'"),
        (lambda: MLP(4, 2, depth=0), DomainError, "depth=0 given"),
        (lambda: MLP(4, 2, norm="group"), SpecError, "batch, layer, rms"),
        (lambda: MLP(4, 2, activation="rleu"), SpecError, "rleu"),
        (lambda: CNN(3, 2, kernel_size=4), DomainError, "odd"),
        (lambda: CNN(3, 2, padding_mode="same"), SpecError, "circular"),
        (lambda: CNN(3, 2, norm="layer"), SpecError, "'batch' or None"),
        (lambda: FastCNN(width=0), DomainError, "width=0"),
        (lambda: FastCNN().whiten_(torch.zeros(4, 1, 9, 9)), DomainError, r"\(4, 1, 9, 9\) given"),
        (lambda: GPT(10, width=30, heads=4), DomainError, "divisor of width=30"),
        (lambda: GPT(10, norm="batch"), SpecError, "'layer' or 'rms'"),
        (lambda: GPT(0), DomainError, "vocabulary=0"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_in_one_line(make, error, says) -> None:
    with pytest.raises(error, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
