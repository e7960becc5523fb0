"""Reads the pickles that hold plain values and numpy arrays of numbers, and runs nothing.

A pickle is a program: unpickling one that somebody hands over can do anything. This reader interprets the instructions
itself. It knows dictionaries, lists, tuples, strings, numbers and the calls that numpy writes for an array; these it
recognises by name and turns into an `Array` without calling them. Every other instruction or name ends the reading.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class UnreadablePickle(ValueError):
    """The bytes are no pickle, a damaged one, or one that holds more than plain values and arrays."""


@dataclass
class Array:
    """A numpy array as it was written: kind as "u1" or "f8", with the order of its bytes taken out."""

    shape: tuple[int, ...]
    kind: str
    content: bytes | bytearray
    fortran: bool = False

    def tensor(self) -> Tensor:
        """The array, where it is of unsigned bytes. Raises UnreadablePickle for another kind."""
        if self.kind != "u1":
            raise UnreadablePickle(f"it holds an array of kind {self.kind!r}, expected unsigned bytes")
        flat = torch.frombuffer(bytearray(self.content), dtype=torch.uint8)
        if self.fortran:
            return flat.view(self.shape[::-1]).permute(*reversed(range(len(self.shape)))).contiguous()
        return flat.view(self.shape)


@dataclass(frozen=True)
class _Name:
    """A name the pickle refers to; it is compared with the few below and never looked up."""

    dotted: str


@dataclass
class _Kind:
    """A numpy dtype being built."""

    code: str


_RECONSTRUCT = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
_FROM_BUFFER = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
_KNOWN = _RECONSTRUCT | _FROM_BUFFER | {"numpy.ndarray", "numpy.dtype", "_codecs.encode"}
_MARK = object()
_VALUES = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "MARK": lambda: _MARK,
}  # fmt: skip


def plain_pickle(content: bytes) -> Any:
    """The value: dictionaries, lists, tuples, strings, bytes, numbers, None and `Array`.

    Strings of Python 2 come as str. Raises UnreadablePickle for everything else.
    """
    reader = _Reader()
    try:
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name == "STOP":
                return reader.result()
            reader.follow(instruction.name, argument)
    except UnreadablePickle:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, AttributeError) as error:
        raise UnreadablePickle(f"damaged or no pickle ({error})") from error
    raise UnreadablePickle("it ends before its value is complete")


class _Reader:
    """The stack and the memory of a pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def result(self) -> Any:
        (value,) = self._stack
        if isinstance(value, (_Name, _Kind)) or value is _MARK:
            raise UnreadablePickle("its value is not plain")
        return value

    def follow(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in {"PROTO", "FRAME"}:
            return
        elif name in {"BINPUT", "LONG_BINPUT", "PUT"}:
            self._memory[int(argument)] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = self._stack[-1]
        elif name in {"BINGET", "LONG_BINGET", "GET"}:
            self._stack.append(self._memory[int(argument)])
        elif name in {"TUPLE1", "TUPLE2", "TUPLE3"}:
            self._stack.append(tuple(self._pop(int(name[-1]))))
        elif name == "TUPLE":
            self._stack.append(tuple(self._since_mark()))
        elif name == "LIST":
            self._stack.append(self._since_mark())
        elif name == "DICT":
            self._set({}, self._since_mark(), fresh=True)
        elif name in {"APPEND", "APPENDS"}:
            values = self._pop(1) if name == "APPEND" else self._since_mark()
            _is(self._stack[-1], list).extend(values)
        elif name in {"SETITEM", "SETITEMS"}:
            pairs = self._pop(2) if name == "SETITEM" else self._since_mark()
            self._set(_is(self._stack[-1], dict), pairs)
        elif name == "GLOBAL":
            self._stack.append(_known(".".join(_is(argument, str).split(" ", 1))))
        elif name == "STACK_GLOBAL":
            self._stack.append(_known(".".join(_is(part, str) for part in self._pop(2))))
        elif name == "REDUCE":
            called, arguments = self._pop(2)
            self._stack.append(_called(_is(called, _Name).dotted, _is(arguments, tuple)))
        elif name == "BUILD":
            (state,) = self._pop(1)
            _build(self._stack[-1], _is(state, tuple))
        else:
            raise UnreadablePickle(f"it holds the instruction {name}, which plain values and arrays do not need")

    def _pop(self, count: int) -> list[Any]:
        values = self._stack[-count:]
        if len(values) < count or any(value is _MARK for value in values):
            raise UnreadablePickle("damaged: a value is missing")
        del self._stack[-count:]
        return values

    def _since_mark(self) -> list[Any]:
        for at in range(len(self._stack) - 1, -1, -1):
            if self._stack[at] is _MARK:
                values = self._stack[at + 1 :]
                del self._stack[at:]
                return values
        raise UnreadablePickle("damaged: a mark is missing")

    def _set(self, target: dict[Any, Any], pairs: list[Any], *, fresh: bool = False) -> None:
        if len(pairs) % 2:
            raise UnreadablePickle("damaged: a key without a value")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, (str, bytes, int)):
                raise UnreadablePickle(f"a key is a {type(key).__name__}, expected a string")
            target[key] = value
        if fresh:
            self._stack.append(target)


