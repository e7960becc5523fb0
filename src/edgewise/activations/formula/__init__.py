"""Formulas in x: text -> checked tree -> torch, with derivatives of any order and exact facts.

`parse` is the only door for text. `tree` is what a formula is afterwards, `simplify` rewrites it into numerically
stable forms, `jets` and `evaluate` turn it into torch, `singular` finds its kinks and poles, `pieces` its closed form,
`written` its text and LaTeX, and `build` puts an activation together.
"""

from edgewise.activations.formula.build import formula_activation

__all__ = ["formula_activation"]
