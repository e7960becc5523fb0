"""Activation to activation: transformations after which deep networks start at a critical point and stay near it.

Where to look:

* `entry`: `ew.tailor`; `tailored`: its results, `view`: how they print.
* `transformed`: sigma~ and its derivatives; `moments`: its Gaussian averages for many candidates at once.
* `conditions`: what DKS and TAT ask for; `landscape`: how that is solved; `leaky`: TAT for rectifiers.
* `subnetworks`: what "the whole network" means where there are branches; `survival`: which candidates last;
  `rounding`: what float32 loses.

The package itself can be called: ``ew.tailor("gelu", depth=50)``.
"""

import sys
from types import ModuleType

from edgewise.tailor.entry import tailor
from edgewise.tailor.subnetworks import Stack
from edgewise.tailor.survival import Survival
from edgewise.tailor.tailored import Candidate, Condition, Tailored, Tailoring

__all__ = ["Candidate", "Condition", "Stack", "Survival", "Tailored", "Tailoring", "tailor"]


class TailorPackage(ModuleType):
    """This package, which tailors an activation when it is called."""

    __call__ = staticmethod(tailor)


sys.modules[__name__].__class__ = TailorPackage
