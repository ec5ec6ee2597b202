"""What Headrace adds to Jupyter's `/metrics`: gauges that the background sets, so that a scrape asks no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: How often the gauges are set, seconds.
EVERY_SECONDS = 10.0
_GAUGES = {
    "running": ("headrace_runs_running", "Root runs that are on."),
    "scheduled": ("headrace_runs_scheduled", "Root runs that wait for their time or a worker."),
    "late": ("headrace_runs_late", "Root runs that are due and not begun after 15 s."),
    "failed_24h": ("headrace_runs_failed_24h", "Root runs that failed within a day."),
    "crashed_24h": ("headrace_runs_crashed_24h", "Root runs that crashed within a day."),
    "workers": ("headrace_workers", "Living workers."),
    "next_fire": ("headrace_next_fire_timestamp_seconds", "When the next schedule fires; 0: nothing is scheduled."),
}
#: One registry a process: a second server in it (tests) sets the same gauges.
_made: dict[str, Any] = {}


def set_gauges(values: Mapping[str, float]) -> None:
    """Set the gauges that are given; without prometheus_client nothing is done.

    Parameters
    ----------
    values : mapping
        Keys of `GET /counts`, `workers`, and `next_fire` in seconds since 1970.
    """
    try:
        from prometheus_client import Gauge
    except ImportError:
        return
    for name, value in values.items():
        if name in _GAUGES:
            if name not in _made:
                _made[name] = Gauge(*_GAUGES[name])
            _made[name].set(value)
