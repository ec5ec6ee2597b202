"""What papermill 2.7 gets wrong or surprises with, one test each, done right (notebooks.md, 2.11). Real kernels."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace
from headrace.core.errors import InvalidParameter, UsageError
from headrace.server import output_file
from notebooks import cell_runs, code, markdown, read, run, states, stored, texts, write

pytestmark = pytest.mark.kernel


def statuses(path: Path) -> list[str]:
    return [c["metadata"]["papermill"]["status"] for c in read(path)["cells"] if c["cell_type"] == "code"]


@pytest.mark.parametrize(
    ("cell", "options"),
    [("import os\nos._exit(1)", {}), ("import time\ntime.sleep(60)", {"cell_timeout_seconds": 0.3})],
    ids=["kernel death", "cell timeout"],
)
def test_cells_that_never_ran_are_not_completed(
    cell: str, options: dict[str, Any], data_dir: Path, tmp_path: Path
) -> None:
    result = run(write(tmp_path / "in.ipynb", "1", cell, "3", "4"), tmp_path / "out.ipynb", **options)
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending", "pending"]
    assert read(tmp_path / "out.ipynb")["metadata"]["papermill"]["exception"] is True
    assert states(result.run.id)[2:] == [("CANCELLED", "NotRun")] * 2


def test_sys_exit_0_is_told_apart_from_success_of_all_cells(data_dir: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.ipynb", "import sys\nsys.exit(0)", "2"), tmp_path / "out.ipynb")
    content = read(tmp_path / "out.ipynb")
    assert content["metadata"]["papermill"]["exception"] is None
    assert content["cells"][0]["metadata"]["papermill"]["exception"] is False
    assert statuses(tmp_path / "out.ipynb") == ["completed", "pending"]
    assert "the cells behind were skipped" in stored(result.run.id).state_message


def test_a_cell_that_may_raise_does_not_fail_the_run_at_its_end(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("1/0", "raises-exception"), "print('on')")
    found = headrace.execute_notebook(source, tmp_path / "out.ipynb", progress_bar=False)
    assert texts(found.cells[1].outputs) == "on\n"
    assert statuses(tmp_path / "out.ipynb") == ["completed", "completed"]


def test_skipped_cells_are_recorded_as_skipped(data_dir: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.ipynb", code("1/0", "skip-execution"), "2"), tmp_path / "out.ipynb")
    assert states(result.run.id) == [("COMPLETED", "Skipped"), ("COMPLETED", "Completed")]
    assert statuses(tmp_path / "out.ipynb") == ["pending", "completed"]
    assert read(tmp_path / "out.ipynb")["cells"][0]["metadata"]["headrace"]["run"]["state_name"] == "Skipped"


VALUES: dict[str, Any] = {
    "nan": float("nan"),
    "infinite": float("-inf"),
    "whole": np.int64(3),
    "real": np.float32(0.5),
    "pair": (1, "x"),
    "several": {1, 2},
    "day": date(2026, 11, 24),
    "moment": datetime(2026, 11, 24, 12, 30),
    "money": Decimal("1.10"),
    "file": Path("a/b"),
    "raw": b"\x00'\"",
    "text": "quotes ' \" \\ {x} $(y) \n # no comment",
}


def test_values_keep_their_types_and_the_notebook_stays_valid_json(data_dir: Path, tmp_path: Path) -> None:
    names = " = ".join(VALUES)
    show = f"print(repr([{', '.join(VALUES)}]))"
    source = write(tmp_path / "in.ipynb", code(f"{names} = None", "parameters"), show)
    found = headrace.execute_notebook(source, tmp_path / "out.ipynb", VALUES, progress_bar=False)
    import datetime as datetime_module
    import pathlib

    scope = {"nan": float("nan"), "inf": float("inf"), "np": np, "datetime": datetime_module, "Decimal": Decimal}
    back = eval(texts(found.cells[2].outputs), {**scope, **vars(pathlib)})  # what our own cell printed
    assert back[0] != back[0]
    assert back[1:] == list(VALUES.values())[1:]
    assert [type(value) for value in back[4:]] == [type(value) for value in list(VALUES.values())[4:]]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads((tmp_path / "out.ipynb").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("name", ["not valid", "class", "x;import os", "1x", ""])
def test_names_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("x = 1", "parameters"))
    with pytest.raises(InvalidParameter):
        headrace.execute_notebook(source, None, {name: 1}, progress_bar=False)


def test_inspection_reads_python_and_not_lines(tmp_path: Path) -> None:
    cell = "a = '#x'  # type: str\nb = dict(a=1)\nc: str | None = None\nd = 'a=b'\nif a:\n    e = 1"
    found = headrace.inspect_notebook(write(tmp_path / "in.ipynb", code(cell, "parameters")))
    assert {name: fact["default"] for name, fact in found.items()} == {
        "a": "'#x'",
        "b": "dict(a=1)",
        "c": "None",
        "d": "'a=b'",
    }


def test_the_file_is_not_rewritten_with_every_cell(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = {"cells": 0}
    real = output_file.encode_cell

    def counted(cell: Any) -> bytes:
        encoded["cells"] += 1
        return real(cell)

    monkeypatch.setattr(output_file, "encode_cell", counted)
    run(write(tmp_path / "in.ipynb", *[f"x{n} = {n}" for n in range(150)]), tmp_path / "out.ipynb")
    assert encoded["cells"] <= 3 * 150, "papermill writes each of 150 cells 300 times"


def test_the_process_keeps_its_folder_and_its_loop_policy(data_dir: Path, tmp_path: Path) -> None:
    folder, policy = os.getcwd(), type(asyncio.get_event_loop_policy())
    (tmp_path / "sub").mkdir()
    run(write(tmp_path / "in.ipynb", "1"), None, cwd=str(tmp_path / "sub"))
    assert (os.getcwd(), type(asyncio.get_event_loop_policy())) == (folder, policy)


def test_earlier_values_are_kept_at_the_next_run(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("a = b = 0", "parameters"), "print(a, b)")
    run(source, tmp_path / "one.ipynb", parameters={"a": 1})
    run(tmp_path / "one.ipynb", tmp_path / "two.ipynb", parameters={"b": 2})
    assert texts(read(tmp_path / "two.ipynb")["cells"][2]["outputs"]) == "1 2\n"


def test_marks_of_an_error_are_gone_in_the_next_output(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", markdown("# Report"), code("ok = False", "parameters"), "assert ok")
    run(source, tmp_path / "one.ipynb")
    marks = [c for c in read(tmp_path / "one.ipynb")["cells"] if "papermill-error-cell-tag" in c["metadata"]["tags"]]
    assert len(marks) == 2
    again = run(tmp_path / "one.ipynb", tmp_path / "two.ipynb", parameters={"ok": True})
    assert again.ending.exit_code == 0
    assert [c["cell_type"] for c in read(tmp_path / "two.ipynb")["cells"]] == ["markdown", "code", "code", "code"]
    assert [cell.cell_index for cell in cell_runs(again.run.id)] == [1, 2, 3]


def test_a_notebook_without_a_kernel_is_not_run_by_just_any(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "1", kernel=None)
    with pytest.raises(UsageError, match="names no kernel; choose one with -k"):
        headrace.execute_notebook(source, None, progress_bar=False)
