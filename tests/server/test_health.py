"""What the server says of itself and of the kernels beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp
from server_help import Api, Fetch

from headrace.core.settings import HANDED, declare_kernel, find_store


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
