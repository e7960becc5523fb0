"""The equations: each with its residual, its conditions, a transform that makes them exact, and its solution."""

from edgewise.pinn.problems.equation import Equation
from edgewise.pinn.problems.registry import problem, problems

__all__ = ["Equation", "problem", "problems"]
