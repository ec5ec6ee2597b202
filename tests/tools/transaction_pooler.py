"""A pooler as pgbouncer is in its transaction mode, for tests: each transaction goes to another one of few sessions.

What a client leaves behind in a session is met by the next client, and its own next transaction does not find it.
Of the protocol it knows what the frames say (PostgreSQL's documentation, "Message Formats"); trust is all it asks.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from types import TracebackType

_SSL, _GSS = 80877103, 80877104
#: Client messages that are each answered by one ReadyForQuery: Query and Sync.
_ASKING = (b"Q", b"S")
_IDLE = b"I"


class TransactionPooler:
    """A listening pooler; use it as a context manager.

    Parameters
    ----------
    server : Path
        The folder of the PostgreSQL server's socket.
    database : str
    user : str, default "headrace"
    sessions : int, default 3
        How many sessions it holds; a transaction waits for a free one.
    """

    def __init__(self, server: Path, database: str, *, user: str = "headrace", sessions: int = 3) -> None:
        self._startup = struct.pack("!i", 3 << 16) + f"user\0{user}\0database\0{database}\0\0".encode()
        self._server = str(server / ".s.PGSQL.5432")
        self._greeting = b""
        self._free: Queue[socket.socket] = Queue()
        self._sessions = [self._session() for _ in range(sessions)]
        for session in self._sessions:
            self._free.put(session)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://{user}@127.0.0.1:{self._listener.getsockname()[1]}/{database}?sslmode=disable"
        #: Transactions that each session has had.
        self.served = dict.fromkeys(map(id, self._sessions), 0)

    def __enter__(self) -> TransactionPooler:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Only a shutdown ends an `accept` that waits.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for session in self._sessions:
            session.close()

    def ask(self, query: str) -> list[str]:
        """Return the first column of a query's row in each session, as text; no transaction may be open."""
        found = []
        for session in self._sessions:
            session.sendall(_frame(b"Q", query.encode() + b"\0"))
            for kind, body in _frames(session):
                if kind == b"D":
                    (length,) = struct.unpack_from("!i", body, 2)
                    found.append(body[6 : 6 + length].decode())
                if kind == b"Z":
                    break
        return found

    def _session(self) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.connect(self._server)
        session.sendall(struct.pack("!i", len(self._startup) + 4) + self._startup)
        greeting = b""
        for kind, body in _frames(session):
            greeting += _frame(kind, body)
            if kind == b"E":
                raise ConnectionError(body)
            if kind == b"Z":
                break
        self._greeting = greeting
        return session

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack("!i", _exactly(client, 4))
                body = _exactly(client, length - 4)
                if struct.unpack_from("!i", body)[0] not in (_SSL, _GSS):
                    break
                client.sendall(b"N")
            client.sendall(self._greeting)
            for kind, body in _frames(client):
                if kind == b"X":
                    return
                self._transaction(client, kind, body)

    def _transaction(self, client: socket.socket, kind: bytes, body: bytes) -> None:
        """Lend a session to a client until a transaction has ended."""
        session = self._free.get()
        self.served[id(session)] += 1
        asked = int(kind in _ASKING)
        session.sendall(_frame(kind, body))
        try:
            while True:
                readable, _, _ = select.select([client, session], [], [])
                if session in readable:
                    kind, body = _one(session)
                    client.sendall(_frame(kind, body))
                    if kind == b"Z":
                        asked -= 1
                        if not asked and body == _IDLE:
                            self._free.put(session)
                            return
                elif client in readable:
                    kind, body = _one(client)
                    if kind == b"X":
                        raise EOFError
                    asked += kind in _ASKING
                    session.sendall(_frame(kind, body))
        except (OSError, EOFError):
            # Whoever goes in the middle of a transaction takes it along.
            for _ in range(asked):
                while _one(session)[0] != b"Z":
                    pass
            session.sendall(_frame(b"Q", b"ROLLBACK\0"))
            while _one(session)[0] != b"Z":
                pass
            self._free.put(session)
            raise


def _frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _frames(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while True:
        yield _one(source)


def _one(source: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(source, 5)
    return head[:1], _exactly(source, struct.unpack_from("!i", head, 1)[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
