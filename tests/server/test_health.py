"""What the server says of itself and of the kernels beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp
from server_help import Api, Fetch, record

from headrace.core.settings import HANDED, declare_kernel, find_store
from headrace.server.services import Services


async def test_a_kernel_that_records_into_another_store_is_named_with_both_stores(
    jp_fetch: Fetch, jp_serverapp: ServerApp
) -> None:
    folder = Path(jp_serverapp.runtime_dir)
    (folder / "kernel-0a1b2c3d.json").write_text("{}")
    declare_kernel(folder, "0a1b2c3d", find_store("sqlite:////elsewhere/headrace.db"))
    found = json.loads((await jp_fetch("headrace", "api", "health")).body)
    assert found["status"] == "degraded"
    assert "0a1b2c3d records into sqlite:////elsewhere/headrace.db" in found["message"]
    assert found["store"]["url"] in found["message"]
    (folder / "kernel-0a1b2c3d.json").unlink()
    found = json.loads((await jp_fetch("headrace", "api", "health")).body)
    assert (found["status"], found["message"]) == ("ok", "")


async def test_the_servers_store_is_handed_to_what_it_starts(jp_fetch: Fetch, jp_serverapp: ServerApp) -> None:
    import os

    health = json.loads((await jp_fetch("headrace", "api", "health")).body)
    handed = json.loads(Path(os.environ[HANDED]).read_text())
    assert handed["url"] == health["store"]["url"]


async def test_a_database_that_does_not_prove_who_it_is_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.server.managers.system.database_is_verified", lambda url: False)
    code, health = await api("GET", "/health")
    assert (code, health["status"]) == (200, "ok")
    assert "sslmode=verify-full" in health["message"]


async def test_what_has_run_is_listed_with_its_newest_run(api: Api, services: Services) -> None:
    for name in ("first", "second", "theirs"):
        last = record(services, name=name)
    with services.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET definition = 'daily'")
        connection.exec_driver_sql("UPDATE runs SET owner = 'mallory' WHERE id = ?", (last,))
    code, answer = await api("GET", "/flows")
    (flow,) = answer["flows"]
    assert (code, flow["definition"], flow["kind"], flow["runs"]) == (200, "daily", "flow", 2)
    assert flow["last_run"]["name"] == "second"


async def test_settings_are_told_with_where_they_stand_and_without_passwords(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", "postgresql://ada:hunter2@db.example/x")
    monkeypatch.setenv("HEADRACE_MAX_SCHEDULES", "5")
    code, answer = await api("GET", "/settings")
    found = {entry["name"]: entry for entry in answer["settings"]}
    assert (code, found["max_schedules"]["value"], found["max_schedules"]["source"]) == (
        200,
        "5",
        "HEADRACE_MAX_SCHEDULES",
    )
    assert found["max_depth"]["source"] == "default"
    assert "hunter2" not in str(answer)
    assert "ada" in found["database_url"]["value"]
