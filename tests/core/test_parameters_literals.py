"""Python literals: every value arrives equal, nothing is executed, and what has no literal is refused with its place."""

from __future__ import annotations

import ast
import datetime
import decimal
import enum
import fractions
import http
import json
import math
import pathlib
import subprocess
import sys
import uuid
import zoneinfo
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import decode, encode, json_safe, python_assignments, python_literal, python_source
from headrace.core.parameters.literals import MAX_CODE, same
from headrace.core.parameters.model import EnumMember
from headrace.core.parameters.reading import NotALiteral, read_literal

PARIS = zoneinfo.ZoneInfo("Europe/Paris")


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    A = "a"


class Named(str):
    """A subclass of text."""


def run(values: dict[str, Any]) -> dict[str, Any]:
    """Execute the assignments as a notebook cell would."""
    namespace: dict[str, Any] = {}
    exec(python_assignments(values).code, namespace)
    return namespace


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "negative zero": -0.0,
    "nan": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "complex with nan": complex(-0.0, math.nan),
    "an int of 5,000 digits": 10**5000,
    "text with quotes, newline, bidi mark and surrogate": "a\"'\\\n\u202e\ud800é\0",
    "bytes": b"\x00a'\"",
    "bytearray": bytearray(b"x"),
    "a tuple of one": (1,),
    "an empty set": set(),
    "an empty frozenset": frozenset(),
    "a mixed set": {1, "a", None},
    "a nested dict": {"a": [1, {"b": (None,)}], 1: {2.5: "x"}},
    "range": range(1, 10, 2),
    "slice": slice(1, None, 2),
    "ellipsis": ...,
    "date": datetime.date(2026, 11, 24),
    "datetime": datetime.datetime(2026, 11, 24, 8, 30),
    "microseconds": datetime.datetime(2026, 1, 1, 0, 0, 0, 5),
    "second 2:30 of an autumn night": datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=PARIS),
    "utc": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    "a named offset": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3), "X")),
    "time": datetime.time(8, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    "timedelta": datetime.timedelta(days=-1, microseconds=3),
    "time zone": PARIS,
    "decimal": decimal.Decimal("1.10"),
    "signalling nan": decimal.Decimal("sNaN12"),
    "fraction": fractions.Fraction(-1, 3),
    "uuid": uuid.UUID(int=7),
    "path": pathlib.Path("/a b/'c'"),
    "a path of windows": pathlib.PureWindowsPath("c:\\new"),
    "an int enum": Level.HIGH,
    "a standard enum": http.HTTPStatus.OK,
    "a subclass of text": Named("x"),
    "numpy int": numpy.int64(3),
    "numpy float32": numpy.float32(0.1),
    "numpy nan": numpy.float64("nan"),
    "numpy bool": numpy.bool_(True),
    "numpy text": numpy.str_("x"),
    "numpy complex": numpy.complex64(1 + 2j),
    "numpy datetime": numpy.datetime64("2026-01-01T00:00:00.000000001"),
    "numpy not a time": numpy.datetime64("NaT", "s"),
    "numpy timedelta": numpy.timedelta64(3, "D"),
    "numpy array": numpy.array([[1, 2], [3, 4]], dtype="int8"),
    "numpy array with nan": numpy.array([1.5, numpy.nan], dtype="float32"),
    "numpy text array": numpy.array(["a", "bcd"]),
    "numpy empty matrix": numpy.zeros((0, 3)),
    "numpy zero dimensions": numpy.array(5),
    "numpy dates": numpy.array(["2026-01-01", "NaT"], dtype="datetime64[D]"),
    "numpy big endian": numpy.array([1, 2], dtype=">i4"),
    "timestamp": pandas.Timestamp("2026-01-01 00:00:00.000000001"),
    "timestamp in the repeated hour": pandas.Timestamp("2026-10-25 00:30", tz="UTC").tz_convert("Europe/Paris"),
    "timestamp with an offset": pandas.Timestamp("2026-01-01T00:00+01:00"),
    "pandas timedelta": pandas.Timedelta("1 days"),
    "not a time": pandas.NaT,
    "not available": pandas.NA,
    "foreign values inside": {"when": [pandas.NaT, numpy.int8(1)], "x": (math.nan,)},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_arrives_equal(value: Any) -> None:
    assert same(value, run({"x": value})["x"])
    assert same(value, decode(json.loads(json.dumps(encode(value), allow_nan=False))))


REFUSED: dict[str, tuple[Any, str]] = {
    "object": ([1, {"a": (object(),)}], r"parameters\['x'\]\[1\]\['a'\]\[0\] is a builtins.object"),
    "function": (len, "builtin_function_or_method"),
    "class": (int, "builtins.type"),
    "plain enum": (Plain.A, "Plain"),
    "data frame": (pandas.DataFrame(), "pandas DataFrame.*file"),
    "long double": (numpy.longdouble(1), "longdouble"),
    "object array": (numpy.array([object()]), "array of object"),
    "large array": (numpy.zeros(10_001), "10,001 elements"),
    "too long": ("x" * (MAX_CODE + 1), "1,000,000 characters"),
    "nameless zone": (datetime.datetime(2026, 1, 1, tzinfo=type("Z", (datetime.tzinfo,), {})()), "no name"),
}


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_literal_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        python_literal(value, name="x")
    assert caught.value.field == "x"


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    with pytest.raises(InvalidParameter, match=r"\[1\] contains itself"):
        python_literal(loop)


def test_a_value_used_twice_is_no_loop() -> None:
    shared = [1]
    assert python_literal([shared, shared]) == "[[1], [1]]"


def test_nesting_beyond_the_parser_is_refused() -> None:
    deep: Any = ()
    for _ in range(60):
        deep = frozenset({deep})
    with pytest.raises(InvalidParameter, match="50 levels"):
        python_literal(deep)


def test_imports_do_not_rebind_names_of_the_notebook() -> None:
    code = python_assignments({"day": datetime.date(2026, 1, 1), "root": pathlib.Path("x")}).code
    assert "import datetime as _datetime" in code
    namespace: dict[str, Any] = {}
    exec(f"from datetime import datetime\n{code}\nnow = datetime.now()", namespace)
    assert namespace["day"] == datetime.date(2026, 1, 1)


def test_a_parameter_that_hides_a_needed_import_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="_datetime"):
        python_assignments({"_datetime": 1, "day": datetime.date(2026, 1, 1)})


