"""The worker, the scheduler and the stream's reader on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from private_postgres import PrivatePostgres
from transaction_pooler import TransactionPooler

from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.ids import new_id
from headrace.core.settings import find_store, user_name
from headrace.core.states import StateType
from headrace.server.scheduler import Scheduler
from headrace.store import Store, timetable

from .test_worker import ended, submit, wait_for, working

pytestmark = [pytest.mark.postgres, pytest.mark.process]
S = StateType


@pytest.fixture(params=["direct", "behind a pooler of transactions"])
def store(
    request: pytest.FixtureRequest, postgres_url: str, postgres_server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A store of each kind; of the pooled one nobody may leave anything in a session."""
    with ExitStack() as stack:
        pooler = None
        if request.param != "direct":
            pooler = stack.enter_context(TransactionPooler(postgres_server.folder, postgres_server.own_database()))
        monkeypatch.setenv("HEADRACE_DATABASE_URL", postgres_url if pooler is None else pooler.url)
        opened = Store(find_store())
        yield opened
        opened.close()
        if pooler is not None:
            assert min(pooler.served.values()) > 5, pooler.served
            for left in LEFT_IN_SESSIONS:
                assert set(pooler.ask(left)) == {"0"}, left


#: What outlives a transaction, and would be somebody else's next.
LEFT_IN_SESSIONS = (
    "SELECT count(*) FROM pg_prepared_statements",
    "SELECT count(*) FROM pg_listening_channels()",
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "SELECT count(*) FROM pg_settings WHERE source = 'session'",
    "SELECT count(*) FROM pg_class WHERE relpersistence = 't'",
)


def test_runs_are_claimed_started_captured_retried_and_cancelled(store: Store, tmp_path: Any) -> None:
    printing = submit(store, "print", lines=5)
    retried = submit(store, "retry", retries=1)
    hanging = submit(store, "hang")
    with working(store, limit=3) as worker:
        assert ended(store, printing).state_type is S.COMPLETED
        assert ended(store, retried).attempt == 2
        wait_for(lambda: store.runs.get(hanging).state_type is S.RUNNING)
        store.runs.request_cancel(hanging)
        assert ended(store, hanging).state_type is S.CANCELLED
        wait_for(lambda: not worker.children)
    assert store.logs.count(printing) == 6


def test_two_schedulers_fire_each_slot_once(store: Store) -> None:
    deployment = store.deployments.create(Deployment(id=new_id(), name="d", owner=user_name(), overlap="allow"))
    now = store.clock.now_us()
    rows = []
    for _ in range(20):
        row = ScheduleRow(
            id=new_id(),
            deployment_id=deployment.id,
            owner=user_name(),
            kind="interval",
            interval_seconds=1.0,
            anchor_at=now,
        )
        rows.append(store.schedules.create(timetable.with_next(row, now)))
    others = [Store(find_store()) for _ in range(2)]
    schedulers = [Scheduler(other) for other in others]
    threads = [threading.Thread(target=scheduler.run) for scheduler in schedulers]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(len(store.schedules.slots(row.id)) >= 3 for row in rows))
    for scheduler in schedulers:
        scheduler.stop()
    for thread in threads:
        thread.join()
    for row in rows:
        slots = store.schedules.slots(row.id)
        assert len({slot.run_id for slot in slots}) == len(slots)
        assert all(slot.slot_at % 1_000_000 == now % 1_000_000 for slot in slots)
    runs = store.runs.page(limit=1000)[0]
    assert len({(run.schedule_id, run.slot_at) for run in runs}) == len(runs)
    for other in others:
        other.close()


def test_the_home_page_counts(store: Store) -> None:
    run_id = submit(store)
    store.runs.advance(run_id, S.RUNNING, "Running", attempt=1, patch={"started_at": store.clock.now_us()})
    store.runs.advance(run_id, S.COMPLETED, "Completed", attempt=1, patch={"ended_at": store.clock.now_us()})
    submit(store)
    assert store.overview.counts()["scheduled"] == 1
    today = store.overview.days(days=2)[-1]
    assert (today["completed"], today["median_seconds"] is not None) == (1, True)
    assert store.overview.waiting(owner=user_name(), most=10) == 1
    assert store.overview.late() == []
