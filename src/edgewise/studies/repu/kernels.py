"""Figures 1 and 5: empirical kernels at initialisation, layer by layer, for RePU(2) and MRePU(2).

RePU is homogeneous, so one layer multiplies the kernel by an exact random factor: with S = (1/n) sum xi_+^(2p),
A = <S> = (2p-1)!!/2 and the fixed point K_c = (C_W A)^(-1/(p-1)), x = log(K/K_c) follows x' = p x + log(S/A). Hence

    x_l = p^(l-1) (x_1 + sum_(k<l) p^(-k) log(S_k/A)):

every network follows the double exponential K_c (K_1/K_c)^(p^(l-1)) from a start of its own, whose logarithm is shifted
by about -Var S/(2 A**2 (p-1)) and spread by sqrt(Var(log S)/(p**2 - 1)), of order 1/n and 1/sqrt(n). The median follows
the law; the mean over networks does not: it is the largest network's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise.activations import Activation, activation
from edgewise.measure.wording import number
from edgewise.studies import evidence
from edgewise.studies.claim import Check, Claim
from edgewise.studies.repu.networks import empirical_kernels, exact_kernels
from edgewise.studies.study import Context, Part
from edgewise.theory import depth_horizon, four_point_vertex, kernel_flow

X0 = ((1.0, 0.0),)
"""The paper's input; with n0 = 2 coordinates the first layer's kernel is half its C_W."""
P = 2
QUANTILES = (0.1587, 0.5, 0.8413)
"""Of the predicted band: what one standard deviation would be for a normal law."""
SHOWN = 24
"""Lines of a figure."""


@dataclass(frozen=True)
class Settings:
    """width: of every layer; networks: with weights of their own on x0; data_networks, samples: networks whose weights
    are held while `samples` inputs x ~ N(0, 1_2/2) pass through; draws: of the exact law.
    """

    width: int
    networks: int
    data_networks: int
    samples: int
    draws: int
    repu_c_w: tuple[float, ...] = (0.5, 1.0, 2.0 / math.sqrt(3.0), 2.0)
    repu_depth: int = 13
    mrepu_c_w: tuple[float, ...] = (0.95, 1.0, 1.05)
    mrepu_k0: float = 1e-3
    mrepu_depth: int = 60
    kept_layer: int = 15


SMOKE = Settings(width=200, networks=64, data_networks=8, samples=32, draws=500, mrepu_depth=45)
FULL = Settings(width=500, networks=150, data_networks=30, samples=200, draws=4000)


def run(settings: Settings, context: Context) -> tuple[Claim, ...]:
    """Three claims: RePU's double exponential, MRePU's constancy and its horizon, MRePU from x0 without a first layer
    of its own."""
    total = len(settings.repu_c_w) + len(settings.mrepu_c_w) + 1
    panels: dict[str, list[dict[str, Any]]] = {"repu": [], "mrepu": []}
    done = 0
    for c_w in settings.repu_c_w:
        panels["repu"].append(_panel("repu(p=2)", settings, context, settings.repu_depth, c_w, c_w, done))
        context.progress(done := done + 1, total)
    for c_w in settings.mrepu_c_w:
        first = 2.0 * settings.mrepu_k0
        panels["mrepu"].append(_panel("mrepu(p=2)", settings, context, settings.mrepu_depth, c_w, first, done))
        context.progress(done := done + 1, total)
    exploding = _panel("mrepu(p=2)", settings, context, 6, 1.0, 1.0, done)
    context.progress(total, total)
    return (
        _double_exponential(settings, panels["repu"]),
        _keeps_scale(settings, panels["mrepu"]),
        _explodes(settings, exploding),
    )


PART = Part(
    key="kernels",
    title="Kernels at initialisation",
    run=run,
    settings={"smoke": SMOKE, "full": FULL},
    seconds={"smoke": 8.0, "full": 150.0},
)


def _panel(
    spec: str, s: Settings, context: Context, depth: int, c_w: float, first_c_w: float, stream: int
) -> dict[str, Any]:
    """Everything measured and predicted at one C_W: kernels on x0, kernels on random data, the exact law of both."""
    a = activation(spec)
    x0 = torch.tensor(X0, dtype=torch.float64, device=context.device)
    source = context.generator(stream, 0)
    fixed = empirical_kernels(
        a, x0, depth=depth, width=s.width, networks=s.networks, c_w=c_w, first_c_w=first_c_w, generator=source
    )[:, :, 0]
    source = context.generator(stream, 1)
    inputs = torch.randn(s.samples, 2, generator=source, device=context.device).double() / math.sqrt(2.0)
    random = empirical_kernels(
        a, inputs, depth=depth, width=s.width, networks=s.data_networks, c_w=c_w, first_c_w=first_c_w, generator=source
    )
    k0 = first_c_w / 2.0
    source = context.generator(stream, 2)
    law = exact_kernels(a, depth=depth, width=s.width, members=s.draws, c_w=c_w, k0=k0, generator=source)
    squares = torch.randn(s.draws, 2, generator=source, device=context.device).double().square().mean(1) / 2.0
    law_data = exact_kernels(
        a, depth=depth, width=s.width, members=s.draws, c_w=c_w, k0=first_c_w * squares, generator=source
    )
    return {
        "activation": spec,
        "depth": depth,
        "width": s.width,
        "c_w": c_w,
        "first_c_w": first_c_w,
        "k0": k0,
        "theory": kernel_flow(a, depth, c_w=c_w, k0=k0).kernel.tolist(),
        "first_order": _first_order(a, depth, c_w, k0, s.width),
        "fixed": fixed.cpu(),
        "random": random.cpu(),
        "law": law.cpu(),
        "law_data": law_data.cpu(),
    }


def _first_order(a: Activation, depth: int, c_w: float, k0: float, width: int) -> dict[str, Any]:
    """Mean and variance of the kernel to first order in 1/n, and in how many layers that expansion is in its range."""
    from edgewise.theory.finite_width import VALID_UP_TO

    made = four_point_vertex(a, depth, c_w=c_w, k0=k0, width=width)
    assert made.kernel_mean is not None
    assert made.kernel_variance is not None
    inside = (made.relative_vertex / width <= VALID_UP_TO).long().cumprod(0)
    return {
        "mean": made.kernel_mean.tolist(),
        "variance": made.kernel_variance.tolist(),
        "layers": int(inside.sum()),
        "reason": made.reason,
    }


def repu_fixed_point(c_w: float, p: int = P) -> float:
    """K_c = (C_W (2p-1)!!/2)^(-1/(p-1)), where RePU's kernel would stay; 2/(3 C_W) for p = 2."""
    return float((c_w * 0.5 * math.prod(range(1, 2 * p, 2))) ** (-1.0 / (p - 1)))


