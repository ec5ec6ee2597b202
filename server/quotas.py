"""Quotas of one person: waiting runs, schedules, runs started in a minute (reliability.md, S-09)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from headrace.core import settings
from headrace.core.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.server.services import Services

#: So many runs may wait at once (`HEADRACE_MAX_WAITING`).
MAX_WAITING = 10_000
#: So many schedules may there be (`HEADRACE_MAX_SCHEDULES`).
MAX_SCHEDULES = 10_000
#: So many runs may be asked for in a minute (`HEADRACE_RUNS_PER_MINUTE`; 0: any number) …
RUNS_PER_MINUTE = 60
#: … on the average: who asked for none for so long may ask for that many at once, minutes. 200 at once are all taken (F-12).
SAVED_MINUTES = 5
#: When to try again where that cannot be computed, seconds.
RETRY_AFTER_SECONDS = 5


class TooMany(HeadraceError):
    """A quota is used up.

    Parameters
    ----------
    message : str
    retry_after_seconds : int, default 5
        What a client is told to wait.
    """

    http_status = 429
    code = "quota"

    def __init__(self, message: str = "", *, retry_after_seconds: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Quotas:
    """What one person may still have.

    Runs asked for are counted in this process: the quota stops a page or a script that has gone wild, and each of a
    person's servers sees its own.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._saved: float | None = None
        self._looked_at = 0.0

    def check_waiting(self, more: int = 1) -> None:
        """Refuse more waiting runs when too many wait.

        Raises
        ------
        TooMany
        """
        most = int(settings.number("MAX_WAITING", MAX_WAITING))
        if self._services.store.overview.waiting(owner=self._services.owner, most=most) + more > most:
            raise TooMany(f"At most {most} runs may wait at once; cancel some or let them run first.")

    def check_schedules(self, more: int = 1) -> None:
        """Refuse more schedules when there are too many.

        Raises
        ------
        TooMany
        """
        most = int(settings.number("MAX_SCHEDULES", MAX_SCHEDULES))
        if more > 0 and self._services.store.schedules.count(owner=self._services.owner, most=most) + more > most:
            raise TooMany(f"You may have at most {most} schedules; delete some first.")

    def take_start(self) -> None:
        """Count a run that is asked for now.

        Raises
        ------
        TooMany
            Too many were asked for lately.
        """
        rate = settings.number("RUNS_PER_MINUTE", RUNS_PER_MINUTE)
        if rate <= 0:
            return
        now = self._services.store.clock.monotonic()
        with self._lock:
            most = rate * SAVED_MINUTES
            saved = most if self._saved is None else min(most, self._saved + (now - self._looked_at) * rate / 60)
            self._looked_at = now
            self._saved = saved - 1 if saved >= 1 else saved
        if saved < 1:
            raise TooMany(
                f"At most {rate:g} runs a minute may be started by hand; a schedule or a backfill makes many at once.",
                retry_after_seconds=int((1 - saved) * 60 / rate) + 1,
            )
