"""Writes docs/gains.md, the gain of every registered activation: ``python docs/generate_gains.py``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from torch.nn.init import calculate_gain

import edgewise as ew
from edgewise.errors import EdgewiseError
from edgewise.theory import chi_perp, kernel_functions
from edgewise.theory.gain import Gain

PAGE = Path(__file__).with_name("gains.md")

MEMBERS = ("mrepu(p=1)", "mrepu(p=3)", "repu(p=3)", "swish(beta=2)", "leaky_relu(a=0.2)", "prelu")
"""Shown beside each family at its default parameters."""

TORCH = {
    "identity": ("linear", None),
    "relu": ("relu", None),
    "leaky_relu": ("leaky_relu", None),
    "leaky_relu(a=0.2)": ("leaky_relu", 0.2),
    "selu": ("selu", None),
    "sigmoid": ("sigmoid", None),
    "tanh": ("tanh", None),
}
"""What ``calculate_gain`` knows; it raises ValueError for everything else."""

HEAD = """# The gain of every registered activation

Written by `python docs/generate_gains.py`; do not edit by hand (a test compares it with what `ew.gain` says).

A layer fed by σ draws weights of variance gain²/fan_in and biases of variance (bias std)². Principles, from
`ew.gain(a, principle=...)`:

* **critical** (the default where it exists): χ∥ = χ⊥ = 1 at K\\*, the kernel that the first layer should give (0: in
  the limit; `theory.recommend` says where to start).
* **forward** (the default elsewhere): E[z'²] = K at K = 1 without a bias, gain² = K/⟨σ²⟩.
* **backward**: gradients keep their variance, gain² = 1/⟨σ'²⟩ at K = 1.
* **averaged**: the mean of both growth rates is 1, gain² = 2/(⟨σ²⟩/K + ⟨σ'²⟩), as Xavier's 2/(n_in + n_out).

Backward and averaged add the bias that keeps K = 1, in brackets, where there is one; without one, K moves from layer to
layer. A dash: no critical point, or an average that is 0 or infinite.
"""

COLUMNS = (
    "| activation | K\\* | critical gain | bias std | forward | backward (bias) | averaged (bias) | torch |\n"
    "|---|---|---|---|---|---|---|---|"
)

LAYERS = 50


def rows() -> Iterator[tuple[str, str]]:
    """(spec, Markdown row) of every activation, by name."""
    for spec in sorted({*ew.activations(), *MEMBERS}):
        critical = found(spec, "critical")
        cells = [f"`{spec}`"]
        if critical is None:
            cells += ["–", "–", "–"]
        else:
            at = "any" if critical.kernel is None else f"{critical.kernel:.7g}"
            cells += [at, f"{critical.gain:.8g}", f"{critical.bias_std:.8g}"]
        cells += [_preserving(found(spec, principle)) for principle in ("forward", "backward", "averaged")]
        cells.append(_torch(spec))
        yield spec, "| " + " | ".join(cells) + " |"


def found(spec: str, principle: str) -> Gain | None:
    """The gain by one principle; None where it has no answer."""
    try:
        return ew.gain(spec, principle=principle)  # type: ignore[arg-type]
    except EdgewiseError:
        return None


def _preserving(g: Gain | None) -> str:
    if g is None:
        return "–"
    return f"{g.gain:.7g}" + (f" ({g.bias_std:.5g})" if g.bias_std else "")


def _torch(spec: str) -> str:
    return f"{calculate_gain(*TORCH[spec]):.8g}" if spec in TORCH else "ValueError"


def beside_torch() -> Iterator[str]:
    """One line on each of torch's gains that differs from the critical one: where K settles, and what gradients do."""
    for spec, (name, slope) in TORCH.items():
        theirs = calculate_gain(name, slope)
        critical = found(spec, "critical")
        if critical is not None and math.isclose(theirs, critical.gain, rel_tol=1e-6):
            continue
        k = settled(spec, theirs**2)
        rate = float(chi_perp(spec, k, c_w=theirs**2))
        ours = ew.gain(spec)
        over = rate**LAYERS
        verb = "grow" if rate > 1.0 else "shrink"
        yield (
            f"* `{spec}`: torch's {theirs:.6g} lets K settle at {k:.4g}, where χ⊥ = {rate:.4g}: squared gradients "
            f"{verb} by a factor of {max(over, 1 / over):.3g} over {LAYERS} layers. "
            f"Ours is {ours.gain:.6g}, {ours.principle}"
            + ("." if critical else f", which leaves χ⊥ = {ours.chi_perp:.4g}: no gain mends it in a deep network.")
        )


def settled(spec: str, c_w: float) -> float:
    """The fixed point that K = C_W g(K) runs into from K = 1."""
    functions, k = kernel_functions(ew.activation(spec)), 1.0
    for _ in range(2000):
        k = c_w * functions.kernel_at(k)
    return k


FOOT = """
torch's √2 for ReLU and √(2/(1 + slope²)) for leaky ReLU are the critical ones. The rest differ:

{differences}

Its SELU gain is neither the critical one nor 1, the gain with which SELU keeps K = 1 (which the forward column shows
and torch's own documentation advises by asking for "linear"). For GELU, SiLU, ELU, Mish, softplus and every other
function `calculate_gain` raises `ValueError`.
"""


def page() -> str:
    """The whole page."""
    table = "\n".join(row for _, row in rows())
    return f"{HEAD}\n{COLUMNS}\n{table}\n{FOOT.format(differences=chr(10).join(beside_torch()))}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf8")
