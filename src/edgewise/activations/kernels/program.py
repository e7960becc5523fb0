"""An elementwise function as a straight-line program: what torch does for a formula, recorded and made explicit.

A program is a list of steps of a small language (`OPERATIONS`), which `llvm` writes as vector instructions and `cuda`
as C. Every step does what torch's operation of that name does, in the same order, so that a compiled program differs
from the plain formula by the rounding of the elementary functions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FUNCTIONS = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "erf", "erfc",
    "sin", "cos", "tan", "asin", "acos", "atan",
)  # fmt: skip
"""Elementary functions of one value."""

COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")

OPERATIONS = (
    "add", "sub", "mul", "div", "neg", "abs", "sqrt", "floor", "round", "pow", "select", "number", "and", "or", "not",
    "fma", "scale", *COMPARISONS, *FUNCTIONS,
)  # fmt: skip
"""``select(condition, a, b)``, ``number(condition)`` 0 or 1; comparisons are false at nan; round goes to even.
``fma(a, b, c)`` is a*b + c rounded once, ``scale(a, n)`` a * 2**n for a whole n: for `single` alone."""

CONDITIONS = (*COMPARISONS, "and", "or", "not")
"""The operations whose result is a condition, not a number."""


@dataclass(frozen=True)
class Slot:
    """A value of the program: input number `index`, or the result of step ``index - inputs``."""

    index: int


Operand = Slot | float


@dataclass(frozen=True)
class Step:
    operation: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Program:
    """A function of `inputs` numbers: its steps in order, and where the result is (a float: it is constant)."""

    inputs: int
    steps: tuple[Step, ...]
    result: Operand


class NotRecordable(Exception):
    """The function uses an operation outside the language, looks at values, or is not elementwise."""


def record(function: Callable[..., Tensor], inputs: int, dtype: torch.dtype) -> Program:
    """The program of ``function(*tensors)`` on tensors of `dtype`. Raises NotRecordable."""
    book = Book(inputs, dtype)
    result = function(*[Value(Slot(i), book) for i in range(inputs)])
    if not isinstance(result, Value) or result.is_condition:
        raise NotRecordable(f"the result is a {type(result).__name__}, not a number made from the input")
    return _needed(Program(inputs, tuple(book.steps), result.operand))


class Book:
    """Writes steps; the same step is written once."""

    def __init__(self, inputs: int, dtype: torch.dtype) -> None:
        self.inputs = inputs
        self.dtype = dtype
        self.steps: list[Step] = []
        self._known: dict[Step, Slot] = {}

    def __call__(self, operation: str, *operands: Operand) -> Slot:
        step = Step(operation, operands)
        if step not in self._known:
            self.steps.append(step)
            self._known[step] = Slot(self.inputs + len(self.steps) - 1)
        return self._known[step]

    def operation(self, slot: Slot) -> str:
        """The name of the step whose result this is."""
        return self.steps[slot.index - self.inputs].operation


class Value:
    """Stands in for a tensor and writes down what torch is asked to do with it.

    Not a tensor subclass: the first one of a process makes torch import all of its distributed and compiler parts.
    """

    def __init__(self, operand: Operand, book: Book) -> None:
        self.operand = operand
        self.book = book

    @property
    def is_condition(self) -> bool:
        o = self.operand
        return isinstance(o, Slot) and o.index >= self.book.inputs and self.book.operation(o) in CONDITIONS

    @property
    def dtype(self) -> torch.dtype:
        return torch.bool if self.is_condition else self.book.dtype

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Value:
        return cls._done(func.__name__.partition(".")[0], args, kwargs or {})

    @classmethod
    def _done(cls, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Value:
        rule = RULES.get(name)
        if rule is None:
            raise NotRecordable(name)
        book: Book = next(t.book for t in (*args, *options.values()) if isinstance(t, cls))
        named = {k: _operand(v) for k, v in options.items() if k != "inplace" or v}
        try:
            return cls(rule(book, *map(_operand, args), **named), book)
        except TypeError as error:  # arguments that the rule does not know
            raise NotRecordable(f"{name}: {error}") from None

    def __getattr__(self, name: str) -> Callable[..., Value]:
        if name not in RULES:
            raise NotRecordable(f"Tensor.{name}")
        return lambda *args, **options: Value._done(name, (self, *args), options)

    def __bool__(self) -> bool:
        raise NotRecordable("a decision by value")

    def __hash__(self) -> int:
        return id(self)


def _operator(name: str, *, reflected: bool = False) -> Callable[..., Value]:
    def method(self: Value, *others: Any) -> Value:
        return Value._done(name, (*others, self) if reflected else (self, *others), {})

    return method


for _symbol, _name in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}.items():
    setattr(Value, f"__{_symbol}__", _operator(_name))
    setattr(Value, f"__r{_symbol}__", _operator(_name, reflected=True))
for _symbol in COMPARISONS:
    setattr(Value, f"__{_symbol}__", _operator(_symbol))
for _symbol, _name in {"and": "and", "or": "or", "invert": "not", "neg": "neg", "abs": "abs"}.items():
    setattr(Value, f"__{_symbol}__", _operator(_name))


def _operand(given: Any) -> Any:
    """The operand that an argument is."""
    if isinstance(given, Value):
        return given.operand
    if isinstance(given, Tensor):
        raise NotRecordable("a tensor from outside the function")
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else given


def rewritten(program: Program, rules: Mapping[str, Rule], dtype: torch.dtype) -> Program:
    """The program with the operations named in `rules` replaced by what the rules write."""
    book = Book(program.inputs, dtype)
    places: list[Operand] = [Slot(i) for i in range(program.inputs)]

    def placed(operand: Operand) -> Operand:
        return places[operand.index] if isinstance(operand, Slot) else operand

    for step in program.steps:
        operands = [placed(o) for o in step.operands]
        rule = rules.get(step.operation)
        places.append(book(step.operation, *operands) if rule is None else rule(book, *operands))
    return _needed(Program(program.inputs, tuple(book.steps), placed(program.result)))


def _needed(program: Program) -> Program:
    """The program without the steps that do not reach its result."""
    wanted: set[int] = set()

    def want(operand: Operand) -> None:
        if isinstance(operand, Slot):
            wanted.add(operand.index)

    want(program.result)
    for i in reversed(range(len(program.steps))):
        if program.inputs + i in wanted:
            for operand in program.steps[i].operands:
                want(operand)
    places = {i: i for i in range(program.inputs)}
    steps: list[Step] = []

    def moved(operand: Operand) -> Operand:
        return Slot(places[operand.index]) if isinstance(operand, Slot) else operand

    for i, step in enumerate(program.steps):
        if program.inputs + i in wanted:
            places[program.inputs + i] = program.inputs + len(steps)
            steps.append(Step(step.operation, tuple(map(moved, step.operands))))
    return Program(program.inputs, tuple(steps), moved(program.result))


# --- what torch's operations are, in the language above

_INFINITY = float("inf")
_LOG_2 = 0.6931471805599453
_SQUARED = 16  # whole powers up to this one are products

Rule = Callable[..., Operand]


def _sum(sign: str) -> Rule:
    def rule(book: Book, a: Operand, b: Operand, alpha: float = 1.0) -> Operand:
        return book(sign, a, b if alpha == 1 else book("mul", b, alpha))

    return rule


def _same(name: str) -> Rule:
    return lambda book, *operands: book(name, *operands)


def _pow(book: Book, base: Operand, exponent: Operand) -> Operand:
    """Whole powers by squaring, as torch does up to the third; the others by the library."""
    if not isinstance(exponent, float):
        raise NotRecordable("an exponent that varies")
    size = abs(exponent)
    if size == 0.5:
        power: Operand = book("sqrt", base)
    elif size == int(size) and 1 <= size <= _SQUARED:
        power = _whole_power(book, base, int(size))
    else:
        return book("pow", base, exponent)
    return power if exponent > 0 else book("div", 1.0, power)


def _whole_power(book: Book, base: Operand, n: int) -> Operand:
    if n == 1:
        return base
    half = _whole_power(book, base, n // 2)
    square = book("mul", half, half)
    return book("mul", square, base) if n % 2 else square


def _asinh(book: Book, x: Operand) -> Operand:
    """By its logarithm: Sleef's overflows far out. asinh a = log1p(a + a**2/(1 + sqrt(1 + a**2))), a = |x|."""
    a = book("abs", x)
    far = book("gt", a, 1e9)
    near = book("select", far, 1.0, a)
    square = book("mul", near, near)
    bend = book("div", square, book("add", book("sqrt", book("add", square, 1.0)), 1.0))
    close = book("log1p", book("add", near, bend))
    size = book("select", far, book("add", book("log", a), _LOG_2), close)
    return book("select", book("lt", x, 0.0), book("neg", size), book("select", book("gt", x, 0.0), size, x))


