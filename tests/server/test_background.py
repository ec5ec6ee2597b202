"""What a server does besides answering, and that an unused one does nothing."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from server_help import Api, record, until

from headrace.core.states import StateType
from headrace.server.background import Background
from headrace.server.services import Services
from headrace.store import liveness
from headrace.store.peek import is_needed


async def test_an_unused_extension_opens_no_store_and_starts_no_scheduler(services: Services) -> None:
    path = services.place.sqlite_path
    assert path is not None
    assert not path.exists()
    assert not services.is_open
    assert not is_needed(services.place)
    names = {thread.name for thread in threading.enumerate()}
    assert "headrace-scheduler" not in names
    assert not path.exists()


async def test_a_store_is_looked_after_once_something_waits_in_it(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    await api("GET", "/counts")
    assert not is_needed(services.place)
    run = (await api("POST", "/runs", {"notebook": "r.ipynb"}))[1]["run"]
    assert is_needed(services.place)
    await api("POST", f"/runs/{run['id']}/cancel", {})
    assert not is_needed(services.place)
    await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"})
    assert is_needed(services.place)


async def test_a_worker_is_started_when_something_waits_and_only_for_ones_own_pools(
    api: Api, services: Services, write_notebook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr("headrace.server.worker.start.start_worker", lambda place, *, pool, wait: started.append(pool))
    write_notebook("r.ipynb")
    background = Background(services)
    services.store.workers.set_pool("gpu")
    background._see_to_workers()
    assert started == []
    await api("POST", "/runs", {"notebook": "r.ipynb"})
    await api("POST", "/runs", {"notebook": "r.ipynb", "pool": "gpu"})
    background._see_to_workers()
    background._see_to_workers()
    assert started == ["default"]


async def test_runs_in_progress_count_as_activity_and_an_idle_panel_does_not(
    api: Api, services: Services, jp_serverapp: ServerApp
) -> None:
    activity = jp_serverapp.web_app.settings["last_activity_times"]
    background = services.background
    services.store  # noqa: B018 - opens it
    background._told = -1e9
    background._look()
    assert "headrace" not in activity
    run_id = record(services)
    background._told = -1e9
    background._look()
    assert datetime.now(timezone.utc) - activity["headrace"] < timedelta(seconds=5)
    services.store.runs.advance(run_id, StateType.COMPLETED, "Completed", attempt=1)
    before = jp_serverapp.web_app.settings.get("api_last_activity")
    await api("GET", "/counts", no_track_activity="1")
    assert jp_serverapp.web_app.settings.get("api_last_activity") == before


async def test_the_metrics_tell_of_runs(services: Services, jp_fetch: Any) -> None:
    record(services)
    services.background._told = -1e9
    services.background._look()
    text = (await jp_fetch("metrics")).body.decode()
    assert "headrace_runs_running 1.0" in text


async def test_the_runs_of_a_dead_process_are_ended_while_the_server_is_up(services: Services) -> None:
    run_id = record(services)
    services.store.runs.patch(run_id, owner_id=f"{liveness.host_key()}.1.gone")
    services.background.wake()
    run = await until(lambda: r if (r := services.store.runs.get(run_id)).is_final else None)
    assert run.state_type is StateType.CRASHED


async def test_a_locked_store_answers_503_and_jupyter_goes_on(
    api: Api, services: Services, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import sqlite3
    from types import SimpleNamespace

    from headrace.store import database as database_module

    tried = threading.Event()
    chance = SimpleNamespace(random=lambda: tried.set() or 0.5)
    monkeypatch.setattr(database_module, "random", chance)  # asked between two tries
    database = services.store.database
    database.close()
    database.busy_timeout_ms = 3_600_000
    path = services.place.sqlite_path
    assert path is not None
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        waits = asyncio.ensure_future(api("PUT", "/limits/x", {"limit": 1}))
        assert await asyncio.to_thread(tried.wait, 30)
        assert (await jp_fetch("api", "status")).code == 200
        assert not waits.done()
        database.busy_timeout_ms = 100
        code, answer = await api("PUT", "/limits/y", {"limit": 1})
        assert (code, answer["reason"]) == (503, "store_unavailable")
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert (await waits)[0] == 200


async def test_a_full_disk_answers_507_and_reads_go_on(api: Api, services: Services, write_notebook: Any) -> None:
    """SQLite's own error, made by a limit on its pages (F-15)."""
    write_notebook("r.ipynb", "x = 1" + " " * 200_000)
    body = {"name": "n", "notebook": "r.ipynb", "source": "pinned"}
    await api("PUT", "/limits/x", {"limit": 1})
    full = True

    def limit_pages(connection: Any, *_: Any) -> None:
        if full:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")

    import sqlalchemy as sa

    engine = services.store.database.engine
    engine.dispose()
    sa.event.listen(engine, "connect", limit_pages)
    code, answer = await api("POST", "/deployments", body)
    assert (code, answer["reason"]) == (507, "store_full")
    assert (await api("GET", "/runs"))[0] == 200
    assert (await api("GET", "/health"))[0] == 200
    full = False
    engine.dispose()
    assert (await api("POST", "/deployments", body))[0] == 201
