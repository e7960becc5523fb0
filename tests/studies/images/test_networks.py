from __future__ import annotations

import pytest
import torch

from edgewise import models
from edgewise.errors import SpecError
from edgewise.studies.images import INITS, Init, image_network, image_networks
from edgewise.studies.images.networks import images_wanted, is_flat, parsed

LIGHT = ("mlp", "cnn", "vgg11", "resnet20", "wrn40-4(depth=10,widen=1)", "preresnet164(depth=11,width=4)",
         "densenet100-12(depth=10,growth=4)", "fastcnn(width=4)")  # fmt: skip


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("size", [8, 28])
def test_every_family_takes_small_grey_images(name: str, size: int) -> None:
    network = image_network(name, "gelu", shape=(1, size, size), classes=7, init="paper").eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 1, size, size)).shape == (2, 7)


def test_names_fix_what_they_say() -> None:
    assert parsed("wrn28-10")[1] == {"depth": 28, "widen": 10}
    assert parsed("densenet100-12")[1] == {"depth": 100, "growth": 12}
    assert parsed("cnn(depth=3, width=5)")[1] == {"depth": 3, "width": 5}
    assert is_flat("mlp(norm='layer')")
    assert len(image_networks()) == 15


@pytest.mark.parametrize("init", INITS)
def test_a_seed_makes_one_network_and_leaves_the_global_generator_alone(init: Init) -> None:
    sample = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    one, same, other = (
        image_network("cnn(depth=2,width=4)", "tanh", shape=(1, 8, 8), classes=3, init=init, seed=s, sample=sample)
        for s in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), before)
    weights = [n.state_dict()["head.weight"] for n in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_he_is_the_same_for_every_activation_and_critical_is_not() -> None:
    def std(init: Init, activation: str) -> float:
        network = image_network("mlp(depth=3)", activation, shape=(1, 8, 8), classes=3, init=init)
        return float(network.state_dict()["1.layers.1.linear.weight"].std())

    assert std("he", "tanh") == std("he", "relu")
    assert std("critical", "tanh") < 0.9 * std("critical", "relu")  # C_W 1 against 2


@pytest.mark.parametrize("init", INITS)
def test_every_initialisation_keeps_the_layer_that_whitens(init: Init) -> None:
    sample = torch.randn(100, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    network = image_network("fastcnn(width=4)", "gelu", shape=(3, 12, 12), classes=3, init=init, sample=sample)
    expected = models.FastCNN(width=4)
    expected.whiten_(sample)
    assert torch.equal(network.state_dict()["whitening.weight"], expected.whitening.weight)
    assert torch.equal(network.state_dict()["whitening.bias"], torch.zeros(24))
    assert images_wanted("fastcnn(width=4)") > images_wanted("resnet20")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet-20", "did you mean resnet20"),
        ("nonsense", "expected one of mlp"),
        ("cnn(depth=", "cannot be read"),
        ("cnn(20)", "cannot be read"),
        ("cnn(**{})", "cannot be read"),
        ("cnn(depth=__import__('os'))", "cannot be read"),
        ("cnn(height=3)", "expected options of CNN"),
        ("cnn(" + "depth=1," * 40 + ")", "cannot be read"),
    ],
)
def test_what_cannot_be_a_network_is_told(name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        image_network(name, shape=(1, 8, 8), classes=3)


def test_an_unknown_initialisation_is_told() -> None:
    with pytest.raises(SpecError, match="init='magic' given"):
        image_network("cnn", shape=(1, 8, 8), classes=3, init="magic")  # type: ignore[arg-type]


def test_critical_sets_the_gains_that_are_not_trained() -> None:
    sample = torch.randn(100, 3, 12, 12, generator=torch.Generator().manual_seed(0))

    def gains(init: Init) -> list[torch.nn.Parameter]:
        network = image_network("fastcnn(width=4)", "gelu", shape=(3, 12, 12), classes=3, init=init, sample=sample)
        return [p for name, p in network.named_parameters() if "norm" in name and name.endswith("weight")]

    # the kernel of GELU's critical point, 3.561553, is the mean square that a gain gives a normalised signal
    critical = gains("critical")
    assert len(critical) == 6
    assert all(torch.allclose(gain, torch.full_like(gain, 3.561553**0.5), rtol=1e-6) for gain in critical)
    assert all(torch.equal(gain, torch.ones_like(gain)) for gain in gains("paper"))
    assert not any(gain.requires_grad for gain in (*critical, *gains("paper")))
