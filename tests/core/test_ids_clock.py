"""Ids sort by their making; instants survive their way through text."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.clock import ManualClock, instant, iso, micros, parse_iso
from headrace.core.ids import first_id, is_id, new_id


def test_a_hundred_thousand_ids_of_one_process_are_distinct_and_in_order() -> None:
    ids = [new_id() for _ in range(100_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def test_an_id_is_a_uuid_of_version_7() -> None:
    assert UUID(new_id()).version == 7
    assert is_id(new_id())


def test_ids_lie_between_the_first_ones_of_the_instants_around_them() -> None:
    begin = micros(datetime.now(timezone.utc))
    made = new_id()
    assert first_id(begin - 1_000) < made < first_id(begin + 60_000_000)


@pytest.mark.parametrize("text", ["", "abc", None, 7, "../../etc/passwd", new_id() + "x", new_id().upper()])
def test_what_is_no_id_is_told_apart(text: object) -> None:
    assert not is_id(text)


def test_a_forked_child_makes_other_ids() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    mine = new_id()
    os.waitpid(pid, 0)
    child = os.read(read, 36).decode()
    assert child[-12:] != mine[-12:]


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))
def test_an_instant_comes_back_from_micros_and_from_text(moment: datetime) -> None:
    us = micros(moment)
    assert instant(us) == moment.astimezone(timezone.utc)  # a wall time in a gap equals nothing but itself
    assert parse_iso(iso(us) or "") == us


def test_a_naive_time_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"tzinfo=timezone\.utc"):
        micros(datetime(2026, 1, 1))


def test_a_clock_jump_moves_wall_time_only() -> None:
    clock = ManualClock()
    wall, mono = clock.now_us(), clock.monotonic()
    clock.jump(-3600)
    assert clock.now_us() == wall - 3_600_000_000
    assert clock.monotonic() == mono
    clock.advance(2)
    assert clock.monotonic() == mono + 2


def test_iso_text_ends_in_z() -> None:
    assert (
        iso(micros(datetime(2026, 3, 8, 2, 30, tzinfo=timezone(timedelta(hours=-5))))) == "2026-03-08T07:30:00.000000Z"
    )
