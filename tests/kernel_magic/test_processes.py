"""Tasks in processes: isolation, records by relay, deaths that are a retry or a crash, never a hang."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from engine_help import Book

from headrace import ProcessPoolTaskRunner, flow, get_run_logger, task
from headrace.core.errors import CrashedRun, InvalidParameter, UnserializableResult
from headrace.kernel_magic import runtime

pytestmark = pytest.mark.process


@task
def inner(x: int) -> int:
    return x + 1


@task(log_prints=True)
def outer(x: int) -> tuple[int, int, str]:
    print("printing", x)
    get_run_logger().info("logging %s", x)
    return inner(x), os.getpid(), runtime.flow_run.name


@task
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1)
def die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@task
def returns(value: str) -> Any:
    return (lambda: value) if value == "lambda" else (x for x in value)


def test_bodies_run_in_other_processes_and_all_is_recorded_here(book: Book) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def spread() -> list[tuple[int, int, str]]:
        return outer.map([1, 2, 3]).result()

    found = spread()
    parent = book.one("spread")
    assert [value for value, _, _ in found] == [2, 3, 4]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {name for _, _, name in found} == {parent.name}
    for run, child in zip(book.of("outer"), sorted(book.of("inner"), key=lambda run: run.parent_id or ""), strict=True):
        assert (run.state_name, child.state_name, child.parent_id, child.root_id) == (
            "Completed",
            "Completed",
            run.id,
            parent.id,
        )
    assert sorted(line for run in book.of("outer") for line in book.lines(run)) == sorted(
        f"{word} {x}" for x in (1, 2, 3) for word in ("printing", "logging")
    )


def test_functions_of_the_test_itself_travel_by_value(book: Book) -> None:
    factor = 3

    @task
    def local(x: int) -> int:
        return x * factor

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def spread() -> int:
        return local.submit(5).result()

    assert spread() == 15


def test_a_killed_process_is_a_retry_or_a_crash(book: Book, tmp_path: Path) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def deadly() -> str:
        crash = die.with_options(on_crashed=[lambda _task, _run, state: told.append(state.name)]).submit()
        crash.wait()
        with pytest.raises(CrashedRun, match="SIGKILL"):
            crash.result()
        return die_once.submit(tmp_path / "mark").result()

    told: list[str] = []
    assert deadly() == "alive"
    assert told == ["Crashed"]
    assert book.one("die").state_name == "Crashed"
    assert book.states(book.one("die_once")) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


def test_what_cannot_travel_is_said_by_name(book: Book) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def travel() -> bool:
        with pytest.raises(InvalidParameter, match=r"its argument 'x' \(lock\) cannot be pickled"):
            outer.submit(threading.Lock()).result()  # type: ignore[arg-type]
        with pytest.raises(UnserializableResult, match="returned a generator"):
            returns.submit("abc").result()
        return bool(returns.submit("lambda").result()() == "lambda")

    assert travel()


def test_an_initializer_runs_once_in_each_process(book: Book) -> None:
    def prepare(word: str) -> None:
        os.environ["PREPARED"] = word

    @task
    def look() -> str | None:
        return os.environ.get("PREPARED")

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1, initializer=prepare, initargs=("yes",)))
    def parent() -> str | None:
        return look.submit().result()

    assert parent() == "yes"
    assert "PREPARED" not in os.environ


def test_cancelling_a_task_ends_its_body_in_the_other_process(book: Book, tmp_path: Path) -> None:
    mark = tmp_path / "cleaned"

    @task
    def sleeper(ready: Path) -> None:
        try:
            ready.touch()
            time.sleep(30)
        finally:
            mark.touch()

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def parent() -> str:
        from engine_help import until

        future = sleeper.submit(tmp_path / "ready")
        until((tmp_path / "ready").exists)
        started = time.monotonic()
        future.cancel()
        future.wait()
        assert time.monotonic() - started < 2.3
        return future.state.name

    assert parent() == "Cancelled"
    assert mark.exists()