def _extreme(comparison: str) -> Rule:
    def rule(book: Book, a: Operand, b: Operand) -> Operand:
        return book("select", book("or", book(comparison, a, b), book("ne", a, a)), a, b)

    return rule


def _clamp(book: Book, x: Operand, min: Operand | None = None, max: Operand | None = None) -> Operand:
    """nan stays nan: every comparison with it is false."""
    if min is not None:
        x = book("select", book("lt", x, min), min, x)
    return x if max is None else book("select", book("gt", x, max), max, x)


def _relu(book: Book, x: Operand) -> Operand:
    return book("select", book("le", x, 0.0), 0.0, x)


def _where(book: Book, condition: Operand, a: Operand, b: Operand) -> Operand:
    if condition == book("ge", a, 0.0) and b == book("neg", a):  # how `elementary.distance` has to say it
        return book("abs", a)
    return book("select", condition, a, b)


def _copied(book: Book, x: Operand) -> Operand:
    return x


def _converted(book: Book, x: Operand, dtype: torch.dtype | None = None) -> Operand:
    """x in another type, which here can only be the type of the program."""
    if dtype not in (None, book.dtype):
        raise NotRecordable(f"a conversion to {dtype}")
    if isinstance(x, Slot) and x.index >= book.inputs and book.operation(x) in CONDITIONS:
        return book("number", x)
    return x


