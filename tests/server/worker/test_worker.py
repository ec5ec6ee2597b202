"""The worker with real processes: it starts, watches, stops, captures, retries and takes over."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.ids import new_id
from headrace.core.launching import new_run
from headrace.core.runs import Run, RunKind
from headrace.core.settings import find_store, user_name
from headrace.core.states import StateType
from headrace.server.worker import child as child_module
from headrace.server.worker import command
from headrace.server.worker.worker import Worker
from headrace.store import Store, timetable

pytestmark = pytest.mark.process
STUB = Path(__file__).resolve().parents[2] / "tools" / "stub_runner.py"
S = StateType


def stub(store: Store, run: Run) -> command.Command:
    """Start the stub instead of a notebook's runner."""
    real = command.build(store, replace(run, kind=RunKind.FLOW))
    return replace(real, arguments=[sys.executable, str(STUB), run.id])


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = Store(find_store(sqlite_url))
    yield opened
    opened.close()


def submit(
    store: Store, act: str = "ok", *, retries: int = 0, launch: dict[str, Any] | None = None, **parameters: Any
) -> str:
    """Store a run that waits for a worker, and return its id."""
    run = new_run(
        owner=user_name(),
        now=store.clock.now_us(),
        kind=RunKind.FLOW,
        definition="m:f",
        launch=launch or {},
        parameters={"act": act, **parameters},
        retries=retries,
    )
    store.runs.create(run)
    return run.id


@contextmanager
def working(store: Store, **options: Any) -> Iterator[Worker]:
    """A worker in a thread of this process."""
    worker = Worker(store, pool="default", owner=user_name(), **{"limit": 2, "build": stub, **options})
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop_event.set()
        thread.join(timeout=20)
        for child in worker.children.values():
            child.kill()
            wait_for(lambda child=child: child.exit_code() is not None)


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come true in time"
        threading.Event().wait(0.02)
    return found


def ended(store: Store, run_id: str, seconds: float = 30.0) -> Run:
    return wait_for(lambda: run if (run := store.runs.get(run_id)).is_final else None, seconds)  # type: ignore[no-any-return]


def test_a_due_run_gets_a_process_and_ends(store: Store) -> None:
    run_id = submit(store)
    with working(store) as worker:
        run = ended(store, run_id)
        assert (run.state_type, run.attempt, run.pid is not None) == (S.COMPLETED, 1, True)
        wait_for(lambda: not worker.children)


def test_what_a_process_prints_becomes_lines_once_each(store: Store) -> None:
    run_id = submit(store, "print", lines=500)
    with working(store) as worker:
        ended(store, run_id)
        wait_for(lambda: not worker.children)
    lines = store.logs.lines(run_id, limit=1000)
    out = [line.message for line in lines if line.logger == "stdout"]
    assert out == [f"line {n}" for n in range(500)]
    assert [line.message for line in lines if line.logger == "stderr"] == ["half a line"]


def test_lines_come_while_the_process_runs(store: Store) -> None:
    run_id = submit(store, "print", lines=2, pause=30)
    with working(store):
        wait_for(lambda: store.logs.count(run_id) == 1)
        assert not store.runs.get(run_id).is_final


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param("die", "SIGKILL", id="killed"),
        pytest.param("exit", "exit code 3", id="left without a word"),
        pytest.param("unborn", "before it began", id="never began"),
    ],
)
def test_a_process_that_ends_without_a_word_is_a_crash(store: Store, act: str, words: str) -> None:
    run_id = submit(store, act)
    with working(store):
        run = ended(store, run_id)
    assert run.state_type is S.CRASHED
    assert words in run.state_message
    assert run.ended_at is not None
    if act != "exit":
        assert run.error is not None
        assert run.error["traceback"]