def test_equal_sets_give_equal_code_whatever_the_hash_seed() -> None:
    program = "from headrace.core.parameters import python_literal; print(python_literal({'a', 'b', 'c', 'd', 'e'}))"
    seen = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert seen == {"{'a', 'b', 'c', 'd', 'e'}\n"}


def test_importing_the_package_imports_no_numpy() -> None:
    program = "import sys, headrace.core.parameters as p; p.python_literal({'a': [1]}); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False)
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.fractions()
    | st.uuids()
)
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.decimals(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=NESTED)
def test_any_nested_value_arrives_equal(value: Any) -> None:
    code = python_source(value).code
    assert "\n" not in code
    ast.parse(code, mode="eval")
    assert same(value, run({"x": value})["x"])
    stored = json.loads(json.dumps(encode(value), allow_nan=False).encode("utf-8"))
    assert same(value, decode(stored))


@settings(max_examples=200, deadline=None)
@given(value=NESTED)
def test_any_value_is_strict_json_for_metadata(value: Any) -> None:
    json.dumps(json_safe(value), allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "NaN"),
        ({"a": [-math.inf]}, {"a": ["-Infinity"]}),
        ((1, 2), [1, 2]),
        ({3, 1}, [1, 3]),
        (datetime.date(2026, 1, 1), "2026-01-01"),
        (pathlib.PurePosixPath("a"), "a"),
        (decimal.Decimal("1.10"), "1.10"),
        (b"\xff", "/w=="),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        (numpy.int64(3), 3),
        (numpy.array([1.0, numpy.nan]), [1.0, "NaN"]),
        (Level.HIGH, 3),
        (EnumMember("Color", "RED"), "RED"),
        ("\ud800", "\\ud800"),
    ],
    ids=repr,
)
def test_metadata_shows_a_value_in_strict_json(value: Any, expected: Any) -> None:
    assert json_safe(value) == expected


def test_a_dict_that_looks_like_our_encoding_stays_a_dict() -> None:
    assert decode(encode({"$python": "1"})) == {"$python": "1"}


def test_an_enum_of_the_notebook_is_stored_and_read_with_its_class() -> None:
    value = [EnumMember("Color", "RED")]
    assert python_literal(value) == "[Color.RED]"
    assert decode(encode(value)) == value


HOSTILE = [
    "__import__('os').system('touch canary')",
    "().__class__.__bases__",
    "[x for x in ()]",
    "open('canary', 'w')",
    "f'{1}'",
    "lambda: 1",
    "datetime.datetime.now()",
    "list(range(10**9))",
    "bytearray(10**9)",
    "fractions.Fraction('1e999999999')",
    "numpy.zeros((10**9,))",
    "numpy.array([1], dtype='object')",
    "float(*[1])",
    "dict(**{'a': 1})",
    "{**{}}",
    "x",
    "Color.RED",
    "10 ** 10 ** 10",
    "(" * 300 + ")" * 300,
    "",
    "1; 2",
    "a\0",
]


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:30] or "nothing")
def test_reading_a_literal_runs_nothing(source: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotALiteral):
        read_literal(source)
    assert not list(tmp_path.iterdir())


def test_a_stored_value_that_is_no_literal_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="'x'"):
        decode({"$python": "open('canary', 'w')"}, name="x")
