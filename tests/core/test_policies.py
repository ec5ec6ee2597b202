"""Which missed slots run, and that every one of them is accounted for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidSchedule
from headrace.core.policies import (
    MAX_SKIPPED_ROWS,
    ON_TIME_SECONDS,
    CatchUp,
    CatchUpMode,
    Missed,
    Overlap,
    SlotDecision,
    plan_catch_up,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def plan(ages: list[float], period: float = 300, **policy: Any) -> list[SlotDecision]:
    slots = tuple(sorted(ago(age) for age in ages))
    return plan_catch_up(Missed(slots=slots), CatchUp(**policy), NOW, period_seconds=period)


def run_ages(rows: list[SlotDecision]) -> list[float]:
    return [(NOW - row.slot).total_seconds() for row in rows if row.decision == "run"]


HOUR_OF_FIVES = [200 + 300 * number for number in range(12)]


@pytest.mark.parametrize(
    ("ages", "period", "policy", "expected"),
    [
        pytest.param([], 300, {}, [], id="nothing came"),
        pytest.param([0.1], 300, {}, [0.1], id="a slot on time runs"),
        pytest.param([0.1], 300, {"mode": "skip"}, [0.1], id="a slot on time runs when missed ones are skipped"),
        pytest.param([0.1], 300, {"grace_seconds": 0}, [0.1], id="a slot on time runs without any grace"),
        pytest.param([0.2, 1.2, 2.2], 1, {"mode": "skip"}, [2.2, 1.2, 0.2], id="seconds behind is on time"),
        pytest.param(HOUR_OF_FIVES, 300, {}, [200], id="an hour down: the newest runs"),
        pytest.param(HOUR_OF_FIVES, 300, {"mode": "skip"}, [], id="an hour down: none runs"),
        pytest.param(HOUR_OF_FIVES, 300, {"mode": "all"}, HOUR_OF_FIVES[::-1], id="an hour down: all run in order"),
        pytest.param(HOUR_OF_FIVES, 300, {"mode": "all", "limit": 2}, [500, 200], id="an hour down: the newest two"),
        pytest.param(HOUR_OF_FIVES, 300, {"mode": "all", "grace_seconds": 1000}, [800, 500, 200], id="within grace"),
        pytest.param([3, *HOUR_OF_FIVES], 300, {}, [3], id="one on time stands for those before it"),
        pytest.param([400], 300, {}, [], id="older than its period"),
        pytest.param([90_000], 604_800, {}, [], id="a weekly slot is caught up for a day only"),
        pytest.param([80_000], 604_800, {}, [80_000], id="a weekly slot missed today"),
        pytest.param([90_000], 604_800, {"grace_seconds": 604_800}, [90_000], id="a weekly slot with more grace"),
        pytest.param([400], float("inf"), {}, [400], id="the last slot of a schedule"),
    ],
)
def test_which_slots_run(ages: list[float], period: float, policy: dict[str, Any], expected: list[float]) -> None:
    rows = plan(ages, period, **policy)
    assert run_ages(rows) == expected
    assert [row.slot for row in rows] == sorted(ago(age) for age in ages)


@pytest.mark.parametrize(
    ("ages", "policy", "reasons"),
    [
        ([200, 500], {}, ["missed; a newer slot runs", "caught up, 3 minutes late"]),
        ([7200], {}, ["missed by 2 hours, longer than the grace time"]),
        ([7200], {"mode": "skip"}, ["missed by 2 hours; the schedule skips what it missed"]),
        ([200, 500], {"mode": "all", "limit": 1}, ["missed; only the newest 1 are caught up", "caught up, 3 minutes late"]),
        ([200, 172_800], {"mode": "all", "grace_seconds": 900}, ["missed by 2 days, longer than the grace time", "caught up, 3 minutes late"]),
        ([1], {}, [""]),
    ],
)  # fmt: skip
def test_every_decision_says_why(ages: list[float], policy: dict[str, Any], reasons: list[str]) -> None:
    assert [row.reason for row in plan(ages, **policy)] == reasons


def test_a_long_absence_is_a_short_list() -> None:
    slots = tuple(ago(60 * minute) for minute in range(CatchUp().slots_wanted, 0, -1))
    missed = Missed(slots=slots, earlier_from=ago(604_800), earlier_to=slots[0] - timedelta(minutes=1))
    rows = plan_catch_up(missed, CatchUp(), NOW, period_seconds=60)
    assert len(rows) == 1 + MAX_SKIPPED_ROWS + 1
    assert (rows[0].slot, rows[0].until, rows[0].decision) == (ago(604_800), missed.earlier_to, "skipped")
    assert "all up to" in rows[0].reason
    assert [row.slot for row in rows[1:]] == list(slots)


def test_skipped_slots_beyond_the_rows_share_one() -> None:
    rows = plan([60.0 * minute for minute in range(1, 101)], mode="all", limit=10)
    assert rows[0].until == ago(60 * (10 + MAX_SKIPPED_ROWS + 1))
    assert rows[0].slot == ago(60 * 100)
    assert len(rows) == 1 + MAX_SKIPPED_ROWS + 10


MODES = st.sampled_from(list(CatchUpMode))


@settings(max_examples=300, deadline=None, database=None)
@given(
    st.lists(st.integers(0, 100_000), max_size=80, unique=True),
    st.builds(CatchUp, mode=MODES, limit=st.integers(1, 50), grace_seconds=st.none() | st.integers(0, 10_000)),
    st.booleans(),
    st.integers(1, 100_000),
)
def test_each_slot_is_in_exactly_one_row(ages: list[int], policy: CatchUp, earlier: bool, period: int) -> None:
    slots = tuple(sorted(ago(age) for age in ages))
    missed = Missed(slots=slots, earlier_from=ago(300_000), earlier_to=ago(200_000)) if earlier else Missed(slots=slots)
    rows = plan_catch_up(missed, policy, NOW, period_seconds=period)
    covered = [slot for slot in slots for row in rows if row.slot <= slot <= (row.until or row.slot)]
    assert covered == list(slots)
    assert [row.slot for row in rows] == sorted({row.slot for row in rows})
    assert sum(row.decision == "skipped" for row in rows) <= MAX_SKIPPED_ROWS + 1
    assert all(row.decision == "run" for row in rows if (NOW - row.slot).total_seconds() <= ON_TIME_SECONDS)
    assert all(row.reason for row in rows if row.decision == "skipped")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mode": "newest"}, "catch_up"),
        ({"mode": None}, "catch_up"),
        ({"limit": 0}, "catch_up_limit"),
        ({"limit": 1001}, "catch_up_limit"),
        ({"limit": True}, "catch_up_limit"),
        ({"limit": 2.5}, "catch_up_limit"),
        ({"limit": 10**5000}, "catch_up_limit"),
        ({"grace_seconds": -1}, "grace_seconds"),
        ({"grace_seconds": float("nan")}, "grace_seconds"),
        ({"grace_seconds": 10**400}, "grace_seconds"),
        ({"grace_seconds": "1"}, "grace_seconds"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_policy_cannot_be_built_wrong(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        CatchUp(**values)
    assert caught.value.field == field


def test_policies_go_over_the_wire_in_a_deployments_words() -> None:
    policy = CatchUp(mode=CatchUpMode.ALL, limit=7, grace_seconds=60)
    assert policy.to_wire() == {"catch_up": "all", "catch_up_limit": 7, "grace_seconds": 60.0}
    assert CatchUp.from_wire({**policy.to_wire(), "name": "nightly"}) == policy
    assert CatchUp.from_wire({"catch_up": None}) == CatchUp() == CatchUp(mode=CatchUpMode.LATEST)


def test_overlap_knows_its_names_only() -> None:
    assert [str(member) for member in Overlap] == ["skip", "queue", "allow", "cancel_running"]
    assert Overlap.parse("queue") is Overlap.QUEUE
    with pytest.raises(InvalidSchedule, match="cancel_running") as caught:
        Overlap.parse("replace")
    assert caught.value.field == "overlap"
