"""The scheduler on a clock that is moved by hand: what fires, what is caught up, what is set aside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace.core.clock import ManualClock
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.ids import new_id
from headrace.core.runs import Run, RunFilter
from headrace.core.settings import find_store
from headrace.server.scheduler import Scheduler
from headrace.store import Store, timetable

MINUTE = 60
US = 1_000_000
#: 2026-11-24 00:00 UTC.
START = 1_795_478_400 * US


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(sqlite_url: str, clock: ManualClock) -> Iterator[Store]:
    opened = Store(find_store(sqlite_url), clock=clock)
    yield opened
    opened.close()


def deploy(store: Store, cron: str = "*/5 * * * *", *, timezone: str = "UTC", **values: Any) -> ScheduleRow:
    """Store a deployment with one schedule that begins now."""
    schedule_values = {k: values.pop(k) for k in ("jitter_seconds", "end_at", "parameters") if k in values}
    defaults: dict[str, Any] = {"overlap": "allow", "notebook_path": "/w/r.ipynb", "owner": "ada"}
    deployment = store.deployments.create(Deployment(id=new_id(), name=new_id(), **{**defaults, **values}))
    row = ScheduleRow(
        id=new_id(), deployment_id=deployment.id, owner="ada", cron=cron, timezone=timezone, **schedule_values
    )
    return store.schedules.create(timetable.with_next(row, store.clock.now_us()))


def runs(store: Store, schedule: ScheduleRow) -> list[Run]:
    found = store.runs.page(RunFilter(schedule_id=schedule.id), limit=5000)[0]
    return sorted(found, key=lambda run: run.slot_at or 0)


def minutes(store: Store, schedule: ScheduleRow) -> list[float]:
    """Return when its runs' slots were, in minutes from the start."""
    return [((run.slot_at or 0) - START) / US / 60 for run in runs(store, schedule)]


def slots(store: Store, schedule: ScheduleRow) -> list[tuple[float, str]]:
    found = store.schedules.slots(schedule.id, limit=5000)[::-1]
    return [((s.slot_at - START) / US / 60, s.decision) for s in found]


def test_a_slot_fires_when_its_time_has_come_and_not_before(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store)
    scheduler = Scheduler(store)
    clock.advance(5 * MINUTE - 0.001)
    assert scheduler.tick() == []
    clock.advance(0.001)
    assert len(scheduler.tick()) == 1
    assert scheduler.tick() == []
    assert minutes(store, schedule) == [5]
    assert store.schedules.get(schedule.id).next_fire_at == START + 10 * MINUTE * US


def test_a_run_takes_its_parameters_from_deployment_and_schedule(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store, parameters={"month": 2}, retries=2, tags=("nightly",), timeout_seconds=7.0)
    clock.advance(5 * MINUTE)
    run = Scheduler(store).tick()[0]
    assert (run.parameters, run.max_attempts, run.tags, run.trigger) == ({"month": 2}, 3, ("nightly",), "schedule")
    assert run.details["launch"]["timeout_seconds"] == 7.0
    assert run.schedule_id == schedule.id


def test_a_scheduled_run_without_a_limit_of_its_own_may_last_a_day(store: Store, clock: ManualClock) -> None:
    deploy(store)
    clock.advance(5 * MINUTE)
    assert Scheduler(store).tick()[0].details["launch"]["timeout_seconds"] == 86_400


def test_two_schedulers_share_the_work(store: Store, clock: ManualClock) -> None:
    schedules = [deploy(store) for _ in range(40)]
    clock.advance(5 * MINUTE)
    start = threading.Barrier(2)
    made: list[int] = []

    def work() -> None:
        start.wait()
        made.append(len(Scheduler(store, batch=7).tick()))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Scheduler(store).tick()
    assert all(minutes(store, schedule) == [5] for schedule in schedules)


@pytest.mark.parametrize(
    ("policy", "ran"),
    [
        pytest.param({}, [60], id="latest is the default"),
        pytest.param({"catch_up": "skip"}, [60], id="skip still fires what is due now"),
        pytest.param({"catch_up": "all", "catch_up_limit": 3}, [50, 55, 60], id="all up to a limit"),
        pytest.param({"catch_up": "all"}, [float(m) for m in range(5, 65, 5)], id="all"),
    ],
)
def test_what_was_missed_follows_the_policy_and_every_slot_has_a_row(
    store: Store, clock: ManualClock, policy: dict[str, Any], ran: list[float]
) -> None:
    schedule = deploy(store, **policy)
    clock.advance(60 * MINUTE + 1)
    Scheduler(store).tick()
    assert minutes(store, schedule) == ran
    assert [slot for slot, _ in slots(store, schedule)] == [float(m) for m in range(5, 65, 5)]
    assert [slot for slot, decision in slots(store, schedule) if decision == "run"] == ran


def test_the_newest_missed_slot_runs_only_within_its_grace(store: Store, clock: ManualClock) -> None:
    within = deploy(store, "0 * * * *")
    beyond = deploy(store, "0 * * * *", grace_seconds=60.0)
    clock.advance(90 * MINUTE)
    Scheduler(store).tick()
    assert minutes(store, within) == [60]
    assert minutes(store, beyond) == []
    assert slots(store, beyond) == [(60.0, "skipped")]


def test_years_of_missed_slots_cost_a_few_rows(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store, "* * * * *")
    clock.advance(3 * 366 * 86_400)
    Scheduler(store).tick()
    assert len(runs(store, schedule)) == 1
    assert len(slots(store, schedule)) <= 30


def test_a_machine_that_slept_five_periods_runs_once(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store)
    scheduler = Scheduler(store)
    clock.advance(5 * MINUTE)
    scheduler.tick()
    clock.jump(5 * 5 * MINUTE)
    scheduler.tick()
    assert minutes(store, schedule) == [5, 30]


