"""What a parameters cell declares, from its text alone."""

from __future__ import annotations

import datetime
import math
import time
from typing import Any

import pytest

from headrace.core.errors import InvalidNotebook
from headrace.core.parameters import EnumMember, Parameter, inspect_source
from headrace.core.parameters.annotations import parse_annotation
from headrace.core.parameters.conversion import describe
from headrace.core.parameters.inspect import read_assignments, source_enums

COLOUR = "class Color(str, Enum):\n    RED = 'red'\n    BLUE = 'blue'\n"


def only(source: str) -> Parameter:
    (parameter,) = inspect_source(source)
    return parameter


DEFAULTS: dict[str, tuple[str, Any, str]] = {
    "whole number": ("x = 1", 1, "1"),
    "negative": ("x = -1.5", -1.5, "-1.5"),
    "text with an equals sign": ("x = 'a=b'", "a=b", "'a=b'"),
    "text with a hash": ("x = '#a'", "#a", "'#a'"),
    "two texts joined": ("x = 'a' 'b'", "ab", "'a' 'b'"),
    "call of dict": ("x = dict(a=1)", {"a": 1}, "dict(a=1)"),
    "optional": ("x: str | None = None", None, "None"),
    "tuple": ("x = (1, 'a')", (1, "a"), "(1, 'a')"),
    "date": ("x = date(2026, 1, 1)", datetime.date(2026, 1, 1), "date(2026, 1, 1)"),
    "infinity": ("x = float('inf')", math.inf, "float('inf')"),
    "spread over lines": ("x = [\n  1,\n  2,\n]", [1, 2], "[\n  1,\n  2,\n]"),
    "text over lines": ('x = """a\n# b\n%c"""', "a\n# b\n%c", '"""a\n# b\n%c"""'),
    "invalid escape": (r"x = '\d'", "\\d", r"'\d'"),
    "beside magics": ("%matplotlib inline\nx = 1\n!ls\nprint?", 1, "1"),
    "in a cell with a cell magic": ("%%time\nx = 1", 1, "1"),
    "under a form feed": ("\fx = 1", 1, "1"),
}


