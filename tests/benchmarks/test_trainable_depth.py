"""The benchmark starts every scheme as its own documentation has it, and its page says what its records say."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from benchmarks.trainable_depth import measure, page, results
from benchmarks.trainable_depth.ask import peers
from benchmarks.trainable_depth.settings import ACTIVATIONS, DEPTHS, SCHEMES, Cell, Settings
from benchmarks.trainable_depth.starts import NoAnswer, start

import edgewise as ew
from edgewise.train import Member, Shape

SHAPE = Shape(inputs=64, width=128, depth=10, outputs=10)
SMALL = Settings(width=16, steps=6, learning_rates=(1e-4, 1e-2), seeds=(0, 1))


def gaussian_mean(values: torch.Tensor, x: torch.Tensor) -> float:
    """The mean over N(0, 1) of values on an even grid x that reaches past 9 deviations."""
    density = torch.exp(-0.5 * x.square()) / math.sqrt(2.0 * math.pi)
    return float((values * density).sum() * (x[1] - x[0]))


@pytest.mark.parametrize("scheme", ["dks", "tat"])
def test_the_transformed_activations_are_what_dks_promises(scheme):
    """Mean square 1 and chi_parallel 1 at K=1, DKS with mean 0. Its solver stops at a relative 1e-8."""
    x = torch.linspace(-10.0, 10.0, 400_001, dtype=torch.float64, requires_grad=True)
    for activation in ("relu", "gelu", "silu", "tanh"):
        for depth in DEPTHS:
            try:
                begin = start(scheme, activation, replace(SHAPE, depth=depth))
            except NoAnswer:
                assert (scheme, activation, depth) == ("tat", "relu", 10)  # too shallow for its default target
                continue
            y = begin.activation(x)
            slope = torch.autograd.grad(y.sum(), x)[0]
            assert gaussian_mean(y.detach().square(), x.detach()) == pytest.approx(1.0, abs=1e-4)
            assert gaussian_mean((x * y * slope).detach(), x.detach()) == pytest.approx(1.0, abs=1e-4)
            if scheme == "dks":
                assert gaussian_mean(y.detach(), x.detach()) == pytest.approx(0.0, abs=1e-4)


def test_scaled_uniform_orthogonal_weights_keep_the_mean_square():
    """Into a layer at least as wide as its input exactly, for every input; into the narrower output on average."""
    begin = start("dks", "tanh", SHAPE)
    p = begin.weights(SHAPE, [Member(0, 1e-3, begin.initial), Member(0, 1e-4, begin.initial)])
    x = torch.randn(7, 64)
    into_first = x @ p.first[1]
    torch.testing.assert_close(into_first.square().mean(1), x.square().mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close((into_first @ p.hidden[3, 1]).square().mean(1), x.square().mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(p.last[1].T @ p.last[1], torch.eye(10), rtol=0.0, atol=1e-5)
    assert torch.equal(p.hidden[:, 0], p.hidden[:, 1])  # the same seed, whatever the learning rate
    assert not any(bool(bias.any()) for bias in (p.first_bias, p.hidden_bias, p.last_bias))


def test_anyinit_gets_the_second_moment_it_asks_for():
    """E[phi(z)^2] = 1 behind every layer, from its own numbers; of tanh, which cannot, a variance of 1/2."""
    for activation in ACTIVATIONS:
        begin = start("anyinit", activation, SHAPE)
        wanted = 0.5 if activation == "tanh" else 1.0
        first = float(ew.theory.kernel(activation, begin.initial.first_c_w))
        assert first == pytest.approx(wanted, rel=1e-6)
        assert float(ew.theory.kernel(activation, begin.initial.c_w * first)) == pytest.approx(wanted, rel=1e-6)
    members = [Member(s, 1e-3, begin.initial) for s in (0, 1)]
    p = begin.weights(SHAPE, members)
    deviation = p.hidden.std(dim=(-2, -1), correction=0)
    torch.testing.assert_close(deviation, torch.full((9, 2), math.sqrt(begin.initial.c_w / 128)), rtol=1e-5, atol=0.0)


def test_critical_networks_begin_at_the_recommended_kernel_and_end_at_variance_one():
    begin = start("critical", "gelu", SHAPE)
    assert begin.initial.c_w == pytest.approx(1.983058257438, rel=1e-9)
    assert begin.initial.first_c_w + begin.initial.first_c_b == pytest.approx((3.0 + math.sqrt(17.0)) / 2.0, rel=1e-8)
    k_star = (3.0 + math.sqrt(17.0)) / 2.0
    assert begin.initial.last_c_w * float(ew.theory.kernel("gelu", k_star)) == pytest.approx(1.0, rel=1e-6)


def test_tailored_networks_begin_where_their_activation_wants():
    begin = start("tailored", "tanh", SHAPE)
    x = torch.linspace(-10.0, 10.0, 400_001, dtype=torch.float64)
    assert gaussian_mean(begin.activation(x).square(), x) == pytest.approx(1.0, abs=1e-9)
    p = begin.weights(SHAPE, [Member(0, 1e-3, begin.initial)])
    inputs = torch.randn(5, 64)
    torch.testing.assert_close((inputs @ p.first[0]).square().mean(1), inputs.square().mean(1), rtol=1e-5, atol=1e-6)


def test_the_orthogonal_weights_are_those_of_our_own_initialiser():
    """`ew.init.orthogonal_(model, gain=1)`: the same Gram matrices, so the same distribution up to rotation."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.Tanh(), torch.nn.Linear(128, 10))
    ew.init.orthogonal_(model, gain=1.0)
    begin = start("tailored", "tanh", replace(SHAPE, depth=2))
    p = begin.weights(replace(SHAPE, depth=2), [Member(0, 1e-3, begin.initial)])
    for layer, weight in ((model[0], p.first[0]), (model[2], p.last[0])):
        smaller = layer.weight.T if layer.in_features < layer.out_features else layer.weight
        mine = weight if layer.in_features < layer.out_features else weight.T
        torch.testing.assert_close(mine @ mine.T, (smaller @ smaller.T).detach(), rtol=1e-4, atol=1e-5)
        assert not bool(layer.bias.any())


