"""Notebooks as documents: cell ids, order and source, as the panel, a runner or the saved file last said."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from headrace.core.batch import Batch
from headrace.core.errors import Conflict
from headrace.core.events import DOCUMENT_CHANGED
from headrace.core.ids import new_id
from headrace.core.runs import Run, RunKind
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import dumps
from headrace.store.writing import write_batch

#: The source of a document that a runner executed: the notebook with its parameters, under the run's id.
RUNNER = "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A notebook as it was last seen.

    Parameters
    ----------
    id : str
        The document's identity: it stays the same when the file is renamed.
    path : str
        Absolute path of the file, or a name for what has no file.
    owner : str
    kernel_id : str or None
    revision : int
        Grows with every change.
    cells : sequence of {id, cell_type, source, metadata}
    metadata : mapping
        The notebook's.
    source : str
        "panel", "runner" or "file".
    digest : str or None
        SHA-256 of the file it was read from.
    updated_at : int, µs
    """

    id: str
    path: str
    owner: str = ""
    kernel_id: str | None = None
    revision: int = 0
    cells: Sequence[Mapping[str, Any]] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    digest: str | None = None
    updated_at: int = 0


def _record(row: Any) -> Document:
    values = dict(row._mapping)
    values["cells"] = tuple(json.loads(values["cells"]))
    values["metadata"] = json.loads(values["metadata"])
    return Document(**values)


def _ids(row: Any) -> frozenset[str]:
    return frozenset(str(cell.get("id")) for cell in json.loads(row.cells) if cell.get("id"))


class Documents:
    """The store's verbs for documents.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def of_run(self, run: Run) -> Document | None:
        """Return the notebook that a notebook's or a cell's run executes: as the runner kept it, else as it was open."""
        owner = run.id if run.kind is RunKind.NOTEBOOK else run.parent_id
        kept = self.find(owner) if owner is not None else None
        return kept if kept is not None or run.document_id is None else self.find(run.document_id)

    def find(self, document_id: str) -> Document | None:
        """Return a document, None if there is none."""
        return self._first(t.documents.c.id == document_id)

    def at_path(self, path: str, *, owner: str) -> Document | None:
        """Return a person's newest document of a path, None if there is none.

        On a store of a team the same path means another file for each person (every home of a hub is alike), and a
        kernel runs the cells that it finds here. What a runner executed is a document of its own (its id is the run's):
        it is not the file at the path.
        """
        c = t.documents.c
        return self._first(sa.and_(c.path == path, c.owner == owner, c.source != RUNNER))

    def of_kernel(self, kernel_id: str, *, owner: str) -> Document | None:
        """Return a person's newest document that a kernel belongs to, None if there is none."""
        return self._first(sa.and_(t.documents.c.kernel_id == kernel_id, t.documents.c.owner == owner))

    def source_of_kernel(self, kernel_id: str, *, owner: str) -> tuple[str, str] | None:
        """Return the id and the source of what `of_kernel` finds, without its cells: it is asked before each cell."""
        query = self._db.sql(
            "SELECT id, source FROM documents WHERE kernel_id = ? AND owner = ? ORDER BY updated_at DESC LIMIT 1"
        )
        with self._db.read() as connection:
            row = connection.exec_driver_sql(query, (kernel_id, owner)).first()
        return None if row is None else (row.id, row.source)

    def identify(self, path: str, cell_ids: Sequence[str], *, owner: str = "") -> Document | None:
        """Return the document that a notebook file is: the same cells at this path, or at a path that has no file any more.

        So a renamed or moved notebook keeps its history, a new one at an old path begins its own (it shares no cell
        with what was there), and so does a copy (the original's file is still there).

        Parameters
        ----------
        path : str
        cell_ids : sequence of str
            Of the file as it is now.
        owner : str, default ""
            Whose document it may be.
        """
        with self._db.read() as connection:
            row = self._same(connection, path, cell_ids, owner)
        return None if row is None else _record(row)

    def _same(self, connection: Any, path: str, cell_ids: Sequence[str], owner: str) -> Any:
        wanted = frozenset(cell_ids)
        c = t.documents.c
        own = sa.select(t.documents).where(c.owner == owner, c.source != RUNNER).order_by(c.updated_at.desc())
        for row in connection.execute(own.where(c.path == path).limit(20)):
            held = _ids(row)
            if not held or not wanted or held & wanted:
                return row
        some = list(wanted)[:5]
        if not some or not os.path.isabs(path):
            return None
        like = sa.or_(*(c.cells.contains(f'"{cell_id}"', autoescape=True) for cell_id in some))
        for row in connection.execute(own.where(like, c.path != path).limit(50)):
            held = _ids(row)
            shared = len(held & wanted)
            if 2 * shared >= min(len(held), len(wanted)) and shared and not os.path.exists(row.path):
                return row
        return None

    def _first(self, condition: Any) -> Document | None:
        query = sa.select(t.documents).where(condition).order_by(t.documents.c.updated_at.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def save(self, document: Document, *, force: bool = False) -> Document:
        """Store a document; where `id` is empty it is found as `identify` finds it.

        Parameters
        ----------
        document : Document
        force : bool, default False
            Store it even when a newer revision is there.

        Raises
        ------
        Conflict
            A newer revision is there, or the id is another person's.
        """
        now = self._db.clock.now_us()
        with self._db.write() as connection:
            held = None
            if document.id:
                held = connection.execute(sa.select(t.documents).where(t.documents.c.id == document.id)).first()
            else:
                ids = [str(cell.get("id") or "") for cell in document.cells]
                held = self._same(connection, document.path, [i for i in ids if i], document.owner)
            if held is not None and held.owner != document.owner:
                raise Conflict(f"The document {document.id} is another person's.", field="id")
            if held is not None and not force and document.revision < held.revision:
                raise Conflict(f"A newer revision of {document.path} is known ({held.revision}).", field="revision")
            values = {
                "id": held.id if held is not None else (document.id or new_id()),
                "path": document.path,
                "owner": document.owner,
                "kernel_id": document.kernel_id or (held.kernel_id if held is not None else None),
                "revision": document.revision
                if held is None
                else max(document.revision, held.revision + 1 if force else 0),
                "cells": dumps(list(document.cells)),
                "metadata": dumps(dict(document.metadata)),
                "source": document.source,
                "digest": document.digest,
                "updated_at": now,
            }
            if held is None:
                connection.execute(sa.insert(t.documents).values(**values))
            else:
                connection.execute(sa.update(t.documents).where(t.documents.c.id == held.id).values(**values))
            event = (now, DOCUMENT_CHANGED, None, None, str(values["id"]), document.owner, "{}")
            write_batch(self._db, connection, Batch(events=[event]))
            return _record(connection.execute(sa.select(t.documents).where(t.documents.c.id == values["id"])).one())
