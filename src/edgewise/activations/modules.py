"""Activations as PyTorch modules: the base of every class in `edgewise.nn`, and `module_of`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from edgewise.activations.definition import Activation
from edgewise.activations.registry import is_registered
from edgewise.activations.spec import activation
from edgewise.errors import DomainError, SpecError

Trainable = bool | Collection[str] | None
Device = torch.device | str | int | None
Dtype = torch.dtype | None

_HALF = (torch.float16, torch.bfloat16)


class Elementwise(nn.Module):
    """Applies an activation: a registered name with arguments, a formula, a callable, or an `Activation`.

    spec: what `ew.activation` takes.
    trainable: which of its parameters are learned: None the family's own choice (only prelu learns), True all that can
        be, False none, or their names. A learned parameter is an ``nn.Parameter`` of that name, in x's units, without
        any constraint: keep p >= 1, beta > 0 and the like by your choice of learning rate, or clamp after a step.
        The others are plain numbers, read-only, and the module then runs the closed forms.
    num_parameters: 1, or the number of channels: one learned value for each entry of dimension 1 of the input.
    Raises SpecError for what makes no activation, and for names in `trainable` that it does not have.
    """

    _family: ClassVar[str | None] = None
    _of: ClassVar[dict[str, Callable[..., Elementwise]]] = {}

    def __init_subclass__(cls, *, family: str, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._family = family
        cls._of[family] = cls

    def __init__(
        self,
        spec: object,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        super().__init__()
        initial = activation(spec)
        if isinstance(num_parameters, bool) or not isinstance(num_parameters, int) or num_parameters < 1:
            raise SpecError(f"{initial.name}: num_parameters={num_parameters!r} given, expected an integer >= 1")
        learned = _learned(initial, trainable)
        if num_parameters > 1 and not learned:
            raise SpecError(f"{initial.name}: num_parameters={num_parameters} given, but no parameter is learned")
        self._initial = initial
        self._learned = learned
        self._following = _following(initial, learned)
        self.num_parameters = num_parameters
        self.__dict__.update({n: v for n, v in initial.parameters.items() if n not in learned})
        for name in learned:
            self.register_parameter(name, nn.Parameter(torch.empty(num_parameters, device=device, dtype=dtype)))
        self.reset_parameters()

    def __setattr__(self, name: str, value: Any) -> None:
        initial = self.__dict__.get("_initial")
        if initial is not None and name in initial.parameters and name not in self._learned:
            raise AttributeError(
                f"{name} of {type(self).__name__} is fixed; make a new module, or learn it: trainable=True"
            )
        super().__setattr__(name, value)

    def reset_parameters(self) -> None:
        """Sets the learned parameters to their initial values."""
        for name in self._learned:
            nn.init.constant_(getattr(self, name), self._initial.parameters[name])

    def forward(self, x: Tensor) -> Tensor:
        """sigma(x), elementwise; x of any shape, with its channels in dimension 1 if `num_parameters` > 1.

        Raises DomainError when x is not floating-point or its channels are not `num_parameters`.
        """
        if not self._learned:
            return self._initial(x)
        if not x.is_floating_point():
            raise DomainError(f"{self._initial.name} was given a tensor of {x.dtype}, expected floating point")
        compute = torch.float32 if x.dtype in _HALF else x.dtype
        shape = self._broadcast_shape(x)
        values: dict[str, Any] = dict(self._initial.parameters)
        for name in self._learned:
            values[name] = getattr(self, name).to(compute).reshape(shape)
        for parameter in self._initial.definition.parameters:
            if parameter.name in self._following:
                values[parameter.name] = parameter.default_given(values)
        return self._initial.definition.derivatives[0](x.to(compute), **values).to(x.dtype)

    def _broadcast_shape(self, x: Tensor) -> tuple[int, ...]:
        if self.num_parameters == 1:
            return ()
        if x.ndim < 2 or x.shape[1] != self.num_parameters:
            raise DomainError(
                f"{self._initial.name} has {self.num_parameters} channels, was given shape {tuple(x.shape)}; "
                "expected the channels in dimension 1"
            )
        return (1, self.num_parameters) + (1,) * (x.ndim - 2)

    @property
    def activation(self) -> Activation:
        """The activation at the current parameter values; with several channels, `activations` has one for each.

        Raises DomainError when there are several channels, SpecError when a learned value has left the family's range.
        """
        if self.num_parameters > 1:
            raise DomainError(
                f"{type(self).__name__} has {self.num_parameters} channels with a value each; try .activations[0]"
            )
        return self.activations[0]

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activation of every channel at the current parameter values."""
        if not self._learned:
            return (self._initial,)
        channels = zip(*(getattr(self, name).detach().double().tolist() for name in self._learned), strict=True)
        fixed = {n: v for n, v in self._initial.parameters.items() if n not in (*self._learned, *self._following)}
        definition = self._initial.definition
        return tuple(definition.bind(**fixed, **dict(zip(self._learned, values, strict=True))) for values in channels)

    def extra_repr(self) -> str:
        if self._family is None:
            shown = [repr(self._initial.spec)]
        else:
            shown = [f"{name}={value:g}" for name, value in self._initial.parameters.items()]
        if self.num_parameters > 1:
            shown.append(f"num_parameters={self.num_parameters}")
        if self._learned:
            shown.append(f"trainable={self._learned}")
        return ", ".join(shown)


def module_of(given: Activation, *, trainable: Trainable = None, num_parameters: int = 1) -> Elementwise:
    """`given` as a module: of its own class in `edgewise.nn` when it is registered, else an `Elementwise`."""
    import edgewise.nn  # noqa: F401  (its import defines the classes)

    cls = Elementwise._of.get(given.name) if is_registered(given.definition) else None
    if cls is None or (num_parameters != 1 and not _learned(given, trainable)):  # the latter says what is wrong
        return Elementwise(given, trainable=trainable, num_parameters=num_parameters)
    if not given.parameters:
        return cls()
    several: dict[str, Any] = {} if num_parameters == 1 else {"num_parameters": num_parameters}
    return cls(**given.parameters, trainable=trainable, **several)


def _learned(initial: Activation, trainable: Trainable) -> tuple[str, ...]:
    parameters = initial.definition.parameters
    if trainable is None:
        return tuple(p.name for p in parameters if p.trainable)
    if isinstance(trainable, bool):
        return tuple(p.name for p in parameters if trainable and p.learnable)
    chosen = (trainable,) if isinstance(trainable, str) else tuple(trainable)
    possible = [p.name for p in parameters if p.learnable]
    for name in chosen:
        if name not in possible:
            can = ", ".join(possible) or "no parameter"
            raise SpecError(f"{initial.name} cannot learn {name!r}; it can learn {can}")
    return tuple(name for name in possible if name in chosen)


def _following(initial: Activation, learned: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters that keep following the others (gsmelu's t) because they have their derived default."""
    return tuple(
        p.name
        for p in initial.definition.parameters
        if p.derived is not None
        and p.name not in learned
        and initial.parameters[p.name] == p.default_given(initial.parameters)
    )
