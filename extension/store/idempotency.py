"""Answers that were given to requests with a key, so that a re-sent request changes nothing twice."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.core.errors import Conflict
from headrace.store import schema as t
from headrace.store.database import Database

#: Answers are kept so long, seconds.
KEPT_SECONDS = 86_400.0


class Idempotency:
    """The store's verbs for idempotency keys.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, owner: str, key: str, body_digest: str) -> str | None:
        """Take a key for a request that is about to be answered.

        Parameters
        ----------
        owner, key : str
        body_digest : str
            Of the method, the address and the body.

        Returns
        -------
        str or None
            The answer that this very request got before; None: it is new and now taken.

        Raises
        ------
        Conflict
            The key was used with another body, or its first request is not answered yet.
        """
        c, now = t.idempotency.c, self._db.clock.now_us()
        with self._db.write(durable=True) as connection:
            connection.execute(sa.delete(t.idempotency).where(c.created_at < now - int(KEPT_SECONDS * 1_000_000)))
            query = sa.select(t.idempotency).where(c.owner == owner, c.key == key)
            row = connection.execute(query).first()
            if row is None:
                values = {"owner": owner, "key": key, "body_digest": body_digest, "status": 0, "answer": ""}
                connection.execute(sa.insert(t.idempotency).values(**values, created_at=now))
                return None
        if row.body_digest != body_digest:
            raise Conflict(
                "This idempotency key was used for another request; take a new key.", field="Idempotency-Key"
            )
        if not row.status:
            raise Conflict(
                "The first request with this idempotency key is not answered yet; try again in a moment.",
                field="Idempotency-Key",
            )
        return str(row.answer)

    def finish(self, owner: str, key: str, status: int, answer: str) -> None:
        """Keep the answer of a request that began."""
        c = t.idempotency.c
        with self._db.write(durable=True) as connection:
            connection.execute(
                sa.update(t.idempotency).where(c.owner == owner, c.key == key).values(status=status, answer=answer)
            )

    def forget(self, owner: str, key: str) -> None:
        """Give a key back whose request was refused: nothing was changed."""
        c = t.idempotency.c
        with self._db.write() as connection:
            connection.execute(sa.delete(t.idempotency).where(c.owner == owner, c.key == key, c.status == 0))
