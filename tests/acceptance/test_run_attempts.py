"""Retries of cells and of runs, and runs that a worker hands to a process of their own. Real kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace.core.ids import new_id
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.store import get_store
from notebooks import cell_runs, code, read, run, states, stored, texts, without_headrace, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]

#: A cell that fails until it was run so often; the count stands in a file.
FLAKY = """
from pathlib import Path
count = Path("count")
tries = int(count.read_text()) if count.exists() else 0
count.write_text(str(tries + 1))
print("try", tries + 1)
if tries < {fails}:
    raise ValueError("not yet")
"""


def history(run_id: str) -> list[tuple[str | None, int | None]]:
    return [(event.state_name, event.attempt) for event in get_store().runs.history(run_id)]


@pytest.mark.parametrize(
    "cell",
    [
        code("%%task flaky --retries 3 --retry-delay-seconds 0.01\n" + FLAKY.format(fails=2)),
        code(FLAKY.format(fails=2), headrace={"task": {"name": "flaky", "retries": 3}}),
    ],
    ids=["magic line", "metadata"],
)
def test_a_task_is_retried_where_the_kernel_has_no_headrace(
    cell: dict[str, Any], data_dir: Path, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.ipynb", "%load_ext headrace", cell, "print('after')")
    # The runner serves the task's options itself.
    result = run(source, tmp_path / "out.ipynb", cwd=str(tmp_path), env=without_headrace(tmp_path))
    assert result.ending.exit_code == 0, result.ending.message
    _load, flaky, after = cell_runs(result.run.id)
    assert (flaky.name, flaky.attempt, flaky.state_name) == ("flaky", 3, "Completed")
    assert after.state_name == "Completed"
    names = [name for name, _ in history(flaky.id)]
    assert names == ["Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
    assert texts(get_store().logs.outputs(flaky.id)) == "try 3\n", "an attempt's outputs replace those before"
    assert texts(read(tmp_path / "out.ipynb")["cells"][1]["outputs"]) == "try 3\n"


def test_a_task_that_is_late_is_interrupted_and_tried_again(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        "import time\ntries = []",
        "%%task slow --timeout-seconds 0.5 --retries 1\ntries.append(1)\ntime.sleep(60 if len(tries) == 1 else 0)",
        "print(len(tries))",
    )
    result = run(source, tmp_path / "out.ipynb", env=without_headrace(tmp_path))
    assert states(result.run.id) == [("COMPLETED", "Completed")] * 3
    assert texts(read(tmp_path / "out.ipynb")["cells"][2]["outputs"]) == "2\n"


def test_a_run_is_tried_again_with_a_fresh_kernel(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "x = 1", FLAKY.format(fails=1), "print('done')")
    result = run(source, tmp_path / "out.ipynb", cwd=str(tmp_path), retries=2)
    assert result.ending.exit_code == 0
    found = stored(result.run.id)
    assert (found.attempt, found.state_name, found.error) == (2, "Completed", None)
    assert [name for name, _ in history(found.id)] == ["Starting", "Running", "AwaitingRetry", "Retrying", "Completed"]
    first, second = cell_runs(found.id)[:3], cell_runs(found.id)[3:]
    assert [cell.state_name for cell in first] == ["Completed", "Failed", "NotRun"]
    assert [cell.state_name for cell in second] == ["Completed"] * 3
    assert [cell.resumed_from_id for cell in second] == [cell.id for cell in first]
    assert [c["metadata"]["papermill"]["status"] for c in read(tmp_path / "out.ipynb")["cells"]] == ["completed"] * 3


def test_a_run_that_was_killed_by_its_kernel_uses_up_a_retry(data_dir: Path, tmp_path: Path) -> None:
    dies = "import os, pathlib\nif not pathlib.Path('once').exists():\n    open('once', 'w'); os._exit(1)"
    source = write(tmp_path / "in.ipynb", dies)
    assert run(source, tmp_path / "out.ipynb", cwd=str(tmp_path), retries=1).ending.exit_code == 0
    (tmp_path / "once").unlink()
    failed = run(source, tmp_path / "out.ipynb", cwd=str(tmp_path), retries=1, on_crash="fail")
    assert failed.ending.exit_code == 138
    assert stored(failed.run.id).attempt == 1


def test_a_cell_that_stops_itself_is_skipped_with_what_uses_it(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        "import headrace\nrows = []",
        "if not rows:\n    headrace.stop('no rows')\ntotal = sum(rows)",
        "print(total)",
        "print('apart')",
    )
    result = run(source, tmp_path / "out.ipynb")
    assert result.ending.exit_code == 0
    assert [(cell.state_name, cell.state_message) for cell in cell_runs(result.run.id)][1:3] == [
        ("Skipped", "no rows"),
        ("Skipped", "It uses what Cell 2 (if not rows:) did not make: no rows"),
    ]
    cells = read(tmp_path / "out.ipynb")["cells"]
    assert cells[1]["outputs"][0]["data"]["text/plain"] == ["skipped: no rows"]
    assert texts(cells[3]["outputs"]) == "apart\n"


def waiting_run(path: Path, **fields: Any) -> Run:
    """Store a run that a worker has claimed, as the server's worker does."""
    store = get_store()
    run_id, now = new_id(), store.clock.now_us()
    made = Run(
        id=run_id,
        root_id=run_id,
        kind=RunKind.NOTEBOOK,
        name="report-1",
        definition=str(path),
        notebook_path=str(path),
        state_type=StateType.PENDING,
        state_name="Submitted",
        state_at=now,
        created_at=now,
        lease_owner="a-worker",
        owner_id="a-worker",
        details={"launch": {"kernel_name": "python3"}},
        **fields,
    )
    return store.runs.create(made)


