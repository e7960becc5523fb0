"""Theory applied to a model: reading its data flow, initialising it, giving its layers their learning rates."""

from edgewise.init.critical import critical_
from edgewise.init.graph import ModelGraph
from edgewise.init.report import InitReport, LayerCheck, ParameterRecord
from edgewise.init.trace import trace

__all__ = ["InitReport", "LayerCheck", "ModelGraph", "ParameterRecord", "critical_", "trace"]
