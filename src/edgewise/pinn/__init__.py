"""Physics-informed networks: equations with their solutions, derivatives of networks, and training on both."""

from edgewise.pinn.boundary import Condition
from edgewise.pinn.hard import Hard
from edgewise.pinn.jets import derivatives, layers_of
from edgewise.pinn.module import SolutionModule, load
from edgewise.pinn.problems import Equation, problem, problems
from edgewise.pinn.reference import Reference
from edgewise.pinn.settings import Settings
from edgewise.pinn.solution import History, Solution
from edgewise.pinn.solve import Now, solve

__all__ = [
    "Condition",
    "Equation",
    "Hard",
    "History",
    "Now",
    "Reference",
    "Settings",
    "Solution",
    "SolutionModule",
    "derivatives",
    "layers_of",
    "load",
    "problem",
    "problems",
    "solve",
]
