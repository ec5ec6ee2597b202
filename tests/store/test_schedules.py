"""The contract of schedules and slots: each slot has one row and at most one run, however many fire it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import Conflict, NotFound
from headrace.core.ids import new_id
from headrace.core.launching import deployment_run
from headrace.core.runs import RunFilter
from headrace.core.states import StateType
from headrace.store import Store
from headrace.store.firing import Due, Firing, SlotWriter

MINUTE = 60_000_000


def make_deployment(store: Store, **values: object) -> Deployment:
    defaults: dict[str, object] = {"id": new_id(), "name": new_id(), "owner": "ada", "notebook_path": "/w/r.ipynb"}
    return store.deployments.create(Deployment(**{**defaults, **values}))  # type: ignore[arg-type]


def make_schedule(store: Store, deployment: Deployment, *, slot: int = MINUTE) -> ScheduleRow:
    return store.schedules.create(
        ScheduleRow(
            id=new_id(),
            deployment_id=deployment.id,
            owner="ada",
            kind="interval",
            interval_seconds=60.0,
            anchor_at=0,
            next_slot_at=slot,
            next_fire_at=slot,
        )
    )


def firing(deployment: Deployment, schedule: ScheduleRow, *slots: int, overlap: str = "allow") -> Firing:
    due = [
        Due(slot_at=s, run=deployment_run(deployment, now=s, schedule=schedule, slot_at=s, trigger="schedule"))
        for s in slots
    ]
    following = slots[-1] + MINUTE
    return Firing(schedule=schedule, due=due, next_slot_at=following, next_fire_at=following, overlap=overlap)


def runs_of(store: Store, schedule: ScheduleRow) -> list[int | None]:
    return sorted(run.slot_at or 0 for run in store.runs.page(RunFilter(schedule_id=schedule.id), limit=1000)[0])


def test_a_schedule_comes_back_as_it_was_stored(store: Store) -> None:
    made = make_schedule(store, make_deployment(store))
    assert store.schedules.get(made.id) == made
    with pytest.raises(NotFound):
        store.schedules.create(replace(made, id=new_id(), deployment_id=new_id()))


def test_firing_writes_slot_run_and_next_time_together(store: Store) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    made = store.schedules.fire([firing(deployment, schedule, MINUTE)])
    slots = store.schedules.slots(schedule.id)
    assert [(s.slot_at, s.decision, s.run_id) for s in slots] == [(MINUTE, "run", made[0].id)]
    stored = store.runs.get(made[0].id)
    assert (stored.slot_at, stored.trigger, stored.state_type) == (MINUTE, "schedule", StateType.SCHEDULED)
    after = store.schedules.get(schedule.id)
    assert (after.next_slot_at, after.last_slot_at) == (2 * MINUTE, MINUTE)
    assert store.schedules.next_due() == 2 * MINUTE


def test_the_same_slot_fired_again_changes_nothing(store: Store) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    store.schedules.fire([firing(deployment, schedule, MINUTE)])
    assert store.schedules.fire([firing(deployment, schedule, MINUTE)]) == []
    assert runs_of(store, schedule) == [MINUTE]


def test_a_slot_that_has_a_row_is_not_run_again_when_the_clock_went_back(store: Store) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    store.schedules.fire([firing(deployment, schedule, MINUTE)])
    back = store.schedules.update(schedule.id, next_slot_at=MINUTE, next_fire_at=MINUTE)
    assert store.schedules.fire([firing(deployment, back, MINUTE)]) == []
    assert runs_of(store, schedule) == [MINUTE]
    assert store.schedules.get(schedule.id).next_slot_at == 2 * MINUTE


def test_many_schedulers_at_once_make_one_run_a_slot(store: Store) -> None:
    deployment = make_deployment(store)
    schedules = [make_schedule(store, deployment) for _ in range(30)]
    start = threading.Barrier(4)

    def fire() -> int:
        start.wait()
        return len(store.schedules.fire([firing(deployment, s, MINUTE) for s in schedules]))

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: fire(), range(4)))
    assert sum(made) == 30
    assert all(runs_of(store, s) == [MINUTE] for s in schedules)


def test_without_the_guard_the_same_slots_would_run_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of the tests: what they prove is the guard's work."""
    monkeypatch.setattr(SlotWriter, "_standing", lambda self, connection, by_id: list(by_id.values()))
    monkeypatch.setattr(SlotWriter, "_taken", lambda self, connection, firings: set())
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    for _ in range(2):
        store.schedules.fire([firing(deployment, schedule, MINUTE)])
    assert runs_of(store, schedule) == [MINUTE, MINUTE]


