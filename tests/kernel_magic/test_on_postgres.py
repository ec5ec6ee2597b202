"""The engine on PostgreSQL: the same records, the same cancel."""

from __future__ import annotations

import threading
import time

import pytest
from engine_help import Book, until

from headrace import ProcessPoolTaskRunner, flow, get_run_logger, task
from headrace.core.errors import CancelledRun
from headrace.core.states import StateType
from headrace.store import get_store

pytestmark = pytest.mark.postgres


@task(retries=1)
def flaky(n: int) -> int:
    get_run_logger().info("working on %s", n)
    if not tried[n]:
        tried[n] = True
        raise ValueError("first time")
    return n


tried = {1: False, 2: True, 3: True}


def test_runs_are_recorded_cancelled_and_resumed(
    postgres_url: str, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", postgres_url)
    assert get_store().database.dialect == "postgresql"

    @flow
    def steps() -> list[int]:
        return flaky.map([1, 2, 3]).result()

    assert steps() == [1, 2, 3]
    first = book.of("flaky")[0]
    assert book.states(first) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert book.lines(first)[0] == "working on 1"

    @task
    def sleeper() -> None:
        time.sleep(30)

    @flow
    def waits() -> None:
        sleeper()

    def cancel() -> None:
        run = until(lambda: [r for r in get_store().runs.page()[0] if r.definition == "waits"])[0]
        get_store().runs.request_cancel(run.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    started = time.monotonic()
    with pytest.raises(CancelledRun):
        waits()
    thread.join()
    assert time.monotonic() - started < 10
    cancelled = book.one("waits")
    assert cancelled.state_type is StateType.CANCELLED

    @flow(name="waits", task_runner=ProcessPoolTaskRunner(max_workers=1))
    def goes_on() -> int:
        return flaky.submit(2).result()

    tried[2] = True
    assert goes_on.resume(cancelled.id) == 2
    assert book.of("waits")[-1].resumed_from_id == cancelled.id