@pytest.mark.parametrize(("source", "value", "text"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_a_default_that_is_a_literal_is_known(source: str, value: Any, text: str) -> None:
    parameter = only(source)
    assert (parameter.name, parameter.default, parameter.default_known) == ("x", value, True)
    assert parameter.default_source == text
    assert not parameter.required


@pytest.mark.parametrize("value", ["today()", "10 ** 3", "f'{a}'", "a.b", "open('canary', 'w')", "list(range(10**9))"])
def test_a_default_that_is_computed_is_known_by_its_text(value: str) -> None:
    parameter = only(f"x = {value}")
    assert (parameter.default, parameter.default_known, parameter.default_source) == (None, False, value)
    assert not parameter.required


@pytest.mark.parametrize("source", ["x: int", "x = ...", "x: int = ...", 'x: "int"'])
def test_a_parameter_without_a_default_is_required(source: str) -> None:
    assert only(source).required


HELP: dict[str, tuple[str, str, str]] = {
    "at the end of the line": ("x = 1  # the help", "the help", ""),
    "with a hash in it": ("x = 1  # a # b", "a # b", ""),
    "after a text with a hash": ("x = '#no'  # yes", "yes", ""),
    "after the last line": ("x = [  # first\n  1,  # inner\n]  # last", "last", ""),
    "after the first line": ("x = [  # first\n  1,\n]", "first", ""),
    "none": ("x = 1", "", ""),
    "a line of its own": ("x = 1\n# no help", "", ""),
    "type comment": ("x = 1  # type: int the help", "the help", "int"),
    "type comment with brackets": ("x = {}  # type: Dict[str, int] counts", "counts", "Dict[str, int]"),
    "type comment with a bar": ("x = 1  # type: int | None the help", "the help", "int | None"),
    "type comment and hash": ("x = 1  # type: int  # the help", "the help", "int"),
    "ignored type comment": ("x = 1  # type: ignore[assignment] the help", "the help", ""),
    "annotation before type comment": ("x: int = 1  # type: str the help", "the help", "int"),
}


@pytest.mark.parametrize(("source", "note", "annotation"), HELP.values(), ids=HELP.keys())
def test_the_comment_after_a_statement_is_its_help(source: str, note: str, annotation: str) -> None:
    assert (only(source).help, only(source).annotation) == (note, annotation)


def test_where_statements_share_a_line_the_help_is_the_last_ones() -> None:
    assert [(p.name, p.help) for p in inspect_source("a = 1; b = 2  # of b")] == [("a", ""), ("b", "of b")]


NAMES: dict[str, tuple[str, list[str]]] = {
    "inside if": ("if True:\n    no = 1\nx = 1", ["x"]),
    "inside for and with": ("for a in b:\n    no = 1\nwith c as d:\n    no = 2", []),
    "imports, calls and definitions": ("import a\nfrom b import c\ndef f(): no = 1\nclass D: no = 1\nf()", []),
    "attributes and items": ("a.b = 1\nc[0] = 2", []),
    "augmented": ("x = 1\nx += 1", ["x"]),
    "dunder": ("__version__ = '1'\nx = 1", ["x"]),
    "unpacked": ("a, b = 1, 2", ["a", "b"]),
    "nested unpacked": ("(a, [b, c]) = 1, (2, 3)", ["a", "b", "c"]),
    "starred": ("a, *b = 1, 2, 3", ["a", "b"]),
    "chained": ("a = b = 1", ["a", "b"]),
    "deleted": ("a = 1\nb = 2\ndel a", ["b"]),
    "nothing": ("", []),
    "only comments": ("# x = 1", []),
}


@pytest.mark.parametrize(("source", "names"), NAMES.values(), ids=NAMES.keys())
def test_only_assignments_at_the_top_are_parameters(source: str, names: list[str]) -> None:
    assert [parameter.name for parameter in inspect_source(source)] == names


def test_unpacked_values_go_to_their_names() -> None:
    found = {p.name: (p.default, p.default_known) for p in inspect_source("(a, [b, c]) = 1, (2, 3)\nd, e = f()")}
    assert found == {"a": (1, True), "b": (2, True), "c": (3, True), "d": (None, False), "e": (None, False)}


def test_the_last_default_counts_and_an_earlier_annotation_stays() -> None:
    parameter = only("x: int  # the help\nx = 3\n")
    assert (parameter.annotation, parameter.default, parameter.required, parameter.help) == (
        "int",
        3,
        False,
        "the help",
    )
    parameter = only("x = 3\nx: float")
    assert (parameter.annotation, parameter.default, parameter.required) == ("float", 3, False)


TYPES: dict[str, str] = {
    "int": "a whole number",
    "'int'": "a whole number",
    "float | None": "a number or nothing (None)",
    "Optional[int]": "a whole number or nothing (None)",
    "typing.Union[int, str, int]": "a whole number or text",
    "t.List[int]": "a list (each a whole number)",
    "dict[str, float]": 'an object such as {"a": 1}',
    "tuple[int, str]": "a list (a whole number, text)",
    "tuple[int, ...]": "a list (each a whole number)",
    "Literal['a', 1, None]": "one of 'a', 1, None",
    "Literal[Literal['a'], 'b']": "one of 'a', 'b'",
    "Annotated[int, 'months']": "a whole number",
    "Final[str]": "text",
    "datetime.date": "a date such as 2026-11-24",
    "dt.datetime": "a date and time such as 2026-11-24T08:30",
    "pathlib.Path": "a path",
    "SecretStr": "text",
    "int | pd.DataFrame": "anything",
    "Color": "anything",
    "1 +": "anything",
    "f(x)": "anything",
}


@pytest.mark.parametrize(("annotation", "words"), TYPES.items(), ids=TYPES.keys())
def test_an_annotation_is_understood_by_its_words(annotation: str, words: str) -> None:
    assert describe(parse_annotation(annotation)) == words


def test_an_enum_of_the_cell_gives_the_choices() -> None:
    parameter = inspect_source(f"{COLOUR}x: Color = Color.RED")[0]
    assert parameter.choices == ("red", "blue")
    assert parameter.default == EnumMember("Color", "RED")
    assert inspect_source(f"{COLOUR}x = Color.BLUE")[0].choices == ("red", "blue")
    assert inspect_source(f"{COLOUR}x: Color | None = None")[0].choices == ("red", "blue")
    assert inspect_source("class S(Enum):\n    A = auto()\n    B = auto()\n    _c = 1\nx: S")[0].choices == ("A", "B")
    assert list(source_enums(COLOUR)) == ["Color"]


def test_a_class_that_is_no_enum_gives_no_choices() -> None:
    assert inspect_source("class Color(Base):\n    RED = 1\nx: Color = Color.RED")[0].choices == ()


def test_a_literal_gives_the_choices_and_whether_none_is_allowed() -> None:
    parameter = only("x: Optional[Literal['a', 'b']] = 'a'")
    assert (parameter.choices, parameter.nullable) == (("a", "b"), True)
    assert not only("x: Literal['a'] = 'a'").nullable
    assert only("x: int = None").nullable


@pytest.mark.parametrize(
    "source",
    [
        "x: SecretStr",
        "x: Secret = ...",
        "x: pydantic.SecretStr | None = None",
        "x = ''  # API secret",
        "x: Secret[str]",
    ],
)
def test_a_secret_is_marked(source: str) -> None:
    assert only(source).secret


def test_a_secretary_is_no_secret() -> None:
    assert not only("x = 'a'  # the secretary's name").secret


@pytest.mark.parametrize(
    "source", ["x = ", "x = 1\n  y = 2", "x = '\0'", "x = " + "(" * 300, "library(dplyr) ; x <- 1 %>% f"]
)
def test_a_cell_that_is_not_python_is_refused_in_one_line(source: str) -> None:
    with pytest.raises(InvalidNotebook, match="not Python") as caught:
        inspect_source(source)
    assert "\n" not in str(caught.value)


def test_assignments_are_read_as_far_as_they_are_literals() -> None:
    source = (
        f"{COLOUR}import datetime as _datetime\nday = _datetime.date(2026, 1, 1)\nx = Color.RED\ny = f()\nz, w = g()\n"
    )
    assert read_assignments(source, source_enums(source)) == {
        "day": datetime.date(2026, 1, 1),
        "x": EnumMember("Color", "RED"),
    }


HEAVY: dict[str, str] = {
    "many parameters": "\n".join(f"x{index}: dict[str, int] = {{'a': [1]}}  # help" for index in range(2000)),
    "many members": f"x: Union[{','.join(f'Literal[{index}]' for index in range(10_000))}] = 1",
    "a long bar": f"x: {'|'.join(['A'] * 900)} = 1",
    "a long bar of literals": f"x: {'|'.join(f'Literal[{index}]' for index in range(900))} = 1",
    "many dots": f"x: {'.'.join(['a'] * 900)} = {'.'.join(['a'] * 900)}\ndel {'.'.join(['a'] * 900)}",
    "many bases": f"class E({'.'.join(['a'] * 900)}): pass\nx = 1",
    "a long sum": f"x = {'+'.join(['1'] * 900)}",
    "many minus signs": f"x = {'-' * 150}1",
    "one long list": f"x = [{'1,' * 50_000}]",
    "many statements on a line": "x = 1;" * 10_000,
    "one name many times": "x = 1  # help\n" * 5_000,
}


@pytest.mark.parametrize("source", HEAVY.values(), ids=HEAVY.keys())
def test_a_cell_made_to_be_slow_is_inspected_in_bounded_time(source: str) -> None:
    started = time.process_time()
    found = inspect_source(source)
    assert found[-1].name.startswith("x")
    # Processor time, so that a busy machine does not count. It was minutes where the work grows with the square.
    assert time.process_time() - started < 5
