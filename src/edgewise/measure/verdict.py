"""From figures to findings: what counts as exploding, vanishing, collapsed, dead or saturated, and why there.

The thresholds follow from what criticality itself does (PDLT chapter 5; papers on the four-point vertex):

* Along a critical flow K, the squared gradient and 1 - rho change by powers of the depth, at most l**-2, so that over
  the deeper half of a network they change by 2**2 = 4 at most. More than a decade there is exponential.
* What is exponential is grave where the total is a factor of 1e8 in squares: one learning rate then moves one layer
  10**4 times less than another. Anything below costs training time only.
* A critical ReLU network brings samples together as 1/sqrt(1 - rho) = 1/sqrt(1 - rho_0) + sqrt(2) l / (3 pi), so
  that 1 - rho -> 9 pi**2 / (2 l**2). A kink makes l**-2, without one the power is l**-1 at most; |x|, twice as bent as
  ReLU, comes four times closer. Ten times closer than ReLU is an ordered phase.
* Preactivations that are Gaussian of mean 0 leave a flat share p of an activation dead in any case, and in deep layers,
  where samples are alike, they are the same units for all of them. Dead are units beyond p by three standard errors
  of the count of units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from edgewise.measure.diagnosis import Finding, LayerDiagnosis, Level, Problem
from edgewise.measure.wording import correlation, factor, number, percent

SHALLOW = 4
"""With fewer layers than this nothing that is exponential in the depth can be told, nor matters."""
DECADE = 10.0
GRAVE = 1e8
JUMP = 1e4
"""One layer that changes K (or the squared gradient) by this factor, amplitudes by 100, while its neighbours do not."""
INDISTINCT = 1e-6
"""1 - rho at which float32 rounding and any noise of training are as large as what tells two samples apart."""
MOSTLY = 0.5
ALL_BUT = 0.9
UNNORMALISED = 100.0
"""Mean square of the input from which on (or from its inverse down) its scale, not the model's, sets the first K."""

LAW = 9.0 * math.pi**2 / 2.0


@dataclass(frozen=True)
class Broken:
    """Where numbers stop being finite: the node, what it is, and whether forward or backward."""

    node: str
    what: str
    forward: bool


def findings(
    layers: Sequence[LayerDiagnosis],
    *,
    broken: Broken | None,
    input_kernel: float | None,
    input_one_minus_rho: float | None,
    gradients: bool,
) -> list[Finding]:
    """All that is wrong, gravest first."""
    rows = [layer for layer in layers if layer.role == "preactivation"]
    stream = [layer for layer in layers if layer.role == "stream"]
    found = [_not_finite(broken, rows)] if broken is not None else []
    for profile, what in ((rows, "the signal"), (stream, "the residual stream")):
        if not _has(found, "signal_explodes", "signal_vanishes"):
            found += _signal(profile, what, broken)
    if gradients and (broken is None or broken.forward is False):
        for profile in (rows, stream):
            if not _has(found, "gradients_explode", "gradients_vanish"):
                found += _gradient(profile)
        found = _cut_off(rows, found)
    found += _collapse(rows, input_one_minus_rho)
    found += _dead(rows)
    found += _saturated(rows)
    if input_kernel is not None and math.isfinite(input_kernel):
        found += _unnormalised(input_kernel)
    order: dict[Level, int] = {"no": 0, "care": 1, "unknown": 2, "yes": 3}
    return sorted(found, key=lambda f: (order[f.level], _CAUSES_FIRST.index(f.problem)))


_CAUSES_FIRST: tuple[Problem, ...] = (
    "not_finite", "signal_explodes", "signal_vanishes", "jump", "dead_units", "saturated", "gradients_explode",
    "gradients_vanish", "cut_off", "rank_collapse", "too_narrow", "unnormalised_input",
)  # fmt: skip
"""Of equally grave findings those come first that bring the others about."""


def _has(found: Sequence[Finding], *problems: Problem) -> bool:
    return any(f.problem in problems for f in found)


