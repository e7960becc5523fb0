"""Theory applied to a model: reading its data flow, initialising it, giving its layers their learning rates."""

from edgewise.init.classical import delta_orthogonal_, he_, lecun_, orthogonal_, xavier_
from edgewise.init.critical import critical_
from edgewise.init.graph import ModelGraph
from edgewise.init.parameter_groups import ParameterGroups, parameter_groups
from edgewise.init.report import InitReport, LayerCheck, ParameterRecord
from edgewise.init.swap import swap_
from edgewise.init.swap_report import SwapReport
from edgewise.init.trace import trace

__all__ = [
    "InitReport",
    "LayerCheck",
    "ModelGraph",
    "ParameterGroups",
    "ParameterRecord",
    "SwapReport",
    "critical_",
    "delta_orthogonal_",
    "he_",
    "lecun_",
    "orthogonal_",
    "parameter_groups",
    "swap_",
    "trace",
    "xavier_",
]
