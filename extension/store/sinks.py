"""Where a recorder's batches go: the store itself, or a journal file that is folded in later.

A journal is an append-only file of one process: one JSON batch a line, fsynced
before `write` returns. It serves when the store is locked for long, too new,
or on a network file system. Whoever holds the ingest lock folds journals in,
each line exactly once: the number of bytes folded is kept in the store, in the
same transaction as the rows.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch
from headrace.core.errors import StoreError, StoreFull, StoreUnavailable
from headrace.core.events import RUN_DELETED
from headrace.core.ids import new_id
from headrace.core.settings import runtime_dir
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.writing import write_batch

if TYPE_CHECKING:
    from headrace.store import Store


#: A line whose runs no journal brings is folded in all the same so long after its journal last grew, seconds.
PATIENCE_SECONDS = 30.0
#: Lines in one transaction, and how long one call folds while others go on writing, seconds.
FOLDED_LINES = 200
FOLDING_SECONDS = 0.5
log = logging.getLogger("headrace.store")


class StoreSink:
    """Writes batches straight into the store.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, batch: Batch) -> list[str]:
        """Write a batch in one transaction (see RecordSink)."""
        return _write(self._store.database, batch)

    def close(self) -> None:
        """Hold nothing: the store is shared."""


def _write(database: Database, batch: Batch) -> list[str]:
    try:
        with database.write() as connection:
            return write_batch(database, connection, batch)
    except (UnicodeEncodeError, sa.exc.DataError):
        # One line of a program's binary output must not keep all other records from the store.
        with database.write() as connection:
            return write_batch(database, connection, batch.storable())


class JournalSink:
    """Appends batches to this process's journal file.

    Parameters
    ----------
    folder : Path
        Usually `<data dir>/journals`; when it cannot be written the runtime folder is used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None
        self._full: set[Path] = set()
        self.path: Path | None = None

    def _open(self) -> int:
        # A later journal of the process comes later by name: it is folded in after the earlier one.
        name = f"{liveness.owner_id()}.{len(self._full)}{new_id()[-6:]}.jsonl"
        for folder in (self._folder, runtime_dir() / "journals"):
            if folder in self._full:
                continue
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            except OSError:
                continue
            self.path = folder / name
            return handle
        full, self._full = self._full, set()
        problem = StoreFull if full else StoreUnavailable
        raise problem(f"Neither {self._folder} nor {runtime_dir()} can be written; records cannot be kept.")

    def write(self, batch: Batch) -> list[str]:
        """Append a batch and wait until it is on disk (see RecordSink)."""
        data = batch.to_json().encode() + b"\n"
        while True:
            if self._handle is None:
                self._handle = self._open()
            assert self.path is not None
            start = os.lseek(self._handle, 0, os.SEEK_END)
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._handle, data[written:])
                os.fsync(self._handle)
                return []
            except OSError:
                # The disk under one folder is full: the other one is tried, for what ended must not be forgotten (F-15).
                os.ftruncate(self._handle, start)
                self._full.add(self.path.parent)
                self.close()

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def journal_folders(data_dir: Path) -> list[Path]:
    """Return the folders that may hold journals."""
    return [data_dir / "journals", runtime_dir() / "journals"]


def fold_journals(store: Store) -> int:
    """Write what journals hold into the store, each line exactly once; remove journals of ended processes.

    A line that changes runs which another journal has yet to bring waits for that journal.

    Returns
    -------
    int
        How many batches were folded in.
    """
    paths = [
        path for folder in journal_folders(store.place.data_dir) if folder.is_dir() for path in folder.glob("*.jsonl")
    ]
    if not paths:
        return 0
    total, patient, until = 0, True, time.monotonic() + FOLDING_SECONDS
    while True:
        ordered = sorted(paths, key=lambda path: path.name)
        folds = [_fold_if_there(store, path, patient=patient) for path in ordered]
        folded = sum(fold.lines for fold in folds)
        total += folded
        # Where others write as fast as we read there is no end, and whoever folds has other work too.
        if (not folded and not patient) or (any(fold.has_more for fold in folds) and time.monotonic() > until):
            return total
        # Once nothing moves any more, what has waited for long enough goes in as it is.
        patient = bool(folded)
        paths = [path for path in paths if path.exists()]


class _Fold(NamedTuple):
    """What a look at a journal came to: lines folded in, whether more is there, whether all of it is in."""

    lines: int
    has_more: bool
    is_done: bool


def _fold_if_there(store: Store, path: Path, *, patient: bool) -> _Fold:
    try:
        return _fold(store, path, patient=patient)
    except FileNotFoundError:
        return _Fold(0, False, True)  # another process was faster: folded in and removed


def _fold(store: Store, path: Path, *, patient: bool) -> _Fold:
    patient = patient or time.time() - path.stat().st_mtime < PATIENCE_SECONDS
    finished = liveness.is_alive(path.name.rsplit(".", 2)[0]) is False
    with path.open("rb") as file:
        fold = _fold_next(store.database, path, file, patient=patient)
    if finished and fold.is_done:
        path.unlink(missing_ok=True)
    return fold


def _fold_next(database: Database, path: Path, file: BinaryIO, *, patient: bool) -> _Fold:
    """Fold a journal's next lines in, all of them in one transaction where none of them is at fault."""
    with database.read() as connection:
        seen = connection.execute(sa.select(t.journals.c.folded_bytes).where(t.journals.c.id == path.name)).scalar()
    if file.seek(0, os.SEEK_END) <= (seen or 0):
        return _Fold(0, False, True)
    try:
        return _fold_lines(database, path, file, patient=patient, most=FOLDED_LINES)
    except StoreError:
        raise
    except Exception:
        count = 0
        while count < FOLDED_LINES and (fold := _fold_line(database, path, file, patient=patient)).lines:
            count += 1
        return fold._replace(lines=count)