def test_an_activation_that_dks_does_not_know_is_no_answer_in_its_own_words():
    with pytest.raises(NoAnswer, match="Unrecognized activation function name 'relu2'"):
        start("dks", "relu2", SHAPE)
    assert {known["version"] for known in peers().values()} == {"0.4.0", "0.1.2"}


def test_a_cell_is_measured_chosen_on_validation_and_read_back(tmp_path):
    cell = Cell(3, "tanh", "pytorch")
    record = measure.measure(cell, SMALL, tmp_path)
    assert measure.read(tmp_path / f"{cell.name}.json", SMALL) == record
    assert measure.read(tmp_path / f"{cell.name}.json", replace(SMALL, steps=7)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["depth0003-tanh-pytorch.json"]  # nothing half-written
    best = max(range(2), key=lambda i: sum(record["validation"][i]))
    assert record["chosen"] == best
    assert record["low"] == min(record["accuracy"][best]) <= record["median"] <= record["high"]
    assert record["lost"] == 0
    assert record["provenance"]["threads"] == 1


def test_a_network_that_diverges_is_lost_and_counts_as_a_guess(tmp_path):
    record = measure.measure(Cell(30, "repu(p=3)", "he"), SMALL, tmp_path)
    assert record["lost"] == 2
    assert record["accuracy"] == [[0.1, 0.1], [0.1, 0.1]]
    assert record["diverged_at"] == [[1.0, 1.0], [1.0, 1.0]]


def made_up(medians: dict[tuple[str, str], float], lost: int = 0) -> results.Results:
    """Results at depth 100 with these medians, and "no answer" wherever none is given."""
    cells = {}
    for activation in ACTIVATIONS:
        for scheme in SCHEMES:
            median = medians.get((activation, scheme))
            record = {"depth": 100, "activation": activation, "scheme": scheme, "cpu_seconds": 36.0, "provenance": {
                "seconds": 36.0, "threads": 1, "torch": "2", "revision": "0123456789"}}  # fmt: skip
            if median is None:
                record |= {"status": "no answer", "reason": "made up. More."}
            else:
                record |= {
                    "status": "measured", "median": median, "low": median, "high": median, "lost": lost,
                    "learning_rate": 1e-3, "accuracy": [[median] * 2], "diverged_at": [[0] * 2],
                }  # fmt: skip
            cells[Cell(100, activation, scheme).name] = record
    data = {
        "name": "made up", "train": 6, "validation": 2, "test": 475, "classes": 10, "normalisation": "none", "seed": 0,
    }  # fmt: skip
    return results.Results(SMALL.to_dict(), data, cells)


def test_the_page_lists_what_peers_win_and_whether_the_aim_is_reached():
    found = made_up({
        ("relu", "tat"): 0.95, ("relu", "tailored"): 0.91, ("gelu", "he"): 0.90, ("gelu", "critical"): 0.96,
        ("relu2", "he"): 0.1, ("relu2", "tailored"): 0.94,
        ("tanh", "pytorch"): 0.12, ("tanh", "critical"): 0.10,
    })  # fmt: skip
    assert found.resolution == pytest.approx(0.01)
    text = page.page(found)
    assert "| 100 | `relu` | dks: TAT 0.950 | edgewise tailored 0.910 | 0.040 |" in text
    assert "| 100 | `gelu` |" not in text
    assert "| 100 | `tanh` |" not in text  # two guesses
    assert "behind by more than that in 1" in " ".join(text.split())
    assert "tailored `relu2` at depth 100, a median of 0.93 and no seed lost, is reached: 0.940, 0 lost" in " ".join(
        text.split()
    )
    assert "**0.100**" not in text  # nothing learned is not a win
    lost = page.page(made_up({("relu2", "tailored"): 0.94}, lost=1))
    assert "is not reached: 0.940, 1 lost" in " ".join(lost.split())


@pytest.mark.skipif(not results.RESULTS.exists(), reason="nothing has been measured yet")
def test_the_page_in_the_docs_is_what_its_results_make():
    assert page.PAGE.read_text(encoding="utf8") == page.page(results.load())
    assert page.PICTURE.exists()


def test_the_results_file_keeps_every_cell(tmp_path):
    found = made_up({("relu", "tat"): 0.95})
    results.save(found, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == found


def test_cells_of_different_settings_do_not_make_one_table(tmp_path):
    for depth, steps in ((2, 5), (3, 6)):
        record = {"depth": depth, "activation": "relu", "scheme": "he", "data": {}, "settings": {"steps": steps}}
        (tmp_path / f"{depth}.json").write_text(json.dumps(record), encoding="utf8")
    with pytest.raises(ValueError, match="differ in their settings"):
        results.collected(tmp_path)
