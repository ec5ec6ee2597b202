"""Processes that die, runs that go on elsewhere: real scripts, really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_help import Book, until

from headrace import flow, task
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import Conflict, NotFound
from headrace.core.launching import new_run
from headrace.core.runs import RunKind
from headrace.core.states import StateType
from headrace.kernel_magic import process
from headrace.store import liveness
from headrace.store.reaping import reap

pytestmark = pytest.mark.process

SCRIPT = """
import sys, time
from pathlib import Path
from headrace import flow, task

HERE = Path(__file__).parent

@task(persist_result=True)
def first(x):
    with (HERE / "first.txt").open("a") as file:
        file.write("ran\\n")
    return {x, "set"}

@task
def second(value):
    if not (HERE / "second.txt").exists():
        time.sleep(0.5)  # what was recorded before is on disk by now
        (HERE / "second.txt").touch()
        time.sleep(60)
    return sorted(map(str, value))

@flow(name="twice")
def main(x: int, extra: set = frozenset()):
    return second(first(x)), sorted(extra)

@flow
def broken():
    raise ValueError("as always")

if __name__ == "__main__":
    main(5, extra={1, 2})
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.py"
    path.write_text(SCRIPT)
    return path


def kill_in_second(script: Path) -> None:
    running = subprocess.Popen([sys.executable, str(script)])
    until((script.parent / "second.txt").exists, 30)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()


def test_a_killed_script_is_found_crashed_with_its_tasks_and_can_be_resumed(book: Book, script: Path) -> None:
    kill_in_second(script)
    assert book.one("twice").state_type is StateType.RUNNING
    moved = reap(book.store)
    crashed = book.one("twice")
    assert crashed.id in {run.id for run in moved}
    assert (crashed.state_name, book.one("second").state_name) == ("Crashed", "Crashed")
    assert "ended without a word" in crashed.state_message
    assert book.one("first").state_name == "Completed"

    sys.path.insert(0, str(script.parent))
    try:
        import pipeline  # type: ignore[import-not-found]

        assert pipeline.main.resume(crashed.id) == (["5", "set"], [1, 2])
    finally:
        sys.path.remove(str(script.parent))
    again = book.of("twice")[-1]
    assert (again.resumed_from_id, again.trigger, again.state_name) == (crashed.id, "retry", "Completed")
    assert (script.parent / "first.txt").read_text() == "ran\n"
    assert book.of("first")[-1].state_name == "Cached"
    with pytest.raises(Conflict, match="only a failed, crashed or cancelled run can be resumed"):
        pipeline.main.resume(again.id)


def test_a_living_process_is_left_alone(book: Book) -> None:
    @flow
    def look() -> list[Any]:
        return [run.id for run in reap(book.store)]

    assert look() == []
    assert book.one("look").state_name == "Completed"


