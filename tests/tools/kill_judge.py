"""The kill rig's oracle: what is there is compared with what had to be.

It is computed apart from what is tested: each schedule's slots are its anchor plus whole intervals. Every slot must
have one row, every run one end, no run more executions than attempts, and nothing may be left running.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kill_rig import Rig

#: Seconds between a schedule's slots.
INTERVAL = 1.0
#: A server that was killed recovers from its log; it is asked again for so many seconds.
RECOVERS_SECONDS = 60.0
LEFT_SECONDS = 20.0
Value = TypeVar("Value")


def patiently(call: Callable[[], Value]) -> Value:
    """Return what a call on the store returns, asking again while the server recovers."""
    from headrace.core.errors import StoreError

    deadline = time.monotonic() + RECOVERS_SECONDS
    while True:
        try:
            return call()
        except StoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@dataclass
class Verdict:
    """What a trial came to."""

    kills: int = 0
    slots: int = 0
    runs: int = 0
    seconds: float = 0.0
    states: Mapping[str, int] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def judge(rig: Rig, anchor: int) -> Verdict:
    """Compare what is there with what had to be."""
    from headrace.core.settings import find_store
    from headrace.store import Store

    store = patiently(lambda: Store(find_store()))
    verdict = Verdict(kills=rig.kills)
    # A process whose attempt went to another one ends by itself (promise P7: within 5 s, more on a busy machine).
    # Only then what was executed is complete.
    deadline = time.monotonic() + LEFT_SECONDS
    while rig.runs_processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    if rig.runs_processes():
        verdict.faults.append(f"processes are left: {rig.runs_processes()}")
    step = int(INTERVAL * 1_000_000)

    def read(statement: str) -> list[Any]:
        def ask() -> list[Any]:
            with store.database.read() as connection:
                return list(connection.exec_driver_sql(statement))

        return patiently(ask)

    runs = {row[0]: row for row in read("SELECT id, state_type, attempt, max_attempts, schedule_id, slot_at FROM runs")}
    slots = read("SELECT schedule_id, slot_at, decision, run_id FROM slots")
    schedules = read("SELECT id, next_slot_at FROM schedules")
    if not rig.postgres and read("PRAGMA integrity_check")[0][0] != "ok":
        verdict.faults.append("the database is damaged")
    by_schedule: dict[str, list[int]] = {row[0]: [] for row in schedules}
    for schedule_id, slot_at, decision, run_id in slots:
        by_schedule[schedule_id].append(slot_at)
        if decision == "run" and (run_id not in runs or runs[run_id][5] != slot_at):
            verdict.faults.append(f"slot {slot_at} of {schedule_id} names a run that is not there")
    for schedule_id, following in schedules:
        expected = list(range(anchor + step, following, step))
        found = sorted(by_schedule[schedule_id])
        missing = set(expected) - set(found)
        # Slots older than the rows that are kept one by one share a row: the first of their stretch.
        if missing and not _shared(found, missing):
            verdict.faults.append(f"{len(missing)} slots of {schedule_id} have no row: {sorted(missing)[:3]}")
        spurious = set(found) - set(expected)
        if spurious:
            verdict.faults.append(f"{len(spurious)} rows of {schedule_id} are no slots")
    slotted = Counter((row[4], row[5]) for row in runs.values())
    verdict.faults += [f"slot {key} ran {count} times" for key, count in slotted.items() if count > 1]
    orphans = set(slotted) - {(s[0], s[1]) for s in slots}
    verdict.faults += [f"run of slot {key} without the slot's row" for key in orphans]
    executed = Counter(tuple(line.split()) for line in _effects(rig))
    verdict.faults += [f"attempt {key} was executed {n} times" for key, n in executed.items() if n > 1]
    for run_id, state, attempt, most, _, _ in runs.values():
        if state not in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            verdict.faults.append(f"run {run_id} is {state}")
        if attempt > most:
            verdict.faults.append(f"run {run_id} had {attempt} attempts of {most}")
        if state == "COMPLETED" and (run_id, str(attempt)) not in executed:
            verdict.faults.append(f"run {run_id} completed without having been executed")
    verdict.slots, verdict.runs = len(slots), len(runs)
    verdict.states = dict(Counter(row[1] for row in runs.values()))
    verdict.attempts = dict(Counter(str(row[2]) for row in runs.values()))
    store.close()
    return verdict


def _effects(rig: Rig) -> list[str]:
    return rig.effects.read_text().splitlines() if rig.effects.exists() else []


def _shared(found: list[int], missing: set[int]) -> bool:
    """Return whether missing slots lie behind a row that says it stands for more."""
    return bool(found) and min(missing) > min(found)
