"""Pickles of numpy arrays are read as numpy wrote them; nothing in a pickle is ever run."""

from __future__ import annotations

import contextlib
import datetime
import os
import pickle
import struct
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgewise.data.layouts.plain_pickle import Array, UnreadablePickle, plain_pickle

PIXELS = numpy.random.default_rng(0).integers(0, 256, (7, 12), dtype=numpy.uint8)


def python2_batch(pixels: numpy.ndarray, labels: list[int], key: str = "labels") -> bytes:
    """A batch as Python 2 and its numpy pickled it (protocol 2, byte strings), which is how CIFAR is published."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def array() -> bytes:
        raw = pixels.tobytes()
        return (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87q\x07Rq\x08"
            b"(K\x01" + b"".join(b"M" + struct.pack("<H", n) for n in pixels.shape) + b"\x86"
            b"cnumpy\ndtype\nq\x09U\x02u1K\x00K\x01\x87Rq\x0a(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
        )

    numbers = b"]q\x03(" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    return (
        b"\x80\x02}q\x01(" + text("batch_label") + b"q\x02" + text("training batch 1 of 5") + text(key) + numbers
        + text("data") + array() + b"u."
    )  # fmt: skip


def test_a_batch_of_python_2() -> None:
    content = python2_batch(PIXELS, [1, 2, 3, 4, 5, 6, 7])
    assert pickle.loads(content, encoding="latin1")["labels"] == [1, 2, 3, 4, 5, 6, 7]  # the fixture is a real pickle
    value = plain_pickle(content)
    assert value["batch_label"] == "training batch 1 of 5"
    assert value["labels"] == [1, 2, 3, 4, 5, 6, 7]
    assert torch.equal(value["data"].tensor(), torch.from_numpy(PIXELS))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_python_3_writes(protocol: int, order: str) -> None:
    plain = {
        "fine_labels": [0, 255, 256, 70000, -3],
        b"raw": (None, True, False, 1.5, "ü"),
        "nested": {"list": [[], {}]},
    }
    value = plain_pickle(pickle.dumps({**plain, "data": numpy.asarray(PIXELS, order=order)}, protocol))
    assert torch.equal(value.pop("data").tensor(), torch.from_numpy(PIXELS))
    assert value == plain


class Harmful:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_does_something_is_refused_and_does_nothing(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    content = pickle.dumps({"data": PIXELS, "labels": Harmful(trap)}, protocol)
    with pytest.raises(UnreadablePickle, match="mkdir"):
        plain_pickle(content)
    assert not trap.exists()
    pickle.loads(content)
    assert trap.exists()  # it would have


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no pickle"),
        (b"hello", "damaged"),
        (b"\x1f\x8b\x08\x00", "damaged"),
        (pickle.dumps([1, 2])[:-1], "damaged|ends"),
        (pickle.dumps(datetime.date(2020, 1, 1)), "datetime"),
        (pickle.dumps(numpy.array([object()])), "."),
        (pickle.dumps(numpy.zeros(2, dtype=[("a", "u1")])), "."),
        (b"(i__builtin__\neval\n.", "INST"),
        (b"cnumpy\nndarray\n.", "not plain"),
        (b"\x80\x02P0\n.", "PERSID"),
        (b"cnumpy\nndarray\n(t}R.", "."),
        (b"N(dd.", "."),
        (b"h\x05.", "."),
    ],
)
def test_what_is_no_plain_pickle_is_refused(content: bytes, word: str) -> None:
    with pytest.raises(UnreadablePickle, match=word):
        plain_pickle(content)


def test_an_array_whose_size_is_not_its_contents_is_refused() -> None:
    content = pickle.dumps(PIXELS, 2).replace(b"K\x07K\x0c\x86", b"K\x07K\x0d\x86")
    with pytest.raises(UnreadablePickle, match="expected 91"):
        plain_pickle(content)


def test_other_kinds_are_named() -> None:
    value = plain_pickle(pickle.dumps(numpy.zeros((2, 3), dtype="<f8")))
    assert isinstance(value, Array)
    assert (value.kind, value.shape) == ("f8", (2, 3))
    with pytest.raises(UnreadablePickle, match="f8"):
        value.tensor()


@given(st.data())
def test_damaged_pickles_end_in_the_one_error(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([python2_batch(PIXELS, [1] * 7), pickle.dumps({"data": PIXELS})])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadablePickle):  # whatever else is raised fails the test
        value = plain_pickle(bytes(content[: data.draw(st.integers(0, len(content)))]))
        assert isinstance(value, (dict, list, tuple, str, bytes, int, float, Array, type(None)))
