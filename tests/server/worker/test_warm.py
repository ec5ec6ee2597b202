"""Warm units: a worker's second run of a kind finds its kernel started. Real kernels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from headrace.core.launching import new_run, run_again
from headrace.core.runs import Run, RunKind
from headrace.server.worker import warm
from headrace.server.worker.worker import Worker
from headrace.store import Store, get_store
from notebooks import cell_runs, stored, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


@pytest.fixture
def store(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(warm, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(warm, "FREE_BYTES", 0)
    return get_store()


@contextmanager
def working(store: Store) -> Iterator[Worker]:
    worker = Worker(store, pool="default", owner="me", limit=1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
        wait_until(lambda: not worker.children, seconds=20)
    finally:
        worker.stop_event.set()
        thread.join()


def submit(store: Store, path: Path, **launch: Any) -> Run:
    now = store.clock.now_us()
    return store.runs.create(
        new_run(
            owner="me",
            now=now,
            kind=RunKind.NOTEBOOK,
            definition=str(path),
            notebook_path=str(path),
            launch={"output_path": str(path.parent / "out.ipynb"), **launch},
        )
    )


def ended(run: Run) -> Run:
    wait_until(lambda: stored(run.id).is_final, seconds=40)
    found: Run = stored(run.id)
    return found


def test_the_second_run_of_a_kind_takes_the_unit_that_waits(store: Store, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "import os\nprint(os.environ['JPY_SESSION_NAME'])")
    with working(store) as worker:
        first = ended(submit(store, source))
        wait_until(lambda: worker._warm.waiting == 1, seconds=20)
        unit = worker._warm._units[0].process.pid
        wait_until(lambda: psutil.Process(unit).children(recursive=True), seconds=20)
        second = ended(submit(store, source))
        assert (first.state_name, second.state_name) == ("Completed", "Completed"), second.state_message
        assert second.pid == unit
        (cell,) = cell_runs(second.id)
        assert store.logs.outputs(cell.id)[0]["text"] == f"{source}\n"
        wait_until(lambda: worker._warm.waiting == 1 and worker._warm._units[0].process.pid != unit, seconds=20)
        last = worker._warm._units[0].process.pid
    assert not psutil.pid_exists(last), "a unit leaves with its worker"


def test_a_unit_of_another_folder_or_kernel_is_not_taken(store: Store, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "import os\nprint(os.getcwd())")
    other = tmp_path / "other"
    other.mkdir()
    with working(store) as worker:
        ended(submit(store, source))
        wait_until(lambda: worker._warm.waiting == 1, seconds=20)
        unit = worker._warm._units[0].process.pid
        found = ended(submit(store, source, cwd=str(other)))
        assert found.state_name == "Completed"
        assert found.pid != unit
        (cell,) = cell_runs(found.id)
        assert store.logs.outputs(cell.id)[0]["text"] == f"{other}\n"


def test_the_kernel_of_a_failed_run_is_kept_and_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADRACE_KEEP_KERNEL_SECONDS")
    ok = tmp_path / "ok"
    source = write(
        tmp_path / "in.ipynb",
        "import threading\nlock = threading.Lock()",
        f"from pathlib import Path\nassert Path({str(ok)!r}).exists()\nprint(lock.locked())",
    )
    with working(store):
        first = ended(submit(store, source))
        assert (first.state_name, first.details["kept_kernel"]["pid"] > 0) == ("Failed", True)
        ok.touch()
        again = store.runs.create(run_again(first, now=store.clock.now_us(), resume=True))
        second = ended(again)
        assert (second.state_name, second.resumed_from_id) == ("Completed", first.id)
        assert [cell.state_name for cell in cell_runs(second.id)] == ["Cached", "Completed"]
        assert second.details["continues"]["kept_kernel"] is True


def test_a_unit_whose_kernel_died_is_replaced(store: Store, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "print(1)")
    with working(store) as worker:
        ended(submit(store, source))
        wait_until(lambda: worker._warm.waiting == 1, seconds=20)
        unit = psutil.Process(worker._warm._units[0].process.pid)
        wait_until(lambda: unit.children(), seconds=20)
        for child in unit.children():
            child.kill()
        wait_until(lambda: worker._warm.waiting == 1 and worker._warm._units[0].process.pid != unit.pid, seconds=20)
        assert ended(submit(store, source)).state_name == "Completed"
