"""Equal content gives an equal digest, in every process; different content a different one."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kernel_magic.results.hashing import (
    CHUNK_BYTES,
    ITEMS_AT_ONCE,
    TooLong,
    UnhashableInput,
    digest,
    digest_buffer,
    within,
)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: float
    y: Any = None


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a: int) -> None:
        self.a = a


FRAME = pd.DataFrame({"n": [1.0, 2.0, np.nan], "t": ["a", "ü", None], "d": pd.date_range("2026-01-01", periods=3)})


def frame(**changes: Any) -> pd.DataFrame:
    return FRAME.assign(**changes)


#: More than are joined and hashed at once.
LONG = [f"text {n}" for n in range(ITEMS_AT_ONCE + 5)]

DIFFERENT: list[tuple[str, Any, Any]] = [
    ("int and bool", 1, True),
    ("int and float", 1, 1.0),
    ("text and bytes", "a", b"a"),
    ("none and text", None, "None"),
    ("list and tuple", [1], (1,)),
    ("nesting", [[1], 2], [1, [2]]),
    ("text boundary", ["ab", "c"], ["a", "bc"]),
    ("separator in a text", ["a\0b", "c"], ["a", "b\0c"]),
    ("separator or two texts", ["a\0b"], ["a", "b"]),
    ("separator in bytes", [b"a\0b", b"c"], [b"a", b"b\0c"]),
    ("ints and floats", [1, 2], [1.0, 2.0]),
    ("ints and bools", [1, 0], [True, False]),
    ("empty lists", [], [[]]),
    ("which is missing", ["a", None, ""], ["a", "", None]),
    ("end of a long list", LONG, [*LONG[:-1], "other"]),
    ("order in a long list", LONG, [*LONG[1:], LONG[0]]),
    ("type in a long list", [*LONG, 1], [*LONG, "1"]),
    ("nesting in a long list", [*LONG, ["a"]], [*LONG, ["b"]]),
    ("missing in a long column", np.array([*LONG, None], object), np.array([*LONG, float("nan")], object)),
    ("dict value", {"a": 1}, {"a": 2}),
    ("set", {1, 2}, {1, 3}),
    ("minus zero", 0.0, -0.0),
    ("enum", Colour.RED, Colour.BLUE),
    ("dataclass", Point(1, 2), Point(1, 3)),
    ("object state", Plain(a=1), Plain(a=2)),
    ("slots", Slotted(1), Slotted(2)),
    ("date", datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
    ("zone", datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)),
    ("decimal", decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    ("path", pathlib.Path("/a"), pathlib.Path("/b")),
    ("partial", functools.partial(int, base=2), functools.partial(int, base=8)),
    ("builtin", len, max),
    ("array value", np.array([1, 2]), np.array([1, 3])),
    ("array dtype", np.array([1, 2], "i4"), np.array([1, 2], "i8")),
    ("array shape", np.zeros((2, 3)), np.zeros((3, 2))),
    ("object array", np.array(["a", "bc"], object), np.array(["ab", "c"], object)),
    ("object missing", np.array(["a", None], object), np.array(["a", ""], object)),
    ("object none or nan", np.array(["a", None], object), np.array(["a", float("nan")], object)),
    ("masked", np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    ("frame value", FRAME, frame(n=[1.0, 2.5, np.nan])),
    ("frame text", FRAME, frame(t=["a", "u", None])),
    ("frame column name", FRAME, FRAME.rename(columns={"n": "m"})),
    ("frame index", FRAME, FRAME.set_axis([5, 6, 7])),
    ("frame dtype", frame(n=[1, 2, 3]), frame(n=[1.0, 2.0, 3.0])),
    ("frame order", FRAME, FRAME[["t", "n", "d"]]),
    ("categorical order", pd.Series(pd.Categorical(["a"], ["a", "b"])), pd.Series(pd.Categorical(["a"], ["b", "a"]))),
    ("series name", pd.Series([1], name="a"), pd.Series([1], name="b")),
    ("nullable", pd.Series([1, None], dtype="Int64"), pd.Series([1, 0], dtype="Int64")),
    ("multi index", pd.MultiIndex.from_tuples([(1, 2)]), pd.MultiIndex.from_tuples([(1, 3)])),
    ("polars", pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 3]})),
    ("arrow", pa.table({"a": [1]}), pa.table({"a": [2]})),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_different_content_has_a_different_digest(one: Any, other: Any) -> None:
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


EQUAL: list[tuple[str, Any, Any]] = [
    ("dict order", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ("set order", {"x", "y", "z"}, {"z", "y", "x"}),
    ("fresh objects", Plain(a=[1, 2]), Plain(a=[1, 2])),
    ("same object twice or two equal ones", [(a := [1]), a], [[1], [1]]),
    ("array order in memory", np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    ("array view", np.arange(10)[::2], np.array([0, 2, 4, 6, 8])),
    ("frame copy", FRAME, FRAME.copy(deep=True)),
    ("frame slice", pd.concat([FRAME, FRAME]).iloc[:3].reset_index(drop=True), FRAME),
    ("nan", [float("nan")], [float("nan")]),
    ("long list", LONG, [f"text {n}" for n in range(len(LONG))]),
    ("long column", np.array([*LONG, None], object), np.array([*LONG, *LONG, None], object)[len(LONG) :]),
    ("polars slice", pl.DataFrame({"a": [0, 1, 2]}).slice(1), pl.DataFrame({"a": [1, 2]})),
    ("arrow chunks", pa.chunked_array([[1], [2]]), pa.chunked_array([[1, 2]])),
    ("deque", deque([1, 2]), deque([1, 2])),
    ("nullable under the mask", pd.array([1, None], dtype="Int64"), pd.array([1, pd.NA], dtype="Int64")),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in EQUAL], ids=[case[0] for case in EQUAL])
def test_equal_content_has_an_equal_digest(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4) | st.tuples(inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_digests_are_equal_exactly_if_the_canonical_texts_are(one: Any, other: Any) -> None:
    def canonical(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(sorted(f"{k!r}:{canonical(v)}" for k, v in value.items())) + "}"
        if isinstance(value, list | tuple):
            return type(value).__name__ + "(" + ",".join(map(canonical, value)) + ")"
        return repr(value)

    assert (digest(one) == digest(other)) == (canonical(one) == canonical(other))


def test_a_digest_is_the_same_in_another_process_whatever_its_hash_seed() -> None:
    code = "from headrace.kernel_magic.results.hashing import digest; print(digest({'a': {'x', 'y', 'z'}, 'b': [1.5, None]}))"
    import os

    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert seen == {digest({"a": {"x", "y", "z"}, "b": [1.5, None]})}


def test_circles_end() -> None:
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [1]
    other.append(other)
    assert digest(one) == digest(other)
    assert digest(one) != digest([1, [1]])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [threading.Lock()]}, r"inputs\['a'\]\[0\] is a _thread.lock"),
        ((n for n in ()), "inputs is a generator"),
        (Point(1, threading.Lock()), r"inputs\.y is a _thread.lock"),
    ],
    ids=["lock in a dict", "generator", "lock in a dataclass"],
)
def test_what_cannot_be_hashed_says_where_it_sits(value: Any, words: str) -> None:
    with pytest.raises(UnhashableInput, match=words):
        digest(value, name="inputs")


def test_too_deep_nesting_is_refused_and_not_a_crash() -> None:
    value: Any = None
    for _ in range(5000):
        value = [value]
    with pytest.raises(UnhashableInput, match="levels deep"):
        digest(value)


def test_a_large_buffer_is_hashed_in_chunks_that_notice_every_byte() -> None:
    data = bytearray(2 * CHUNK_BYTES + 7)
    before = digest_buffer(data)
    data[CHUNK_BYTES] = 1
    assert digest_buffer(data) != before


def test_a_type_may_say_what_its_content_is() -> None:
    class Own:
        def __init__(self, key: int, noise: int) -> None:
            self.key, self.noise = key, noise

        def __headrace_digest__(self) -> int:
            return self.key

    assert digest(Own(1, 2)) == digest(Own(1, 3))
    assert digest(Own(1, 2)) != digest(Own(2, 2))


def test_an_ordered_dict_is_told_from_a_dict() -> None:
    assert digest(OrderedDict(a=1)) != digest({"a": 1})


@pytest.mark.parametrize(
    "value",
    [np.zeros(1 << 20), bytes(1 << 20), ["a"] * 10_000, {"a": [1]}, pl.DataFrame({"a": range(1000)})],
    ids=["array", "bytes", "texts", "nesting", "polars"],
)
def test_a_digest_that_takes_too_long_is_given_up(value: Any) -> None:
    with pytest.raises(TooLong), within(0):
        digest(value)
    with within(60):
        assert digest(value) == digest(value)