def test_another_host_is_dead_when_its_heartbeat_is_old(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    now = SYSTEM_CLOCK.now_us()
    store = book.store
    base = new_run(owner="me", now=now, kind=RunKind.FLOW, definition="a:b", launch={})
    for name, age in (("fresh", 10), ("old", 60)):
        store.runs.create(
            replace(
                base,
                id=base.id[:-4] + f"{age:04d}",
                root_id=base.id[:-4] + f"{age:04d}",
                definition=name,
                details={},
                state_type=StateType.RUNNING,
                state_name="Running",
                owner_id=f"other-host.{age}.x",
                heartbeat_at=now - age * 1_000_000,
            )
        )
    assert [run.definition for run in reap(store)] == ["old"]
    assert liveness.is_alive("other-host.60.x") is None


def launch(book: Book, kind: RunKind = RunKind.FLOW, definition: str = "twice", **details: Any) -> str:
    run = new_run(
        owner="me",
        now=SYSTEM_CLOCK.now_us(),
        kind=kind,
        definition=definition,
        parameters=details.pop("parameters", {}),
        launch=details,
        retries=details.pop("retries", 0),
    )
    book.store.runs.create(run)
    return run.id


def start(run_id: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace.kernel_magic.process", run_id],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_process_runs_a_recorded_run_by_its_entrypoint(book: Book, script: Path) -> None:
    (script.parent / "second.txt").touch()
    run_id = launch(book, entrypoint=f"{script}:main", parameters={"x": "7"})
    done = start(run_id)
    assert done.returncode == 0, done.stderr
    run = book.store.runs.get(run_id)
    assert (run.state_name, run.details["launch"]["entrypoint"]) == ("Completed", f"{script}:main")
    assert "def main" in run.details["source"]
    assert [r.state_name for r in book.all(root_id=run_id)] == ["Completed"] * 3
    assert start(run_id).returncode == process.SUPERSEDED


@pytest.mark.parametrize(
    ("entrypoint", "message"),
    [
        ("{script}:nothing", "There is no 'nothing'"),
        ("{script}:HERE", "is no flow or task"),
        ("/no/such/file.py:main", "There is no file"),
        ("no_such_module:main", "There is no module 'no_such_module'"),
        ("{script}:broken", "ValueError: as always"),
        ("{script}:main", "cannot be called like this"),
    ],
)
def test_a_definition_that_is_at_fault_is_a_failure_that_says_so(
    book: Book, script: Path, entrypoint: str, message: str
) -> None:
    run_id = launch(book, entrypoint=entrypoint.format(script=script))
    assert start(run_id).returncode == 1
    run = book.store.runs.get(run_id)
    assert run.state_name == "Failed"
    assert message in run.state_message
    assert run.error is not None


def test_an_unknown_run_is_a_usage_error(book: Book) -> None:
    done = start("no-such-run")
    assert (done.returncode, "There is no run 'no-such-run'" in done.stderr) == (2, True)


def test_a_process_that_was_started_for_an_earlier_attempt_leaves_the_run_alone(book: Book, script: Path) -> None:
    run_id = launch(book, entrypoint=f"{script}:broken")
    done = start(run_id, HEADRACE_RUN_ID=run_id, HEADRACE_RUN_ATTEMPT="2")
    assert done.returncode == process.SUPERSEDED
    assert book.store.runs.get(run_id).state_name == "Scheduled"


def test_a_deployments_retries_count_for_its_runs(book: Book, script: Path) -> None:
    run_id = launch(book, entrypoint=f"{script}:broken", retries=2, retry_delay_seconds=[0, 0])
    assert start(run_id).returncode == 1
    run = book.store.runs.get(run_id)
    assert (run.attempt, run.state_name) == (3, "Failed")


def test_a_delayed_task_runs_in_a_process_of_its_own_and_its_result_comes_back(book: Book) -> None:
    factor = 3

    @task
    def multiply(x: set[int]) -> set[int]:
        return {item * factor for item in x}

    future = multiply.delay({1, 2})
    assert future.state.name == "Scheduled"
    run = book.store.runs.get(future.task_run_id)
    assert (run.pool, run.kind) == ("default", RunKind.TASK)
    done = start(future.task_run_id)
    assert done.returncode == 0, done.stderr
    assert future.result(timeout=5) == {3, 6}


def test_a_flow_that_exists_only_in_memory_is_kept_with_its_run(book: Book) -> None:
    bonus = 2

    @flow
    def local(x: int) -> int:
        if bonus == 2 and not os.environ.get("SECOND"):
            raise ValueError("first time")
        return x + bonus

    with pytest.raises(ValueError, match="first time"):
        local(4)
    failed = book.one("local")
    os.environ["SECOND"] = "1"
    try:
        from headrace.core.launching import new_run as make
        from headrace.kernel_magic.origin import parameters_of, restore

        assert parameters_of(book.store, failed) == {"x": 4}
        handle = restore(book.store, failed.details["origin"]["snapshot_id"])
        assert handle.fn(4) == 6
        run = make(
            owner="me",
            now=SYSTEM_CLOCK.now_us(),
            kind=RunKind.FLOW,
            definition="local",
            launch=dict(failed.details["origin"]),
            parameters={"x": 4},
            resumed_from_id=failed.id,
        )
        book.store.runs.create(run)
        assert start(run.id).returncode == 0
    finally:
        del os.environ["SECOND"]
    assert book.store.runs.get(run.id).result == {"type": "int", "preview": 6}


def test_resuming_what_is_not_there_is_said(book: Book) -> None:
    @flow
    def nothing() -> None: ...

    with pytest.raises(NotFound, match="There is no run 'nope'"):
        nothing.resume("nope")
