"""Named points at every commit edge where tests make the process stop, raise or die.

Absent in normal runs: with `HEADRACE_FAILPOINTS` unset `reach` returns at once.
The variable holds `name=action[:argument][@n]` items separated by commas; `@n`
acts at the n-th time the point is reached (default 1). Actions: `kill`
(SIGKILL to self), `raise`, `sleep:SECONDS`, `exit:CODE`.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import StoreUnavailable

NAMES = frozenset(
    {
        "before_commit",
        "after_commit_before_ack",
        "after_slot_before_insert",
        "after_fire_before_claim",
        "after_claim_before_spawn",
        "after_spawn_before_pid",
        "after_cell_before_save",
        "after_save_before_terminal",
        "during_migration",
    }
)


def _parse(text: str) -> dict[str, tuple[str, str, int]]:
    points: dict[str, tuple[str, str, int]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = item.partition("=")
        action, _, times = action.partition("@")
        verb, _, argument = action.partition(":")
        if name not in NAMES:
            raise ValueError(f"HEADRACE_FAILPOINTS names {name!r}; known: {', '.join(sorted(NAMES))}")
        points[name] = (verb, argument, int(times or 1))
    return points


_points = _parse(os.environ.get("HEADRACE_FAILPOINTS", ""))
_seen: Counter[str] = Counter()


def reach(name: str) -> None:
    """Do what `HEADRACE_FAILPOINTS` asks for at this point; nothing in normal runs."""
    if not _points or name not in _points:
        return
    verb, argument, times = _points[name]
    _seen[name] += 1
    if _seen[name] != times:
        return
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "exit":
        os._exit(int(argument or 1))
    elif verb == "sleep":
        SYSTEM_CLOCK.sleep(float(argument))
    else:
        raise StoreUnavailable(f"failpoint {name}")
