"""What sigma is: families of activations, the registry, formulas and callables.

Families are imported for their registrations; a new family is one more file and one more name in that import. The
package itself can be called: ``ew.activations()`` lists the registered names.
"""

import sys
from types import ModuleType

from edgewise.activations import gates as gates
from edgewise.activations import oscillating as oscillating
from edgewise.activations import power_units as power_units
from edgewise.activations import rectifiers as rectifiers
from edgewise.activations import saturating as saturating
from edgewise.activations import searched as searched
from edgewise.activations import shrinkage as shrinkage
from edgewise.activations import smooth_rectifiers as smooth_rectifiers
from edgewise.activations.activation import Activation, Definition, Facts, Parameter
from edgewise.activations.registry import names, register
from edgewise.activations.rescu import rescu, rescu_from_slope
from edgewise.activations.spec import activation

__all__ = [
    "Activation",
    "Definition",
    "Facts",
    "Parameter",
    "activation",
    "names",
    "register",
    "rescu",
    "rescu_from_slope",
]


class _CallablePackage(ModuleType):
    def __call__(self) -> list[str]:
        return names()


sys.modules[__name__].__class__ = _CallablePackage
