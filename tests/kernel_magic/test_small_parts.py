"""Names, delays, pictures of values, and finding futures: the parts without a run."""

from __future__ import annotations

import datetime
import decimal
import enum
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace import exponential_backoff
from headrace.core.errors import InvalidName, InvalidOption
from headrace.core.states import State, StateType
from headrace.kernel_magic.definition import FunctionDefinition, importable
from headrace.kernel_magic.names import (
    ADJECTIVES,
    ANIMALS,
    check_name,
    check_template,
    fill_template,
    run_slug,
    task_slug,
)
from headrace.kernel_magic.options import FlowOptions, TaskOptions
from headrace.kernel_magic.previews import ENTRIES, TEXT, picture, pictures, result_picture
from headrace.kernel_magic.resolve import rebuild
from headrace.kernel_magic.retries import LONGEST_SECONDS, plan, wait_seconds

# ------------------------------------------------------------------------------------------------- delays


@pytest.mark.parametrize(
    ("delay", "retries", "expected"),
    [
        (None, 3, (0.0,)),
        (2, 3, (2.0,)),
        (0.5, 3, (0.5,)),
        ([1, 2, 4], 5, (1.0, 2.0, 4.0)),
        (exponential_backoff(2), 4, (2.0, 4.0, 8.0, 16.0)),
        (lambda retries: [retries], 3, (3.0,)),
        ([], 3, (0.0,)),
        (exponential_backoff(1e9), 2, (LONGEST_SECONDS,) * 2),
    ],
)
def test_delays_are_planned(delay: Any, retries: int, expected: tuple[float, ...]) -> None:
    assert plan(retries, delay, where="task 'x'") == expected


@pytest.mark.parametrize(
    "delay", ["1", [1, "2"], [-1], -1, True, [1] * 51, {"a": 1}, lambda retries: 1 / 0, [float("nan")]]
)
def test_what_is_no_delay_is_refused(delay: Any) -> None:
    with pytest.raises(InvalidOption, match=r"task 'x'.*retry_delay_seconds"):
        plan(3, delay, where="task 'x'")


def test_a_wait_is_never_shorter_than_its_delay() -> None:
    assert [wait_seconds((1.0, 2.0), n, 0.0, lambda: 0.9) for n in range(4)] == [1.0, 2.0, 2.0, 2.0]
    assert wait_seconds((2.0,), 0, 0.5, lambda: 0.0) == 2.0
    assert wait_seconds((2.0,), 0, 0.5, lambda: 1.0) == 3.0


# ------------------------------------------------------------------------------------------------- names


def test_made_up_names_have_their_form() -> None:
    adjective, _, animal = run_slug().partition("-")
    assert adjective in ADJECTIVES
    assert animal in ANIMALS
    name, _, digits = task_slug("clean").rpartition("-")
    assert (name, len(digits)) == ("clean", 3)
    assert int(digits, 16) < 4096


@pytest.mark.parametrize("name", ["", "  ", 3, "a<b", "b>", "x" * 201])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidName):
        check_name(name, "flow")


def test_templates_are_checked_early_and_filled_late() -> None:
    check_template("a-{x}-{y.day:%A}", {"x": 1, "y": 2}, open_ended=False, option="task_run_name")
    check_template("a-{anything}", {}, open_ended=True, option="task_run_name")
    with pytest.raises(InvalidOption, match="names 'z', which is no parameter"):
        check_template("{z}", {"x": 1}, open_ended=False, option="task_run_name")
    with pytest.raises(InvalidOption, match="is no format string"):
        check_template("{x", {"x": 1}, open_ended=False, option="task_run_name")
    assert fill_template("{x}-{y:%B}", {"x": 1, "y": datetime.date(2026, 11, 24)}, "task_run_name") == "1-November"
    assert fill_template(lambda: "made", {}, "flow_run_name") == "made"
    assert fill_template(lambda parameters: f"p{parameters['x']}", {"x": 1}, "flow_run_name") == "p1"
    with pytest.raises(InvalidName, match="must give text"):
        fill_template(lambda: 3, {}, "flow_run_name")  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidName, match="ZeroDivisionError"):
        fill_template(lambda: 1 / 0, {}, "flow_run_name")  # type: ignore[arg-type,return-value]


# ------------------------------------------------------------------------------------------------- pictures


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    label: object


