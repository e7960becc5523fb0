"""What an activation is: its derivatives in closed form, its parameters, its facts.

`Definition` describes a family with free parameters ("mrepu, for any p"); `Activation` is one member of it ("mrepu at
p=2"), the object that everything else in edgewise takes. How it is differentiated by torch is in `differentiable`;
where the families live and how they are found by name is in `registry`; how a formula or a callable becomes one is in
`spec`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from edgewise.activations import differentiable
from edgewise.activations.pieces import BandLimited, Pieces
from edgewise.errors import DomainError, SpecError

if TYPE_CHECKING:
    from torch import nn

Parity = Literal["even", "odd"]
Elementwise = Callable[..., Tensor]
"""``f(x, **parameters) -> Tensor`` of x's shape; parameters may be floats or broadcastable tensors."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family.

    low, high: its bounds (`open_low`/`open_high`: excluded). integer: whether it must be a whole number.
    trainable: whether ``Activation.module()`` learns it unless told otherwise; learnable: whether it can be learned.
    derived: where the default follows from the other parameters, ``derived(**others)`` (floats or tensors); `default`
        is then its value at their defaults.
    """

    name: str
    default: float
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    integer: bool = False
    trainable: bool = False
    learnable: bool = True
    derived: Callable[..., Any] | None = None
    doc: str = ""

    def default_given(self, others: Mapping[str, Any]) -> Any:
        """The default when the other parameters are `others`."""
        if self.derived is None:
            return self.default
        return self.derived(**{name: value for name, value in others.items() if name != self.name})

    def checked(self, owner: str, value: object) -> float:
        """`value` as a float. Raises SpecError when it is not a real number in the stated range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpecError(
                f"{owner}: parameter {self.name}={value!r} is not a number; try {self.name}={self.default:g}"
            )
        number = float(value)
        below = number <= self.low if self.open_low else number < self.low
        above = number >= self.high if self.open_high else number > self.high
        if not math.isfinite(number) or below or above:
            left = "(" if self.open_low or self.low == -math.inf else "["
            right = ")" if self.open_high or self.high == math.inf else "]"
            raise SpecError(
                f"{owner}: parameter {self.name}={number:g} is outside {left}{self.low:g}, {self.high:g}{right}; "
                f"try {self.name}={self.default:g}"
            )
        if self.integer and number != round(number):
            raise SpecError(
                f"{owner}: parameter {self.name}={number:g} is not a whole number; try {self.name}={round(number)}"
            )
        return number


@dataclass(frozen=True)
class Facts:
    """What is known about one member of a family.

    formula: LaTeX, right-hand side in x.
    limits: values at x -> -inf and x -> +inf (nan where there is none, as for sin).
    kinks: points where some derivative of order <= 2 jumps, or where the closed form changes piece; ascending.
    parity: "even", "odd" or None.
    homogeneity: d if sigma(c x) = c**d sigma(x) for every c > 0, else None.
    smoothness: k if the function is C^k but not C^(k+1) (-1: it jumps), math.inf if smooth.
    pieces: the function as piecewise trigonometric polynomial, where it is one.
    bandlimited: the function as sin(w x)/(w x) plus a polynomial, where it is one (sinc).
    operating_point: (K, C_W, C_b) that it was made for (`ew.tailor`), else None.
    """

    formula: str
    limits: tuple[float, float]
    kinks: tuple[float, ...] = ()
    parity: Parity | None = None
    homogeneity: float | None = None
    smoothness: float = math.inf
    pieces: Pieces | None = None
    bandlimited: BandLimited | None = None
    operating_point: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Definition:
    """A family of activations.

    derivatives: closed forms of sigma, sigma', sigma'' (and higher ones where known), each ``f(x, **parameters)``;
        missing orders come from automatic differentiation of the last one. At a kink sigma' takes PyTorch's value.
    facts: ``facts(**parameters) -> Facts``, parameters as floats.
    source: where the formula comes from (paper, equation).
    backward: ``backward(grad, x, **parameters)``, grad * sigma' in one operation of torch, where torch has one with the
        same values (at nan any); what back-propagation runs unless it is itself differentiated.
    backward_of_value: ``backward_of_value(grad, sigma(x), **parameters)``, grad * sigma' where the value tells it (at
        nan any), at least with torch's own accuracy; for callers that hold the value.
    value_suffices: ``value_suffices(dtype, **parameters)``, whether it does so as accurately as x would; then it is the
        value that is saved for back-propagation. Never unless given.
    native: whether the first closed form is a function of torch's that leaves nothing to improve, in no dtype and no
        transform; it is then called as it is.
    surrogate: the slope that back-propagation uses where that is *not* sigma' by design (HeLU's straight-through rule).
    made_from: what `ew.activation` was given (spec, kinks, name) where that is a formula or a callable, not a name.
    remake: builds it again where something else made it (`rescu`); what pickle keeps.
    opaque: whether a function of the user's is inside, which might change between calls: then nothing is compiled.
    """

    name: str
    derivatives: tuple[Elementwise, ...]
    facts: Callable[..., Facts]
    source: str
    parameters: tuple[Parameter, ...] = ()
    backward: Elementwise | None = None
    backward_of_value: Elementwise | None = None
    value_suffices: Callable[..., bool] | None = None
    native: bool = False
    surrogate: Elementwise | None = None
    summary: str = ""
    made_from: tuple[Any, tuple[float, ...] | None, str | None] | None = None
    remake: partial[Activation] | None = None
    opaque: bool = False

    def bind(self, **values: object) -> Activation:
        """The member of the family at these values. Raises SpecError on unknown names or values out of range."""
        known = {p.name: p for p in self.parameters}
        for name in values:
            if name not in known:
                takes = ", ".join(known) or "no parameters"
                raise SpecError(f"{self.name} has no parameter {name!r}; it takes {takes}")
        given = {name: p.checked(self.name, values[name]) for name, p in known.items() if name in values}
        plain = {name: given.get(name, p.default) for name, p in known.items() if name in given or p.derived is None}
        return Activation(
            self, {name: plain[name] if name in plain else p.default_given(plain) for name, p in known.items()}
        )


