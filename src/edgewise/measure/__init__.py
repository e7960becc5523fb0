"""Reading real networks: what a random network's layers hold, measured."""

from edgewise.measure.simulate import simulate
from edgewise.measure.simulation import Simulation

__all__ = ["Simulation", "simulate"]
