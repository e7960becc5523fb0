"""From text to activation: parse, simplify, find the facts, refuse what is not defined on the whole line."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache, partial
from typing import NoReturn

from edgewise.activations import seen
from edgewise.activations.definition import Activation, Definition, Facts
from edgewise.activations.formula import written
from edgewise.activations.formula.effort import Effort
from edgewise.activations.formula.evaluate import program
from edgewise.activations.formula.pieces import pieces_of
from edgewise.activations.formula.simplify import simplified
from edgewise.activations.formula.singular import candidates
from edgewise.activations.formula.tree import ARITHMETIC, BUILTIN, Node, walk
from edgewise.activations.kinks import MAX_ORDER, jumps
from edgewise.errors import FormulaError, PrecisionWarning

DERIVATIVES = 9
"""Orders 0 to 8 are ready as Taylor arithmetic; torch differentiates the last for more."""


def formula_activation(tree: Node, *, kinks: tuple[float, ...] | None = None, name: str | None = None) -> Activation:
    """The activation of a parsed formula.

    kinks: taken as they are where given, else found from the tree.
    Raises FormulaError where it is not finite on the whole line; warns (PrecisionWarning) when its kinks never end.
    """
    definition, cut_at = _definition(tree, kinks, name)
    if math.isfinite(cut_at):
        text = definition.name if name is None else f"{name} = {written.as_text(tree)}"
        warnings.warn(
            f"formula {text!r} has kinks without end; {len(definition.facts().kinks)} with |x| <= {cut_at:.4g} "
            "are kept, so averages lose accuracy where K reaches beyond",
            PrecisionWarning,
            stacklevel=4,
        )
    return definition.bind()


@lru_cache(maxsize=256)
def _definition(tree: Node, kinks: tuple[float, ...] | None, name: str | None) -> tuple[Definition, float]:
    text = written.as_text(tree)
    root = simplified(tree)
    effort = Effort(text if len(text) <= 60 else text[:57] + "...")
    sigma = program(root, effort=effort)
    special = candidates(root, effort)
    where = seen.undefined(sigma, special.points)
    if where is not None:
        _refuse(text, *where)
    registered = any(n.op not in BUILTIN | ARITHMETIC for n in walk(root) if n.args)
    found = jumps(sigma.through, special.points, max_order=3 if registered else MAX_ORDER)
    endless = any(abs(k.at) > 0.9 * special.cut_at for k in found)
    smoothness = min((k.order - 1 for k in found), default=math.inf)
    limits = seen.limits(sigma)
    facts = Facts(
        formula=written.as_latex(tree),
        limits=limits,
        kinks=tuple(k.at for k in found) if kinks is None else kinks,
        parity=seen.parity(sigma),
        homogeneity=seen.homogeneity(sigma),
        smoothness=smoothness,
        pieces=None if endless else pieces_of(root, special.points, sigma),
    )
    made = Definition(
        name=name or text,
        derivatives=tuple(partial(program(root, limits), order=k) for k in range(DERIVATIVES)),
        facts=lambda: facts,
        source="a formula given by the user",
        summary=f"The formula {text}.",
        made_from=(text, kinks, name),
    )
    return made, special.cut_at if endless else math.inf


def _refuse(text: str, point: float, value: float) -> NoReturn:
    what = "not defined" if math.isnan(value) else "not finite"
    advice = (
        "expected a finite value on the whole line; keep arguments of log, sqrt and / off 0, as in log(abs(x)+1e-3)"
    )
    if math.isnan(value) and "sin(" in text and "/" in text:
        advice = "expected a finite value on the whole line; for sin(u)/u write sinc(u/pi)"
    if math.isnan(value) and abs(point) > 20:
        advice = "a quotient overflows there; write it with tanh, sigmoid or softplus"
    raise FormulaError(f"formula {text!r} is {what} at x = {point:.6g}; {advice}")
