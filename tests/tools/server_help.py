"""Help for tests of the server: its API as one call, and waiting for what comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPResponse

from headrace.core.ids import new_id
from headrace.server.services import Services

Fetch = Callable[..., Awaitable[HTTPResponse]]


class Api:
    """Calls the API and returns status and JSON."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def __call__(
        self, method: str, route: str, body: Any = None, /, *, headers: dict[str, str] | None = None, **query: Any
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
                *route.strip("/").split("/"),
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


async def until(what: Callable[[], Any], *, seconds: float = 40.0) -> Any:
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


def record(services: Services, *, parent: str | None = None, root: str | None = None, name: str = "x") -> str:
    """Record a running run as a kernel does."""
    run_id = new_id()
    now = services.store.clock.now_us()
    services.store.recorder.open(
        {
            "id": run_id,
            "root_id": root or run_id,
            "parent_id": parent,
            "kind": "flow" if parent is None else "task",
            "name": name,
            "owner": services.owner,
            "state_type": "RUNNING",
            "state_name": "Running",
            "state_at": now,
            "created_at": now,
        }
    )
    services.store.recorder.flush()
    return run_id
