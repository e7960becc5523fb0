"""Reading real networks: what the layers of a random network hold, and what is wrong with a given model."""

from edgewise.measure.diagnose import diagnose
from edgewise.measure.diagnosis import Advice, Diagnosis, Finding, LayerDiagnosis
from edgewise.measure.monitor import Monitor
from edgewise.measure.simulate import simulate
from edgewise.measure.simulation import Simulation

__all__ = ["Advice", "Diagnosis", "Finding", "LayerDiagnosis", "Monitor", "Simulation", "diagnose", "simulate"]
