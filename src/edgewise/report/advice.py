"""The PyTorch lines that initialise a network as recommended, and give its layers their learning rates.

`start` is a recommended start as the theory part of a report has it (`edgewise.studies.schemes.Scheme`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

_COLUMNS = 88


def initialisation_code(spec: str, depth: int, start: Mapping[str, Any]) -> str:
    """Lines that initialise every ``nn.Linear`` of `model`: hidden layers, then the first and the last."""
    initial = start["initial"]
    biased = initial["c_b"] > 0.0
    lines = [
        "import math",
        "from torch import nn",
        "",
        f"# {' '.join(spec.split())}, {depth} hidden layers, inputs of mean square 1",
        "linears = [m for m in model.modules() if isinstance(m, nn.Linear)]",
        f"C_W, C_b = {_value(initial['c_w'])}, {_value(initial['c_b'])}",
        "for layer in linears:",
        "    nn.init.normal_(layer.weight, std=math.sqrt(C_W / layer.in_features))",
        "    " + ("nn.init.normal_(layer.bias, std=math.sqrt(C_b))" if biased else "nn.init.zeros_(layer.bias)"),
        "",
        f"first, last = {_value(initial['first_c_w'])}, {_value(initial['last_c_w'])}"
        f"  # first layer: its kernel is then {_value(start['k0'], 4)}",
        "nn.init.normal_(linears[0].weight, std=math.sqrt(first / linears[0].in_features))",
    ]
    if biased and initial["first_c_b"] == 0.0:
        lines.append("nn.init.zeros_(linears[0].bias)")
    lines.append("nn.init.normal_(linears[-1].weight, std=math.sqrt(last / linears[-1].in_features))")
    if biased:
        lines.append("nn.init.zeros_(linears[-1].bias)")
    return "\n".join(lines) + "\n"


def learning_rate_code(start: Mapping[str, Any], rate: float | None) -> str:
    """Lines that make SGD with the learning rate of each layer; empty where all layers learn at one rate.

    rate: the common factor that the training check found best, None where there was no check.
    """
    weights, biases = start["weight_rates"], start["bias_rates"]
    if weights is None or biases is None:
        return ""
    known = f"{_value(rate, 3)}" if rate is not None else "0.1 / len(linears)"
    lines = [
        "import torch",
        "",
        f"lr = {known}",
        *_list("weight_rates", weights),
        *_list("bias_rates", biases),
        "groups = [{'params': [m.weight], 'lr': lr * r} for m, r in zip(linears, weight_rates)]",
        "groups += [{'params': [m.bias], 'lr': lr * r} for m, r in zip(linears, bias_rates)]",
        "optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9)",
    ]
    return "\n".join(lines) + "\n"


def _list(name: str, values: Sequence[float]) -> list[str]:
    """``name = [...]`` with repeated values as products, wrapped."""
    parts = []
    for text, same in groupby(_value(v, 2) for v in values):
        count = len(list(same))
        parts.append(f"[{text}] * {count}" if count > 3 else ", ".join([text] * count))
    joined = _concatenated(parts)
    lines = wrap(f"{name} = {joined}", _COLUMNS, subsequent_indent="    ", break_long_words=False)
    if len(lines) == 1:
        return lines
    return [f"{name} = (", *wrap(joined, _COLUMNS, initial_indent="    ", subsequent_indent="    "), ")"]


def _concatenated(parts: Sequence[str]) -> str:
    """Single values in brackets, products as they are, joined with plus signs."""
    chunks: list[str] = []
    for product, group in groupby(parts, key=lambda part: part.startswith("[")):
        same = list(group)
        chunks += same if product else [f"[{', '.join(same)}]"]
    return " + ".join(chunks)


def _value(number: float, digits: int = 7) -> str:
    return f"{number:.{digits}g}"
