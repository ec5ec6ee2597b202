"""Values of other languages than Python have the language's shape; what it cannot hold is refused."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import pytest
from hostile import NAMES, statement
from papermill.translators import PythonTranslator, RTranslator, papermill_translators

from headrace.core.errors import InvalidParameter
from headrace.server.languages import PROVED, find, translate
from headrace.server.parameters import is_python


def test_every_language_of_papermill_is_proved_or_python() -> None:
    for name, translator in papermill_translators._translators.items():
        assert translator is PythonTranslator or translator in PROVED, name
    assert {find(NAMES[language], language) for language in NAMES} == set(PROVED)


SHAPES: dict[str, dict[str, str]] = {
    "R": {
        "null": "x = NULL",
        "true": "x = TRUE",
        "nan": "x = NaN",
        "list": 'x = list(1, "a", NULL)',
        "dict": 'x = list("k" = list(2.5))',
        "empty": "x = list()",
        "long": "x = 3000000000",
        "nested": "x = list(list(1, 2))",
    },
    "julia": {
        "null": "x = nothing",
        "true": "x = true",
        "nan": "x = NaN",
        "list": 'x = [1, "a", nothing]',
        "dict": 'x = Dict("k" => [2.5])',
        "empty": "x = []",
        "long": "x = 3000000000",
        "nested": "x = [[1, 2]]",
    },
    "scala": {
        "null": "val x = None",
        "true": "val x = true",
        "nan": "val x = Double.NaN",
        "list": 'val x = Seq(1, "a", None)',
        "dict": 'val x = Map("k" -> Seq(2.5))',
        "empty": "val x = Seq()",
        "long": "val x = 3000000000L",
        "nested": "val x = Seq(Seq(1, 2))",
    },
    "matlab": {
        "null": "x = NaN;",
        "true": "x = true;",
        "nan": "x = NaN;",
        "list": 'x = {1, "a", NaN};',
        "dict": "x = containers.Map({'k'}, {{2.5}}, 'UniformValues', false);",
        "empty": "x = {};",
        "long": "x = 3000000000;",
        "nested": "x = {{1, 2}};",
    },
    "C#": {
        "null": "var x = (object)null;",
        "true": "var x = true;",
        "nan": "var x = double.NaN;",
        "list": 'var x = new object[] { 1, "a", (object)null };',
        "dict": ('var x = new System.Collections.Generic.Dictionary<string, object> { { "k", new [] { 2.5 } } };'),
        "empty": "var x = new object[] {  };",
        "long": "var x = 3000000000L;",
        "nested": "var x = new object[] { new [] { 1, 2 } };",
    },
    "F#": {
        "null": "let x = None",
        "true": "let x = true",
        "nan": "let x = System.Double.NaN",
        "list": 'let x = [ box (1); box ("a"); (null : obj) ]',
        "dict": 'let x = ([ ("k", box ([ 2.5 ])) ] : (string * obj) list) |> Map.ofList',
        "empty": "let x = [  ]",
        "long": "let x = 3000000000L",
        "nested": "let x = [ box ([ 1; 2 ]) ]",
    },
    "PowerShell": {
        "null": "$x = $Null",
        "true": "$x = $True",
        "nan": "$x = [double]::NaN",
        "list": "$x = @(1, 'a', $Null)",
        "dict": "$x = @{'k' = @(2.5)}",
        "empty": "$x = @()",
        "long": "$x = 3000000000",
        "nested": "$x = @(, @(1, 2))",
    },
    "bash": {
        "null": "x=",
        "true": "x=true",
        "nan": "x=nan",
        "list": "x=()\nx+=(1)\nx+=('a')\nx+=('')",
        "empty": "x=()",
        "long": "x=3000000000",
    },
}
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "nan": math.nan,
    "list": [1, "a", None],
    "dict": {"k": [2.5]},
    "empty": [],
    "long": 3_000_000_000,
    "nested": [[1, 2]],
}


@pytest.mark.parametrize(
    ("language", "shape"), [(language, shape) for language, shapes in SHAPES.items() for shape in shapes]
)
def test_values_have_the_languages_shape(language: str, shape: str) -> None:
    assert statement(language, VALUES[shape]) == SHAPES[language][shape]


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", "a\0b", "NUL"),
        ("x", ["\ud800"], r"\['x'\]\[0\] holds half a character"),
        ("x", object(), "object"),
        ("x", {1: 2}, "text keys"),
        ("x", b"a", "bytes"),
        ("été", 1, "letters a-z"),
        ("x y", 1, "not a name"),
        ("x\n", 1, "not a name"),
        ("function", 1, None),
        ("if_", 1, None),
    ],
    ids=["nul", "surrogate", "object", "int keys", "bytes", "accent", "blank", "newline", "keyword", "harmless"],
)
def test_what_a_language_cannot_hold_is_refused(language: str, name: str, value: Any, message: str | None) -> None:
    if message is None:  # a word of one language is a name in another: written as a name, or refused as a word
        written = ""
        try:
            written = translate({name: value}, NAMES[language], language)
        except InvalidParameter as error:
            written = str(error)
        assert name in written.split("\n")[1] if "\n" in written else "meaning of its own" in written
        return
    with pytest.raises(InvalidParameter, match=message):
        translate({name: value}, NAMES[language], language)


WORDS: list[tuple[str, str]] = [
    ("R", "function"),
    ("R", "TRUE"),
    ("julia", "end"),
    ("scala", "val"),
    ("matlab", "end"),
    ("octave", "endif"),
    ("C#", "string"),
    ("F#", "let"),
    ("PowerShell", "Error"),
    ("PowerShell", "ErrorActionPreference"),
    ("bash", "PATH"),
    ("bash", "PROMPT_COMMAND"),
    ("bash", "PS1"),
    ("bash", "BASH_ENV"),
    ("bash", "LD_PRELOAD"),
    ("bash", "RANDOM"),
    ("bash", "done"),
]


@pytest.mark.parametrize(("language", "word"), WORDS)
def test_a_word_with_a_meaning_is_no_parameter(language: str, word: str) -> None:
    with pytest.raises(InvalidParameter, match="meaning of its own") as caught:
        translate({word: 1}, NAMES[language], language)
    assert caught.value.field == word


@pytest.mark.parametrize(("language", "name"), [("R", "_x"), ("matlab", "_x"), ("matlab", "a" * 64)])
def test_a_name_that_the_language_would_change_is_refused(language: str, name: str) -> None:
    with pytest.raises(InvalidParameter, match="is not a name in"):
        translate({name: 1}, NAMES[language], language)


ROUNDED: list[tuple[str, int]] = [
    ("R", 2**53 + 1),
    ("matlab", -(2**60)),
    ("C#", 2**63),
    ("F#", 2**64),
    ("scala", 2**63),
    ("PowerShell", 2**70),
]


@pytest.mark.parametrize(("language", "number"), ROUNDED)
def test_a_number_that_would_be_rounded_is_refused(language: str, number: int) -> None:
    with pytest.raises(InvalidParameter, match="exactly"):
        translate({"x": number}, NAMES[language], language)


def test_what_would_silently_change_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="one name"):
        translate({"a": 1, "A": 2}, ".net-powershell", "PowerShell")
    with pytest.raises(InvalidParameter, match="takes for one"):
        translate({"x": {"a": 1, "A": 2}}, ".net-powershell", "PowerShell")
    with pytest.raises(InvalidParameter, match="empty key"):
        translate({"x": {"": 1}}, "ir", "R")
    for value in ({"a": 1}, [[1]], [{"a": 1}]):
        with pytest.raises(InvalidParameter, match="pass JSON text"):
            translate({"x": value}, "bash", "bash")


def test_python_values_become_plain_ones() -> None:
    import datetime
    import decimal

    import numpy

    values = {
        "day": datetime.date(2026, 1, 1),
        "path": pathlib.PurePosixPath("a/b"),
        "cost": decimal.Decimal("1.10"),
        "pair": (1, 2),
        "some": {3, 1},
        "count": numpy.int64(3),
        "rows": numpy.array([1.5]),
    }
    assert translate(values, "ir", "R").split("\n")[1:-1] == [
        'day = "2026-01-01"',
        'path = "a/b"',
        'cost = "1.10"',
        "pair = list(1, 2)",
        "some = list(1, 3)",
        "count = 3",
        "rows = list(1.5)",
    ]


def test_a_language_without_a_translator_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="no translator"):
        translate({"x": 1}, "xcpp", "C++", lenient=True)


def test_a_translator_that_is_not_proved_needs_lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(RTranslator):
        """A plug-in's translator, whose text is its own affair."""

    registry = dict(papermill_translators._translators) | {"mine": Mine}
    monkeypatch.setattr(papermill_translators, "_translators", registry)
    with pytest.raises(InvalidParameter, match=r"Mine.*not proved.*--lenient"):
        translate({"x": "a"}, "mine", "mine")
    assert translate({"x": "a"}, "mine", "mine", lenient=True) == '# Parameters\nx = "a"\n'
    with pytest.raises(InvalidParameter, match="not a name"):
        translate({"x y": "a"}, "mine", "mine", lenient=True)


@pytest.mark.parametrize(
    ("kernel", "language", "python"),
    [
        ("python3", "python", True),
        ("pysparkkernel", "", True),
        ("python3", "", True),
        ("ir", "R", False),
        ("x", "", False),
    ],
)
def test_python_is_told_by_kernel_and_language(kernel: str, language: str, python: bool) -> None:
    assert is_python(kernel, language) is python
