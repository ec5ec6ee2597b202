"""Time zones: names checked, and wall times brought to instants by one rule.

The rule where clocks are changed: a wall time that does not exist is the first
instant after the gap; one that occurs twice is its first occurrence. In
`datetime` terms (PEP 495) the offsets of the two folds differ in both cases, and
the later offset is the larger one in a gap.
"""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from headrace.core.errors import InvalidSchedule

UTC = timezone.utc
#: Nothing is computed outside these (aware UTC): schedules begin with the store's epoch, and local times must fit `datetime`.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,3}")


def find_zone(name: str) -> ZoneInfo:
    """Return an IANA time zone by its name.

    Parameters
    ----------
    name : str
        E.g. "Europe/Berlin" or "UTC".

    Raises
    ------
    InvalidSchedule
        This machine knows no such zone; `field` is "timezone", near names are proposed.
    """
    if not isinstance(name, str):
        raise InvalidSchedule(f"timezone: {type(name).__name__} is no text; write e.g. Europe/Berlin", field="timezone")
    zone = _zone(name) if len(name) <= 64 else None
    if zone is None:
        raise InvalidSchedule(
            f"timezone: {name[:64]!r} is not known on this machine; {_proposal(name)}", field="timezone"
        )
    return zone


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    """Keep the zones in use: `ZoneInfo` itself keeps eight, and reads the others' files again."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A folder (`Europe`), a file that is no zone, or nothing at all.
        return None


def _proposal(name: str) -> str:
    folded = {zone.casefold(): zone for zone in available_timezones()}
    near = difflib.get_close_matches(name[:64].strip().replace(" ", "_").casefold(), folded, n=3, cutoff=0.6)
    if not near:
        return "write an IANA name such as Europe/Berlin or UTC"
    return "write " + " or ".join(folded[match] for match in near)


def local_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall time (naive) that an aware instant shows in a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a wall time comes, by the module's rule.

    Parameters
    ----------
    wall : datetime
        Naive.
    zone : ZoneInfo

    Returns
    -------
    datetime
        Aware, UTC.
    """
    early = zone.utcoffset(wall.replace(tzinfo=zone))
    late = zone.utcoffset(wall.replace(tzinfo=zone, fold=1))
    assert early is not None
    assert late is not None
    if early >= late:
        return (wall - early).replace(tzinfo=UTC)
    return _first_with(late, (wall - late).replace(tzinfo=UTC), (wall - early).replace(tzinfo=UTC), zone)


def _first_with(offset: timedelta, low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant in (low, high] that has this offset; `high` has it, `low` has not. Whole seconds."""
    low = low.replace(microsecond=0)
    seconds = int((high - low).total_seconds())
    before, after = 0, seconds
    while after - before > 1:
        middle = (before + after) // 2
        if (low + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return low + timedelta(seconds=after)


@lru_cache(maxsize=8192)
def _changes(name: str, year: int) -> tuple[datetime, ...]:
    """Return the instants of a UTC year at which the zone's offset changes.

    Found by looking at every midnight: from 1970 to 2037 no zone changes twice within seven days (looked for every
    six hours, in all zones of tzdata 2026).
    """
    zone = find_zone(name)
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset = day.astimezone(zone).utcoffset()
    found = []
    while day < end:
        later = day + timedelta(days=1)
        new = later.astimezone(zone).utcoffset()
        if new != offset:
            assert new is not None
            found.append(_first_with(new, day, later, zone))
            offset = new
        day = later
    return tuple(found)


def steady_until(moment: datetime, zone_name: str) -> datetime:
    """Return an instant after `moment` (aware UTC) up to which the zone's offset stays as it is.

    It is the next change of offset, or the end of the UTC year when that comes first.
    """
    for change in _changes(zone_name, moment.year):
        if change > moment:
            return change
    return datetime(moment.year + 1, 1, 1, tzinfo=UTC)
