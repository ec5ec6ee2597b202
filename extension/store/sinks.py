"""Where a recorder's batches go: the store itself, or a journal file that is folded in later.

A journal is an append-only file of one process: one JSON batch a line, fsynced
before `write` returns. It serves when the store is locked for long, too new,
or on a network file system. Whoever holds the ingest lock folds journals in,
each line exactly once: the number of bytes folded is kept in the store, in the
same transaction as the rows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headrace.core.batch import Batch
from headrace.core.errors import StoreFull, StoreUnavailable
from headrace.core.ids import new_id
from headrace.core.settings import runtime_dir
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.writing import write_batch

if TYPE_CHECKING:
    from headrace.store import Store


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
        database = self._store.database
        with database.write() as connection:
            return write_batch(database, connection, batch)

    def close(self) -> None:
        """Hold nothing: the store is shared."""


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
        self.path: Path | None = None

    def _open(self) -> int:
        name = f"{liveness.owner_id()}.{new_id()[-6:]}.jsonl"
        for folder in (self._folder, runtime_dir() / "journals"):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            except OSError:
                continue
            self.path = folder / name
            return handle
        raise StoreUnavailable(f"Neither {self._folder} nor {runtime_dir()} can be written; records cannot be kept.")

    def write(self, batch: Batch) -> list[str]:
        """Append a batch and wait until it is on disk (see RecordSink)."""
        if self._handle is None:
            self._handle = self._open()
        data = batch.to_json().encode() + b"\n"
        try:
            start = os.lseek(self._handle, 0, os.SEEK_END)
            written = 0
            while written < len(data):
                written += os.write(self._handle, data[written:])
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, start)
            raise StoreFull(f"The journal {self.path} cannot be written: {error.strerror}.") from error
        return []

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

    Returns
    -------
    int
        How many batches were folded in.
    """
    folded = 0
    for folder in journal_folders(store.place.data_dir):
        if folder.is_dir():
            for path in sorted(folder.glob("*.jsonl")):
                folded += _fold(store, path)
    return folded


def _fold(store: Store, path: Path) -> int:
    database, name, count = store.database, path.name, 0
    finished = liveness.is_alive(name.rsplit(".", 2)[0]) is False
    with path.open("rb") as file:
        while True:
            with database.write() as connection:
                row = connection.execute(sa.select(t.journals.c.folded_bytes).where(t.journals.c.id == name)).first()
                start = row.folded_bytes if row else 0
                file.seek(start)
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                write_batch(database, connection, Batch.from_json(line.decode()))
                values = {"folded_bytes": start + len(line), "updated_at": database.clock.now_us()}
                if row:
                    connection.execute(sa.update(t.journals).where(t.journals.c.id == name).values(**values))
                else:
                    connection.execute(sa.insert(t.journals).values(id=name, **values))
                count += 1
    if finished:
        path.unlink(missing_ok=True)
    return count
