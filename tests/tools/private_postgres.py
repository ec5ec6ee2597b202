"""A PostgreSQL server for tests alone: on a Unix socket in a temporary folder, without durability, gone with its owner."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from provision import CACHE, Unavailable, postgres_bin

START_SECONDS = 30.0
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "80",
    "listen_addresses": "",
    # Not UTC, so that a timestamp that forgets its zone is seen.
    "timezone": "America/St_Johns",
}
# `cat` ends when the pipe from the test process closes, however that process ended: no server is left behind.
GUARD = '"$@" & server=$!; cat >/dev/null; kill -QUIT $server; wait $server'


def unprivileged() -> int | None:
    """Return the user id that PostgreSQL is run as: root may not run it. None for this process's own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


class PrivatePostgres:
    """A running server; use it as a context manager.

    Examples
    --------
    >>> with PrivatePostgres() as server:
    ...     url = server.fresh_database()  # empty
    """

    def __init__(self) -> None:
        # Short and world-readable above: a socket's path has 107 bytes at most, and the other user must reach it.
        self.folder = Path(tempfile.mkdtemp(prefix="hr-pg-", dir="/tmp"))
        self.user = unprivileged()
        self._numbers = itertools.count(1)
        self._guard: subprocess.Popen[bytes] | None = None

    def _as_user(self) -> dict[str, object]:
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwuid(self.user).pw_gid, "extra_groups": []}

    def _programs(self) -> Path:
        """Return the programs where the other user can read them: a checkout may lie under a private home."""
        programs = postgres_bin()
        if self.user is None or all(p.stat().st_mode & 0o005 == 0o005 for p in (programs, *programs.parents)):
            return programs
        whole = CACHE / "postgres"  # a wheel's programs find their libraries two folders above
        root = whole if whole in programs.parents else programs.parent
        shutil.copytree(root, self.folder / "programs", symlinks=True)
        return self.folder / "programs" / programs.relative_to(root)

    def __enter__(self) -> PrivatePostgres:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
        programs, data = self._programs(), self.folder / "data"
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(self.folder), "TZ": "UTC"}
        initdb = [programs / "initdb", "-D", data, "-U", "headrace", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        done = subprocess.run(  # type: ignore[call-overload]
            [str(part) for part in initdb],
            cwd="/",
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self._as_user(),
        )
        if done.returncode:
            raise Unavailable(f"initdb failed:\n{done.stdout[-2000:]}")
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), "-k", str(self.folder), *settings]
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            self._guard = subprocess.Popen(  # type: ignore[call-overload]
                ["/bin/sh", "-c", GUARD, "guard", *command],
                cwd="/",
                env=env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )
        self._wait()

    def _wait(self) -> None:
        import psycopg

        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"PostgreSQL did not start:\n{self.log.read_text()[-2000:]}") from None
                time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait(timeout=START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://headrace@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run one statement in the database `postgres`."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def fresh_database(self) -> str:
        """Return the URL of an empty place for tables.

        It is a schema of its own in one database: a database of its own takes 60 to 300 ms to make, this takes 1 ms.
        """
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}&options=-csearch_path%3D{name}"

    def own_database(self) -> str:
        """Return the name of an empty database, for those who cannot name a schema when they connect."""
        name = f"own_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def disconnect(self) -> None:
        """End every connection, so that nothing left of one test can meet the next."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