def test_a_worker_that_looks_for_the_dead_says_of_its_own_how_they_ended(store: Store) -> None:
    run_id = submit(store, "exit")
    worker = Worker(store, pool="default", owner=user_name(), limit=2, build=stub)
    worker.tick()
    (child,) = worker.children.values()
    wait_for(lambda: child.exit_code() is not None)
    worker._last.clear()
    worker.tick()
    assert "exit code 3" in store.runs.get(run_id).state_message


def test_a_crash_uses_up_a_retry(store: Store, tmp_path: Path) -> None:
    run_id = submit(store, "retry", retries=1, effects=str(tmp_path / "effects"))
    with working(store):
        run = ended(store, run_id)
    assert (run.state_type, run.attempt) == (S.COMPLETED, 2)
    names = [event.state_name for event in store.runs.history(run_id)]
    assert names == ["Scheduled", "Submitted", "Running", "AwaitingRetry", "Submitted", "Running", "Completed"]
    assert (tmp_path / "effects").read_text().split() == [run_id, "1", run_id, "2"]


def test_a_failure_is_what_the_process_said(store: Store) -> None:
    run_id = submit(store, "fail", retries=0)
    with working(store):
        assert ended(store, run_id).state_type is S.FAILED


def test_a_cancel_interrupts_the_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "GRACE_SECONDS", 3600.0)  # it is the interrupt that ends it, not what follows
    run_id = submit(store, "hang")
    with working(store):
        wait_for(lambda: store.runs.get(run_id).state_type is S.RUNNING)
        store.runs.request_cancel(run_id)
        run = ended(store, run_id)
    assert run.state_type is S.CANCELLED


def test_a_process_that_does_not_listen_is_killed_and_dead_before_it_is_cancelled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "GRACE_SECONDS", 0.3)
    run_id = submit(store, "deaf")
    with working(store):
        pid = wait_for(lambda: store.runs.get(run_id).state_type is S.RUNNING and store.runs.get(run_id).pid)
        wait_for(lambda: store.logs is not None)
        store.runs.request_cancel(run_id)
        run = ended(store, run_id)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert run.state_type is S.CANCELLED


def test_children_of_a_dead_process_are_killed_with_it(store: Store) -> None:
    run_id = submit(store, "child")
    with working(store):
        run = ended(store, run_id)
        group = run.pid or _pid(store, run_id)
        wait_for(lambda: not _alive(group))
    assert run.state_type is S.CRASHED


def test_a_child_in_a_session_of_its_own_is_killed_with_a_run_that_died(store: Store) -> None:
    seconds = "613.25"
    run_id = submit(store, "setsid", seconds=seconds)
    with working(store):
        assert ended(store, run_id).state_type is S.CRASHED
        wait_for(lambda: not any(seconds in process.info["cmdline"] for process in _with_words()))


def _with_words() -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]


def _pid(store: Store, run_id: str) -> int:
    import json

    folder = store.place.data_dir / "attempts" / run_id / "1"
    return int(json.loads((folder / "process.json").read_text())["pid"])


def _alive(group: int) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def test_a_run_that_passes_its_limit_is_killed_and_timed_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "TIMEOUT_MARGIN_SECONDS", 0.2)
    run_id = submit(store, "deaf", launch={"timeout_seconds": 0.5})
    with working(store):
        run = ended(store, run_id)
    assert (run.state_type, run.state_name) == (S.FAILED, "TimedOut")
    assert "0.5 s" in run.state_message


def test_a_run_that_cannot_be_started_keeps_the_worker_from_no_other(store: Store, tmp_path: Path) -> None:
    from sqlalchemy import text

    (tmp_path / "env").write_bytes(b"A=b\x00c\n")
    odd = submit(store, launch={"env_file": str(tmp_path / "env")})
    damaged = submit(store)
    with store.database.write() as connection:
        connection.execute(text("UPDATE runs SET parameters = '{half' WHERE id = :id"), {"id": damaged})
    good = submit(store)
    with working(store):
        assert ended(store, good).state_type is S.COMPLETED
        assert "null byte" in ended(store, odd).state_message
        assert "damaged (parameters)" in ended(store, damaged).state_message


