"""Captured output in the store: log lines and how far their files were read, in one transaction.

The marks stand in the table of journals: an output file is one more file that
is folded in exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from headrace.core.batch import Batch
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.writing import insert, write_batch


class Captures:
    """The store's verbs for captured output.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def marks(self, names: Iterable[str]) -> dict[str, int]:
        """Return how many bytes of each file were taken; files without a mark are left out."""
        query = sa.select(t.journals.c.id, t.journals.c.folded_bytes).where(t.journals.c.id.in_(list(names)))
        with self._db.read() as connection:
            return {row.id: int(row.folded_bytes) for row in connection.execute(query)}

    def append(self, lines: list[tuple[str, str, int, int, str, str]], marks: Mapping[str, int]) -> None:
        """Keep log lines (run_id, root_id, at, level, logger, message) and how far their files were read."""
        if not lines and not marks:
            return
        now = self._db.clock.now_us()
        tail = " ON CONFLICT (id) DO UPDATE SET folded_bytes = excluded.folded_bytes, updated_at = excluded.updated_at"
        rows = [(name, size, now) for name, size in marks.items()]
        with self._db.write() as connection:
            insert(self._db, connection, "journals", ("id", "folded_bytes", "updated_at"), rows, tail=tail)
            write_batch(self._db, connection, Batch(logs=lines))

    def forget(self, names: Iterable[str]) -> None:
        """Drop the marks of files that are gone."""
        with self._db.write() as connection:
            connection.execute(sa.delete(t.journals).where(t.journals.c.id.in_(list(names))))
