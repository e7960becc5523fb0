"""What sigma is: families of activations, the registry, formulas and callables.

Where to look:

* `definition`, `pieces`: what an activation is; `differentiable`, `forward_mode`: how torch differentiates it;
  `kernels/`: the same in compiled code, for larger tensors.
* `rectifiers`, `power_units`, `gates`, `saturating`, `smooth_rectifiers`, `smoothed`, `oscillating`, `searched` and
  `shrinkage`: the families by name, built from `elementary` (and `antiderivatives`, `latex`), kept in `registry`.
* `spec`: `ew.activation`; `formula/`: text; `callables`, with `differentiation`, `scanning`, `torch_names`: any
  function or module; `kinks`, `seen`: what both find out about a function from its values.
* `modules`, `plain_modules`, `parametric_modules`: the classes of `ew.nn`.

To add an activation: a `Definition` in the file of its family (a new family is one more file and one more name in the
import below), its class in `plain_modules` or `parametric_modules` and in `nn`, its mpmath reference in
`edgewise.testing.references`. The conformance tests then find it by themselves.

The package itself can be called: ``ew.activations()`` lists the registered names.
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
from edgewise.activations.definition import Activation, Definition, Facts, Parameter
from edgewise.activations.registry import names, register
from edgewise.activations.smoothed import rescu, rescu_from_slope
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


class CallablePackage(ModuleType):
    """This package, which lists the registered names when it is called."""

    def __call__(self) -> list[str]:
        return names()


sys.modules[__name__].__class__ = CallablePackage
