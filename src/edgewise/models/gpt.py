"""A stack of GPT blocks with the squared ReLU of Primer (So et al. 2021, arXiv 2109.08668) in its MLPs."""

from __future__ import annotations

import math
from typing import Literal

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from edgewise.activations import Activation
from edgewise.activations import activation as as_activation
from edgewise.errors import DomainError, SpecError
from edgewise.models.parts import checked_count

_NORMS = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


class GPT(nn.Module):
    """Token and position embeddings, `depth` pre-norm blocks of causal attention and an MLP, a norm, a linear head.

    context: the most tokens in a sequence. expansion: hidden units of an MLP over `width`. tied: the head's weight is
    the token embedding. The defaults without bias, with RMS norm, ReLU**2 and an untied head are those of nanochat;
    positions are learned as in GPT-2 (nanochat rotates queries and keys instead).
    Initialised as GPT-2 (Radford et al. 2019, section 2.3): normal with standard deviation 0.02, biases 0; the two
    layers of a block that write to the residual stream, 0.02 / sqrt(2 depth).
    Raises DomainError for a count below 1 or heads that do not divide the width, SpecError for an unknown activation or
    norm.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        context: int = 64,
        depth: int = 4,
        width: int = 64,
        heads: int = 4,
        expansion: int = 4,
        activation: object = "relu2",
        norm: Literal["layer", "rms"] = "rms",
        bias: bool = False,
        tied: bool = False,
    ) -> None:
        super().__init__()
        if norm not in _NORMS:
            raise SpecError(f"norm={norm!r} given, expected 'layer' or 'rms'; try norm='rms'")
        if checked_count("width", width) % checked_count("heads", heads):
            raise DomainError(f"heads={heads} given, expected a divisor of width={width}; try heads=1")
        sigma = as_activation(activation)
        self.tokens = nn.Embedding(checked_count("vocabulary", vocabulary), width)
        self.positions = nn.Embedding(checked_count("context", context), width)
        self.blocks = nn.Sequential()
        for _ in range(checked_count("depth", depth)):
            self.blocks.append(Block(width, heads, checked_count("expansion", expansion) * width, sigma, norm, bias))
        self.norm = _NORMS[norm](width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.tokens.weight
        self.reset_parameters()

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draws all parameters anew, from the generator or PyTorch's global one."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                writes = isinstance(module, _ResidualLinear)
                std = 0.02 / math.sqrt(2 * len(self.blocks)) if writes else 0.02
                nn.init.normal_(module.weight, std=std, generator=generator)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif module is not self and callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def forward(self, tokens: Tensor) -> Tensor:
        """Integers [sequence, token] -> logits [sequence, token, vocabulary]; at most `context` tokens."""
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        out: Tensor = self.head(self.norm(self.blocks(x)))
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self, width: int, heads: int, hidden: int, sigma: Activation, norm: Literal["layer", "rms"], bias: bool
    ) -> None:
        super().__init__()
        self.norm1 = _NORMS[norm](width)
        self.attention = Attention(width, heads, bias)
        self.norm2 = _NORMS[norm](width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("up", nn.Linear(width, hidden, bias=bias))
        self.mlp.add_module("activation", sigma.module())
        self.mlp.add_module("down", _ResidualLinear(hidden, width, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Attention(nn.Module):
    """Causal self-attention of several heads."""

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.out = _ResidualLinear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )  # each [sequence, head, token, width / heads]
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class _ResidualLinear(nn.Linear):
    """A linear layer whose result is added to the residual stream."""
