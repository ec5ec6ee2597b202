"""Continuing a run that failed, crashed or was killed: what is done is restored, the rest runs. Real kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import wait_until

from headrace.core.errors import Conflict, UsageError
from headrace.store import get_store
from notebooks import SETUP, cell_runs, code, fails_once, go_on, read, run, slow, stored, take_ran, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


def names(run_id: str) -> list[str]:
    return [cell.state_name for cell in cell_runs(run_id)]


def test_a_failed_run_goes_on_in_a_new_kernel_from_the_failed_cell(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        SETUP,
        slow(2, "data = [1, 2]", "print('made')"),
        slow(3, "alias = data"),
        "alias.append(3)",
        slow(5, "class P:", "    def __init__(self, x): self.x = x", "p, add = P(5), lambda x: x + p.x"),
        fails_once(6, "print(data, alias is data, add(1), isinstance(p, P))"),
        "note(7)",
    )
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    assert first.ending.exit_code == 1
    assert take_ran(tmp_path) == ["2", "3", "5", "6"]
    (tmp_path / "ok").touch()
    second = go_on(first, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["6", "7"]
    found = stored(second.run.id)
    assert found.resumed_from_id == first.run.id
    assert found.details["continues"] == {"run_id": first.run.id, "restored": 5, "kept_kernel": False, "again": []}
    assert names(second.run.id) == ["Cached"] * 5 + ["Completed"] * 2
    cells = read(tmp_path / "two.ipynb")["cells"]
    assert texts(cells[5]["outputs"]) == "[1, 2, 3] True 6 True\n"
    assert texts(cells[1]["outputs"]) == "made\n", "what a restored cell had shown stands in the new output"
    assert cells[1]["metadata"]["papermill"]["status"] == "completed"
    lines = [line.message for line in get_store().logs.lines(second.run.id)]
    assert lines[0] == f"Continues {first.run.name}: 5 of 7 cells are restored."


def test_arrays_and_tables_come_back_with_what_they_share(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        SETUP + "\nimport numpy as np\nimport pandas as pd",
        slow(2, "whole = np.arange(10)", "table = pd.DataFrame({'a': whole})"),
        slow(3, "view = whole[:5]", "same = table"),
        fails_once(4, "view[0] = 99", "same['b'] = 1", "print(whole[0], list(table), np.shares_memory(view, whole))"),
    )
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    take_ran(tmp_path)
    (tmp_path / "ok").touch()
    second = go_on(first, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["3", "4"], "a view of an array is made again: pickled, it would be a copy"
    assert texts(read(tmp_path / "two.ipynb")["cells"][3]["outputs"]).split() == ["99", "['a',", "'b']", "True"]


@pytest.mark.parametrize("victim", ["kernel", "runner"])
def test_a_run_that_was_killed_goes_on_from_its_checkpoints(victim: str, data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        SETUP,
        slow(2, "a = 2"),
        "b = a + 1",
        slow(4, "c = b + 1"),
        "note(5)\nif not Path('ok').exists():\n    print('waits', flush=True)\n    time.sleep(60)\nprint(a, b, c)",
    )
    spec = tmp_path / "spec.json"
    spec.write_text(
        json.dumps({"input_path": str(source), "output_path": str(tmp_path / "o.ipynb"), "cwd": str(tmp_path)})
    )
    process = subprocess.Popen([sys.executable, "-m", "headrace.server.runner", str(spec)], start_new_session=True)
    try:
        wait_until(
            lambda: any(
                line.message == "waits"
                for root in get_store().runs.page()[0]
                for line in get_store().logs.lines(root.id)
            ),
            seconds=20,
        )
        root = get_store().runs.page()[0][0]
        os.kill(root.details["kernel"]["pid"] if victim == "kernel" else process.pid, signal.SIGKILL)
        assert process.wait(timeout=20) == (138 if victim == "kernel" else -signal.SIGKILL)
    finally:
        process.kill()
    if victim == "runner":
        end_as_the_janitor_does(root.id)
    assert take_ran(tmp_path) == ["2", "4", "5"]
    (tmp_path / "ok").touch()
    second = go_on(root.id)
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["5"]
    assert names(second.run.id) == ["Completed", "Cached", "Completed", "Cached", "Completed"]
    assert len(stored(second.run.id).details["continues"]["again"]) == 2
    assert texts(read(tmp_path / "o.ipynb")["cells"][4]["outputs"]) == "2 3 4\n"


def end_as_the_janitor_does(run_id: str) -> None:
    """End what a dead runner has left, as a worker or the server does."""
    from headrace.core.states import StateType

    runs = get_store().runs
    for found in runs.tree(run_id):
        if not found.is_final:
            runs.advance(found.id, StateType.CRASHED, "Crashed", attempt=found.attempt, message="its runner died")


def test_a_cancelled_run_goes_on_where_it_was(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", SETUP, slow(2, "a = 2"), fails_once(3, "print(a)"), "note(4)")
    cells = json.loads(source.read_text())
    cells["cells"][2]["source"] = cells["cells"][2]["source"].replace("raise ValueError('not yet')", "time.sleep(60)")
    source.write_text(json.dumps(cells))

    def cancel() -> None:
        wait_until(lambda: (tmp_path / "ran").exists() and "3" in (tmp_path / "ran").read_text(), seconds=40)
        get_store().runs.request_cancel(get_store().runs.page()[0][0].id)

    asker = threading.Thread(target=cancel)
    asker.start()
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    asker.join()
    assert stored(first.run.id).state_type.value == "CANCELLED"
    take_ran(tmp_path)
    (tmp_path / "ok").touch()
    second = go_on(first, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["3", "4"]


def test_what_was_edited_runs_again_with_what_uses_it(data_dir: Path, tmp_path: Path) -> None:
    cells = [SETUP, slow(2, "a = 2"), slow(3, "b = 3"), slow(4, "c = a * 10"), fails_once(5, "print(a, b, c)")]
    source = write(tmp_path / "in.ipynb", *cells)
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    take_ran(tmp_path)
    (tmp_path / "ok").touch()
    cells[1] = slow(2, "a = 7")
    write(source, *cells)
    second = go_on(first, tmp_path / "two.ipynb")
    assert take_ran(tmp_path) == ["2", "4", "5"]
    assert names(second.run.id) == ["Cached", "Completed", "Cached", "Completed", "Completed"]
    assert texts(read(tmp_path / "two.ipynb")["cells"][4]["outputs"]) == "7 3 70\n"


def test_parameters_may_be_changed_for_the_rest(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        code("limit = 1", "parameters"),
        SETUP,
        slow(2, "seen = limit"),
        "note(3)\nassert limit > 5\nprint(seen, limit)",
    )
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path), parameters={"limit": 2})
    take_ran(tmp_path)
    second = go_on(first, tmp_path / "two.ipynb", parameters={"limit": 9})
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["3"]
    assert texts(read(tmp_path / "two.ipynb")["cells"][-1]["outputs"]) == "2 9\n"


def test_a_chain_of_continuations_needs_only_the_last(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", SETUP, slow(2, "a = 2"), fails_once(3, "print(a)"))
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    second = go_on(first, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 1
    take_ran(tmp_path)
    (tmp_path / "ok").touch()
    third = go_on(second, tmp_path / "three.ipynb")
    assert take_ran(tmp_path) == ["3"]
    assert texts(read(tmp_path / "three.ipynb")["cells"][2]["outputs"]) == "2\n"
    assert stored(third.run.id).resumed_from_id == second.run.id


def test_what_cannot_be_stored_and_what_was_tampered_with_runs_again(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        SETUP,
        slow(2, "import threading", "lock = threading.Lock()"),
        slow(3, "a = 3"),
        fails_once(4, "print(a, lock.locked())"),
    )
    first = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path))
    take_ran(tmp_path)
    (tmp_path / "ok").touch()
    runs = cell_runs(first.run.id)
    assert "lock" in runs[1].details["checkpoint"]["skipped"]
    file = Path(runs[2].details["checkpoint"]["file"])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    second = go_on(first, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["2", "3", "4"]
    assert not (tmp_path / "evil").exists()


def test_a_run_from_a_cell_on_and_one_with_the_cache(data_dir: Path, tmp_path: Path) -> None:
    cells = [SETUP, slow(2, "a = 2"), slow(3, "b = a + 1"), slow(4, "c = 4"), "note(5)\nprint(a, b, c)"]
    source = write(tmp_path / "in.ipynb", *cells)
    options = {"cwd": str(tmp_path), "checkpoint": "always"}
    assert run(source, tmp_path / "one.ipynb", **options).ending.exit_code == 0
    take_ran(tmp_path)
    assert run(source, tmp_path / "two.ipynb", from_cell="4", **options).ending.exit_code == 0
    assert take_ran(tmp_path) == ["4", "5"]
    cells[1] = slow(2, "a = 20")
    write(source, *cells)
    assert run(source, tmp_path / "three.ipynb", cache=True, **options).ending.exit_code == 0
    assert take_ran(tmp_path) == ["2", "3", "5"]
    assert texts(read(tmp_path / "three.ipynb")["cells"][4]["outputs"]) == "20 21 4\n"
    with pytest.raises(UsageError, match="There is no cell 'nope'"):
        run(source, tmp_path / "four.ipynb", from_cell="nope", **options)


def test_checkpoints_go_when_the_run_completes(data_dir: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.ipynb", SETUP, slow(2, "a = 2")), tmp_path / "out.ipynb", cwd=str(tmp_path))
    assert result.ending.exit_code == 0
    assert not (data_dir / "checkpoints" / result.run.id).exists()


def test_only_ended_runs_are_continued(data_dir: Path, tmp_path: Path) -> None:
    from headrace.core.runs import Run, RunKind

    path = write(tmp_path / "in.ipynb", "1")
    made = get_store().runs.create(
        Run(
            id="0" * 8 + "-0000-7000-8000-" + "0" * 12,
            root_id="0" * 8 + "-0000-7000-8000-" + "0" * 12,
            kind=RunKind.NOTEBOOK,
            name="on",
            notebook_path=str(path),
            state_at=1,
            created_at=1,
        )
    )
    with pytest.raises(Conflict, match="it can be continued when it has ended"):
        go_on(made.id)