def _fold_line(database: Database, path: Path, file: BinaryIO, *, patient: bool) -> _Fold:
    """Fold one line in that may be at fault: as far as it can be stored, else aside."""
    try:
        return _fold_lines(database, path, file, patient=patient, most=1)
    except (UnicodeEncodeError, sa.exc.DataError):
        return _fold_lines(database, path, file, patient=patient, most=1, storable=True)
    except StoreError:
        raise
    except Exception:
        # A line that can never be written must not keep those behind it, or whoever folds, from their work.
        log.exception("a line of the journal %s cannot be recorded; it is kept in %s", path, _aside(path).name)
        return _fold_lines(database, path, file, patient=patient, most=1, refused=True)


def _fold_lines(
    database: Database,
    path: Path,
    file: BinaryIO,
    *,
    patient: bool,
    most: int,
    storable: bool = False,
    refused: bool = False,
) -> _Fold:
    """Fold so many lines in, in one transaction, or as many as need not wait and are whole."""
    j, count, is_done = t.journals, 0, False
    with database.write() as connection:
        row = connection.execute(sa.select(j.c.folded_bytes).where(j.c.id == path.name)).first()
        seen = int(row.folded_bytes) if row else 0
        file.seek(seen)
        while count < most:
            line = file.readline()
            if not line.endswith(b"\n"):
                is_done = True  # a line that is torn has no end yet, or never will
                break
            if refused:
                keep_aside(_aside(path), line)
            else:
                batch = Batch.from_json(line.decode("utf-8", "replace"))
                if patient and not _is_ready(connection, batch):
                    break
                write_batch(database, connection, batch.storable() if storable else batch)
            seen, count = seen + len(line), count + 1
        if count:
            values = {"folded_bytes": seen, "updated_at": database.clock.now_us()}
            if row:
                connection.execute(sa.update(j).where(j.c.id == path.name).values(**values))
            else:
                connection.execute(sa.insert(j).values(id=path.name, **values))
    return _Fold(count, count == most, is_done)


def _aside(path: Path) -> Path:
    return path.with_suffix(".refused")


def keep_aside(path: Path, line: bytes) -> None:
    """Append a line that cannot be recorded to a file of its own (mode 0600), so that a person can look at it."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as out:
        out.write(line)


def _is_ready(connection: Connection, batch: Batch) -> bool:
    """Return whether every run that a batch changes is in the store, or in the batch, or was deleted."""
    born = {row[0] for row in batch.runs}
    strange = {change.run_id for change in batch.changes} - born
    if not strange:
        return True
    known = {row.id for row in connection.execute(sa.select(t.runs.c.id).where(t.runs.c.id.in_(sorted(strange))))}
    missing = strange - known
    if not missing:
        return True
    # A run that was deleted has told so in the journal of events; its late changes go nowhere.
    gone = sa.select(t.events.c.subject_id).where(
        t.events.c.kind == RUN_DELETED, t.events.c.subject_id.in_(sorted(missing))
    )
    return missing <= {row.subject_id for row in connection.execute(gone)}