def _not_finite(broken: Broken, rows: Sequence[LayerDiagnosis]) -> Finding:
    if broken.forward:
        text = f"numbers stop being finite at {broken.node} ({broken.what})"
        alive = [row for row in rows if math.isfinite(row.kernel)]
        if alive and alive[-1].kernel > 1.0:
            text += f"; the last finite preactivations, {alive[-1].called}, have K = {number(alive[-1].kernel)}"
    else:
        text = f"the gradient is not finite from {broken.node} ({broken.what}) down, although the forward pass is"
    return Finding("not_finite", "no", broken.node, text)


def _signal(rows: Sequence[LayerDiagnosis], what: str, broken: Broken | None) -> list[Finding]:
    alive = [row for row in rows if math.isfinite(row.kernel)]
    if broken is not None and broken.forward and len(alive) < len(rows):
        first, last = (alive[0], alive[-1]) if alive else (None, None)
        if first is None or last is None or len(alive) < 2 or last.kernel <= 1e3 * max(first.kernel, 1e-30):
            return []
        text = f"{what} explodes: K goes from {number(first.kernel)} at {first.called} to {number(last.kernel)} at "
        text += last.called
        return [Finding("signal_explodes", "no", _since(alive, _kernel, 1).name, text)]
    if not alive:
        return []
    gone = [row for row in alive if row.kernel == 0.0]
    if gone:
        text = f"{what} is exactly 0 from {gone[0].called} on"
        return [Finding("signal_vanishes", "no", gone[0].name, text)]
    found = _jumps(alive, what)
    if len(alive) < SHALLOW or found:
        return found
    half = alive[(len(alive) - 1) // 2 :]
    ratio, total = half[-1].kernel / half[0].kernel, alive[-1].kernel / alive[0].kernel
    if not _exponential([_kernel(row) for row in half]):
        return found
    explodes = ratio > 1.0
    since = _since(alive, _kernel, 1 if explodes else -1)
    rate = _rate(alive, since, _kernel)
    level: Level = "no" if max(total, 1.0 / total, ratio, 1.0 / ratio) > GRAVE else "care"
    verb = "grows" if explodes else "falls"
    text = (
        f"{what} {'explodes' if explodes else 'vanishes'} from {since.called} on: "
        f"K {verb} {factor(rate if explodes else 1.0 / rate)} a layer, to {number(alive[-1].kernel)} at "
        f"{alive[-1].called}"
    )
    problem: Problem = "signal_explodes" if explodes else "signal_vanishes"
    predicted = [row.predicted for row in (half[0], half[-1])]
    if all(p is not None and 0.0 < p < math.inf for p in predicted):
        expected = predicted[1] / predicted[0]  # type: ignore[operator]
        if 1.0 / DECADE <= expected <= DECADE:
            problem = "too_narrow"
            text += (
                f"; random weights of the same variances keep it within {factor(max(expected, 1.0 / expected))} at "
                f"infinite width, so it is the chance of {rows[0].units} units over {len(rows)} layers, or what "
                "training made of the weights"
            )
    return [Finding(problem, level, since.name, text)]


def _jumps(rows: Sequence[LayerDiagnosis], what: str) -> list[Finding]:
    """One layer alone that is off scale; where most layers are, that is no jump but a rate."""
    steps = [math.log(b.kernel / a.kernel) for a, b in pairwise(rows) if a.kernel > 0 < b.kernel]
    if len(steps) < SHALLOW - 1:
        return []
    usual = sorted(steps)[len(steps) // 2]
    off = [i for i, step in enumerate(steps) if abs(step - usual) > math.log(JUMP)]
    if len(off) != 1:
        return []
    row, before = rows[off[0] + 1], rows[off[0]]
    up = steps[off[0]] > 0.0
    change = math.exp(abs(steps[off[0]]))
    own = f"; its C_W is {number(row.c_w)}" if row.c_w is not None else ""
    text = (
        f"{what} jumps at {row.called} alone: K goes {'up' if up else 'down'} by {factor(change)} from "
        f"{before.called}, where the other layers change it by {factor(math.exp(abs(usual)))}{own}"
    )
    return [Finding("jump", "no" if change > GRAVE else "care", row.name, text)]


def _exponential(values: Sequence[float]) -> bool:
    """Whether positive values change by more than a decade, and not in one step alone.

    The largest step counts as the median of the others: what one layer does is no matter of depth, as in a residual
    network, whose head is fed by the stream and the layers before it by a branch each.
    """
    if values[0] == 0.0 or values[-1] == 0.0:
        return True
    total = math.log(values[-1] / values[0])
    steps = [math.log(b / a) for a, b in pairwise(values) if a > 0.0 < b]
    if len(steps) > 1:
        largest = max(steps, key=lambda step: step * math.copysign(1.0, total))
        steps.remove(largest)
        typical = total - largest + median(steps)
        total = 0.0 if typical * total < 0.0 else typical
    return abs(total) > math.log(DECADE)


def _kernel(row: LayerDiagnosis) -> float:
    return row.kernel


def _gradient_square(row: LayerDiagnosis) -> float:
    return (row.gradient_norm or 0.0) ** 2


def _since(rows: Sequence[LayerDiagnosis], of: Callable[[LayerDiagnosis], float], sign: int) -> LayerDiagnosis:
    """Where the run of layers begins that all move the same way, at least half as fast as the deeper half does."""
    logs = [math.log(max(of(row), 1e-300)) for row in rows]
    start = (len(rows) - 1) // 2
    usual = sign * (logs[-1] - logs[start]) / max(1, len(rows) - 1 - start)
    first = start
    while first > 0 and sign * (logs[first] - logs[first - 1]) > 0.5 * usual > 0.0:
        first -= 1
    return rows[first + 1 if first + 1 < len(rows) else first]


def _rate(rows: Sequence[LayerDiagnosis], since: LayerDiagnosis, of: Callable[[LayerDiagnosis], float]) -> float:
    """Geometric mean of the change a layer, from the layer before `since` to the last."""
    start = max(0, list(rows).index(since) - 1)
    steps = max(1, len(rows) - 1 - start)
    return math.exp((math.log(max(of(rows[-1]), 1e-300)) - math.log(max(of(rows[start]), 1e-300))) / steps)


def _gradient(rows: Sequence[LayerDiagnosis]) -> list[Finding]:
    """On the way back, the deeper half comes first; a power of the depth changes it by 4 at most."""
    alive = [row for row in rows if row.gradient_norm is not None and 0.0 < row.gradient_norm < math.inf]
    if len(alive) < SHALLOW:
        return []
    half = alive[(len(alive) - 1) // 2 :]
    ratio = _gradient_square(half[0]) / _gradient_square(half[-1])
    total = _gradient_square(alive[0]) / _gradient_square(alive[-1])
    if not _exponential([_gradient_square(row) for row in half]):
        return []
    explodes = ratio > 1.0
    steps = len(half) - 1
    rate = ratio ** (1.0 / steps)
    level: Level = "no" if max(total, 1.0 / total, ratio, 1.0 / ratio) > GRAVE else "care"
    size = math.sqrt(total if explodes else 1.0 / total)
    text = (
        f"gradients {'explode' if explodes else 'vanish'} on their way back: their square "
        f"{'grows' if explodes else 'falls'} {factor(rate if explodes else 1.0 / rate)} a layer, so that "
        f"{alive[0].called} gets {factor(size)} {'more' if size > 1.0 and explodes else 'less'} than {alive[-1].called}"
    )
    return [Finding("gradients_explode" if explodes else "gradients_vanish", level, half[0].name, text)]


def _cut_off(rows: Sequence[LayerDiagnosis], found: list[Finding]) -> list[Finding]:
    """Layers whose gradient is exactly 0: where gradients vanish, they have underflowed."""
    dark = [row for row in rows if row.gradient_norm == 0.0]
    if not dark:
        return found
    more = f" and {len(dark) - 1} more" if len(dark) > 1 else ""
    vanishing = next((f for f in found if f.problem == "gradients_vanish"), None)
    if vanishing is not None and dark == list(rows[: len(dark)]):
        text = f"{vanishing.text}; it has underflowed to 0 at {dark[-1].called}{more}"
        return [replace(f, level="no", text=text) if f is vanishing else f for f in found]
    return [*found, Finding("cut_off", "no", dark[-1].name, f"no gradient arrives at {dark[-1].called}{more}")]


def _collapse(rows: Sequence[LayerDiagnosis], at_input: float | None) -> list[Finding]:
    alive = [row for row in rows if row.one_minus_rho is not None]
    if len(alive) < SHALLOW or at_input is None or at_input <= INDISTINCT:
        return []
    last = alive[-1]
    gap = last.one_minus_rho or 0.0
    critical = [at_input / (1.0 + passed * math.sqrt(at_input / LAW)) ** 2 for passed in range(len(alive))]
    if gap >= critical[-1] / DECADE:
        return []
    rank = number(last.effective_rank)
    since = next(row for row, apart in zip(alive, critical, strict=True) if (row.one_minus_rho or 0.0) < apart / DECADE)
    text = (
        f"different samples become alike from {since.called} on (ordered phase): their correlation reaches "
        f"{correlation(gap)} at {last.called}, where a critical ReLU network of this depth has "
        f"{correlation(critical[-1])}; of {last.compared} directions {rank} {'is' if rank == '1' else 'are'} left"
    )
    return [Finding("rank_collapse", "no" if gap < INDISTINCT else "care", since.name, text)]


def _dead(rows: Sequence[LayerDiagnosis]) -> list[Finding]:
    worst: LayerDiagnosis | None = None
    over = 0
    for row in rows:
        if row.dead_static is None or row.dead is None or not math.isfinite(row.kernel) or row.kernel == 0.0:
            continue
        expected = row.dead_expected or 0.0
        slack = 3.0 * math.sqrt(max(expected * (1.0 - expected), 1.0 / row.units) / row.units)
        if row.dead_static > expected + slack or row.dead > max(ALL_BUT, expected + slack):
            over += 1
            worst = row if worst is None or row.dead_static > (worst.dead_static or 0.0) else worst
    if worst is None:
        return []
    static, total, expected = worst.dead_static or 0.0, worst.dead or 0.0, worst.dead_expected or 0.0
    others = f", and {over - 1} more layer{'s' if over > 2 else ''} likewise" if over > 1 else ""
    text = (
        f"units of {worst.called} are dead: {percent(static)} have slope 0 for every sample, {percent(total)} of all "
        f"(unit, sample) pairs, where Gaussian preactivations give {percent(expected)}{others}"
    )
    level: Level = "no" if static > ALL_BUT else "care"
    return [Finding("dead_units", level, worst.name, text)]


def _saturated(rows: Sequence[LayerDiagnosis]) -> list[Finding]:
    over = [row for row in rows if row.saturated is not None and row.saturated > MOSTLY]
    if not over:
        return []
    worst = max(over, key=lambda row: row.saturated or 0.0)
    text = (
        f"{percent(worst.saturated or 0.0)} of what enters {worst.activation} at {worst.called} is where it is flat "
        f"(K = {number(worst.kernel)}){f', in {len(over)} layers' if len(over) > 1 else ''}"
    )
    return [Finding("saturated", "no" if (worst.saturated or 0.0) > ALL_BUT else "care", worst.name, text)]


def _unnormalised(kernel: float) -> list[Finding]:
    if 1.0 / UNNORMALISED < kernel < UNNORMALISED or kernel == 0.0:
        return []
    text = f"the batch has mean square {number(kernel)}, so that everything after it starts off scale"
    return [Finding("unnormalised_input", "care", "input", f"{text}; divide it by {number(math.sqrt(kernel))}")]
