"""The one seam through which Headrace reads time.

Instants in records and columns are whole microseconds since 1970-01-01 UTC
(an `int`, unit µs): exact, ordered, and the same in both databases. People and
public records get aware UTC datetimes.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Wall time, monotonic time and sleep, as the operating system has them."""

    def now_us(self) -> int:
        """Return wall time, in µs since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return monotonic time, in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep, in seconds."""
        time.sleep(seconds)


class ManualClock(Clock):
    """A clock for tests: time moves only when it is told to.

    Parameters
    ----------
    start_us : int, default 1_700_000_000_000_000
        Wall time at the start, µs since 1970 UTC.
    """

    def __init__(self, start_us: int = 1_700_000_000_000_000) -> None:
        self._wall = start_us
        self._monotonic = 0.0

    def now_us(self) -> int:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._wall += int(seconds * 1_000_000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move wall time only, as an adjusted clock does; `seconds` may be negative."""
        self._wall += int(seconds * 1_000_000)


SYSTEM_CLOCK = Clock()


def micros(moment: datetime) -> int:
    """Return an aware datetime as µs since 1970 UTC.

    Raises
    ------
    ValueError
        The datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give one, e.g. datetime(..., tzinfo=timezone.utc)")
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(us: int) -> datetime:
    """Return µs since 1970 UTC as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=us)


def iso(us: int | None) -> str | None:
    """Return µs since 1970 UTC as ISO 8601 text ending in `Z`, or None for None."""
    return None if us is None else instant(us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """Return ISO 8601 text with an offset or `Z` as µs since 1970 UTC.

    Raises
    ------
    ValueError
        The text is no instant, or has no offset.
    """
    return micros(datetime.fromisoformat(text.replace("Z", "+00:00") if text.endswith("Z") else text))