def test_an_edit_meanwhile_wins_over_a_firing(store: Store) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    store.schedules.update(schedule.id, parameters={"month": 2})
    assert store.schedules.fire([firing(deployment, schedule, MINUTE)]) == []
    assert store.schedules.slots(schedule.id) == []


@pytest.mark.parametrize(
    ("overlap", "decisions", "states"),
    [
        pytest.param("skip", ["run", "skipped"], ["SCHEDULED"], id="skip"),
        pytest.param("allow", ["run", "run"], ["SCHEDULED", "SCHEDULED"], id="allow"),
        pytest.param("queue", ["run", "run"], ["SCHEDULED", "SCHEDULED"], id="queue"),
        pytest.param("cancel_running", ["run", "run"], ["CANCELLED", "SCHEDULED"], id="cancel running"),
    ],
)
def test_a_slot_that_comes_while_a_run_is_on(
    store: Store, overlap: str, decisions: list[str], states: list[str]
) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    store.schedules.fire([firing(deployment, schedule, MINUTE, overlap=overlap)])
    now = store.schedules.get(schedule.id)
    store.schedules.fire([firing(deployment, now, 2 * MINUTE, overlap=overlap)])
    slots = store.schedules.slots(schedule.id)[::-1]
    assert [s.decision for s in slots] == decisions
    if overlap == "skip":
        assert slots[1].reason == "already_running"
    runs = store.runs.page(RunFilter(schedule_id=schedule.id), sort="created_at")[0]
    assert [run.state_type.value for run in runs] == states


def test_a_schedule_that_cannot_be_computed_is_set_aside(store: Store) -> None:
    deployment = make_deployment(store)
    bad, good = make_schedule(store, deployment), make_schedule(store, deployment)
    store.schedules.quarantine(bad, "no such zone")
    assert [s.id for s, _ in store.schedules.due(MINUTE)] == [good.id]
    assert store.schedules.get(bad.id).error == "no such zone"


def test_due_schedules_come_longest_due_first_with_their_deployments(store: Store) -> None:
    deployment = make_deployment(store)
    late = make_schedule(store, deployment, slot=2 * MINUTE)
    early = make_schedule(store, deployment, slot=MINUTE)
    make_schedule(store, deployment, slot=9 * MINUTE)
    assert [(s.id, d and d.id) for s, d in store.schedules.due(3 * MINUTE)] == [
        (early.id, deployment.id),
        (late.id, deployment.id),
    ]
    assert [s.id for s in store.schedules.upcoming(owner="ada", limit=1)] == [early.id]


def test_a_stale_revision_is_refused(store: Store) -> None:
    schedule = make_schedule(store, make_deployment(store))
    store.schedules.update(schedule.id, revision=1, active=False)
    with pytest.raises(Conflict):
        store.schedules.update(schedule.id, revision=1, active=True)
    assert store.schedules.next_due() is None


def test_deleting_a_schedule_forgets_its_slots(store: Store) -> None:
    deployment = make_deployment(store)
    schedule = make_schedule(store, deployment)
    store.schedules.fire([firing(deployment, schedule, MINUTE)])
    store.schedules.delete(schedule.id)
    assert store.schedules.slots(schedule.id) == []
    assert runs_of(store, schedule) == [MINUTE]