def test_a_clock_that_goes_back_fires_nothing_twice(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store)
    scheduler = Scheduler(store)
    clock.advance(10 * MINUTE)
    scheduler.tick()
    clock.jump(-24 * 3600)
    assert scheduler.tick() == []
    clock.jump(24 * 3600 + 5 * MINUTE)
    scheduler.tick()
    assert minutes(store, schedule) == [10, 15]


def test_one_bad_row_harms_no_other(store: Store, clock: ManualClock) -> None:
    good = [deploy(store) for _ in range(3)]
    bad = deploy(store)
    gone = deploy(store)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE schedules SET timezone = 'Mars/Phobos' WHERE id = ?", (bad.id,))
        connection.exec_driver_sql("UPDATE schedules SET cron = ? WHERE id = ?", ("9" * 1_000_000, gone.id))
    clock.advance(5 * MINUTE)
    Scheduler(store).tick()
    assert all(minutes(store, schedule) == [5] for schedule in good)
    assert "Mars/Phobos" in (store.schedules.get(bad.id).error or "")
    assert store.schedules.get(gone.id).error
    clock.advance(5 * MINUTE)
    Scheduler(store).tick()
    assert all(minutes(store, schedule) == [5, 10] for schedule in good)


@pytest.mark.parametrize("table", ["schedules", "deployments"])
def test_a_damaged_row_is_set_aside_with_the_reason_and_harms_no_other(
    store: Store, clock: ManualClock, table: str
) -> None:
    good, bad = deploy(store, "* * * * *"), deploy(store, "* * * * *")
    damaged = bad.id if table == "schedules" else bad.deployment_id
    with store.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET parameters = '{{half' WHERE id = ?", (damaged,))
    clock.advance(MINUTE)
    Scheduler(store).tick()
    assert minutes(store, good) == [1]
    assert runs(store, bad) == []
    assert "its record is damaged (parameters)" in (store.schedules.get(bad.id).error or "")


def test_a_paused_deployment_runs_nothing(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store, paused=True)
    clock.advance(5 * MINUTE)
    Scheduler(store).tick()
    assert minutes(store, schedule) == []
    assert slots(store, schedule) == [(5.0, "skipped")]


def test_a_schedule_ends(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store, end_at=START + 10 * MINUTE * US)
    for _ in range(4):
        clock.advance(5 * MINUTE)
        Scheduler(store).tick()
    assert minutes(store, schedule) == [5, 10]
    assert store.schedules.get(schedule.id).next_fire_at is None


def test_jitter_delays_the_run_and_keeps_the_slot(store: Store, clock: ManualClock) -> None:
    schedule = deploy(store, jitter_seconds=120.0)
    fires = store.schedules.get(schedule.id).next_fire_at
    slot = START + 5 * MINUTE * US
    assert fires is not None
    assert slot <= fires <= slot + 120 * US
    clock.advance((fires - START) / US)
    assert [run.slot_at for run in Scheduler(store).tick()] == [slot]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "fires"),
    [
        pytest.param("30 2 * * *", "America/New_York", "2026-03-08", ["07:00"], id="a time that does not exist"),
        pytest.param("30 1 * * *", "America/New_York", "2026-11-01", ["05:30"], id="a time that comes twice"),
    ],
)
def test_wall_times_at_the_change_of_clocks_fire_once(
    sqlite_url: str, data_dir: Path, cron: str, zone: str, day: str, fires: list[str]
) -> None:
    from headrace.core.clock import parse_iso

    begin = parse_iso(f"{day}T04:30:00Z")
    clock = ManualClock(begin)
    store = Store(find_store(sqlite_url), clock=clock)
    schedule = deploy(store, cron, timezone=zone, catch_up="all")
    for _ in range(24):
        clock.advance(3600)
        Scheduler(store).tick()
    from headrace.core.clock import instant

    assert [f"{instant(run.slot_at or 0):%H:%M}" for run in runs(store, schedule)][:1] == fires
    store.close()


def test_a_running_scheduler_wakes_for_a_schedule_that_another_process_made(sqlite_url: str, data_dir: Path) -> None:
    ours, theirs = Store(find_store(sqlite_url)), Store(find_store(sqlite_url))
    scheduler = Scheduler(ours)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        deployment = theirs.deployments.create(Deployment(id=new_id(), name="d", owner="ada", overlap="allow"))
        now = theirs.clock.now_us()
        row = ScheduleRow(
            id=new_id(),
            deployment_id=deployment.id,
            owner="ada",
            kind="interval",
            interval_seconds=1.0,
            anchor_at=now,
        )
        schedule = theirs.schedules.create(timetable.with_next(row, now))
        deadline = theirs.clock.monotonic() + 10
        while not theirs.schedules.slots(schedule.id):
            assert theirs.clock.monotonic() < deadline
            threading.Event().wait(0.02)
        slot = theirs.schedules.slots(schedule.id)[0]
        assert slot.decided_at - slot.slot_at < 1_000_000
    finally:
        scheduler.stop()
        thread.join()
        ours.close()
        theirs.close()


def test_a_scheduler_that_cannot_work_does_not_say_that_it_does_and_goes_on_once_it_can(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    broken.set()
    scheduler = Scheduler(store)
    working = scheduler.tick

    def tick() -> list[Run]:
        if broken.is_set():
            raise RuntimeError("odd")
        return working()

    monkeypatch.setattr(scheduler, "tick", tick)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        wait_until(lambda: not scheduler.is_alive, seconds=30)
        broken.clear()
        wait_until(lambda: scheduler.is_alive, seconds=30)
    finally:
        scheduler.stop()
        thread.join()
