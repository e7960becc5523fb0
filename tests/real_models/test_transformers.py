"""A BERT and a GPT-2 of Hugging Face transformers, small, with random weights: read, swapped, initialised, trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from statistics import mean
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import edgewise as ew

VOCABULARY, TOKENS, WIDTH, LAYERS = 32, 12, 32, 3


def gpt2(*, seed: int = 0, width: int = WIDTH, **options: Any) -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=TOKENS, n_embd=width, n_layer=LAYERS, n_head=4, bos_token_id=0,
        eos_token_id=0, **options,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def bert(*, seed: int = 0, width: int = WIDTH, **options: Any) -> nn.Module:
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=TOKENS, hidden_size=width, num_hidden_layers=LAYERS,
        num_attention_heads=4, intermediate_size=4 * width, **options,
    )  # fmt: skip
    return BertForMaskedLM(config)


def sentences(count: int = 16) -> dict[str, Tensor]:
    """Sequences in which each token follows from the one before: t -> 3 t + 1 modulo the vocabulary."""
    tokens = [torch.arange(1, count + 1) % VOCABULARY]
    for _ in range(TOKENS):
        tokens.append((3 * tokens[-1] + 1) % VOCABULARY)
    ids = torch.stack(tokens, dim=1)
    return {"input_ids": ids[:, :-1], "attention_mask": torch.ones_like(ids[:, :-1]), "labels": ids[:, 1:]}


MODELS: Mapping[str, Callable[..., nn.Module]] = {"gpt2": gpt2, "bert": bert}
ACTIVATION = {"gpt2": "gelu_tanh", "bert": "gelu"}  # what their MLPs use, recognised by value in classes of their own


@pytest.fixture(scope="module")
def tailored() -> ew.Activation:
    return ew.tailor("relu2", depth=LAYERS)


def loss_of(output: Any) -> Tensor:
    """Cross-entropy of each token's successor (sequences are fed one token short of their end)."""
    return cross_entropy(output.logits.flatten(0, 1), sentences()["labels"].flatten())


def batch() -> dict[str, Tensor]:
    return {name: tensor for name, tensor in sentences().items() if name != "labels"}


def trained(model: nn.Module, *, steps: int = 40) -> list[float]:
    """The loss of every step, by Adam."""
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        loss = loss_of(model(**batch()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_the_data_flow_is_read_without_a_gap(name: str, attention: str) -> None:
    model = MODELS[name](attn_implementation=attention).eval()
    expected = model(**batch()).logits
    graph = ew.init.trace(model, batch())
    kinds = Counter(node.kind for node in graph.nodes)
    assert kinds["unknown"] == 0
    assert kinds["attention"] == LAYERS
    if name == "gpt2":  # a block: queries, keys and values in one, out, up, down; and a tied head
        assert (kinds["linear"], kinds["norm"], kinds["activation"]) == (4 * LAYERS + 1, 2 * LAYERS + 1, LAYERS)
    else:  # a block: query, key, value, out, up, down; the head has a hidden layer, an activation and a norm of its own
        assert (kinds["linear"], kinds["norm"], kinds["activation"]) == (6 * LAYERS + 2, 2 * LAYERS + 2, LAYERS + 1)
    assert {node.activation for node in graph.of_kind("activation")} == {ew.activation(ACTIVATION[name])}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(model(**batch()).logits, expected)


@pytest.mark.parametrize("name", MODELS)
def test_an_activation_is_swapped_and_put_back(name: str) -> None:
    model = MODELS[name]().eval()
    before = model(**batch()).logits
    report = ew.swap_(model, ACTIVATION[name], "mrepu(p=2)")
    assert sum(len(change.names) for change in report.changes) == LAYERS + (name == "bert")
    assert sum(isinstance(module, ew.nn.MRePU) for module in model.modules()) == LAYERS + (name == "bert")
    assert not torch.equal(model(**batch()).logits, before)
    report.undo()
    assert torch.equal(model(**batch()).logits, before)


@pytest.mark.parametrize("to", ["mrepu(p=2)", "relu2", "tailored"])
@pytest.mark.parametrize("name", MODELS)
def test_a_swapped_and_initialised_model_is_healthy_and_learns(name: str, to: str, tailored: ew.Activation) -> None:
    model = MODELS[name]()
    ew.swap_(model, ACTIVATION[name], tailored if to == "tailored" else to)
    report = ew.init.critical_(model, batch(), generator=torch.Generator().manual_seed(0))
    assert {record.parameter for record in report.parameters} == {name for name, _ in model.named_parameters()}
    assert ew.diagnose(model, batch()).level == "yes"
    losses = trained(model)
    assert all(map(math.isfinite, losses))
    assert losses[0] < 1.5 * math.log(VOCABULARY)  # near the loss of knowing nothing: the logits begin small
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", MODELS)
def test_predicted_mean_squares_are_the_measured_ones(name: str) -> None:
    width, seeds = 64, 4
    ratios: dict[str, list[float]] = {}
    for seed in range(seeds):
        model = MODELS[name](width=width).eval()
        generator = torch.Generator().manual_seed(seed)
        for check in ew.init.critical_(model, batch(), generator=generator, verify=batch()).checks:
            if check.ratio is not None and not check.layer.endswith(("lm_head", "decoder")):
                ratios.setdefault(check.layer, []).append(check.ratio)
    assert len(ratios) > 6 * LAYERS
    # the mean square of `width` units of one random layer spreads by sqrt(2 / width), were all samples alike; that of
    # the layer before adds as much; what comes before those has gone through a norm
    spread = math.sqrt(2 * 2 / width / seeds)
    off = {layer: mean(values) for layer, values in ratios.items() if abs(mean(values) - 1) > 4 * spread}
    assert not off


def test_a_diagnosis_names_the_broken_layer_and_leaves_the_model_as_it_was() -> None:
    model = gpt2().train()
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight.mul_(1e20)  # squared: beyond float32
    ew.swap_(model, "gelu_tanh", "relu2")
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state = torch.get_rng_state()
    diagnosis = ew.diagnose(model, batch(), loss=loss_of)
    assert diagnosis.level == "no"
    assert "not_finite" in diagnosis.problems()
    assert "transformer.h.1.mlp" in diagnosis.findings[0].layer
    assert torch.equal(random_state, torch.get_rng_state())
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training and not module._forward_hooks for module in model.modules())