def _is(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise UnreadablePickle(
            f"damaged: a {type(value).__name__.strip('_')} where a {kind.__name__.strip('_')} belongs"
        )
    return value


def _known(dotted: str) -> _Name:
    if dotted not in _KNOWN:
        raise UnreadablePickle(f"it asks for {dotted[:80]}, which plain values and arrays do not need")
    return _Name(dotted)


def _called(dotted: str, arguments: tuple[Any, ...]) -> Any:
    """What a call of one of the known names stands for."""
    if dotted in _RECONSTRUCT:
        return Array((0,), "u1", b"")  # empty until its state comes
    if dotted in _FROM_BUFFER:
        content, kind, shape, order = arguments
        return _filled(Array((0,), "u1", b""), shape, kind, order == "F", content)
    if dotted == "numpy.dtype":
        code = _text(arguments[0])
        if not re.fullmatch(r"[<>|=]?[buif][1248]", code):
            raise UnreadablePickle(f"it holds an array of {code[:40]!r}, expected numbers")
        return _Kind(code[-2:])
    if dotted == "_codecs.encode":
        text, encoding = arguments
        if encoding != "latin1":
            raise UnreadablePickle("it encodes bytes in a way other than latin1")
        return _is(text, str).encode("latin1")
    raise UnreadablePickle(f"it calls {dotted}")


def _build(target: Any, state: tuple[Any, ...]) -> None:
    """Fills an array or a dtype with the state that numpy wrote for it."""
    if isinstance(target, Array):
        _, shape, kind, fortran, content = state
        _filled(target, shape, kind, bool(fortran), content)
    elif isinstance(target, _Kind):
        if state[3:5] != (None, None):  # names and fields: an array of records
            raise UnreadablePickle("it holds an array of records, expected numbers")
    else:
        raise UnreadablePickle(f"it sets the state of a {type(target).__name__}")


def _filled(target: Array, shape: Any, kind: Any, fortran: bool, content: Any) -> Array:
    code = _is(kind, _Kind).code
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(raw, (bytes, bytearray)):
        raise UnreadablePickle("damaged: an array without content")
    size = int(code[1:])
    for length in _is(shape, tuple):
        if type(length) is not int or length < 0:
            raise UnreadablePickle("damaged: an array with an impossible shape")
        size *= length
    if size != len(raw):
        raise UnreadablePickle(f"damaged: an array {shape} of {code} with {len(raw):,} bytes, expected {size:,}")
    target.shape, target.kind, target.content, target.fortran = tuple(shape), code, raw, fortran
    return target


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(_is(value, str))
