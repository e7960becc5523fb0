"""Images keep bytes, and hand out normalised batches, splits and rows."""

from __future__ import annotations

import math

import pytest
import torch

from edgewise.data import Augment, Images, alternating
from edgewise.data.images import channel_statistics
from edgewise.errors import DomainError


def some(count: int = 50, classes: int = 5, shape: tuple[int, int, int] = (3, 4, 6)) -> Images:
    images = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = channel_statistics(images)
    return Images(images, torch.arange(count) % classes, mean, std)


def test_statistics_are_those_of_all_pixels_of_a_channel() -> None:
    images = torch.randint(256, (5000, 2, 3, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[:, 1] = 7
    mean, std = channel_statistics(images)
    exact = images.double() / 255
    assert mean == pytest.approx(exact.mean((0, 2, 3)).tolist(), rel=1e-14)
    assert std[0] == pytest.approx(float(exact[:, 0].std(correction=0)), rel=1e-12)
    assert std[1] == 1.0  # constant: nothing to divide by


def test_a_pass_without_a_generator_is_everything_in_order() -> None:
    data = some()
    batches = list(data.batches(16))
    assert [len(labels) for _, labels in batches] == [16, 16, 16, 2]
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels)
    assert torch.equal(
        torch.cat([inputs.flatten(1) for inputs, _ in batches]), torch.cat([x.flatten(1) for x, _ in data.batches(50)])
    )
    assert len(list(data.batches(16, drop_last=True))) == 3


def test_a_pass_with_a_generator_is_every_image_once_in_its_seeds_order() -> None:
    data = some()
    first, again, other = (list(data.batches(16, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2))
    for (x, y), (u, v) in zip(first, again, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)
    assert not torch.equal(first[0][0], other[0][0])
    rows = torch.cat([x.flatten(1) for x, _ in first])
    everything = next(data.batches(50))[0].flatten(1)
    assert torch.equal(rows.unique(dim=0), everything.unique(dim=0))


def test_inputs_and_labels_stay_together_under_augmentation() -> None:
    shape = (1, 4, 4)
    images = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(-1, *shape).contiguous()
    data = Images(images, torch.arange(40), (0.0,), (1 / 255,))  # every pixel becomes the label itself
    for inputs, labels in data.batches(7, torch.Generator().manual_seed(0), augment=Augment(crop=2)):
        assert torch.equal(inputs, labels.float()[:, None, None, None].expand_as(inputs))


def test_alternating_flips_show_every_image_one_way_and_then_the_other() -> None:
    count = 64
    pixels = torch.arange(6, dtype=torch.uint8).expand(count, 1, 2, 6).clone()  # rising along a row; mirrored it falls
    pixels[:, 0, 0, :] = 10 * torch.arange(6)
    data = Images(pixels, torch.arange(count), (0.0,), (1 / 255,))
    seen = []
    for number in range(4):
        order, who = torch.Generator().manual_seed(number), alternating(count, 5, number)
        batches = list(data.batches(9, order, augment=Augment(flip="alternate", crop=0), mirrored=who))
        inputs, labels = (torch.cat(both) for both in zip(*batches, strict=True))
        plain = torch.empty_like(inputs)
        plain[labels] = inputs
        falls = plain[:, 0, 1, 0] > plain[:, 0, 1, -1]
        assert torch.equal(plain, torch.where(falls[:, None, None, None], pixels.flip(-1), pixels).float())
        assert torch.equal(falls, who)
        seen.append(falls)
    assert torch.equal(seen[1], ~seen[0])
    assert torch.equal(seen[2], seen[0])
    assert torch.equal(seen[3], seen[1])
    assert abs(int(seen[0].sum()) - count / 2) <= 4 * (count / 4) ** 0.5  # four standard deviations
    assert not torch.equal(seen[0], alternating(count, 6, 0))


def test_alternating_flips_have_to_be_told_and_nothing_else_may_be() -> None:
    data, draw = some(), torch.Generator()
    with pytest.raises(DomainError, match=r"no mirrored images given for flip='alternate'"):
        data.batches(5, draw, augment=Augment(flip="alternate", crop=1))
    with pytest.raises(DomainError, match="3 mirrored or not given"):
        data.batches(5, draw, augment=Augment(flip="alternate", crop=1), mirrored=alternating(3, 0, 0))
    with pytest.raises(DomainError, match="flip=True of 50 images"):
        data.batches(5, draw, augment=Augment(crop=1), mirrored=alternating(50, 0, 0))
    with pytest.raises(DomainError, match="flip='sometimes'"):
        Augment(flip="sometimes")  # type: ignore[arg-type]


def test_a_generator_goes_on_from_pass_to_pass() -> None:
    data, generator = some(), torch.Generator().manual_seed(0)
    one, two = (torch.cat([y for _, y in data.batches(50, generator)]) for _ in range(2))
    assert not torch.equal(one, two)


def test_a_split_is_disjoint_and_takes_every_class_alike() -> None:
    data = some(53)
    rest, held = data.split(10, torch.Generator().manual_seed(0))
    assert (len(rest), len(held)) == (43, 10)
    assert torch.bincount(held.labels).tolist() == [2, 2, 2, 2, 2]  # 11, 11, 11, 10, 10 images in proportion
    together = torch.cat([rest.images, held.images]).flatten(1)
    assert torch.equal(together.unique(dim=0), data.images.flatten(1).unique(dim=0))
    assert rest.mean == data.mean
    assert len(data.split(0.25, torch.Generator())[1]) == round(0.25 * 53)
    assert len(data.split(1, torch.Generator(), by_class=False)[1]) == 1


@pytest.mark.parametrize("held_out", [0, 53, 0.0, 1.0, -0.1, float("nan")])
def test_a_split_that_leaves_nothing_is_refused(held_out: float) -> None:
    with pytest.raises(DomainError, match="held_out"):
        some(53).split(held_out, torch.Generator())


def test_rows_are_the_normalised_pixels_and_unit_rows_have_mean_square_one() -> None:
    data = some()
    rows = data.flat()
    assert torch.equal(rows.labels, data.labels)
    # float64 rounded once against float32 rounded twice, numbers below 3
    torch.testing.assert_close(rows.inputs, next(data.batches(50))[0].flatten(1), rtol=0, atol=8 * 2.0**-23)
    assert float(rows.inputs.double().mean()) == pytest.approx(0.0, abs=1e-7)
    unit = data.flat(unit=True, dtype=torch.float64)
    torch.testing.assert_close(unit.inputs.square().mean(1), torch.ones(50, dtype=torch.float64), rtol=0, atol=1e-14)


def test_an_image_of_the_mean_everywhere_stays_zero() -> None:
    data = Images(torch.full((1, 1, 2, 2), 51, dtype=torch.uint8), torch.tensor([0]), (0.2,), (1.0,))
    assert not data.flat(unit=True, dtype=torch.float64).inputs.isnan().any()
    assert float(data.flat().inputs.abs().max()) <= math.ulp(0.2)


def test_what_cannot_be_images_is_refused() -> None:
    bytes_, labels = torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.tensor([0, 1])
    for images, marks, mean, std in (
        (bytes_.float(), labels, (0.0,), (1.0,)),
        (bytes_, labels[:1], (0.0,), (1.0,)),
        (bytes_[:, 0], labels, (0.0,), (1.0,)),
        (bytes_, labels, (0.0, 0.0), (1.0, 1.0)),
        (bytes_, labels, (0.0,), (0.0,)),
    ):
        with pytest.raises(DomainError, match="expected"):
            Images(images, marks, mean, std)
    data = Images(bytes_, labels, (0.0,), (1.0,))
    with pytest.raises(DomainError, match="size >= 1"):
        data.batches(0)
    with pytest.raises(DomainError, match="generator"):
        data.batches(2, augment=Augment(crop=1))
