"""Theory applied to a model: reading its data flow, initialising it, giving its layers their learning rates."""

from edgewise.init.report import InitReport, LayerCheck, ParameterRecord

__all__ = ["InitReport", "LayerCheck", "ParameterRecord"]
