"""The PyTorch lines that initialise a network as recommended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def initialisation_code(spec: str, depth: int, start: Mapping[str, Any]) -> str:
    """Lines that initialise every ``nn.Linear`` of `model`; `start` as the theory part of a report has it."""
    first = start["first_layer"]
    output = start["output_c_w"]
    names = f"C_W, C_b, K0 = {_value(start['c_w'])}, {_value(start['c_b'])}, {_value(start['k0'])}"
    lines = [
        "import math",
        "from torch import nn",
        "",
        f"# {' '.join(spec.split())}, {depth} layers",
        names,
        "",
        "linears = [m for m in model.modules() if isinstance(m, nn.Linear)]",
        "for layer in linears:",
        "    nn.init.normal_(layer.weight, std=math.sqrt(C_W / layer.in_features))",
        "    if layer.bias is not None:",
        "        "
        + ("nn.init.normal_(layer.bias, std=math.sqrt(C_b))" if start["c_b"] else "nn.init.zeros_(layer.bias)"),
        "",
        "# first layer: inputs of mean square 1 leave it with kernel K0",
        f"nn.init.normal_(linears[0].weight, std=math.sqrt({_first(first, start)} / linears[0].in_features))",
    ]
    if bool(first["c_b"]) != bool(start["c_b"]):
        lines.append("nn.init.zeros_(linears[0].bias)  # its own scale: K0 is below C_b")
    if output is not None:
        lines += [
            "# last layer: outputs of variance 1",
            f"nn.init.normal_(linears[-1].weight, std=math.sqrt({_value(output)} / linears[-1].in_features))",
        ]
    return "\n".join(lines) + "\n"


def _value(number: float) -> str:
    return f"{number:.7g}"


def _first(first: Mapping[str, float], start: Mapping[str, Any]) -> str:
    return "(K0 - C_b)" if first["c_b"] and start["c_b"] else "K0"