def test_a_store_that_fails_while_a_run_is_prepared_is_no_fault_of_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.core.errors import StoreUnavailable

    failures = iter([StoreUnavailable("locked")])

    def build(store: Store, run: Run) -> command.Command:
        for failure in failures:
            raise failure
        return stub(store, run)

    run_id = submit(store)
    with working(store, build=build):
        run = ended(store, run_id)
    assert (run.state_type, run.attempt) == (S.COMPLETED, 1)


def test_a_fault_of_the_workers_own_does_not_end_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.server.worker import worker as module

    faults = iter([RuntimeError("odd")])

    def retain(_store: Store) -> None:
        for fault in faults:
            raise fault

    monkeypatch.setattr(module, "retain", retain)
    run_id = submit(store)
    with working(store):
        assert ended(store, run_id).state_type is S.COMPLETED


def test_no_more_run_at_once_than_the_limit(store: Store) -> None:
    ids = [submit(store, "sleep", seconds=0.5) for _ in range(5)]
    most = 0
    with working(store, limit=2):

        def all_ended() -> bool:
            nonlocal most
            states = [store.runs.get(run_id).state_type for run_id in ids]
            most = max(most, sum(state in (S.PENDING, S.RUNNING) for state in states))
            return all(state is S.COMPLETED for state in states)

        wait_for(all_ended, 60)
    assert most == 2


def test_a_definition_at_fault_fails_with_its_reason_and_is_not_retried(store: Store) -> None:
    run_id = submit(store, retries=3, launch={"interpreter": "/nowhere/python"})
    with working(store):
        run = ended(store, run_id)
    assert (run.state_type, run.attempt) == (S.FAILED, 1)
    assert "/nowhere/python" in run.state_message


def test_a_drained_worker_takes_nothing_new_and_leaves_running_runs_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.server.worker.worker.DRAIN_SECONDS", 0.5)
    run_id = submit(store, "sleep", seconds=4)
    with working(store) as worker:
        wait_for(lambda: store.runs.get(run_id).state_type is S.RUNNING)
        worker.drain()
        late = submit(store)
        wait_for(lambda: worker._is_done(), 5)
        left = dict(worker.children)
        worker.children.clear()
    assert store.runs.get(run_id).state_type is S.RUNNING
    assert store.runs.get(late).state_type is S.SCHEDULED
    assert ended(store, run_id).state_type is S.COMPLETED
    wait_for(lambda: left[run_id, 1].exit_code() is not None)


def test_an_idle_worker_leaves_where_nothing_is_scheduled(store: Store) -> None:
    deployment = store.deployments.create(Deployment(id=new_id(), name="d", owner=user_name()))
    row = ScheduleRow(
        id=new_id(), deployment_id=deployment.id, owner=user_name(), kind="once", at=4_000_000_000_000_000
    )
    schedule = store.schedules.create(timetable.with_next(row, store.clock.now_us()))
    with working(store, idle_seconds=0.2) as worker:
        wait_for(lambda: store.clock.monotonic() - worker._busy_at > 0.2)
        assert not worker._is_done()
        assert [w.state for w in store.workers.all()] == ["running"]
        store.schedules.delete(schedule.id)
        wait_for(lambda: store.workers.all() == [])


def test_a_run_whose_worker_died_is_taken_over_with_its_output(store: Store) -> None:
    run_id = submit(store, "print", lines=20, pause=0.15)
    with working(store) as worker:
        wait_for(lambda: store.logs.count(run_id) >= 3)
        child = worker.children.pop((run_id, 1))
    # As after the worker's kill -9: the lease names a process that is gone.
    _disown(store, run_id)
    with working(store) as other:
        run = ended(store, run_id)
        assert child.pid == run.pid
        wait_for(lambda: not other.children)
    wait_for(lambda: child.exit_code() is not None)
    out = [line.message for line in store.logs.lines(run_id, limit=100) if line.logger == "stdout"]
    assert out == [f"line {n}" for n in range(20)]


