"""The index of stored results: which keys exist, how large they are, and what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import sqlalchemy as sa

from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import dumps


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """One stored result.

    Parameters
    ----------
    key : str
        The cache key, or the result's own id.
    storage : str
        Where its bytes lie: an fsspec URL or an absolute path.
    serializer : str
    size_bytes : int
    definition, definition_key : str, str or None
        The task that made it.
    notebook_path, run_id : str or None
    parts : mapping
        What the key was made of: part → digest.
    created_at, used_at : int, µs
    expires_at : int or None, µs
    """

    key: str
    storage: str
    serializer: str
    size_bytes: int
    definition: str = ""
    definition_key: str | None = None
    notebook_path: str | None = None
    run_id: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    created_at: int = 0
    used_at: int = 0
    expires_at: int | None = None


class StorageUse(NamedTuple):
    """What the results of one task take.

    Attributes
    ----------
    flow : str
        The flow or notebook around it; "" where its runs are deleted.
    notebook_path : str or None
    definition : str
        The task.
    results, size_bytes : int
    used_at : int, µs
        When one was last made or used.
    """

    flow: str
    notebook_path: str | None
    definition: str
    results: int
    size_bytes: int
    used_at: int


# Plain SQL: a cell that is found again spends most of its time here, and SQLAlchemy's expressions take three times as long.
_COLUMNS = tuple(each.name for each in fields(StoredResult))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM results"
_SAVE = (
    f"INSERT INTO results ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


def _record(row: Any) -> StoredResult:
    values = dict(row._mapping)
    values["parts"] = json.loads(values["parts"])
    return StoredResult(**values)


class Results:
    """The store's verbs for results.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, result: StoredResult) -> None:
        """Note that a result is stored; the newest of a key stands."""
        values = {name: getattr(result, name) for name in _COLUMNS} | {"parts": dumps(dict(result.parts))}
        with self._db.write() as connection:
            connection.exec_driver_sql(self._db.sql(_SAVE), tuple(values.values()))

    def find(self, key: str) -> StoredResult | None:
        """Return the result of a key, None if there is none."""
        with self._db.read() as connection:
            row = connection.exec_driver_sql(self._db.sql(f"{_SELECT} WHERE key = ?"), (key,)).first()
        return None if row is None else _record(row)

    def latest(self, definition_key: str, *, limit: int = 5) -> Sequence[StoredResult]:
        """Return the newest results of a task, newest first: what explains a miss."""
        query = self._db.sql(f"{_SELECT} WHERE definition_key = ? ORDER BY created_at DESC LIMIT ?")
        with self._db.read() as connection:
            return [_record(row) for row in connection.exec_driver_sql(query, (definition_key, limit))]

    def touch(self, key: str) -> None:
        """Note that a result was used now."""
        with self._db.write() as connection:
            connection.execute(
                sa.update(t.results).where(t.results.c.key == key).values(used_at=self._db.clock.now_us())
            )

    def forget(self, keys: Sequence[str]) -> None:
        """Take results out of the index."""
        with self._db.write() as connection:
            for start in range(0, len(keys), 500):
                connection.execute(sa.delete(t.results).where(t.results.c.key.in_(keys[start : start + 500])))

    def total_bytes(self) -> int:
        """Return how many bytes all results have."""
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.sum(t.results.c.size_bytes))).scalar() or 0)

    def usage(self) -> list[StorageUse]:
        """Return how much each task's results take, by the flow (or notebook) that it ran in, the largest first."""
        c, own, root = t.results.c, t.runs.alias("own"), t.runs.alias("root")
        total = sa.func.sum(c.size_bytes)
        names = (sa.func.coalesce(root.c.definition, sa.literal_column("''")), c.notebook_path, c.definition)
        query = (
            sa.select(*names, sa.func.count(), total, sa.func.max(c.used_at))
            .select_from(t.results.outerjoin(own, own.c.id == c.run_id).outerjoin(root, root.c.id == own.c.root_id))
            .group_by(*names)
            .order_by(total.desc())
        )
        with self._db.read() as connection:
            return [
                StorageUse(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5]))
                for row in connection.execute(query)
            ]

    def oldest(self, *, excess_bytes: int) -> list[StoredResult]:
        """Return what to remove: all that has expired, and more until `excess_bytes` are freed.

        Expired ones first, then the longest unused; each task's newest result only when nothing else is left.
        """
        now = self._db.clock.now_us()
        c = t.results.c
        newest = (
            sa.select(c.definition_key, sa.func.max(c.created_at).label("created_at"))
            .group_by(c.definition_key)
            .subquery()
        )
        is_newest = (
            sa.exists()
            .where(newest.c.definition_key == c.definition_key, newest.c.created_at == c.created_at)
            .label("is_newest")
        )
        expired = sa.case((sa.and_(c.expires_at.is_not(None), c.expires_at <= now), 0), else_=1)
        query = sa.select(t.results).order_by(expired, is_newest, c.used_at)
        if excess_bytes <= 0:
            query = query.where(c.expires_at <= now)
        chosen: list[StoredResult] = []
        freed = 0
        with self._db.read() as connection:
            for row in connection.execute(query):
                if freed >= excess_bytes and (row.expires_at is None or row.expires_at > now):
                    break
                chosen.append(_record(row))
                freed += row.size_bytes
        return chosen
