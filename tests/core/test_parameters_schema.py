"""Parameters as JSON schema; values checked and typed; names; precedence."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import pathlib
import pickle
import time
import uuid
from typing import Any

import jsonschema
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import (
    EnumMember,
    ParameterErrors,
    coerce,
    inspect_source,
    json_safe,
    merge_parameters,
    parameter_schema,
    parameters_schema,
    prepare,
    split_secrets,
    validate,
    validate_name,
)
from headrace.core.parameters.conversion import auto_type

COLOUR = "class Color(Enum):\n    RED = 'red'\n    BLUE = 2\n"
UUID = "12345678-1234-5678-1234-567812345678"


def typed(annotation: str, value: Any, source: str) -> Any:
    parameters = inspect_source(f"{COLOUR}x: {annotation}")
    return coerce(parameters, {"x": value}, source=source)["x"]


SCHEMAS: dict[str, tuple[str, dict[str, Any]]] = {
    "any": ("x = 1", {"default": 1}),
    "int": ("x: int = 1", {"type": "integer", "default": 1}),
    "float": ("x: float = 1.5", {"type": "number", "default": 1.5}),
    "nan": ("x: float = float('nan')", {"type": "number", "default": "NaN"}),
    "bool": ("x: bool = True", {"type": "boolean", "default": True}),
    "str": ("x: str = ''", {"type": "string", "default": ""}),
    "date": ("x: date = date(2026, 1, 1)", {"type": "string", "format": "date", "default": "2026-01-01"}),
    "datetime": ("x: datetime", {"type": "string", "format": "date-time"}),
    "path": ("x: Path = Path('a')", {"type": "string", "format": "path", "default": "a"}),
    "optional": ("x: int | None = None", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
    "implicit optional": ("x: int = None", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
    "literal": ("x: Literal['a', 2]", {"enum": ["a", 2]}),
    "enum": (f"{COLOUR}x: Color = Color.BLUE", {"enum": ["red", 2], "default": 2}),
    "list": ("x: list[int]", {"type": "array", "items": {"type": "integer"}}),
    "set": ("x: set[str]", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
    "dict": ("x: dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
    "tuple": (
        "x: tuple[int, str]",
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
            "maxItems": 2,
        },
    ),
    "computed default": ("x = today()", {"x-headrace-default-source": "today()"}),
    "help": ("x = 1  # the help", {"default": 1, "description": "the help"}),
    "secret": ("x: SecretStr = 'p4ss'", {"type": "string", "writeOnly": True, "x-headrace-secret": True}),
}


@pytest.mark.parametrize(("source", "expected"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_parameter_is_described_as_json_schema(source: str, expected: dict[str, Any]) -> None:
    (parameter,) = inspect_source(source)
    schema = parameter_schema(parameter)
    assert schema.pop("title") == "x"
    assert schema.pop("x-headrace-annotation", "") == parameter.annotation
    assert schema == expected


def test_the_schema_is_valid_and_says_what_is_required() -> None:
    schema = parameters_schema(inspect_source("\n".join(source for source, _ in SCHEMAS.values()) + "\nmonth: int"))
    jsonschema.Draft202012Validator.check_schema(schema)
    schema = parameters_schema(inspect_source("month: int\nyear: int = 2026"), title="Report")
    assert (schema["required"], schema["additionalProperties"], schema["title"]) == (["month"], False, "Report")
    assert list(schema["properties"]) == ["month", "year"]


CLI: list[tuple[str, str, Any]] = [
    ("int", "7", 7),
    ("int", "1_000", 1000),
    ("float", "1e3", 1000.0),
    ("float", "-inf", -math.inf),
    ("str", "007", "007"),
    ("str", "True", "True"),
    ("bool", "TRUE", True),
    ("bool", "no", False),
    ("date", "2026-01-31", datetime.date(2026, 1, 31)),
    ("datetime", "2026-01-31T08:30Z", datetime.datetime(2026, 1, 31, 8, 30, tzinfo=datetime.timezone.utc)),
    ("datetime", "2026-01-31", datetime.datetime(2026, 1, 31)),
    ("time", "08:30", datetime.time(8, 30)),
    ("timedelta", "90", datetime.timedelta(seconds=90)),
    ("timedelta", "1:30:00", datetime.timedelta(minutes=90)),
    ("timedelta", "2 days, 0:00:01", datetime.timedelta(days=2, seconds=1)),
    ("timedelta", "P1DT2H", datetime.timedelta(days=1, hours=2)),
    ("Path", "a/b", pathlib.Path("a/b")),
    ("Decimal", "1.10", decimal.Decimal("1.10")),
    ("Fraction", "1/3", fractions.Fraction(1, 3)),
    ("UUID", UUID, uuid.UUID(UUID)),
    ("complex", "1 + 2j", 1 + 2j),
    ("bytes", "é", "é".encode()),
    ("list[int]", "[1, 2]", [1, 2]),
    ("list[int]", "1, 2", [1, 2]),
    ("list[int]", "", []),
    ("list", "1,a,True", [1, "a", True]),
    ("list[str]", "['it''s', '2']", ["its", "2"]),
    ("list[date]", "2026-01-01,2026-01-02", [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]),
    ("tuple[int, str]", "1,a", (1, "a")),
    ("tuple[int, ...]", "(1, 2, 3)", (1, 2, 3)),
    ("set[int]", "{1, 2}", {1, 2}),
    ("frozenset[str]", "a,b", frozenset("ab")),
    ("dict[str, float]", '{"a": 1}', {"a": 1.0}),
    ("dict[int, str]", '{"1": "a"}', {1: "a"}),
    ("dict", "{'a': (1,)}", {"a": (1,)}),
    ("Optional[int]", "None", None),
    ("Optional[int]", "3", 3),
    ("Optional[str]", "null", "null"),
    ("int | str", "3", 3),
    ("str | int", "3", 3),
    ("str | int", "x", "x"),
    ("bool | int", "1", 1),
    ("bool | int", "true", True),
    ("str | date", "2026-01-01", datetime.date(2026, 1, 1)),
    ("Literal['a', 2]", "2", 2),
    ("Color", "red", EnumMember("Color", "RED")),
    ("Color", "2", EnumMember("Color", "BLUE")),
    ("Color", "BLUE", EnumMember("Color", "BLUE")),
    ("SecretStr", "007", "007"),
    ("pd.DataFrame", "007", 7),
]


@pytest.mark.parametrize(("annotation", "text", "value"), CLI, ids=lambda case: repr(case)[:40])
def test_text_of_the_command_line_is_read_by_the_type(annotation: str, text: str, value: Any) -> None:
    found = typed(annotation, text, "cli")
    assert (found, type(found)) == (value, type(value))


JSON: list[tuple[str, Any, Any]] = [
    ("int", 3.0, 3),
    ("float", 3, 3.0),
    ("float", "NaN", math.nan),
    ("date", "2026-01-31", datetime.date(2026, 1, 31)),
    ("date", datetime.date(2026, 1, 31), datetime.date(2026, 1, 31)),
    ("timedelta", 1.5, datetime.timedelta(seconds=1.5)),
    ("Decimal", 0.1, decimal.Decimal("0.1")),
    ("Path", "a", pathlib.Path("a")),
    ("list[date]", ["2026-01-31"], [datetime.date(2026, 1, 31)]),
    ("tuple[int, str]", [1, "a"], (1, "a")),
    ("set[int]", [1, 1], {1}),
    ("dict[str, list[int]]", {"a": [1]}, {"a": [1]}),
    ("int | float", 1.5, 1.5),
    ("float | int", 1, 1),
    ("str | int", "3", "3"),
    ("Optional[Color]", "red", EnumMember("Color", "RED")),
    ("Literal[1, True]", True, True),
    ("int", numpy.int64(3), 3),
    ("Any", {"a": [None]}, {"a": [None]}),
    ("Any", "007", "007"),
]


@pytest.mark.parametrize(("annotation", "given", "value"), JSON, ids=lambda case: repr(case)[:40])
def test_a_json_value_keeps_its_type_or_is_widened(annotation: str, given: Any, value: Any) -> None:
    found = typed(annotation, given, "json")
    assert type(found) is type(value)
    assert found == value or (found != found and value != value)


def test_an_array_for_a_list_stays_an_array() -> None:
    array = numpy.array([1, 2])
    assert typed("list[int]", array, "json") is array


WRONG: list[tuple[str, Any, str, str]] = [
    ("int", "abc", "cli", "expected a whole number, got 'abc'"),
    ("int", "3", "json", "expected a whole number, got '3'"),
    ("int", True, "json", "expected a whole number, got True"),
    ("int", 1.5, "json", "expected a whole number, got 1.5"),
    ("int", None, "json", "expected a whole number, got None"),
    ("float", "x", "cli", "expected a number, got 'x'"),
    ("float", True, "json", "expected a number, got True"),
    ("str", 3, "json", "expected text, got 3"),
    ("bool", "maybe", "cli", "expected true or false, got 'maybe'"),
    ("bool", 1, "json", "expected true or false, got 1"),
    ("date", "31.1.2026", "cli", "expected a date such as 2026-11-24, got '31.1.2026'"),
    ("date", 5, "json", "expected a date"),
    ("datetime", "tomorrow", "cli", "expected a date and time"),
    ("timedelta", "soon", "cli", "expected a duration"),
    ("timedelta", "P", "cli", "expected a duration"),
    ("Decimal", "x", "cli", "expected a decimal number"),
    ("Fraction", "1e999999999", "cli", "expected a fraction"),
    ("Fraction", "1/0", "cli", "expected a fraction"),
    ("UUID", "x", "cli", "expected a UUID"),
    ("Path", "", "cli", "expected a path"),
    ("list[int]", "1,x", "cli", "expected a whole number, got 'x'"),
    ("list[int]", "[1, ", "cli", "as JSON"),
    ("list[int]", ["1"], "json", r"at \[0\]: expected a whole number"),
    ("list[int]", "a", "json", "expected a list"),
    ("tuple[int, str]", [1], "json", "expected 2 values, got 1"),
    ("set[list[int]]", [[1]], "json", "distinct plain values"),
    ("dict[str, int]", "a", "cli", "as JSON"),
    ("dict[str, int]", {"a": "b"}, "json", r"at \['a'\]: expected a whole number"),
    ("Optional[int]", "x", "cli", "expected a whole number or nothing"),
    ("Literal['a', 'b']", "c", "cli", "expected one of 'a', 'b', got 'c'"),
    ("Literal[1]", True, "json", "expected one of 1, got True"),
    ("Color", "green", "cli", "expected one of 'red', 2, got 'green'"),
]


@pytest.mark.parametrize(("annotation", "given", "source", "message"), WRONG, ids=lambda case: repr(case)[:40])
def test_a_value_of_another_type_is_refused(annotation: str, given: Any, source: str, message: str) -> None:
    with pytest.raises(ParameterErrors, match=message) as caught:
        typed(annotation, given, source)
    (fault,) = caught.value.errors
    assert (fault.field, caught.value.field) == ("x", "x")
    assert fault.code == ("choice" if "one of" in message else "type")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True),
        ("False", False),
        ("None", None),
        ("true", "true"),
        ("null", "null"),
        ("1_000", 1000),
        ("007", 7),
        ("1e3", 1000.0),
        ("inf", math.inf),
        ("", ""),
        ("[1]", "[1]"),
    ],
)
def test_untyped_text_is_typed_as_papermill_does(text: str, value: Any) -> None:
    assert auto_type(text) == value
    assert coerce(inspect_source("x = 1"), {"x": text, "y": text}, source="cli") == {"x": value, "y": value}
    assert type(auto_type(text)) is type(value)


def test_each_value_is_read_by_its_own_source() -> None:
    merged = merge_parameters(yaml=[{"a": "1"}], typed=[("b", "1")], raw=[("c", "1")])
    assert coerce([], merged.values, source=merged.sources) == {"a": "1", "b": 1, "c": "1"}


def test_all_faults_are_reported_at_once() -> None:
    parameters = inspect_source("month: int\nyear: int = 2026\nregion: Literal['n', 's'] = 'n'")
    with pytest.raises(ParameterErrors) as caught:
        prepare(parameters, {"yaer": 2025, "year": "x", "region": "w", "not valid": 1})
    assert {(e.field, e.code) for e in caught.value.errors} == {
        ("not valid", "name"),
        ("yaer", "unknown"),
        ("year", "type"),
        ("region", "choice"),
        ("month", "missing"),
    }
    assert "did you mean 'year'?" in str(caught.value)
    assert "use 'not_valid'" in str(caught.value)
    assert caught.value.http_status == 422
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.errors == caught.value.errors
    assert again.errors[0].as_dict() == {
        "field": "not valid",
        "code": "name",
        "message": caught.value.errors[0].message,
    }


def test_lenient_lets_pass_with_warnings_but_no_name_that_is_none() -> None:
    parameters = inspect_source("month: int\nyear: int = 2026")
    checked = prepare(parameters, {"yaer": "5", "year": "x"}, source="cli", lenient=True)
    assert checked.values == {"yaer": 5, "year": "x"}
    assert [fault.code for fault in checked.warnings] == ["type", "unknown", "missing"]
    with pytest.raises(ParameterErrors, match="Python language"):
        prepare(parameters, {"class": 1}, lenient=True)


def test_a_notebook_that_declares_nothing_accepts_nothing_unless_it_cannot_be_told() -> None:
    with pytest.raises(ParameterErrors, match="tag `parameters`"):
        validate([], {"x": 1})
    assert validate(None, {"x": 1}) == ()
    assert prepare(None, {"x": "1"}, source="cli").values == {"x": 1}


def test_unfinished_sets_and_allowed_names_are_no_faults() -> None:
    parameters = inspect_source("month: int")
    assert prepare(parameters, {}, complete=False).values == {}
    assert (
        prepare(parameters, {"month": 1, "PAPERMILL_INPUT_PATH": "a"}, allowed=["PAPERMILL_INPUT_PATH"]).warnings == ()
    )


def test_an_unknown_name_without_a_near_one_lists_the_known() -> None:
    with pytest.raises(ParameterErrors, match="the notebook has month, year"):
        validate(inspect_source("month = 1\nyear = 2"), {"zzz": 1})


def test_a_value_unlike_an_unannotated_default_is_only_a_warning() -> None:
    (warning,) = validate(inspect_source("month = 1\nday = None"), {"month": "x", "day": "x"})
    assert (warning.field, warning.code) == ("month", "type")


def test_a_message_never_repeats_a_secret() -> None:
    parameters = inspect_source("key: SecretStr\ncode = ''  # secret")
    with pytest.raises(ParameterErrors) as caught:
        prepare(parameters, {"key": 12345})
    assert "12345" not in str(caught.value)
    assert prepare(parameters, {"key": "a", "code": "007"}, source="cli").values == {"key": "a", "code": "007"}
    assert split_secrets(parameters, {"key": "a", "code": "b", "x": 1}) == ({"x": 1}, {"key": "a", "code": "b"})


GOOD_NAMES = ["month", "_x", "été", "x1", "match", "list", "a" * 64]
BAD_NAMES: dict[str, str] = {
    "not valid": "use 'not_valid'",
    "class": "use 'class_'",
    "None": "Python language",
    "2x": "use 'p_2x'",
    "__name__": "use 'name'",
    "__x": "use 'x'",
    "_": "underscores only",
    "a" * 65: "at most 64",
    "x=1;import os;y": "use 'x_1_import_os_y'",
    "x\n": "use 'x'",
    "a.b": "use 'a_b'",
    "ﬁle": "use 'file'",
    "": "not a name",
    "$(touch canary)": "use 'touch_canary'",
    "x\0": "use 'x'",
}


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_an_identifier_is_a_name(name: str) -> None:
    assert validate_name(name) == name


@pytest.mark.parametrize(("name", "message"), BAD_NAMES.items(), ids=[repr(n)[:20] for n in BAD_NAMES])
def test_a_name_that_code_cannot_use_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        validate_name(name)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="not int"):
        validate_name(1)


def test_later_options_win_in_papermills_order() -> None:
    names = ["b", "f", "f2", "y", "p", "r"]

    def layer(start: str) -> dict[str, str]:
        return dict.fromkeys(names[names.index(start) :], start)

    merged = merge_parameters(
        paths={"PAPERMILL_INPUT_PATH": "in", "b": "path"},
        base64=[layer("b")],
        files=[layer("f"), layer("f2")],
        yaml=[layer("y")],
        typed=layer("p"),
        raw=layer("r"),
    )
    assert {name: merged.values[name] for name in names} == {name: name for name in names}
    assert merged.values["PAPERMILL_INPUT_PATH"] == "in"
    assert (merged.sources["p"], merged.sources["r"], merged.options["y"]) == ("cli", "json", "-y")


@pytest.mark.parametrize("content", [None, [1], "text", 5])
def test_yaml_that_is_no_mapping_is_refused(content: Any) -> None:
    with pytest.raises(InvalidParameter, match="-y holds"):
        merge_parameters(yaml=[content])


@given(value=st.integers() | st.floats(allow_nan=False) | st.booleans() | st.lists(st.integers()) | st.none())
def test_what_the_schema_accepts_the_coercion_accepts(value: Any) -> None:
    parameters = inspect_source("x: int | float | bool | list[int] | None")
    validator = jsonschema.Draft202012Validator(parameters_schema(parameters))
    assert validator.is_valid({"x": json_safe(value)}) or math.isinf(value)
    assert coerce(parameters, {"x": value})["x"] == value


def test_many_unknown_names_are_refused_in_bounded_time() -> None:
    parameters = inspect_source("\n".join(f"month_{index} = 1" for index in range(1000)))
    started = time.process_time()
    with pytest.raises(ParameterErrors) as caught:
        prepare(parameters, {f"mnth_{index}": 1 for index in range(1000)})
    assert time.process_time() - started < 5
    assert len(caught.value.errors) == 1000
