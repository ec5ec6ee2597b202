"""The contract of claims: one owner a run, limits kept, and attempts of the dead ended once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace.core.deployments import Deployment, Worker
from headrace.core.errors import Conflict, InvalidTransition
from headrace.core.ids import new_id
from headrace.core.launching import deployment_run, new_run
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.store import Store
from headrace.store.claims import Ending, retry_delay

from .conftest import make_run

S = StateType
GONE = "host.1.dead"


def waiting(store: Store, **values: Any) -> Run:
    """Store a run that waits for a worker."""
    defaults: dict[str, Any] = {
        "owner": "ada",
        "now": store.clock.now_us(),
        "kind": RunKind.NOTEBOOK,
        "definition": "/w/r.ipynb",
        "launch": {},
    }
    return store.runs.create(new_run(**{**defaults, **values}))


def claim(
    store: Store, worker: str = "w1", *, limit: int = 10, owner: str | None = "ada", pool: str = "default"
) -> list[Run]:
    return store.claims.claim(worker, pools=[pool], owner=owner, limit=limit, host="h")


def test_a_due_run_goes_to_one_worker(store: Store) -> None:
    run = waiting(store)
    claimed = claim(store)
    assert [(r.id, r.state_type, r.lease_owner, r.owner_id) for r in claimed] == [(run.id, S.PENDING, "w1", "w1")]
    assert claim(store, "w2") == []


def test_many_workers_at_once_get_different_runs(store: Store) -> None:
    runs = {waiting(store).id for _ in range(40)}
    start = threading.Barrier(4)

    def work(name: str) -> list[str]:
        start.wait()
        found: list[str] = []
        for _ in range(20):
            found += [run.id for run in claim(store, name, limit=3)]
        return found

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(work, "abcd"))
    every = [run_id for part in taken for run_id in part]
    assert sorted(every) == sorted(runs)


def test_priority_comes_first_then_the_longest_due(store: Store) -> None:
    now = store.clock.now_us()
    late = waiting(store, scheduled_at=now - 10)
    later = waiting(store, scheduled_at=now - 5)
    urgent = waiting(store, scheduled_at=now - 1, priority=1)
    waiting(store, scheduled_at=now + 60_000_000)
    assert [run.id for run in claim(store)] == [urgent.id, late.id, later.id]


def test_other_peoples_runs_and_other_pools_are_left_alone(store: Store) -> None:
    waiting(store, owner="grace")
    waiting(store, pool="gpu")
    assert claim(store) == []
    assert [run.owner for run in claim(store, owner=None)] == ["grace"]
    assert [run.pool for run in claim(store, pool="gpu")] == ["gpu"]


def test_a_run_that_its_own_process_keeps_waiting_is_not_claimed(store: Store) -> None:
    run = waiting(store)
    store.runs.patch(run.id, owner_id="host.2.flow")
    assert claim(store) == []


def test_a_pools_limit_and_its_pause_hold_over_all_workers(store: Store) -> None:
    for _ in range(4):
        waiting(store)
    store.workers.set_pool("default", run_limit=3)
    assert len(claim(store, "w1", limit=2)) == 2
    assert len(claim(store, "w2", limit=2)) == 1
    store.workers.set_pool("default", run_limit=None, paused=True)
    assert claim(store, "w3") == []


@pytest.mark.parametrize(
    ("values", "trigger", "expected"),
    [
        pytest.param({"concurrency_limit": 2, "overlap": "allow"}, "schedule", 2, id="a limit"),
        pytest.param({"overlap": "queue"}, "schedule", 1, id="queue"),
        pytest.param({"overlap": "skip"}, "schedule", 1, id="skip keeps scheduled runs apart"),
        pytest.param({"overlap": "skip"}, "api", 3, id="skip does not concern runs by hand"),
        pytest.param({"overlap": "allow"}, "schedule", 3, id="allow"),
    ],
)
def test_runs_of_one_deployment_are_kept_apart(
    store: Store, values: dict[str, Any], trigger: str, expected: int
) -> None:
    deployment = store.deployments.create(Deployment(id=new_id(), name="d", owner="ada", **values))
    for _ in range(3):
        store.runs.create(deployment_run(deployment, now=store.clock.now_us(), trigger=trigger))
    other = waiting(store)
    claimed = claim(store)
    assert len([run for run in claimed if run.deployment_id == deployment.id]) == expected
    assert other.id in [run.id for run in claimed]


def test_of_two_processes_for_one_attempt_only_one_begins(store: Store) -> None:
    waiting(store)
    run = claim(store)[0]

    def begin(owner: str) -> None:
        store.runs.advance(
            run.id, S.RUNNING, "Running", attempt=1, expected=(S.SCHEDULED, S.PENDING), patch={"owner_id": owner}
        )

    begin("p1")
    with pytest.raises(InvalidTransition):
        begin("p2")
    assert store.runs.get(run.id).owner_id == "p1"


def test_a_claim_that_never_began_is_given_back_unused(store: Store) -> None:
    waiting(store)
    run = claim(store, GONE)[0]
    assert store.claims.requeue(run, reason="its worker ended")
    assert not store.claims.requeue(run, reason="again")
    again = claim(store, "w2")
    assert [(r.id, r.attempt) for r in again] == [(run.id, 1)]


def test_a_dead_attempt_is_retried_while_retries_remain_then_crashes(store: Store) -> None:
    waiting(store, retries=1)
    first = claim(store, GONE)[0]
    moved = store.claims.end_attempt(first, Ending(reason="gone"))
    assert moved is not None
    assert (moved.state_name, moved.attempt, moved.owner_id) == ("AwaitingRetry", 1, None)
    second = claim(store, GONE)[0]
    assert second.attempt == 2
    assert store.claims.end_attempt(first, Ending(reason="late")) is None
    moved = store.claims.end_attempt(second, Ending(reason="gone again"))
    assert moved is not None
    assert (moved.state_type, moved.state_message) == (S.CRASHED, "gone again")
    assert moved.ended_at is not None


def test_what_was_being_cancelled_ends_cancelled_and_is_not_retried(store: Store) -> None:
    waiting(store, retries=3)
    run = claim(store, GONE)[0]
    store.runs.request_cancel(run.id)
    moved = store.claims.end_attempt(store.runs.get(run.id), Ending(reason="killed"))
    assert moved is not None
    assert moved.state_type is S.CANCELLED


def test_a_run_that_no_worker_started_is_not_retried_by_one(store: Store) -> None:
    run = store.runs.create(make_run(owner_id=GONE, max_attempts=3))
    moved = store.claims.end_attempt(run, Ending(reason="gone"))
    assert moved is not None
    assert moved.state_type is S.CRASHED


def test_everything_below_ends_with_it(store: Store) -> None:
    root = store.runs.create(make_run(owner_id=GONE))

    def below(parent: Run, **values: Any) -> Run:
        return store.runs.create(make_run(root_id=root.id, parent_id=parent.id, owner_id=GONE, **values))

    running = below(root, started_at=5)
    grandchild = below(running, state=S.RUNNING, started_at=6)
    unbegun = below(root, state=S.PENDING)
    done = below(root, state=S.COMPLETED)
    elsewhere = store.runs.create(make_run(root_id=root.id, parent_id=root.id, owner_id="host.3.alive"))
    store.claims.end_attempt(root, Ending(reason="gone"))
    states = {run.id: (run.state_type, run.state_name) for run in store.runs.tree(root.id)}
    assert states[running.id] == states[grandchild.id] == (S.CRASHED, "Crashed")
    assert states[unbegun.id] == (S.CANCELLED, "NotRun")
    assert states[done.id][0] is S.COMPLETED
    assert states[elsewhere.id][0] is S.RUNNING


def test_a_lease_is_taken_over_by_one(store: Store) -> None:
    waiting(store)
    run = claim(store, GONE)[0]
    assert store.claims.take_over(run, worker="w2")
    assert not store.claims.take_over(run, worker="w3")
    assert [r.id for r in store.claims.held("w2")] == [run.id]


def test_a_heartbeat_renews_what_a_worker_holds(store: Store) -> None:
    waiting(store)
    run = claim(store, "w1", limit=1)[0]
    store.claims.renew("w1", lease_seconds=1000)
    after = store.runs.get(run.id)
    assert run.lease_until is not None
    assert after.lease_until is not None
    assert after.lease_until > run.lease_until


def test_when_the_next_run_is_due_is_known(store: Store) -> None:
    assert store.claims.next_due(pools=["default"], owner="ada") is None
    now = store.clock.now_us()
    waiting(store, scheduled_at=now + 9)
    waiting(store, scheduled_at=now + 5)
    assert store.claims.next_due(pools=["default"], owner="ada") == now + 5
    assert store.claims.due_pools(owner="ada") == ["default"]


@pytest.mark.parametrize(
    ("delay", "attempt", "seconds"),
    [(None, 1, 0.0), (3, 2, 3.0), ([1, 5], 1, 1.0), ([1, 5], 2, 5.0), ([1, 5], 9, 5.0), ([], 1, 0.0)],
)
def test_how_long_a_retry_waits(delay: Any, attempt: int, seconds: float) -> None:
    assert retry_delay({"retry_delay_seconds": delay}, attempt) == seconds


def test_a_worker_is_alive_by_its_owner_file_and_gone_by_its_word(store: Store) -> None:
    from headrace.store import liveness

    me = Worker(id=new_id(), owner="ada", owner_id=liveness.owner_id(), pid=1)
    dead = Worker(id=new_id(), owner="ada", owner_id=f"{liveness.host_key()}.1.nobody", pid=1)
    for worker in (me, dead):
        store.workers.register(worker)
    assert [w.id for w in store.workers.alive(pool="default", owner="ada")] == [me.id]
    store.workers.set_state(me.id, "ended")
    assert store.workers.alive() == []


def test_a_key_answers_the_same_request_again_and_refuses_another(store: Store) -> None:
    keys = store.idempotency
    assert keys.begin("ada", "k", "body") is None
    with pytest.raises(Conflict, match="not answered yet"):
        keys.begin("ada", "k", "body")
    keys.finish("ada", "k", 201, "{}")
    assert keys.begin("ada", "k", "body") == "{}"
    assert keys.begin("grace", "k", "body") is None
    with pytest.raises(Conflict, match="another request"):
        keys.begin("ada", "k", "other")
    keys.forget("grace", "k")
    assert keys.begin("grace", "k", "anything") is None


def test_captured_lines_and_marks_are_kept_together(store: Store) -> None:
    run = store.runs.create(make_run())
    line = (run.id, run.id, 5, 20, "stdout", "hello")
    store.captures.append([line], {"capture:a": 6})
    store.captures.append([line], {"capture:a": 12})
    assert store.captures.marks(["capture:a", "capture:b"]) == {"capture:a": 12}
    assert store.logs.count(run.id) == 2


def test_a_late_word_of_an_earlier_attempt_changes_nothing_of_the_next_one(store: Store) -> None:
    """Patches without a state are fenced like states: progress, heartbeats, who runs it."""
    run = store.runs.create(make_run(attempt=2, details={"from": "second"}))
    early = store.recorder.adopt(run.id, run.root_id, 1)
    store.recorder.change(early, "", "", 5, patch={"details": {"from": "first"}, "pid": 7}, kind="run.updated")
    store.recorder.flush()
    held = store.runs.get(run.id)
    assert (held.details, held.pid) == ({"from": "second"}, None)