def _disown(store: Store, run_id: str) -> None:
    from headrace.store import liveness

    gone = f"{liveness.host_key()}.1.gone"
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET lease_owner = ? WHERE id = ?", (gone, run_id))


def test_the_environment_of_a_run_has_no_token(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "canary")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "canary")
    monkeypatch.setenv("JPY_API_TOKEN", "canary")
    monkeypatch.setenv("MY_SECRET", "canary")
    monkeypatch.setenv("WANTED_X", "yes")
    monkeypatch.setenv("HEADRACE_WORKER_ENV", "WANTED_*,JPY_API_TOKEN")
    built = command.build(store, store.runs.get(submit(store)))
    assert "canary" not in built.environment.values()
    assert built.environment["WANTED_X"] == "yes"
    assert built.environment["HEADRACE_DATABASE_URL"] == store.place.url
    assert store.place.url not in " ".join(built.arguments), "everybody on the host can read a command line"
    assert built.environment["HEADRACE_OWNER"] == user_name(), "the hub's name does not go along"


def test_the_process_files_are_private(store: Store) -> None:
    run_id = submit(store)
    with working(store):
        ended(store, run_id)
    folder = store.place.data_dir / "attempts" / run_id / "1"
    assert folder.stat().st_mode & 0o077 == 0


def test_a_deployment_with_nothing_to_run_is_paused_after_three_firings(store: Store) -> None:
    from headrace.core.launching import deployment_run

    deployment = store.deployments.create(
        Deployment(id=new_id(), name="d", owner=user_name(), notebook_path="/nowhere/r.ipynb", overlap="allow")
    )
    with working(store, build=command.build):
        for number in range(3):
            run = deployment_run(deployment, now=store.clock.now_us(), trigger="schedule")
            store.runs.create(run)
            assert ended(store, run.id).state_type is S.FAILED
            if number < 2:
                wait_for(lambda: "/nowhere/r.ipynb" in (store.deployments.get(deployment.id).error or ""))
        wait_for(lambda: store.deployments.get(deployment.id).paused)
    assert "3 runs" in (store.deployments.get(deployment.id).error or "")


def test_a_deployments_kernel_is_the_one_it_was_made_with_whatever_this_worker_would_find(store: Store) -> None:
    from headrace.core.errors import NotFound

    (store.place.data_dir / "r.ipynb").write_text("{}")
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Mine"}
    run = new_run(
        owner=user_name(),
        now=store.clock.now_us(),
        kind=RunKind.NOTEBOOK,
        definition="r",
        launch={"kernel_name": "special", "kernel_spec": spec},
        notebook_path=str(store.place.data_dir / "r.ipynb"),
    )
    built = command.build(store, run)
    folder = Path(built.environment["JUPYTER_PATH"].split(os.pathsep)[0])
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager(kernel_dirs=[str(folder / "kernels")]).get_kernel_spec("special")
    assert (found.argv, found.display_name) == (spec["argv"], "Mine")
    gone = replace(run, details={"launch": {"kernel_name": "special", "kernel_spec": {"argv": ["/gone/python"]}}})
    with pytest.raises(NotFound, match="/gone/python"):
        command.build(store, gone)


def test_a_worker_holds_nothing_of_the_runs_that_have_ended(store: Store) -> None:
    def run_some(count: int) -> tuple[int, int]:
        ids = [submit(store) for _ in range(count)]
        for run_id in ids:
            ended(store, run_id, 60)
        wait_for(lambda: not worker.children)
        return psutil.Process().num_fds(), threading.active_count()

    with working(store, limit=4) as worker:
        before = run_some(8)
        assert run_some(24) == before
        assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