@dataclass(frozen=True)
class Fits:
    """Straight lines through log|log(K/K_c)| against the layer, one a network.

    base: exp(slope), p where the law is a double exponential; nan with fewer than three layers to fit. start:
    log(K_1/K_c) that the law would need to give the last finite kernel. float64 [network].
    """

    base: Any
    start: Any


def fit_double_exponential(kernels: Tensor, k_c: float) -> Fits:
    """Fits each network's kernels [network, layer] from where they are a factor e away from K_c to the end of float64.

    Nearer to K_c the fluctuations of a layer are as large as the distance.
    """
    k = kernels.numpy()
    known = (np.isfinite(k) & (k > 0.0)).cumprod(1).astype(bool)
    x = np.log(np.where(known, k, k_c) / k_c)
    used = known & _far_from_here_on(np.abs(x) >= 1.0, known)
    weight = used.astype(float)
    count = np.maximum(weight.sum(1), 1.0)
    layers = np.arange(k.shape[1], dtype=float)
    y = np.log(np.where(used, np.abs(x), 1.0))
    mean_l, mean_y = (weight * layers).sum(1) / count, (weight * y).sum(1) / count
    centred = weight * (layers - mean_l[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (centred * (y - mean_y[:, None])).sum(1) / (centred * layers).sum(1)
    last = known.sum(1) - 1
    start = x[np.arange(len(x)), last] / float(P) ** last
    return Fits(np.where(weight.sum(1) >= 3, np.exp(slope), np.nan), start)


def _far_from_here_on(far: Any, known: Any) -> Any:
    """Whether every known layer from this one on is far from K_c."""
    return (far | ~known)[:, ::-1].cumprod(1)[:, ::-1].astype(bool)


def _double_exponential(s: Settings, panels: list[dict[str, Any]]) -> Claim:
    checks: list[Check] = []
    rows: list[dict[str, Any]] = []
    for panel in panels:
        c_w, k_c = panel["c_w"], repu_fixed_point(panel["c_w"])
        fixed, law = fit_double_exponential(panel["fixed"], k_c), fit_double_exponential(panel["law"], k_c)
        by_network = [float(np.nanmedian(fit_double_exponential(network.T, k_c).base)) for network in panel["random"]]
        base = evidence.mean(fixed.base[np.isfinite(fixed.base)])
        base_data = evidence.mean(by_network)
        start = evidence.median(fixed.start)
        predicted = float(np.median(law.start))
        checks += [
            Check(f"C_W = {c_w:.4g}, x0 fixed: log|log(K/K_c)| grows by log {P} a layer (power per layer)", base,
                  (0.95 * P, 1.05 * P)),
            Check(f"C_W = {c_w:.4g}, weights fixed: the same over random data", base_data, (0.95 * P, 1.05 * P)),
            Check(f"C_W = {c_w:.4g}: median start log(K_1/K_c) is {number(predicted)}, the law at width {s.width}",
                  start, (predicted - 0.15, predicted + 0.15)),
        ]  # fmt: skip
        final = [line[-1] for line in panel["fixed"].tolist()]
        rows.append(
            {
                "c_w": c_w,
                "k0": panel["k0"],
                "k_c": k_c,
                "base": base.to_dict(),
                "base_random_data": base_data.to_dict(),
                "start_infinite_width": math.log(panel["k0"] / k_c),
                "start_predicted": predicted,
                "start": start.to_dict(),
                "start_spread": float(np.std(fixed.start, ddof=1)),
                "start_spread_predicted": float(np.std(law.start, ddof=1)),
                "exploded": sum(k > k_c for k in final),
                "vanished": sum(k < k_c for k in final),
                "networks": len(final),
            }
        )
    low = min(row["base"]["low"] for row in rows)
    high = max(row["base"]["high"] for row in rows)
    critical = min(rows, key=lambda row: abs(row["start_infinite_width"]))
    return Claim(
        key="repu-double-exponential",
        title="RePU(2): the kernel explodes or vanishes double-exponentially at every C_W",
        says=(
            "RePU networks with p > 1 have no critical point: whatever C_W is, kernels explode or vanish "
            "double-exponentially with depth, K_l = K_c (K_1/K_c)^(2^(l−1)) for p = 2 with K_c = 2/(3 C_W)."
        ),
        where="Figures 1 and 5, RePU p = 2",
        checks=tuple(checks),
        measured=(
            f"log|log(K/K_c)| was fitted in {s.networks} networks of width {s.width} at each of {len(panels)} C_W: "
            f"the distance from K_c is raised to the power {low:.3f} to {high:.3f} per layer (99 % intervals over all "
            f"C_W), where the law says 2. Even at C_W = {critical['c_w']:.4g}, where K_1 = K_c exactly and an "
            f"infinitely wide network would stay, of {critical['networks']} networks {critical['exploded']} exploded "
            f"and {critical['vanished']} vanished"
        ),
        n=s.networks * len(panels),
        settings={"n0": 2, "x0": X0[0], "random_data": "x ~ N(0, 1/2) in both coordinates", "first_c_w": "C_W"},
        numbers={"rows": rows},
        figures=("kernels.repu", "kernels.law"),
        data={"panels": [_drawn(panel) for panel in panels], "fits": rows, "p": P},
        remarks=(
            "The median network follows the law. The mean over networks does not: it is the largest network's kernel, "
            "because each network has a start of its own, whose logarithm is spread by about "
            f"√(22.3/(3·n)) = {math.sqrt(67 / 9 / s.width):.2f} at this width.",
            "The first-order band in 1/n is out of its range after a layer or two here; the bands are the exact law at "
            "this width.",
        ),
    )


def _keeps_scale(s: Settings, panels: list[dict[str, Any]]) -> Claim:
    at_one = next(panel for panel in panels if panel["c_w"] == 1.0)
    k0, layer = at_one["k0"], s.kept_layer
    horizon = depth_horizon("mrepu(p=2)", c_w=1.0, k0=k0)
    ratio = at_one["fixed"][:, layer - 1] / k0
    by_network = (at_one["random"][:, layer - 1] / at_one["random"][:, 0]).median(dim=1).values.log2()
    kept = evidence.median(ratio.tolist())
    kept_data = evidence.mean(by_network.tolist())
    rows = [
        {
            "c_w": panel["c_w"],
            "k0": panel["k0"],
            "ratio_theory": panel["theory"][layer - 1] / panel["k0"],
            "ratio_median": float(torch.quantile(panel["fixed"][:, layer - 1], 0.5)) / panel["k0"],
            "lost": int((~torch.isfinite(panel["fixed"][:, -1])).sum()),
        }
        for panel in panels
    ]
    return Claim(
        key="mrepu-keeps-scale",
        title="MRePU(2): the kernel keeps its scale, for a while",
        says="MRePU has a critical point at K → 0 with C_W = 1 and keeps the kernel nearly constant with depth.",
        where="Figures 1 and 5, MRePU p = 2",
        checks=(
            Check(f"C_W = 1, K₁ = {k0:g}: at layer {layer} the median network has K within a factor of 2 of K₁ (K/K₁)",
                  kept, (0.5, 2.0)),
            Check(f"C_W = 1, weights fixed: at layer {layer} the median input has K within a factor of 2 of its own K₁ "
                  "(log₂ K/K₁)", kept_data, (-1.0, 1.0)),
        ),
        measured=(
            f"from K₁ = {k0:g} (a first layer with C_W = {at_one['first_c_w']:g} of its own) the median of "
            f"{s.networks} networks of width {s.width} has K/K₁ = {kept.estimate:.2f} at layer {layer} (99 % interval "
            f"{kept.low:.2f} to {kept.high:.2f}), theory {at_one['theory'][layer - 1] / k0:.2f}"
        ),
        n=s.networks,
        settings={"n0": 2, "x0": X0[0], "random_data": "x ~ N(0, 1/2) in both coordinates", "first_c_w": 2.0 * k0},
        numbers={"horizon": horizon, "rows": rows},
        figures=("kernels.mrepu",),
        data={"panels": [_drawn(panel) for panel in panels], "horizon": horizon},
        remarks=(
            "The scale is kept because the first layer starts it small: K* = 0 repels, and from K₁ the kernel doubles "
            "after 1/(2 a₁ K₁) layers and has no finite value after 1/(a₁ K₁).",
        ),
    )  # fmt: skip


def _explodes(s: Settings, panel: dict[str, Any]) -> Claim:
    first, fourth = panel["fixed"][:, 0], panel["fixed"][:, 3]
    growth = torch.log10(fourth / first)
    lost = int((growth > 6.0).sum())
    share = evidence.proportion(lost, s.networks)
    law = float(torch.quantile(torch.log10(panel["law"][:, 3]), 0.5))
    median = evidence.median(torch.log10(fourth).tolist())
    shown = " → ".join(number(k, 2) for k in panel["theory"][:4])
    return Claim(
        key="mrepu-explodes-from-x0",
        title="MRePU(2) at x₀ = (1, 0) and C_W = 1 in every layer explodes within three layers",
        says=(
            "The paper’s statement, that MRePU keeps the kernel nearly constant at (C_W, C_b) = (1, 0), needs a first "
            "layer with a scale of its own. With the same C_W in the first layer and x₀ = (1, 0), K₁ is 1/2, and the "
            "kernel explodes within three layers."
        ),
        where="what Figures 1 and 5 must be read with",
        of_paper=False,
        checks=(
            Check(
                "from K₁ = 1/2 the kernel grows more than a millionfold in three layers (share of networks; more than "
                "half of them)",
                share,
                (0.5, 1.0),
            ),
        ),
        measured=(
            f"in {lost} of {s.networks} networks of width {s.width} the kernel grew more than a millionfold in three "
            f"layers; theory at infinite width {shown}, median at layer 4 measured 10^{median.estimate:.1f}, law at "
            f"this width 10^{law:.1f}"
        ),
        n=s.networks,
        settings={"n0": 2, "x0": X0[0], "first_c_w": 1.0},
        numbers={"theory": panel["theory"], "median_log10_layer_4": median.to_dict(), "law_log10_layer_4": law},
        figures=("kernels.exploding",),
        data={"panels": [_drawn(panel)]},
        remarks=("Constancy needs a first layer with a scale of its own; the other figures state theirs.",),
    )  # fmt: skip


def _drawn(panel: Mapping[str, Any]) -> dict[str, Any]:
    """What the figures need of a panel: some lines and the quantiles of the law."""
    network: Tensor = panel["random"][0]
    return {
        **{name: value for name, value in panel.items() if not isinstance(value, Tensor)},
        "fixed": _rounded(panel["fixed"][:SHOWN]),
        "random": _rounded(network.T[:SHOWN]),
        "law": _rounded(_quantiles(panel["law"])),
        "law_data": _rounded(_quantiles(panel["law_data"])),
    }  # fmt: skip


def _quantiles(law: Tensor) -> Tensor:
    """[quantile, layer]; an interpolation between inf and a number would be nan."""
    return torch.quantile(law, torch.tensor(QUANTILES, dtype=law.dtype), dim=0, interpolation="nearest")


def _rounded(lines: Tensor) -> list[list[float]]:
    """Five significant digits: what a picture can show."""
    return [[float(f"{value:.4e}") for value in line] for line in lines.tolist()]