class Frame:
    """Looks like a DataFrame from a known library, and must not be walked into."""

    __module__ = "pandas.core"
    shape = (3, 2)

    def __iter__(self) -> Any:
        raise AssertionError("walked into")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (3, 3),
        ("text", "text"),
        ("x" * 5000, "x" * TEXT + "… (5000 characters)"),
        ([1, (2, {3})], [1, [2, [3]]]),
        (list(range(60)), [*range(ENTRIES), "… 10 more"]),
        ({"a": {1: 2}}, {"a": {"1": 2}}),
        (Colour.RED, "red"),
        (datetime.date(2026, 11, 24), "2026-11-24"),
        (decimal.Decimal("1.10"), "1.10"),
        (Path("/a/b"), "/a/b"),
        (Point(1, "p"), {"x": 1, "label": "p"}),
        (Frame(), "<Frame 3 × 2>"),
        (object(), "<object>"),
        (len, "<len>"),
        (Point, "<Point>"),
        ([[[[[1]]]]], [[[["<list>"]]]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_have_bounded_pictures(value: Any, expected: Any) -> None:
    assert picture(value) == expected


def test_what_cannot_be_looked_at_is_shown_by_its_type() -> None:
    class Angry(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError("changed while it was looked at")

    class Shy:
        __dataclass_fields__ = {"x": None}

        @property
        def x(self) -> int:
            raise RuntimeError("no")

    assert pictures({"a": Shy(), "b": 1})["b"] == 1
    assert "Shy" in pictures({"a": Shy()})["a"]
    assert pictures({"a": Angry(x=1)})["a"].endswith("Angry>")
    assert result_picture(None) is None
    assert result_picture([1]) == {"type": "list", "preview": [1]}


def test_numpy_and_pandas_are_shown_by_their_shape() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(5), "b": range(5)})
    assert picture(frame) == "<DataFrame 5 × 2>"
    assert picture(frame["a"]) == "<Series 5>"
    assert picture(frame["a"].to_numpy()) == "<ndarray 5>"
    assert picture(frame["a"].iloc[0]) == 0


# ------------------------------------------------------------------------------------------------- finding


MARK = State(type=StateType.COMPLETED, data=7)
Pair = namedtuple("Pair", "left right")


def replaced(value: Any) -> Any:
    return rebuild(value, lambda found: found.data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MARK, 7),
        ([1, MARK], [1, 7]),
        ((MARK,), (7,)),
        ({"a": [MARK]}, {"a": [7]}),
        (Pair(MARK, 2), Pair(7, 2)),
        (Point(1, [MARK]), Point(1, [7])),
        ([*range(200_000), MARK], [*range(200_000), 7]),
    ],
    ids=["alone", "list", "tuple", "dict", "namedtuple", "dataclass", "a large list"],
)
def test_states_are_found_wherever_they_are(value: Any, expected: Any) -> None:
    assert replaced(value) == expected


@pytest.mark.parametrize(
    "value",
    [[1, 2], {"a": (1, {"b": 2})}, Point(1, "x"), "text", list(range(1_000_000)), Frame()],
    ids=["list", "dict", "dataclass", "text", "a million numbers", "frame"],
)
def test_what_holds_nothing_is_returned_as_it_is(value: Any) -> None:
    assert replaced(value) is value


@pytest.mark.parametrize("make", [list, lambda rows: dict(enumerate(rows))], ids=["list", "dict"])
def test_a_large_collection_is_not_walked_into(make: Any) -> None:
    looked: list[int] = []

    class Row:
        __dataclass_fields__ = {"x": None}

        @property
        def x(self) -> int:
            looked.append(1)
            return 1

    rows = make([Row() for _ in range(50_000)])
    assert replaced(rows) is rows
    assert len(looked) <= 200


def test_models_are_copied_without_running_their_code_again() -> None:
    pydantic = pytest.importorskip("pydantic")
    made: list[int] = []

    class Box(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        inner: Any

        def model_post_init(self, _context: Any) -> None:
            made.append(1)

    box = Box(inner=[MARK])
    twin = replaced(box)
    assert (twin.inner, box.inner, len(made)) == ([7], [MARK], 1)


# ------------------------------------------------------------------------------------------------- calls


def sample(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> None: ...


def plain(a: int, b: int = 2) -> None: ...


@pytest.mark.parametrize(
    ("fn", "args", "kwargs", "expected"),
    [
        (plain, (1,), {}, {"a": 1, "b": 2}),
        (plain, (1, 5), {}, {"a": 1, "b": 5}),
        (plain, (), {"b": 1, "a": 0}, {"a": 0, "b": 1}),
        (sample, (1,), {}, {"a": 1, "b": 2, "rest": (), "c": 3, "more": {}}),
        (sample, (1, 2, 3, 4), {"c": 5, "z": 6}, {"a": 1, "b": 2, "rest": (3, 4), "c": 5, "more": {"z": 6}}),
    ],
)
def test_arguments_are_named_and_given_back(fn: Any, args: Any, kwargs: Any, expected: Any) -> None:
    definition = FunctionDefinition("task", fn, "t", TaskOptions())
    bound = definition.bind(args, kwargs)
    assert bound == expected
    again_args, again_kwargs = definition.arguments(bound)
    assert definition.bind(again_args, again_kwargs) == expected


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"z": 1})])
def test_calls_that_do_not_fit_are_refused(call: Any) -> None:
    with pytest.raises(ValueError, match="cannot be called like this"):
        FunctionDefinition("flow", plain, "f", FlowOptions()).bind(*call)


def test_what_an_editable_install_brings_can_be_imported_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.machinery import ModuleSpec

    class Finder:
        """As setuptools makes them."""

        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return ModuleSpec(name, None) if name == "a_package_in_work" else None

    Finder.__module__ = "__editable___a_package_in_work_0_1_finder"
    assert not importable("a_package_in_work.part")
    importable.cache_clear()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert importable("a_package_in_work.part")
    assert not importable("made_up_by_a_notebook")
    importable.cache_clear()
