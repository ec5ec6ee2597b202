"""Notices in the store: made once for each run, event and address; claimed, sent, tried again, given up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headrace.core.deployments import Deployment
from headrace.core.notices import KEY, Notice
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.records import record_of
from headrace.store.rows import dumps

#: Who claimed a notice has so long to send it, seconds; then another one does.
CLAIM_SECONDS = 120.0
#: Notices are kept so long, seconds.
KEPT_SECONDS = 30 * 86_400.0


def notice_id(run_id: str, event: str, address: str) -> str:
    """Return the id that a notice of this run, event and address has."""
    return f"{run_id}:{event}:{hashlib.sha256(address.encode()).hexdigest()[:16]}"


class Notices:
    """The store's verbs for notices.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def watched(self, *, owner: str) -> list[Deployment]:
        """Return a person's deployments that have rules."""
        c = t.deployments.c
        query = sa.select(t.deployments).where(c.details.like(f'%"{KEY}"%'), c.owner == owner)
        with self._db.read() as connection:
            return [record_of(Deployment, row) for row in connection.execute(query)]

    def add(self, notices: Sequence[Notice]) -> None:
        """Keep notices to be sent; one that is there already stays as it is."""
        if not notices:
            return
        now = self._db.clock.now_us()
        rows = [
            {
                "id": notice.id,
                "deployment_id": notice.deployment_id,
                "run_id": notice.run_id,
                "owner": notice.owner,
                "event": notice.event,
                "address": notice.address,
                "details": dumps(dict(notice.details)),
                "created_at": now,
                "attempts": 0,
                "next_at": now,
            }
            for notice in notices
        ]
        make = sqlite.insert if self._db.dialect == "sqlite" else postgresql.insert
        with self._db.write(durable=True) as connection:
            connection.execute(make(t.notices).on_conflict_do_nothing(), rows)
            old = now - int(KEPT_SECONDS * 1_000_000)
            connection.execute(sa.delete(t.notices).where(t.notices.c.created_at < old, t.notices.c.next_at.is_(None)))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of these notices are there."""
        if not ids:
            return set()
        with self._db.read() as connection:
            rows = connection.execute(sa.select(t.notices.c.id).where(t.notices.c.id.in_(ids)))
            return {row.id for row in rows}

    def next_due(self, *, owner: str) -> int | None:
        """Return when a person's next notice is to be sent, µs."""
        query = sa.select(sa.func.min(t.notices.c.next_at)).where(t.notices.c.owner == owner)
        with self._db.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def claim(self, *, owner: str, limit: int = 10) -> list[Notice]:
        """Take a person's notices that are due; nobody else sends them in the next two minutes.

        On a team's store each person's processes send their own: what they may reach, and the mail server's login, are
        that person's.
        """
        c, now = t.notices.c, self._db.clock.now_us()
        mine: list[Notice] = []
        with self._db.write(durable=True) as connection:
            due = sa.select(t.notices).where(c.next_at <= now, c.owner == owner)
            for row in connection.execute(due.order_by(c.next_at).limit(limit)).all():
                # Claimed is "due again once the claim is over": a sender that died needs no other clean-up.
                values = {"next_at": now + int(CLAIM_SECONDS * 1_000_000), "attempts": row.attempts + 1}
                taken = connection.execute(
                    sa.update(t.notices).where(c.id == row.id, c.next_at == row.next_at).values(**values)
                )
                if taken.rowcount:
                    mine.append(_notice(row, attempts=row.attempts + 1))
        return mine

    def sent(self, notice: Notice) -> None:
        """Say that a notice has arrived."""
        self._set(notice.id, next_at=None, sent_at=self._db.clock.now_us(), error=None)

    def failed(self, notice: Notice, error: str, *, again_seconds: float | None) -> None:
        """Say that a notice could not be sent, and when it is tried again (None: never)."""
        again = None if again_seconds is None else self._db.clock.now_us() + int(again_seconds * 1_000_000)
        self._set(notice.id, next_at=again, error=error)

    def _set(self, notice: str, **values: Any) -> None:
        with self._db.write(durable=True) as connection:
            connection.execute(sa.update(t.notices).where(t.notices.c.id == notice).values(**values))

    def of_deployment(self, deployment_id: str, *, limit: int = 20) -> list[Notice]:
        """Return a deployment's newest notices, newest first."""
        c = t.notices.c
        query = sa.select(t.notices).where(c.deployment_id == deployment_id).order_by(c.created_at.desc(), c.id)
        with self._db.read() as connection:
            return [_notice(row) for row in connection.execute(query.limit(limit))]


def _notice(row: Any, **changes: Any) -> Notice:
    try:
        details = json.loads(row.details or "{}")
    except ValueError:  # it cannot be sent, and must not keep the others from it
        details = {}
    values = {**row._mapping, "details": details, **changes}
    return Notice(**values)
