"""Run identifiers: UUIDs of version 7, so that ids sort by the time they were made.

Source of the layout: RFC 9562, section 5.7 (48 bits of Unix milliseconds, then
a counter in `rand_a` seeded per process start and random bits).
"""

from __future__ import annotations

import itertools
import os
import re
import time

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_count = itertools.count()
_tail = ""


def _reseed() -> None:
    """Give this process its own random part (called again in a forked child)."""
    global _tail, _count
    bits = int.from_bytes(os.urandom(4), "big")
    _tail = f"{bits:08x}"
    _count = itertools.count(int.from_bytes(os.urandom(2), "big"))


_reseed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed)


def new_id() -> str:
    """Return a new id, 36 characters; later ids of one process sort after earlier ones."""
    ms = time.time_ns() // 1_000_000
    n = next(_count)
    head = f"{ms:012x}"
    # 12 + 14 bits of counter keep ids of one millisecond in order; the process part keeps processes apart.
    return (
        f"{head[:8]}-{head[8:]}-7{(n >> 14) & 0xFFF:03x}-{0x8000 | (n & 0x3FFF):04x}-{_tail}{os.getpid() & 0xFFFF:04x}"
    )


def first_id(at: int) -> str:
    """Return what every id of this instant (µs) and later sorts after, and every earlier one before."""
    head = f"{at // 1000:012x}"
    return f"{head[:8]}-{head[8:]}"


def is_id(text: object) -> bool:
    """Return whether `text` has the form of an id."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None
