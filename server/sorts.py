"""What lists of runs may be sorted by, without importing the store."""

from __future__ import annotations

KEYS = ("created_at", "started_at", "ended_at", "name", "duration")
SORTS = tuple(sign + key for key in KEYS for sign in ("-", ""))
