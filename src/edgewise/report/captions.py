"""What to see in each picture, in plain language and with its own numbers; and the same for those who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewise.report.notation import number
from edgewise.report.results import chosen, describe
from edgewise.report.schemes import SCHEME_NAME

Data = Mapping[str, Any]


def shape(data: Data) -> str:
    smooth = data["smoothness"]
    where = ", ".join(number(k, 3) for k in data["kinks"])
    at = f" at x = {where}" if where else ""
    if smooth is None:
        first = "Infinitely smooth."
    elif smooth < 0:
        first = f"The function itself jumps{at}."
    elif smooth == 0:
        first = f"Continuous; its slope jumps{at}."
    else:
        count = {1: "One", 2: "Two", 3: "Three"}.get(int(smooth), f"{smooth:.0f}")
        order = {1: "second", 2: "third", 3: "fourth"}.get(int(smooth), f"{smooth + 1:.0f}th")
        first = f"{count} continuous derivative{'s' if smooth > 1 else ''}; the {order} one jumps{at}."
    parity = f" It is an {data['parity']} function." if data["parity"] else ""
    degree = data["homogeneity"]
    scaling = f" Doubling x multiplies σ by {number(2.0**degree)}." if degree not in (None, 1.0) else ""
    return first + parity + scaling


def critical_marks(theory: Data) -> tuple[tuple[float, str], ...]:
    """(K*, label) of every critical kernel, the preferred one first."""
    kernels = [p["kernel"] for p in theory["solutions"] if p["kernel"] is not None]
    return tuple((k, f"$K^*={k:.4g}$" if k else "$K^*=0$ lies to the left") for k in kernels)


def susceptibility(data: Data, theory: Data) -> str:
    text = (
        "How much one layer multiplies a small change of the signal: χ∥ a change of its size, χ⊥ a change of its "
        "direction, "
        "which is also the factor on the squared gradient. A deep network needs both to be 1, so their ratio (below) "
        "has to be "
        "1 where the network works. "
    )
    if data["ends_at"] is not None:
        text += f"Beyond K = {number(data['ends_at'], 2)} the averages are infinite or too large for float64. "
    critical = theory["critical"]
    if critical is None:
        return text + "Here that happens at no admissible kernel."
    if critical["kernel"] is None:
        return text + "Here both are 1 at every kernel."
    if critical["kernel"] == 0.0:
        return text + "Here both are 1 only in the limit K → 0, to the left."
    return text + f"Here both are 1 at K* = {number(critical['kernel'])} (dot)."


def susceptibility_alt(spec: str, data: Data, theory: Data) -> str:
    places = [("every K" if p["kernel"] is None else f"K = {number(p['kernel'])}") for p in theory["solutions"]]
    crossing = f"both are 1 at {', '.join(places)}" if places else "they are never both 1"
    return f"Curves of chi parallel, chi perpendicular and their ratio for {spec} against the kernel; {crossing}."


def measured(data: Data) -> str:
    text = (
        f"Kernel (mean square preactivation) in {data['members']} random networks of width {data['width']}, "
        "initialised as "
        "recommended (thin), and in theory for infinite width (thick). Flat is good: the signal arrives. "
    )
    until = data["band"].get("holds_until", 0)
    if until >= data["depth"]:
        text += "The band is the spread predicted for this width."
    elif until > 1:
        text += f"The band is the spread predicted for this width, drawn as far as that formula holds (layer {until})."
    return text + _lost_members(data)


def measured_alt(spec: str, data: Data) -> str:
    kernel = data["theory"]["kernel"]
    return (
        f"Kernel of {spec} against layer: in theory from {number(kernel[0], 3)} at layer 1 to "
        f"{number(kernel[-1], 3)} at layer "
        f"{data['depth']}; {data['measured']['reason']}"
    )


def _lost_members(data: Data) -> str:
    lost = int(data["measured"]["diverged"])
    return f" {lost} of {data['members']} networks diverged." if lost else ""


def gradient(data: Data) -> str:
    low, high = _gradient_range(data)
    text = (
        "Squared gradient at each layer relative to the last one, in the same networks (thin) and in theory (thick). "
        "A flat line means that first layers learn as fast as last ones. "
    )
    if low is None:
        return text
    return text + f"Here the first layer gets {_times(low)} the last layer's in theory." if low == high else text


def gradient_alt(spec: str, data: Data) -> str:
    low, _ = _gradient_range(data)
    told = "not finite" if low is None else f"{number(low, 3)} times that of the last layer"
    return f"Squared gradient of {spec} against layer; at layer 1 theory has {told}."


def _gradient_range(data: Data) -> tuple[float | None, float | None]:
    product = 1.0
    for chi in data["theory"]["chi_perp"][:-1]:
        if chi is None:
            return None, None
        product *= chi
    return product, product


def _times(factor: float) -> str:
    if 0.8 <= factor <= 1.25:
        return "about as much as" if factor != 1.0 else "exactly"
    return f"{number(factor, 2)} times"


def schemes(data: Data) -> str:
    ends = []
    for name, values in {"recommended": data["theory"], **data["usual"]}.items():
        if values["diverged_at"]:
            ends.append(f"{SCHEME_NAME[name]} diverges at layer {values['diverged_at']}")
        elif values["vanished_at"]:
            ends.append(f"{SCHEME_NAME[name]} vanishes at layer {values['vanished_at']}")
        else:
            ends.append(f"{SCHEME_NAME[name]} ends at K = {number(values['kernel'][-1], 2)}")
    return (
        f"The kernel in theory for inputs of mean square 1: {'; '.join(ends)}. "
        "A × marks where a kernel leaves 10⁻¹² … 10¹² and the signal is lost."
    )


def schemes_alt(spec: str, data: Data) -> str:
    return f"Kernel of {spec} against layer for three initialisations. {schemes(data)}"


def phase(data: Data) -> str:
    text = (
        f"What the last of {data['depth']} layers does at every choice of weight and bias variance, started at "
        f"K⁽¹⁾ = {number(data['k0'], 3)}: uncoloured is good. Blue: gradients shrink on their way back; orange: they "
        "grow. "
    )
    if any(2 in row for row in data["phase"]) or any(3 in row for row in data["phase"]):
        text += "Hatched: the signal itself has changed a million times. "
    if not data["line"]["c_w"]:
        text += "No choice has χ⊥ = 1 at a fixed point of the kernel. "
    else:
        text += "On the black line a kernel at its fixed point keeps gradients exactly (χ⊥ = 1). "
    return text + ("Usual initialisations begin from other kernels." if len(data["marks"]) > 1 else "")


def phase_alt(spec: str, data: Data) -> str:
    return f"Phase diagram of {spec} over weight variance C_W and bias variance C_b. {phase(data)}"


def tailored_shape(data: Data) -> str:
    return (
        f"σ, and σ̃ = {data['formula']} with σ = {data['base']}: variance 1 where preactivations lie at K = 1. "
        "The deeper the network, the straighter σ̃ has to be there."
    )


def tailored_flow(data: Data) -> str:
    ends = ", ".join(
        f"{number(start, 2)} → {'beyond float64' if row[-1] is None else number(row[-1], 3)}"
        for start, row in zip(data["starts"], data["kernel"], strict=True)
    )
    start = "The kernel with C_W = 1 and C_b = 0, from K = 1 and from half and twice of it"
    return f"{start}: {ends} after {data['depth']} layers."


def accuracy(data: Data) -> str:
    return (
        f"Test accuracy on {data['data']['test']} handwritten digits after {data['epochs']} epochs, one mark a "
        "random seed, "
        "each initialisation at its own best learning rate (chosen on other images). The dashed line is guessing. "
        "× marks runs that diverged."
    )


def accuracy_alt(spec: str, data: Data) -> str:
    return f"Test accuracy of networks with {spec} by depth and initialisation: {describe(data)}."


def loss(data: Data) -> str:
    text = (
        "Training loss by epoch at each initialisation's best learning rate: a thin line a seed, thick their median. "
        "A line that stays at 2.3 (dashed) has learned nothing; one that ends in × diverged."
    )
    return text + _undrawn(data)


def _undrawn(data: Data) -> str:
    """Which initialisations have no loss to draw, and at which depths."""
    gone: dict[str, list[int]] = {}
    for run in chosen(data):
        if all(curve[0] is None for curve in run["loss"]):
            gone.setdefault(SCHEME_NAME[run["scheme"]], []).append(run["depth"])
    if not gone:
        return ""
    told = [
        f"{name} at {'every depth' if depths == data['depths'] else ' and '.join(map(str, depths)) + ' layers'}"
        for name, depths in gone.items()
    ]
    return f" Diverged in the first epoch, so not drawn: {', '.join(told)}."


def loss_alt(spec: str, data: Data) -> str:
    return f"Training loss against epoch for networks with {spec}, one panel a depth, three initialisations each."


COMPARE_ACCURACY = (
    "Test accuracy on digits against depth, one panel an activation: mean over seeds, bars from the worst to the best."
)
COMPARE_KERNEL = (
    "The kernel layer by layer in theory, one panel an activation. A flat blue line is a signal that arrives; one that "
    "ends in × has blown up or died."
)
COMPARE_RATIO = (
    "χ∥/χ⊥ against the kernel, one panel an activation. A network can be critical only where this curve meets 1 "
    "(black): "
    "at a dot, everywhere, or in the limit K → 0 at the left edge."
)
