"""Parameters of a notebook run: typed, refused, injected, kept. Real kernels."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import UsageError
from headrace.core.run_spec import NotebookSpec
from headrace.server.runner.prepare import prepare
from notebooks import code, read, run, stored, texts, write

pytestmark = pytest.mark.kernel


def declared(*lines: str) -> dict[str, Any]:
    return code("\n".join(lines), "parameters")


def test_values_arrive_typed_and_are_kept_at_the_next_run(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", declared("a: int = 1", "b = 'x'", "when = None"), "print(a, b, repr(when))")
    first, second = tmp_path / "one.ipynb", tmp_path / "two.ipynb"
    result = run(source, first, parameters={"a": 5, "when": date(2026, 11, 24)}, strict=False)
    assert result.ending.exit_code == 0
    assert texts(read(first)["cells"][2]["outputs"]) == "5 x datetime.date(2026, 11, 24)\n"
    assert read(first)["cells"][1]["metadata"]["tags"] == ["injected-parameters"]
    assert stored(result.run.id).parameters["a"] == 5
    again = run(first, second, parameters={"b": "y"})
    assert again.ending.exit_code == 0
    assert texts(read(second)["cells"][2]["outputs"]) == "5 y datetime.date(2026, 11, 24)\n"
    assert len(read(second)["cells"]) == 3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mnth": 1}, "did you mean 'month'"),
        ({}, "month: required"),
        ({"month": "soon"}, "month"),
        ({"month": 1, "not valid": 2}, "not valid"),
    ],
    ids=["unknown", "missing", "mistyped", "no name"],
)
def test_wrong_parameters_are_refused_before_a_kernel_starts(
    parameters: dict[str, Any], words: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.ipynb", declared("month: int"), "month")
    with pytest.raises(UsageError, match=words):
        prepare(NotebookSpec(input_path=str(source), parameters=parameters))


def test_lenient_runs_warn_where_strict_ones_refuse(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", declared("month: int"), "month")
    found = prepare(NotebookSpec(input_path=str(source), parameters={"mnth": 1, "month": "soon"}, strict=False))
    assert any("mnth" in warning for warning in found.warnings)
    assert found.values.given == {"mnth": 1, "month": "soon"}


def test_a_path_takes_parameters_and_facts_of_the_run(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", declared("month: int"), "month")
    found = prepare(
        NotebookSpec(
            input_path=str(source),
            output_path=str(tmp_path / "{notebook}-{month:02d}-{pm[run_uuid]}.ipynb"),
            parameters={"month": 3},
        )
    )
    assert found.output_path == str(tmp_path / f"in-03-{found.spec.run_id}.ipynb")


def test_a_file_with_braces_in_its_name_is_meant_as_it_stands(tmp_path: Path) -> None:
    source = write(tmp_path / "a{b}.ipynb", "1")
    assert prepare(NotebookSpec(input_path=str(source))).input_path == str(source)


def test_facts_of_the_run_can_be_read_in_the_notebook(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        declared("month: int = 1"),
        "import headrace\nrun = headrace.runtime.notebook_run\n"
        "print(run.id, run.name, run.parameters, run.is_scheduled, run.attempt)\n"
        "print(run.scheduled_at, run.interval_start, run.interval_end)",
    )
    hour = 3_600_000_000
    result = run(
        source,
        tmp_path / "out.ipynb",
        name="weekly",
        parameters={"month": 3},
        schedule_id="a-schedule",
        scheduled_at=hour,
        interval_start_at=0,
        interval_end_at=hour,
    )
    found = texts(read(tmp_path / "out.ipynb")["cells"][2]["outputs"]).splitlines()
    assert found[0] == f"{result.run.id} weekly {{'month': 3}} True 1"
    assert found[1] == "1970-01-01 01:00:00+00:00 1970-01-01 00:00:00+00:00 1970-01-01 01:00:00+00:00"
