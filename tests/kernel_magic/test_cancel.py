"""Cancelling: exactly the run that was named, within two seconds, its children with it, clean-up first."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from engine_help import Book, until

from headrace import flow, task
from headrace.core.errors import CancelledRun
from headrace.core.runs import RunFilter
from headrace.core.states import StateType
from headrace.kernel_magic.control import cancel_run
from headrace.store import get_store

#: An interrupt reaches Python code and waits within this, seconds (DESIGN.md, "Cancel"), plus the watch's period.
SOON = 2.3


@task
def sleeper(started: threading.Event | None = None) -> None:
    if started is not None:
        started.set()
    time.sleep(30)


@task
def spinner() -> None:
    while True:
        sum(range(100))


@task
async def dozer() -> None:
    await asyncio.sleep(30)


def cancel_soon(definition: str, when: Callable[[Any], bool] | None = None) -> list[float]:
    """Ask, from the outside, for the end of a run of a definition once it runs; return when that was."""
    asked: list[float] = []

    def ask() -> None:
        def found() -> Any:
            runs, _ = get_store().runs.page(RunFilter(roots_only=False, names=(definition,)))
            good = [run for run in runs if run.state_type in (StateType.RUNNING, StateType.SCHEDULED)]
            return good[0] if good and (when is None or when(good[0])) else None

        run = until(found)
        asked.append(time.monotonic())
        get_store().runs.request_cancel(run.id, reason="enough")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return asked


def test_a_flow_that_sleeps_in_the_main_thread(book: Book) -> None:
    hooks: list[tuple[str, str]] = []

    @flow(on_cancellation=[lambda _f, run, state: hooks.append((run.state_name, state.name))])
    def sleeping() -> None:
        sleeper()

    asked = cancel_soon("sleeping", lambda run: bool(get_store().runs.tree(run.id)[1:]))
    with pytest.raises(CancelledRun, match="enough"):
        sleeping()
    assert time.monotonic() - asked[0] < SOON
    assert hooks == [("Cancelling", "Cancelled")]
    assert book.states(book.one("sleeping"))[-1] == "Cancelled"
    assert book.one("sleeper").state_type is StateType.CANCELLED


@pytest.mark.parametrize("body", ["threads", "subflow", "retry", "async"])
def test_whatever_a_flow_waits_for(book: Book, body: str) -> None:
    @flow
    def inner() -> None:
        sleeper()

    @flow
    def outer() -> None:
        if body == "threads":
            spinner.submit().result()
        else:
            inner()

    @flow(name="outer", retries=3, retry_delay_seconds=60)
    def failing() -> None:
        raise ValueError("again and again")

    @flow(name="outer")
    async def gathering() -> None:
        await asyncio.gather(dozer(), dozer())

    run = {"async": lambda: asyncio.run(gathering()), "retry": failing}.get(body, outer)
    asked = cancel_soon("outer", (lambda run: run.state_name == "AwaitingRetry") if body == "retry" else None)
    with pytest.raises(CancelledRun, match="enough"):
        run()
    assert time.monotonic() - asked[0] < SOON
    assert {run.state_name for run in book.all()} == {"Cancelled"}


def test_only_the_named_task_ends(book: Book) -> None:
    @task
    def other() -> str:
        done.wait(10)
        return "untouched"

    done = threading.Event()

    @flow
    def two() -> tuple[str, str]:
        first, second = spinner.submit(), other.submit()
        first.wait()
        done.set()
        return first.state.name, second.result()

    cancel_soon("spinner")
    assert two() == ("Cancelled", "untouched")
    assert book.one("two").state_name == "Completed"


def test_a_task_that_has_not_begun_is_cancelled_at_once(book: Book) -> None:
    from headrace import ThreadPoolTaskRunner

    gate = threading.Event()

    @task
    def wait() -> None:
        gate.wait(10)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def queue() -> list[str]:
        first, second = wait.submit(), wait.submit()
        cancel_run(second.task_run_id)
        second.wait(5)
        names = [second.state.name]
        gate.set()
        return [*names, first.result() or "fine"]

    assert queue() == ["Cancelled", "fine"]


def test_a_body_that_cannot_be_interrupted_says_what_it_waits_for(book: Book) -> None:
    release = threading.Event()

    @task
    def stubborn() -> str:
        while not release.is_set():
            try:
                release.wait(30)
            except BaseException:
                continue
        return "done"

    @flow
    def parent() -> str:
        future = stubborn.submit()
        future.wait()
        return future.state.name

    cancel_soon("stubborn")

    def watch() -> None:
        until(
            lambda: any(
                "waits for" in run.state_message for run in get_store().runs.page(RunFilter(roots_only=False))[0]
            )
        )
        release.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert parent() == "Completed"
    watcher.join()


def test_the_code_after_a_cancelled_run_is_left_alone(book: Book) -> None:
    @flow
    def short() -> None:
        time.sleep(30)

    for _ in range(3):
        cancel_soon("short")
        with pytest.raises(CancelledRun):
            short()
    time.sleep(0.3)  # a late signal would be raised here


def test_ctrl_c_cancels_the_runs_and_is_raised_again(book: Book) -> None:
    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    @flow
    def parent() -> None:
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        parent()
    assert {run.state_name for run in book.all()} == {"Cancelled"}
    assert "Ctrl-C" in book.one("interrupted").state_message
