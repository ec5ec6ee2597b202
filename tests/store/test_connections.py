"""An idle process holds no connection to a PostgreSQL server, and opens one again when it needs it."""

from __future__ import annotations

import pytest
from waiting import wait_until

from headrace.core.settings import find_store
from headrace.store import Store, database


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
