"""A cell becomes a task by its magic line, its metadata or its tag: all three mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.core.cells import (
    READERS,
    CellOptions,
    find_task,
    format_line,
    options_dict,
    parse_line,
    parse_metadata,
    split_magic,
)
from headrace.core.errors import InvalidName, InvalidOption

LINES: list[tuple[str, CellOptions]] = [
    ("", CellOptions()),
    ("clean", CellOptions(name="clean")),
    ("--retries 3 clean", CellOptions(name="clean", retries=3)),
    ("clean --retries=3", CellOptions(name="clean", retries=3)),
    ("--retry-delay-seconds 5", CellOptions(retry_delay_seconds=5.0)),
    ("--retry-delay-seconds 1,2,4", CellOptions(retry_delay_seconds=(1.0, 2.0, 4.0))),
    ("--timeout-seconds 1.5m", CellOptions(timeout_seconds=90.0)),
    ("--cache-policy inputs", CellOptions(cache_policy="INPUTS")),
    ("--cache-policy 'INPUTS+task_source'", CellOptions(cache_policy="INPUTS + TASK_SOURCE")),
    ("--cache-policy 'INPUTS - \"debug\"'", CellOptions(cache_policy='INPUTS - "debug"')),
    ("--cache-expiration 2d", CellOptions(cache_expiration=172_800.0)),
    ("--tags a,b,a", CellOptions(tags=("a", "b"))),
    ("--after load,clean", CellOptions(after=("load", "clean"))),
    ("--background", CellOptions(background=True)),
    ("--no-log-prints", CellOptions(log_prints=False)),
    ("--log-prints=false", CellOptions(log_prints=False)),
    ("--persist-result", CellOptions(persist_result=True)),
    ("--runner dask", CellOptions(runner="dask")),
    ("--mutates df,model", CellOptions(mutates=("df", "model"))),
    ("--reads 'data/*.csv'", CellOptions(reads=("data/*.csv",))),
    ("--skip-if 'len(df) == 0'", CellOptions(skip_if="len(df) == 0")),
    ("--description 'what it does'", CellOptions(description="what it does")),
]


@pytest.mark.parametrize(("line", "options"), LINES, ids=[line or "nothing" for line, _ in LINES])
def test_a_line_gives_its_options(line: str, options: CellOptions) -> None:
    assert parse_line(line) == options


@pytest.mark.parametrize(("line", "options"), LINES, ids=[line or "nothing" for line, _ in LINES])
def test_options_come_back_from_the_line_and_the_metadata_that_are_written_for_them(
    line: str, options: CellOptions
) -> None:
    written = split_magic(format_line(options) + "\nx = 1")
    assert written is not None
    assert parse_line(written[1]) == options
    assert parse_metadata(options_dict(options)) == options


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--retry 3", r"no option --retry\. Did you mean --retries"),
        ("--xyz 3", "Known: --retries"),
        ("--retries", "--retries needs a value"),
        ("--retries --background", "--retries needs a value"),
        ("--retries many", "'many', but wants a number"),
        ("--retries -1", "whole number from 0"),
        ("--retries 1.5", "a number"),
        ("--timeout-seconds 0", "more than 0 seconds"),
        ("--timeout-seconds nan", "number of seconds"),
        ("--runner cloud", "one of threads, processes, dask, ray"),
        ("--cache-policy everything", "DEFAULT"),
        ("--cache-policy INPUTS+", "DEFAULT"),
        ("--skip-if 'x ='", "a Python expression"),
        ("--retries 1 --retries 2", "stands twice"),
        ("a b", "'b' stands where an option should"),
        ("'a", "quote is not closed"),
        ("--background=maybe", "true or false"),
    ],
)
def test_a_wrong_word_is_named_with_the_remedy(line: str, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        parse_line(line)


@pytest.mark.parametrize("name", ["1st", "a<b", "a/b", "-x", "'a b'", "x" * 101])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises((InvalidName, InvalidOption)):
        parse_line(name)


@pytest.mark.parametrize(
    ("source", "metadata", "origin"),
    [
        ("%%task clean --retries 2\nx = 1", {}, "magic"),
        ("x = 1", {"headrace": {"task": {"name": "clean", "retries": 2}}}, "metadata"),
        ("x = 1", {"headrace": {"task": {}}}, "metadata"),
        ("x = 1", {"tags": ["task"]}, "tag"),
    ],
    ids=["magic", "metadata", "metadata without options", "tag"],
)
def test_all_three_ways_make_a_task(source: str, metadata: dict[str, Any], origin: str) -> None:
    found = find_task(source, metadata)
    assert found is not None
    assert found.origin == origin
    assert found.body.strip() == "x = 1"


@pytest.mark.parametrize(
    ("source", "metadata"),
    [
        ("x = 1", {}),
        ("# %%task", {}),
        ("%%tasks\nx", {}),
        ("%%time\nx", {"tags": ["other"]}),
        ("x", {"headrace": {"run_id": "r"}}),
        ("x", {"headrace": {"task": False}}),
        ("x", {"tags": "task"}),
    ],
)
def test_other_cells_are_plain(source: str, metadata: dict[str, Any]) -> None:
    assert find_task(source, metadata) is None


def test_the_body_keeps_its_line_numbers() -> None:
    found = find_task("%%task\n\nraise ValueError")
    assert found is not None
    assert found.body.split("\n").index("raise ValueError") == 2


def test_wrong_metadata_names_where_it_stands() -> None:
    with pytest.raises(InvalidOption, match=r"cell 3: no option|cell 3 has no option --retry"):
        parse_metadata({"retry": 1}, where="cell 3")
    with pytest.raises(InvalidOption, match="true, a name or a mapping"):
        parse_metadata(7)


def test_every_option_has_a_field() -> None:
    assert {"name", *READERS} == set(options_dict.__globals__["DEFAULTS"])
