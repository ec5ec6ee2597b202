"""Connections are held no longer than they are needed: not by an idle process, and never by a forked one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from waiting import wait_until

from headrace.core.settings import find_store
from headrace.store import Store, database

from .conftest import make_run


@pytest.mark.postgres
def test_an_idle_process_holds_no_connection(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setattr(database, "LET_GO_SECONDS", 0.2)
    store = Store(find_store(postgres_url))
    try:
        with store.database.read() as connection:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:

            def is_gone() -> bool:
                return other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (mine,)).fetchone() is None

            wait_until(is_gone, seconds=30)
        with store.database.read() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    finally:
        store.close()


def in_a_child(work: Callable[[], Any]) -> Any:
    """Return what a forked child makes of it."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def opened(store: Store) -> list[str]:
    """Return the store's files that this process has open."""
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(store.place.sqlite_path))]


def test_a_forked_child_has_none_of_its_parents_connections_and_both_go_on(sqlite_store: Store) -> None:
    store, mine, childs = sqlite_store, make_run(name="parent"), make_run(name="child")
    store.database.data_version()
    assert opened(store)

    def work() -> list[str]:
        inherited = opened(store)
        store.runs.create(childs)
        # The child believes in no lock of its parent's: another process cannot take the log away under it.
        code = f"import sqlite3; c = sqlite3.connect({str(store.place.sqlite_path)!r}); print(c.execute('SELECT count(*) FROM runs').fetchone()[0]); c.close()"
        seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert opened(store)
        return [*inherited, seen.strip()]

    assert in_a_child(work) == ["1"]
    store.runs.create(mine)
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar_one() == 2


def test_a_fork_waits_for_a_transaction_of_another_thread(sqlite_store: Store) -> None:
    store, began, go_on = sqlite_store, threading.Event(), threading.Event()

    def write() -> None:
        with store.database.write() as connection:
            store.runs.create_in(connection, make_run())
            began.set()
            go_on.wait(30)

    thread = threading.Thread(target=write)
    thread.start()
    began.wait(30)
    threading.Timer(0.2, go_on.set).start()
    assert in_a_child(lambda: [*opened(store), len(store.runs.page()[0])]) == [1]
    thread.join(30)
    assert len(store.runs.page()[0]) == 1