def _elu(book: Book, x: Operand, alpha: float = 1.0) -> Operand:
    return book("select", book("le", x, 0.0), book("mul", book("expm1", x), alpha), x)


def _elu_backward(
    book: Book, grad: Operand, alpha: float, scale: float, input_scale: float, is_result: bool, x: Operand
) -> Operand:
    if is_result:
        raise NotRecordable("elu_backward of a result")
    steep = book("mul", book("mul", grad, input_scale * alpha * scale), book("exp", book("mul", x, input_scale)))
    return book("select", book("le", x, 0.0), steep, book("mul", grad, scale))


def _softplus(book: Book, x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Operand:
    z = book("mul", x, beta)
    return book("select", book("gt", z, threshold), x, book("div", book("log1p", book("exp", z)), beta))


def _softplus_backward(book: Book, grad: Operand, x: Operand, beta: float, threshold: float) -> Operand:
    z = book("mul", x, beta)
    e = book("exp", z)
    steep = book("div", book("mul", grad, e), book("add", e, 1.0))
    return book("select", book("gt", z, threshold), grad, steep)


def _leaky(book: Book, x: Operand, negative_slope: float = 0.01) -> Operand:
    return book("select", book("gt", x, 0.0), x, book("mul", x, negative_slope))


def _leaky_backward(book: Book, grad: Operand, x: Operand, slope: float, is_result: bool) -> Operand:
    return book("select", book("gt", x, 0.0), grad, book("mul", grad, slope))


def _hardtanh_backward(book: Book, grad: Operand, x: Operand, low: float, high: float) -> Operand:
    outside = book("or", book("le", x, low), book("ge", x, high))
    return book("select", outside, 0.0, grad)


def _hardswish_backward(book: Book, grad: Operand, x: Operand) -> Operand:
    middle = book("mul", grad, book("add", book("div", x, 3.0), 0.5))
    return book("select", book("le", x, -3.0), 0.0, book("select", book("lt", x, 3.0), middle, grad))


def _threshold_backward(book: Book, grad: Operand, x: Operand, threshold: float) -> Operand:
    return book("select", book("le", x, threshold), 0.0, grad)


def _constant(value: float) -> Rule:
    return lambda book, x: value


RULES: dict[str, Rule] = {
    "asinh": _asinh,
    **{name: _same(name) for name in ("mul", "div", "neg", "abs", "sqrt", "floor", "round", *FUNCTIONS)},
    **{name: _same(name) for name in COMPARISONS},
    "add": _sum("add"),
    "sub": _sum("sub"),
    "rsub": lambda book, a, b, alpha=1.0: _sum("sub")(book, b, a, alpha),
    "pow": _pow,
    "square": lambda book, x: book("mul", x, x),
    "reciprocal": lambda book, x: book("div", 1.0, x),
    "rsqrt": lambda book, x: book("div", 1.0, book("sqrt", x)),
    "sign": lambda book, x: book("sub", book("number", book("gt", x, 0.0)), book("number", book("lt", x, 0.0))),
    "sigmoid": lambda book, x: book("div", 1.0, book("add", 1.0, book("exp", book("neg", x)))),
    "isnan": lambda book, x: book("ne", x, x),
    "isinf": lambda book, x: book("eq", book("abs", x), _INFINITY),
    "isfinite": lambda book, x: book("lt", book("abs", x), _INFINITY),
    **{name: _same(name) for name in ("and", "or", "not")},
    **{f"{kind}_{name}": _same(name) for kind in ("bitwise", "logical") for name in ("and", "or", "not")},
    "where": _where,
    "clamp": _clamp,
    "clamp_min": lambda book, x, min: _clamp(book, x, min),
    "clamp_max": lambda book, x, max: _clamp(book, x, None, max),
    "maximum": _extreme("gt"),
    "minimum": _extreme("lt"),
    "hardtanh": lambda book, x, min_val=-1.0, max_val=1.0: _clamp(book, x, min_val, max_val),
    "relu6": lambda book, x: _clamp(book, x, 0.0, 6.0),
    "hardtanh_backward": _hardtanh_backward,
    "relu": _relu,
    "threshold_backward": _threshold_backward,
    "leaky_relu": _leaky,
    "leaky_relu_backward": _leaky_backward,
    "elu": _elu,
    "elu_backward": _elu_backward,
    "softplus": _softplus,
    "softplus_backward": _softplus_backward,
    "hardswish_backward": _hardswish_backward,
    "clone": _copied,
    "to": _converted,
    "float": lambda book, x: _converted(book, x, torch.float32),
    "double": lambda book, x: _converted(book, x, torch.float64),
    "full_like": lambda book, x, fill_value: fill_value,
    "zeros_like": _constant(0.0),
    "ones_like": _constant(1.0),
}  # fmt: skip
"""torch's operations by name, each as steps of a program."""