@dataclass(frozen=True, eq=False, repr=False)
class Activation:
    """An elementwise function with its derivatives and its facts.

    Calling it evaluates sigma on a tensor of any shape, dtype and device, differentiably to any order: sigma' and
    sigma'' by their closed forms. Two activations are equal when family and parameters are, or when both were made from
    the same formula, function or kernel.
    """

    definition: Definition
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", self.definition.facts(**self.parameters))

    facts: Facts = field(init=False)

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def spec(self) -> str:
        """The text that makes this activation again: ``ew.activation(a.spec) == a`` for names and formulas.

        The first parameter is always shown, the others where they differ from their default. A callable has no such
        text and shows its name.
        """
        if self.definition.made_from is not None:
            given = self.definition.made_from[0]
            return given if isinstance(given, str) else self.name
        shown = [
            f"{p.name}={value:g}" if float(f"{value:g}") == value else f"{p.name}={value!r}"
            for i, p in enumerate(self.definition.parameters)
            if (value := self.parameters[p.name]) != p.default_given(self.parameters) or i == 0
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    @property
    def formula(self) -> str:
        """LaTeX of sigma(x)."""
        return self.facts.formula

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.facts.kinks

    @property
    def parity(self) -> Parity | None:
        return self.facts.parity

    @property
    def homogeneity(self) -> float | None:
        return self.facts.homogeneity

    @property
    def smoothness(self) -> float:
        return self.facts.smoothness

    @property
    def limits(self) -> tuple[float, float]:
        return self.facts.limits

    @property
    def pieces(self) -> Pieces | None:
        return self.facts.pieces

    def __call__(self, x: Tensor) -> Tensor:
        """sigma(x), elementwise, differentiable."""
        return differentiable.evaluate(self, x, 0)

    def derivative(self, x: Tensor, order: int = 1) -> Tensor:
        """The derivative of the given order at x (order 0 is sigma itself), elementwise and differentiable.

        For an activation with a surrogate gradient this is still the derivative of the forward map.
        Raises DomainError when the order is not a non-negative integer.
        """
        if isinstance(order, bool) or not isinstance(order, int) or order < 0:
            raise DomainError(f"derivative order {order!r} given, expected an integer >= 0; try order=1")
        return differentiable.evaluate(self, x, order)

    def module(self, *, trainable: bool | Collection[str] | None = None, num_parameters: int = 1) -> nn.Module:
        """This activation as an ``nn.Module``.

        trainable: which parameters are learned; None takes the family's own choice (prelu learns its slope, swish does
        not learn beta), True all of them, False none, or a collection of names. num_parameters: how many values of each
        learned one, 1 or the number of channels. Raises SpecError for several where nothing is learned.
        """
        from edgewise.activations.modules import module_of

        return module_of(self, trainable=trainable, num_parameters=num_parameters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        if self.definition.made_from is not None:
            return self.definition.made_from == other.definition.made_from
        mine, others = self.definition.remake, other.definition.remake
        if mine is not None and others is not None:
            return (mine.func, mine.args, mine.keywords) == (others.func, others.args, others.keywords)
        return self.definition is other.definition and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash((self.definition.name, tuple(self.parameters.items())))

    def __repr__(self) -> str:
        return f"activation({self.spec!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.definition.remake is not None:
            return self.definition.remake, ()
        from edgewise.activations.spec import remade

        return remade, self.definition.made_from or (self.spec, None, None)
