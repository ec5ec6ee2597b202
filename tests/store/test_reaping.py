"""Runs of dead processes end, those of living ones do not; old runs go, young ones stay."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.ids import new_id
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.store import Store, housekeeping, liveness
from headrace.store.reaping import heartbeat, reap

from .conftest import make_run

S = StateType
ELSEWHERE = "other-host.7.far"
SECOND = 1_000_000


def dead_here() -> str:
    """An owner of this host that is gone (asked for at the test: the host's key depends on the runtime folder)."""
    return f"{liveness.host_key()}.999999.gone"


def stored(store: Store, **values: Any) -> Run:
    run = make_run(**values)
    store.runs.create(run)
    return run


def test_a_dead_owners_runs_end_with_everything_below_them(store: Store) -> None:
    root = stored(store, owner_id=dead_here(), pid=999999, started_at=1)
    task = stored(store, root_id=root.id, parent_id=root.id, kind=RunKind.TASK, owner_id=dead_here(), started_at=1)
    done = stored(store, root_id=root.id, parent_id=root.id, kind=RunKind.TASK, owner_id=dead_here(), state=S.COMPLETED)
    living = stored(store, root_id=root.id, parent_id=root.id, owner_id=liveness.owner_id())
    moved = reap(store)
    assert moved[0].id == root.id
    ended = store.runs.get(root.id)
    assert (ended.state_name, "pid 999999" in ended.state_message) == ("Crashed", True)
    assert ended.error is not None
    assert ended.ended_at is not None
    states = [store.runs.get(run.id).state_type for run in (task, done, living)]
    assert states == [S.CRASHED, S.COMPLETED, S.RUNNING]
    assert reap(store) == []


@pytest.mark.parametrize(
    ("state", "name", "expected"),
    [
        (S.CANCELLING, "Cancelling", "Cancelled"),
        (S.SCHEDULED, "AwaitingRetry", "Crashed"),
        (S.PENDING, "Pending", "Crashed"),
        (S.RUNNING, "Running", "Crashed"),
    ],
)
def test_what_a_dead_process_left_ends_by_where_it_stood(
    store: Store, state: StateType, name: str, expected: str
) -> None:
    run = stored(store, owner_id=dead_here(), state=state, state_name=name, max_attempts=5)
    reap(store)
    assert store.runs.get(run.id).state_name == expected


@pytest.mark.parametrize(("age", "dead"), [(None, False), (10, False), (44, False), (60, True)])
def test_another_host_is_judged_by_its_heartbeat_only(store: Store, age: int | None, dead: bool) -> None:
    with store.database.read() as connection:
        now = store.database.now_us(connection)
    run = stored(store, owner_id=ELSEWHERE, heartbeat_at=None if age is None else now - age * SECOND)
    reap(store)
    assert (store.runs.get(run.id).state_type is S.CRASHED) is dead


def test_a_heartbeat_keeps_a_remote_run_alive(store: Store) -> None:
    run = stored(store, owner_id=ELSEWHERE, heartbeat_at=1)
    heartbeat(store, [])
    heartbeat(store, [run.id])
    assert reap(store) == []
    assert store.runs.get(run.id).heartbeat_at != 1


def test_what_a_worker_started_is_left_to_the_workers(store: Store) -> None:
    run = stored(store, owner_id=dead_here(), details={"launch": {"entrypoint": "a:b"}})
    assert reap(store) == []
    assert store.runs.get(run.id).state_type is S.RUNNING


def test_definitions_show_their_newest_run(store: Store) -> None:
    first, second = sorted([new_id(), new_id()])
    stored(store, id=first, definition="etl", state=S.FAILED, created_at=1)
    stored(store, id=second, definition="etl", state=S.COMPLETED, created_at=2)
    stored(store, definition="/w/report.ipynb", kind=RunKind.NOTEBOOK, created_at=3)
    stored(store, definition="lonely task", kind=RunKind.TASK, created_at=4)
    rows = housekeeping.definitions(store)
    assert [(row.definition, row.runs, row.last_state_type) for row in rows] == [
        ("/w/report.ipynb", 1, "RUNNING"),
        ("etl", 2, "COMPLETED"),
    ]


def test_old_runs_are_pruned_with_what_is_below_them_and_unfinished_ones_stay(store: Store) -> None:
    now, day = SYSTEM_CLOCK.now_us(), housekeeping.DAY_US
    old = {"created_at": now - 10 * day, "ended_at": now - 10 * day, "state": S.COMPLETED}
    gone = stored(store, **old)
    below = stored(store, root_id=gone.id, parent_id=gone.id, kind=RunKind.TASK, **old)
    busy = stored(store, **old)
    stored(store, root_id=busy.id, parent_id=busy.id, created_at=now)
    young = stored(store, created_at=now, ended_at=now, state=S.FAILED)
    running = stored(store, created_at=now - 10 * day)
    assert list(housekeeping.old_roots(store, older_than_days=7)) == [gone.id]
    assert housekeeping.prune(store, older_than_days=7) == 2
    assert [store.runs.find(run.id) for run in (gone, below)] == [None, None]
    assert all(store.runs.find(run.id) for run in (busy, young, running))


def test_a_store_says_what_it_holds_and_gives_its_free_space_back(store: Store) -> None:
    root = stored(store, state=S.COMPLETED, ended_at=2)
    facts = housekeeping.info(store)
    assert (facts["rows"]["runs"], facts["oldest_at"], facts["schema"]) == (1, 1_000_000, store.schema)
    assert (facts["size_bytes"] is None) is (store.database.dialect != "sqlite")
    store.runs.delete(root.id)
    housekeeping.vacuum(store)
    assert housekeeping.info(store)["free_bytes"] in (0, None)
