"""Lists of runs: filters as conditions, sort keys, page marks."""

from __future__ import annotations

import base64
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.errors import UsageError
from headrace.core.runs import RunFilter
from headrace.store import schema as t

#: What lists may be sorted by. `duration` is of finished runs.
SORTS: dict[str, Any] = {
    "created_at": t.runs.c.created_at,
    "started_at": sa.literal_column(f"({t.STARTED.text})", sa.BigInteger),
    "ended_at": sa.literal_column(f"({t.ENDED.text})", sa.BigInteger),
    "name": t.runs.c.name,
    "duration": sa.literal_column(f"({t.TOOK.text})", sa.BigInteger),
}
#: A search for text or tags looks at so many root runs at a time (50 ms); the next page looks further back.
SEARCHED = 30_000


def conditions(where: RunFilter) -> list[Any]:
    """Return the SQL conditions of a filter."""
    c = t.runs.c
    found: list[Any] = []
    for column, values in ((c.state_type, where.state_types), (c.state_name, where.state_names), (c.kind, where.kinds)):
        if values:
            found.append(column.in_(values))
    for name in (*where.names, *([where.text] if where.text else [])):
        found.append(sa.or_(c.name.icontains(name, autoescape=True), c.definition.icontains(name, autoescape=True)))
    if where.tags:
        found.append(sa.literal_column("runs.tags != '[]'", sa.Boolean))
    for tag in where.tags:
        found.append(c.tags.contains(json.dumps(tag, ensure_ascii=False), autoescape=True))
    for column, value in (
        (c.deployment_id, where.deployment_id),
        (c.schedule_id, where.schedule_id),
        (c.document_id, where.document_id),
        (c.cell_id, where.cell_id),
        (c.resumed_from_id, where.resumed_from_id),
        (c.owner, where.owner),
        (c.trigger, where.trigger),
        (c.pool, where.pool),
        (c.root_id, where.root_id),
        (c.parent_id, where.parent_id),
    ):
        if value is not None:
            found.append(column == value)
    if where.roots_only and where.parent_id is None and where.root_id is None:
        found.append(c.parent_id.is_(None))
    if where.since is not None:
        found.append(c.created_at >= where.since)
    if where.until is not None:
        found.append(c.created_at < where.until)
    return found


def encode_cursor(value: Any, last_id: str) -> str:
    """Return an opaque page mark."""
    return base64.urlsafe_b64encode(json.dumps([value, last_id]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[Any, str]:
    """Return what `encode_cursor` was given.

    Raises
    ------
    UsageError
        The text is no page mark of ours.
    """
    try:
        value, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(last, str) or not isinstance(value, int | float | str):
            raise ValueError(cursor)
    except (ValueError, TypeError) as error:
        raise UsageError(
            "The cursor is not one that a page before gave out; begin without one.", field="cursor"
        ) from error
    return value, last


def search_bound(
    connection: Connection, where: RunFilter, sort: str, mark: tuple[Any, str] | None
) -> tuple[int, str] | None:
    """Return (created_at, id) of the oldest root run that a page of a text search looks at; None: at all.

    Only the list in its own order is bounded; other orders have no newest runs to begin with.
    """
    if not (where.text or where.names or where.tags) or sort != "-created_at" or not where.roots_only:
        return None
    c = t.runs.c
    query = sa.select(c.created_at, c.id).where(c.parent_id.is_(None))
    if mark is not None:
        query = query.where(sa.tuple_(c.created_at, c.id) < sa.tuple_(sa.literal(mark[0]), sa.literal(mark[1])))
    row = connection.execute(query.order_by(c.created_at.desc(), c.id.desc()).offset(SEARCHED).limit(1)).first()
    return None if row is None else (int(row.created_at), str(row.id))
