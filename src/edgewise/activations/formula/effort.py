"""How much work understanding a formula may take: hostile text is refused early, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.errors import FormulaError

MOST = 5e8
"""In nanoseconds of one core of 2024: about half a second. Ordinary formulas take a hundredth of it."""

_CALL, _ELEMENT = 2500.0, 1.5
"""What adding two tensors costs: the call, and each element."""


@dataclass
class Effort:
    """What is left to spend on the formula of this text."""

    text: str
    left: float = MOST

    def spend(self, weight: float, elements: int) -> None:
        """Takes off the cost of `weight` additions of tensors. Raises FormulaError when nothing is left."""
        self.left -= weight * (_CALL + _ELEMENT * elements)
        if self.left < 0:
            raise FormulaError(
                f"formula {self.text!r} takes too much work to find its kinks; "
                "try a shorter one, or a Python function of a tensor with its kinks="
            )
