"""`ew.activation`: anything a user may call an activation, made into an `Activation`."""

from __future__ import annotations

from edgewise.activations.activation import Activation
from edgewise.activations.registry import registered
from edgewise.errors import SpecError


def activation(spec: object, **options: object) -> Activation:
    """An Activation from a registered name with arguments ("mrepu(p=2)"), a formula in x ("x*sigmoid(1.5*x)"), an elementwise
    callable on tensors, an ``nn.Module``, or an Activation (returned as it is).

    Raises SpecError (FormulaError, NotElementwiseError) saying what was wrong and what to try.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        name, _, rest = spec.partition("(")
        arguments = dict(item.split("=") for item in rest.rstrip(")").split(",") if item)
        return registered(name.strip(), **{k.strip(): float(v) for k, v in arguments.items()})
    raise SpecError(f"cannot make an activation from {type(spec).__name__}")
