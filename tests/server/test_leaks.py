"""Servers that come and go, and runs that begin and end, leave nothing open and nothing behind (reliability.md, F-53, T-25)."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from headrace.core.settings import find_store
from headrace.server.anywhere import local_services
from headrace.server.background import Background
from headrace.server.paths import Root
from headrace.server.services import Services


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_fifty_servers_one_after_another_leave_nothing(data_dir: Path, tmp_path: Path) -> None:
    runtime = Path(os.environ["HEADRACE_RUNTIME_DIR"])

    def serve() -> None:
        services = Services(Root(tmp_path), place=find_store(), runtime_dir=tmp_path)
        background = services.background = Background(services, start_workers=False)
        background.start()
        services.store.schedules.next_due()
        background.wake()
        wait_until(lambda: background.scheduler_is_alive, seconds=30)
        services.close()
        wait_until(lambda: not any("headrace" in thread.name for thread in threading.enumerate()), seconds=30)

    (tmp_path / "flows.py").touch()
    body = {"name": "far", "entrypoint": "flows.py:work", "schedules": [{"at": "2099-01-01T00:00Z"}]}
    with closing(local_services(str(tmp_path))) as made:
        made.deployments.create(body)
    for _ in range(3):
        serve()
    this = psutil.Process()
    opened, threads, left, known = this.num_fds(), threading.active_count(), files(data_dir), files(runtime)
    for _ in range(50):
        serve()
    # SQLite may keep a descriptor or two for its next connection.
    assert this.num_fds() <= opened + 2
    assert (threading.active_count(), files(data_dir), files(runtime)) == (threads, left, known)


@pytest.mark.postgres
def test_an_idle_server_holds_no_connection_to_its_database(postgres_url: str, tmp_path: Path) -> None:
    import psycopg

    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:

        def connections() -> int:
            (found,) = other.execute(count).fetchone() or (0,)
            return int(found)

        services = Services(Root(tmp_path), place=find_store(postgres_url), runtime_dir=tmp_path)
        background = services.background = Background(services, start_workers=False)
        services.store.schedules.next_due()
        assert connections() == 1
        background.start()
        wait_until(lambda: connections() == 0, seconds=20)
        assert services.store.schedules.next_due() is None
        services.close()