def start_runner(folder: Path, spec: dict[str, Any]) -> subprocess.Popen[str]:
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.server.runner", str(path)],
        env={**os.environ, "HEADRACE_ATTEMPT_DIR": str(folder), "HEADRACE_RUN_ATTEMPT": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=30)
        return process.returncode, said
    finally:
        process.kill()


def test_a_process_takes_a_waiting_run_over_and_ends_it(data_dir: Path, tmp_path: Path) -> None:
    waiting = waiting_run(write(tmp_path / "in.ipynb", "print(1)"))
    spec = {"input_path": waiting.notebook_path, "output_path": str(tmp_path / "out.ipynb"), "run_id": waiting.id}
    first = start_runner(tmp_path, spec)
    assert finish(first) == (0, "")
    found = stored(waiting.id)
    assert (found.state_name, found.pid, found.owner_id != "a-worker") == ("Completed", first.pid, True)
    assert found.details["launch"] == {"kernel_name": "python3"}
    assert found.details["progress"] == {"done": 1, "total": 1}
    assert states(waiting.id) == [("COMPLETED", "Completed")]
    facts = json.loads((tmp_path / "kernel.json").read_text())
    assert facts["pid"] == found.details["kernel"]["pid"]
    second = start_runner(tmp_path, spec)
    code_of_second, said = finish(second)
    assert (code_of_second, "it cannot become Running" in said) == (75, True), said


def test_a_failed_attempt_goes_back_to_the_workers(data_dir: Path, tmp_path: Path) -> None:
    waiting = waiting_run(write(tmp_path / "in.ipynb", "1/0"), max_attempts=2)
    spec = {"input_path": waiting.notebook_path, "output_path": None, "run_id": waiting.id, "retry_delay_seconds": 5}
    finish(start_runner(tmp_path, spec))
    found = stored(waiting.id)
    assert (found.state_type.value, found.state_name, found.attempt) == ("SCHEDULED", "AwaitingRetry", 1)
    assert (found.owner_id, found.lease_owner, found.pid) == (None, None, None)
    assert found.scheduled_at is not None
    assert 4_000_000 < found.scheduled_at - found.state_at <= 5_000_000


def test_a_run_whose_notebook_is_gone_fails_and_says_so(data_dir: Path, tmp_path: Path) -> None:
    waiting = waiting_run(tmp_path / "gone.ipynb")
    assert finish(start_runner(tmp_path, {"input_path": str(tmp_path / "gone.ipynb"), "run_id": waiting.id}))[0] == 1
    found = stored(waiting.id)
    assert found.state_name == "Failed"
    assert "There is no notebook" in found.state_message


def test_a_cancel_in_the_store_interrupts_the_cell(data_dir: Path, tmp_path: Path) -> None:
    waiting = waiting_run(write(tmp_path / "in.ipynb", "print('on')\nimport time\ntime.sleep(60)", "2"))
    process = start_runner(tmp_path, {"input_path": waiting.notebook_path, "output_path": None, "run_id": waiting.id})
    try:
        wait_until(lambda: any(line.message == "on" for line in get_store().logs.lines(waiting.id)), seconds=20)
        get_store().runs.request_cancel(waiting.id, reason="not needed")
        wait_until(lambda: stored(waiting.id).is_final, seconds=10)
    finally:
        finish(process)
    found = stored(waiting.id)
    assert (found.state_name, found.state_message) == ("Cancelled", "not needed")
    assert states(waiting.id) == [("CANCELLED", "Cancelled"), ("CANCELLED", "NotRun")]


def test_a_cell_that_ignores_interrupts_is_killed_with_its_children(data_dir: Path, tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\nprint('child', child.pid, flush=True)\n"
        "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    )
    waiting = waiting_run(write(tmp_path / "in.ipynb", stubborn))
    process = start_runner(tmp_path, {"input_path": waiting.notebook_path, "output_path": None, "run_id": waiting.id})

    def child() -> int:
        lines = [line.message for line in get_store().logs.lines(waiting.id)]
        return int(lines[0].split()[1]) if lines else 0

    try:
        wait_until(child, seconds=20)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: stored(waiting.id).is_final, seconds=10)
    finally:
        finish(process)
    assert stored(waiting.id).state_name == "Cancelled"
    wait_until(lambda: is_gone(child()), seconds=5)


def is_gone(pid: int) -> bool:
    """A process that nobody has collected yet is gone too: its parent died with it."""
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
