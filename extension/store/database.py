"""One database: how it is opened, how transactions begin, how its errors are told.

SQLite's rules (DESIGN.md, "What makes the promises true"): WAL, driver
autocommit with our own BEGIN, every write transaction begins IMMEDIATE
(SQLAlchemy's default loses updates in read-then-write and fails with
"locked" whatever the timeout), `synchronous` NORMAL for run records and FULL
for what is acknowledged to a caller.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headrace.core.addresses import check_database
from headrace.core.clock import SYSTEM_CLOCK, Clock
from headrace.core.errors import StoreCorrupt, StoreError, StoreFull, StoreUnavailable
from headrace.core.failpoints import reach
from headrace.core.settings import StorePlace
from headrace.store.filesystem import is_network
from headrace.store.forks import ForkGate

#: How long SQLite waits for another writer, ms (reliability.md: 8 writers wait 0.53 s at worst).
BUSY_TIMEOUT_MS = 30_000
#: How often a writer that waits for its turn looks, on the average, seconds.
TURN_SECONDS = 0.001
#: The advisory lock that makes sequence numbers equal commit order on PostgreSQL.
JOURNAL_LOCK = 0x4EAD_0001
#: A process that has not asked a PostgreSQL server for so long holds no connection to it, seconds.
LET_GO_SECONDS = 30.0
#: The channel on which PostgreSQL tells listeners that the journal grew.
CHANNEL = "headrace"


class Database:
    """Connections and transactions.

    Parameters
    ----------
    place : StorePlace
        Which database.
    clock : Clock, default the system's
    busy_timeout_ms : int, default 30000
        How long a writer waits for another one on SQLite.
    """

    def __init__(
        self, place: StorePlace, *, clock: Clock = SYSTEM_CLOCK, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self.place = place
        self.clock = clock
        self.busy_timeout_ms = busy_timeout_ms
        self.dialect = "sqlite" if place.url.startswith("sqlite") else "postgresql"
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._watch: Any = None
        self._used_at = 0.0
        self._timer: threading.Timer | None = None
        self.gate = ForkGate(self._close_for_fork, self._after_fork)

    def _close_for_fork(self) -> None:
        """Close what nobody uses: SQLite counts its locks in memory, and a child would believe it had its parent's."""
        if self.dialect == "sqlite":
            self._close_connections()

    def _after_fork(self) -> None:
        """Forget the parent's connections without closing them: they are the parent's."""
        self._lock = threading.Lock()
        self._watch = self._timer = None
        if self._engine is not None:
            self._engine.dispose(close=False)
            self._engine = None

    @cached_property
    def on_network(self) -> bool:
        """Whether the SQLite file lies on a network file system (see `headrace.store.filesystem`)."""
        path = self.place.sqlite_path
        return path is not None and is_network(path)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, made when first used."""
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._make_engine()
        return self._engine

    def _make_engine(self) -> Engine:
        if self.dialect != "sqlite":
            check_database(self.place.url)
            try:
                engine = sa.create_engine(
                    self.place.url,
                    pool_size=2,
                    max_overflow=8,
                    pool_pre_ping=True,
                    pool_recycle=300,
                    connect_args={"prepare_threshold": None, "connect_timeout": 10},
                )
            except ImportError as error:
                raise StoreUnavailable(
                    'This store is PostgreSQL, and its driver is not installed: pip install "headrace[postgres]".'
                ) from error
            sa.event.listen(engine, "checkin", self._on_checkin)
            return engine
        path = self.place.sqlite_path
        assert path is not None
        self._make_private(path)
        engine = sa.create_engine(self.place.url, connect_args={"timeout": self.busy_timeout_ms / 1000}, pool_size=4)
        sa.event.listen(engine, "connect", self._on_sqlite_connect)
        sa.event.listen(engine, "begin", self._on_sqlite_begin)
        return engine

    def _on_checkin(self, _connection: Any, _record: Any) -> None:
        """Note that a connection was used, and see that none is held for long without use."""
        self._used_at = time.monotonic()
        if self._timer is None:
            self._look_later(LET_GO_SECONDS)

    def _look_later(self, seconds: float) -> None:
        self._timer = timer = threading.Timer(seconds, self._let_go)
        timer.daemon = True
        timer.start()

    def _let_go(self) -> None:
        """Close the connections if nobody has used one for a while."""
        left = self._used_at + LET_GO_SECONDS - time.monotonic()
        if left > 0 or not self.gate.if_unused(self._close_idle):
            self._look_later(max(left, 1.0))

    def let_go(self) -> None:
        """Close the connections to a server at once, unless somebody uses one; those to a file stay."""
        if self.dialect != "sqlite":
            self.gate.if_unused(self._close_idle)

    def _close_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            if self._engine is None:
                return
            pool = self._engine.pool
            if isinstance(pool, sa.QueuePool) and pool.checkedout():
                # One that comes back after its pool was given up would stay open in it.
                self._look_later(LET_GO_SECONDS)
                return
            self._engine.dispose()

    def _make_private(self, path: Any) -> None:
        """Create folder (0700) and file (0600) whatever the umask."""
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreUnavailable(
                f"The store {path} cannot be written ({error.strerror}); "
                "set HEADRACE_DATA_DIR to a folder you may write to."
            ) from error

    def _on_sqlite_connect(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={self.busy_timeout_ms}")
        if self.on_network:
            # A write-ahead log needs memory that all processes share, which no network file system has.
            cursor.execute("PRAGMA journal_mode=TRUNCATE")
            cursor.execute("PRAGMA synchronous=FULL")
        else:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.close()

    def _on_sqlite_begin(self, connection: Connection) -> None:
        """Begin; a write begins as soon as the writer before has ended.

        SQLite's own way of waiting sleeps up to 100 ms between two looks: with
        several writers the store is free for most of that time.
        """
        begin = connection.get_execution_options().get("headrace_begin", "BEGIN")
        if begin == "BEGIN":
            connection.exec_driver_sql(begin)
            return
        raw: Any = connection.connection.driver_connection
        deadline = time.monotonic() + self.busy_timeout_ms / 1000
        raw.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    connection.exec_driver_sql(begin)
                    return
                except sa.exc.OperationalError as error:
                    if "locked" not in str(error.orig) or time.monotonic() >= deadline:
                        raise
                time.sleep(TURN_SECONDS * (0.5 + random.random()))
        finally:
            raw.execute(f"PRAGMA busy_timeout={self.busy_timeout_ms}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads.

        Raises
        ------
        StoreError
            The database cannot do it now; the message says why.
        """
        try:
            with self.gate, self.engine.connect() as connection, connection.begin():
                yield connection
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, UnicodeDecodeError) as error:
            raise self._translate(error) from error

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """Open a transaction that writes; it is committed at the end of the block.

        Parameters
        ----------
        durable : bool, default False
            Commit so that it survives a power cut, not only the death of every process.

        Raises
        ------
        StoreError
            Nothing was written.
        """
        try:
            with self.gate, self.engine.connect() as connection:
                if self.dialect == "sqlite":
                    connection = connection.execution_options(headrace_begin="BEGIN IMMEDIATE")
                    if durable:
                        connection.connection.driver_connection.execute("PRAGMA synchronous=FULL")  # type: ignore[union-attr]
                    try:
                        with connection.begin():
                            yield connection
                            reach("before_commit")
                    finally:
                        if durable and not self.on_network:
                            connection.connection.driver_connection.execute("PRAGMA synchronous=NORMAL")  # type: ignore[union-attr]
                else:
                    with connection.begin():
                        yield connection
                        reach("before_commit")
            reach("after_commit_before_ack")
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, UnicodeDecodeError) as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> Exception:
        """Turn a driver's error into ours; programming errors stay what they are."""
        text = str(getattr(error, "orig", error)).strip()
        low = text.lower()
        where = str(self.place.sqlite_path or "the PostgreSQL store")
        if "a finished run is final" in low or "state of a finished run is final" in low:
            return error
        if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError):
            return error  # its text may quote a value, which may say anything
        if "locked" in low or "busy" in low:
            return StoreUnavailable(f"The store {where} is locked by another process; try again in a moment.")
        if "full" in low or "no space" in low:
            return StoreFull(f"The disk under the store {where} is full; free some space. Nothing was lost.")
        # SQLite quotes what is damaged: its message may be no text any more.
        damaged = isinstance(error, UnicodeDecodeError) or "decode to utf-8" in low
        if damaged or "malformed" in low or "not a database" in low or "corrupt" in low:
            return StoreCorrupt(f"The store {where} is damaged ({text}); it was not changed. See `headrace doctor`.")
        if isinstance(error, sa.exc.TimeoutError) or getattr(error, "connection_invalidated", False):
            return StoreUnavailable(f"The store {where} did not answer: {text}")
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
            if "readonly" in low or "read-only" in low or "unable to open" in low:
                return StoreUnavailable(
                    f"The store {where} cannot be written: {text}. Set HEADRACE_DATA_DIR to a folder you may write to."
                )
            return StoreUnavailable(f"The store {where} cannot be used: {text}")
        return error

    def data_version(self) -> int:
        """Return a number that changes whenever another connection committed (SQLite; 3 µs)."""
        with self.gate:
            if self._watch is None:
                self._watch = self.engine.raw_connection()
            return int(self._watch.driver_connection.execute("PRAGMA data_version").fetchone()[0])

    def sql(self, statement: str) -> str:
        """Return driver SQL written with `?` in this driver's own spelling."""
        return statement if self.dialect == "sqlite" else statement.replace("?", "%s")

    def now_us(self, connection: Connection) -> int:
        """Return the database's own time, µs: the clock by which leases of several hosts are compared."""
        if self.dialect == "sqlite":
            return self.clock.now_us()
        row = connection.exec_driver_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").one()
        return int(row[0])

    def lock_journal(self, connection: Connection) -> None:
        """Take the lock that makes sequence equal commit order, until the transaction's end (PostgreSQL)."""
        if self.dialect == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (JOURNAL_LOCK,))

    def notify(self, connection: Connection) -> None:
        """Wake the listeners when this transaction commits (PostgreSQL)."""
        if self.dialect == "postgresql":
            connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._close_connections()
            self._engine = None

    def _close_connections(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._engine is not None:
            self._engine.dispose()


def retry_locked(call: Any, *, seconds: float = 30.0) -> Any:
    """Call until the store is no longer locked, at most `seconds`, with growing waits from 10 ms to 0.5 s."""
    deadline, wait = time.monotonic() + seconds, 0.01
    while True:
        try:
            return call()
        except StoreError:
            if time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)
            wait = min(0.5, wait * 2)
