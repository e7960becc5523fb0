"""edgewise: will a deep network with this activation train, how to initialise it, and what is the evidence.

The public names, imported on first use, so that ``import edgewise`` and ``edgewise --help`` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgewise import construct as construct
    from edgewise import data as data
    from edgewise import errors as errors
    from edgewise import init as init
    from edgewise import models as models
    from edgewise import nn as nn
    from edgewise import pinn as pinn
    from edgewise import studies as studies
    from edgewise import testing as testing
    from edgewise import theory as theory
    from edgewise import train as train
    from edgewise.activations import Activation as Activation
    from edgewise.activations import CallablePackage
    from edgewise.activations import activation as activation
    from edgewise.init.report import InitReport as InitReport
    from edgewise.init.swap import swap_ as swap_
    from edgewise.measure.diagnose import diagnose as diagnose
    from edgewise.measure.diagnosis import Diagnosis as Diagnosis
    from edgewise.measure.monitor import Monitor as Monitor
    from edgewise.measure.simulate import simulate as simulate
    from edgewise.tailor import TailorPackage
    from edgewise.theory.analysis import Analysis as Analysis
    from edgewise.theory.analysis import analyze as analyze
    from edgewise.theory.gain import gain as gain

    activations: CallablePackage
    tailor: TailorPackage

_HOME = {
    "Activation": ("edgewise.activations", "Activation"),
    "Analysis": ("edgewise.theory.analysis", "Analysis"),
    "Diagnosis": ("edgewise.measure.diagnosis", "Diagnosis"),
    "InitReport": ("edgewise.init.report", "InitReport"),
    "Monitor": ("edgewise.measure.monitor", "Monitor"),
    "activation": ("edgewise.activations", "activation"),
    "activations": ("edgewise.activations", None),
    "analyze": ("edgewise.theory.analysis", "analyze"),
    "construct": ("edgewise.construct", None),
    "data": ("edgewise.data", None),
    "diagnose": ("edgewise.measure.diagnose", "diagnose"),
    "errors": ("edgewise.errors", None),
    "gain": ("edgewise.theory.gain", "gain"),
    "init": ("edgewise.init", None),
    "models": ("edgewise.models", None),
    "nn": ("edgewise.nn", None),
    "pinn": ("edgewise.pinn", None),
    "simulate": ("edgewise.measure.simulate", "simulate"),
    "studies": ("edgewise.studies", None),
    "swap_": ("edgewise.init.swap", "swap_"),
    "tailor": ("edgewise.tailor", None),
    "testing": ("edgewise.testing", None),
    "theory": ("edgewise.theory", None),
    "train": ("edgewise.train", None),
}

__all__ = [
    "Activation",
    "Analysis",
    "Diagnosis",
    "InitReport",
    "Monitor",
    "activation",
    "activations",
    "analyze",
    "construct",
    "data",
    "diagnose",
    "errors",
    "gain",
    "init",
    "models",
    "nn",
    "pinn",
    "simulate",
    "studies",
    "swap_",
    "tailor",
    "testing",
    "theory",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgewise' has no attribute {name!r}")
    module, attribute = _HOME[name]
    home = importlib.import_module(module)
    found = home if attribute is None else getattr(home, attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
