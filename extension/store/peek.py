"""A look into a store without opening it as one: no SQLAlchemy, no schema, nothing is created."""

from __future__ import annotations

import sqlite3

from headrace.core.settings import StorePlace

_PEEK = """SELECT EXISTS (SELECT 1 FROM schedules WHERE active = 1 AND next_fire_at IS NOT NULL)
  OR EXISTS (SELECT 1 FROM runs WHERE parent_id IS NULL
             AND state_type IN ('SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING'))"""
_DEPLOYED = "SELECT EXISTS (SELECT 1 FROM deployments)"


def is_needed(place: StorePlace) -> bool:
    """Return whether a store holds anything that a server must look after, without opening it as a store.

    Parameters
    ----------
    place : StorePlace
        A PostgreSQL store was chosen on purpose, and always counts.
    """
    return _holds(place, _PEEK)


def has_deployments(place: StorePlace) -> bool:
    """Return whether a store holds any deployment; as `is_needed`."""
    return _holds(place, _DEPLOYED)


def _holds(place: StorePlace, question: str) -> bool:
    path = place.sqlite_path
    if path is None:
        return True
    try:
        if not path.is_file() or path.stat().st_size == 0:
            return False
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
        try:
            return bool(connection.execute(question).fetchone()[0])
        finally:
            connection.close()
    except (OSError, sqlite3.Error):
        # What is wrong with it is told by whoever opens it.
        return False
