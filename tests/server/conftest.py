"""A real Jupyter server with Headrace in it (run with `-p pytest_jupyter.jupyter_server`), one store each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPClientError, HTTPResponse

from headrace.server.services import Services

Fetch = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Headrace enabled; no worker process is started by itself."""
    return {
        "ServerApp": {"jpserver_extensions": {"headrace": True}},
        "HeadraceApp": {"start_workers": False},
    }


@pytest.fixture
def jp_environ(jp_environ: None, data_dir: Path) -> None:
    """The store's folder is the test's own, whatever pytest-jupyter sets."""


@pytest.fixture
def services(jp_serverapp: ServerApp) -> Services:
    """What the handlers share."""
    found: Services = jp_serverapp.extension_manager.extension_points["headrace"].app.services
    return found


class Api:
    """Calls the API and returns status and JSON."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def __call__(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> tuple[int, Any]:
        """Send one request; `body` is JSON or, as bytes, sent as it is."""
        sent: bytes | None = None
        kinds = {"Content-Type": "application/json"} if body is not None else {}
        if body is not None:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        elif method in ("POST", "PUT", "PATCH"):
            sent = b""
        try:
            answer = await self._fetch(
                "headrace",
                "api",
                *path.strip("/").split("/"),
                method=method,
                body=sent,
                params={k: v for k, v in query.items() if v is not None},
                headers={**kinds, **(headers or {})},
            )
        except HTTPClientError as error:
            if error.response is None:
                raise
            answer = error.response
        text = answer.body.decode() if answer.body else ""
        return answer.code, json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture
def api(jp_fetch: Fetch, jp_serverapp: ServerApp) -> Api:
    """The API of a running server."""
    return Api(jp_fetch)


async def until(what: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """Wait until something is true, and return it; fail after a deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


@pytest.fixture
def write_notebook(jp_root_dir: Path) -> Callable[..., str]:
    """Write a notebook below the server's root and return its path there."""

    def write(name: str = "report.ipynb", *sources: str, parameters: str = "month = 1", kernel: str = "python3") -> str:
        cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        cells += [nbformat.v4.new_code_cell(source) for source in sources or ("print(month)",)]
        metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
        path = jp_root_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
        return name

    return write
