"""How notebook runs end: in the store, in the output's metadata, in the exit code. Real kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.store import get_store
from notebooks import cell_runs, code, read, run, stored, write

pytestmark = pytest.mark.kernel

DONE, FAILED, TIMED_OUT = ("COMPLETED", "Completed"), ("FAILED", "Failed"), ("FAILED", "TimedOut")
SKIPPED, NOT_RUN, CRASHED = ("COMPLETED", "Skipped"), ("CANCELLED", "NotRun"), ("CRASHED", "Crashed")

# cells, options, the notebook's state, exit code, the cells' states, papermill's status of each cell, words of the message
CASES: dict[str, tuple[list[Any], dict[str, Any], tuple[str, str], int, list[tuple[str, str]], list[str], str]] = {
    "all cells complete": (["x = 1", "print(x)"], {}, DONE, 0, [DONE, DONE], ["completed", "completed"], ""),
    "an exception ends it and later cells never ran": (
        ["x = 1", "1/0", "print(x)"],
        {},
        FAILED,
        1,
        [DONE, FAILED, NOT_RUN],
        ["completed", "failed", "pending"],
        "Cell 2 (1/0): ZeroDivisionError: division by zero",
    ),
    "the kernel kills itself": (
        ["print('last words', flush=True)\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "2"],
        {},
        CRASHED,
        138,
        [CRASHED, NOT_RUN],
        ["failed", "pending"],
        "killed by SIGKILL",
    ),
    "a kernel that leaves with exit code 0 has died too": (
        ["import os\nos._exit(0)", "2"],
        {},
        CRASHED,
        138,
        [CRASHED, NOT_RUN],
        ["failed", "pending"],
        "exit code 0",
    ),
    "sys.exit(0) completes it and skips the rest": (
        ["1", "import sys\nsys.exit(0)", "3"],
        {},
        DONE,
        0,
        [DONE, DONE, SKIPPED],
        ["completed", "completed", "pending"],
        "ended it with exit code 0",
    ),
    "quit() completes it and skips the rest": (
        ["quit()", "3"],
        {},
        DONE,
        0,
        [DONE, SKIPPED],
        ["completed", "pending"],
        "ended it with exit code 0",
    ),
    "sys.exit(3) fails it": (
        ["import sys\nsys.exit(3)", "3"],
        {},
        FAILED,
        1,
        [FAILED, NOT_RUN],
        ["failed", "pending"],
        "exit code 3",
    ),
    "a cell past its limit is TimedOut": (
        ["import time\ntime.sleep(60)", "2"],
        {"cell_timeout_seconds": 0.5},
        TIMED_OUT,
        1,
        [TIMED_OUT, NOT_RUN],
        ["failed", "pending"],
        "longer than 0.5 s",
    ),
    "a run past its limit is TimedOut": (
        ["1", "import time\ntime.sleep(60)", "2"],
        {"timeout_seconds": 0.8},
        TIMED_OUT,
        1,
        [DONE, TIMED_OUT, NOT_RUN],
        ["completed", "failed", "pending"],
        "longer than 0.8 s",
    ),
    "input() fails with a remedy": (
        ["name = input('who? ')", "2"],
        {},
        FAILED,
        1,
        [FAILED, NOT_RUN],
        ["failed", "pending"],
        "asks for input()",
    ),
    "a cell tagged raises-exception may raise": (
        [code("1/0", "raises-exception"), "2"],
        {},
        DONE,
        0,
        [DONE, DONE],
        ["completed", "completed"],
        "",
    ),
    "a skipped cell is recorded as skipped": (
        [code("1/0", "skip-execution"), code("1/0", "skip"), "2"],
        {},
        DONE,
        0,
        [SKIPPED, SKIPPED, DONE],
        ["pending", "pending", "completed"],
        "",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_end_is_honest_in_store_file_and_exit_code(case: Any, data_dir: Path, tmp_path: Path) -> None:
    cells, options, state, exit_code, cell_states, statuses, words = case
    source, target = write(tmp_path / "in.ipynb", *cells), tmp_path / "out.ipynb"
    before = source.read_bytes()
    result = run(source, target, **options)
    found = stored(result.run.id)
    assert (found.state_type.value, found.state_name) == state, found.state_message
    assert words in found.state_message
    assert result.ending.exit_code == exit_code
    runs = cell_runs(result.run.id)
    assert [(r.state_type.value, r.state_name) for r in runs] == cell_states
    written = [c for c in read(target)["cells"] if "papermill-error-cell-tag" not in c["metadata"]["tags"]]
    assert [c["metadata"]["papermill"]["status"] for c in written] == statuses
    assert read(target)["metadata"]["papermill"]["exception"] is (None if state[0] == "COMPLETED" else True)
    assert source.read_bytes() == before
    for cell in runs:
        assert (cell.started_at is None) == (cell.state_name in ("NotRun", "Skipped"))


def test_the_last_words_of_a_kernel_that_died_are_kept(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb", "print('last words', flush=True)\nimport os, time\ntime.sleep(0.3)\nos.abort()"
    )
    result = run(source, tmp_path / "out.ipynb")
    (cell,) = cell_runs(result.run.id)
    assert [out["text"] for out in get_store().logs.outputs(cell.id)] == ["last words\n"]
    assert "SIGABRT" in cell.state_message
    (written,) = [c for c in read(tmp_path / "out.ipynb")["cells"] if c["cell_type"] == "code"]
    assert written["outputs"][0]["text"] == ["last words\n"]
