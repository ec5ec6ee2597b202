"""Quotas of one person: what is refused says when to try again, and stores nothing (S-09)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.core.clock import ManualClock
from headrace.server.quotas import Quotas, TooMany
from headrace.server.services import Services

Post = Callable[[str, dict[str, Any]], Awaitable[tuple[int, dict[str, Any], int]]]


@pytest.fixture
def post(jp_fetch: Any, write_notebook: Any) -> Post:
    """Send a request; return the status, the answer and what `Retry-After` says."""
    write_notebook("r.ipynb")

    async def send(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], int]:
        options = {"method": "POST", "body": json.dumps(body), "headers": {"Content-Type": "application/json"}}
        answer = await jp_fetch("headrace", "api", *path.split("/"), raise_error=False, **options)
        return answer.code, json.loads(answer.body), int(answer.headers.get("Retry-After", 0))

    return send


async def test_more_than_may_wait_is_refused(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_MAX_WAITING", "2")
    code, made, _ = await post(
        "deployments", {"name": "n", "notebook": "r.ipynb", "schedules": [{"cron": "0 6 * * *"}]}
    )
    assert code == 201
    path = f"deployments/{made['deployment']['id']}/backfill"
    code, answer, wait = await post(path, {"from": "2026-01-01T00:00:00Z", "to": "2026-01-10T00:00:00Z"})
    assert (code, answer["reason"], wait > 0) == (429, "quota", True)
    assert [(await post("runs", {"notebook": "r.ipynb"}))[0] for _ in range(3)] == [201, 201, 429]


async def test_more_runs_a_minute_than_may_be_started_by_hand_are_refused(
    post: Post, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_RUNS_PER_MINUTE", "1")
    started = [await post("runs", {"notebook": "r.ipynb"}) for _ in range(7)]
    assert [code for code, _, _ in started] == [201] * 5 + [429] * 2
    assert started[-1][1]["reason"] == "quota"
    assert 0 < started[-1][2] <= 61
    # Of many at once each answers for itself.
    ids = [answer["run"]["id"] for _, answer, _ in started[:2]]
    code, answer, _ = await post("runs/bulk", {"action": "rerun", "ids": ids})
    assert (code, [result["ok"] for result in answer["results"]]) == (200, [False, False])
    assert len(services.store.runs.page()[0]) == 5


async def test_more_schedules_than_there_may_be_are_refused_and_nothing_is_stored(
    post: Post, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_MAX_SCHEDULES", "1")
    cron = {"cron": "0 6 * * *"}
    code, answer, wait = await post("deployments", {"name": "n", "notebook": "r.ipynb", "schedules": [cron, cron]})
    assert (code, answer["reason"], wait > 0) == (429, "quota", True)
    assert services.store.deployments.page() == []
    assert (await post("schedules", {"notebook": "r.ipynb", **cron}))[0] == 201
    assert (await post("schedules", {"notebook": "r.ipynb", **cron}))[0] == 429
    assert len(services.store.schedules.page()) == 1
    body = {"name": "r", "notebook": "r.ipynb", "schedules": [cron]}
    services.deployments.apply(body)  # the same again, from a file: it stays one
    assert len(services.store.schedules.page()) == 1


def test_runs_by_hand_are_saved_up_for_some_minutes_and_no_longer() -> None:
    clock = ManualClock()
    quotas = Quotas(SimpleNamespace(store=SimpleNamespace(clock=clock)))  # type: ignore[arg-type]
    for _ in range(300):
        quotas.take_start()
    with pytest.raises(TooMany) as caught:
        quotas.take_start()
    assert caught.value.retry_after_seconds == 2
    clock.advance(1)
    quotas.take_start()
    clock.advance(86_400)
    for _ in range(300):
        quotas.take_start()
    with pytest.raises(TooMany):
        quotas.take_start()
