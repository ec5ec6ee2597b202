"""Flows that run by themselves: deployments made from code, and their runs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine_help import Book, until

from headrace import deploy, flow, run_deployment, serve, task
from headrace.core.errors import (
    Conflict,
    InvalidOption,
    InvalidParameter,
    InvalidSchedule,
    NotFound,
    ParameterTypeError,
    UsageError,
)
from headrace.core.states import StateType


@flow(tags=["money"], description="Adds up.")
def totals(month: int, place: str = "Paris") -> str:
    return f"{place} {month}"


def held(book: Book, name: str) -> Any:
    from headrace.core.settings import user_name

    return book.store.deployments.named(name, user_name())


def schedules(book: Book, deployment_id: str) -> list[Any]:
    return list(book.store.schedules.of_deployments([deployment_id])[deployment_id])


def test_a_deployment_says_where_its_flow_is_and_what_it_takes(book: Book) -> None:
    made = totals.deploy("nightly", cron="0 6 * * 1-5", timezone="Europe/Berlin", parameters={"month": 3}, tags=["x"])
    found = held(book, "nightly")
    assert found.id == made
    assert found.entrypoint.endswith("test_deploying.py:totals") or found.entrypoint.endswith("test_deploying:totals")
    assert (found.interpreter, found.cwd) == (sys.executable, os.getcwd())
    assert (found.tags, found.description) == (("money", "x"), "Adds up.")
    assert found.parameter_schema["properties"]["month"]["type"] == "integer"
    assert found.parameter_schema["required"] == ["month"]
    (row,) = schedules(book, made)
    assert (row.cron, row.timezone) == ("0 6 * * 1-5", "Europe/Berlin")
    assert row.next_fire_at is not None


def test_told_the_same_again_nothing_changes_and_told_otherwise_it_changes(book: Book) -> None:
    made = totals.deploy("nightly", interval=3600, parameters={"month": 3})
    before = held(book, "nightly"), schedules(book, made)
    assert totals.deploy("nightly", interval=timedelta(hours=1), parameters={"month": 3}) == made
    assert (held(book, "nightly"), schedules(book, made)) == before
    assert totals.deploy("nightly", parameters={"month": 4}) == made
    assert held(book, "nightly").parameters == {"month": 4}
    assert len(schedules(book, made)) == 1, "schedules that are not named are left alone"


def test_a_deployment_has_several_schedules_with_their_own_parameters(book: Book) -> None:
    made = totals.deploy(
        "often",
        parameters={"month": 1},
        timezone="America/Toronto",
        schedules=[
            "@daily",
            {"cron": "0 9 * * *", "timezone": "Asia/Tokyo", "parameters": {"place": "Tokyo"}},
            timedelta(minutes=5),
            {"rrule": "FREQ=WEEKLY;BYDAY=MO", "active": False},
            {"at": datetime.now(timezone.utc) + timedelta(days=1)},
        ],
    )
    rows = {row.kind: row for row in schedules(book, made)}
    assert set(rows) == {"cron", "interval", "rrule", "once"}
    zones = sorted((row.timezone, dict(row.parameters)) for row in schedules(book, made) if row.kind == "cron")
    assert zones == [("America/Toronto", {}), ("Asia/Tokyo", {"place": "Tokyo"})]
    assert not rows["rrule"].active


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"cron": "61 * * * *"}, InvalidSchedule, "61"),
        ({"cron": "0 6 * * *", "interval": 5}, InvalidSchedule, "Name one of"),
        ({"interval": 0}, InvalidSchedule, "interval"),
        ({"cron": "0 6 * * *", "timezone": "Mars/Base"}, InvalidSchedule, "Mars/Base"),
        ({"rrule": "FREQ=DAILY;UNTIL=20000101T000000Z"}, InvalidSchedule, "never"),
        ({"schedule": 3 + 4j}, InvalidSchedule, "mapping"),
        ({"parameters": {"mont": 3}}, InvalidParameter, "did you mean 'month'"),
        ({"parameters": {"month": "many"}}, ParameterTypeError, "month"),
        ({"parameters": {"place": object()}}, InvalidParameter, "JSON"),
        ({"parameters": {"place": "{nothing}"}}, InvalidParameter, "place"),
        ({"overlap": "sometimes"}, InvalidOption, "overlap"),
        ({"concurrency_limit": 0}, InvalidOption, "concurrency_limit"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_made(
    book: Book, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        totals.deploy("never", **options)
    assert held(book, "never") is None


def test_only_plans_are_deployed() -> None:
    with pytest.raises(UsageError, match="to_deployment"):
        deploy(totals)  # type: ignore[arg-type]


def test_a_flow_of_a_cell_is_kept_with_what_it_reaches_and_its_source(book: Book) -> None:
    factor = 7

    @flow
    def inside(x: int = 6) -> int:
        return x * factor

    inside.deploy("kept")
    found = held(book, "kept")
    assert (found.entrypoint, found.source_mode) == (None, "pinned")
    assert "return x * factor" in found.details["source"]
    run = run_deployment("kept", {"x": 2}, timeout=0)
    done = subprocess.run([sys.executable, "-m", "headrace.kernel_magic.process", run.id], timeout=60)
    assert done.returncode == 0
    assert book.store.runs.get(run.id).result["preview"] == 14  # type: ignore[index]


def test_a_run_of_a_deployment_is_made_once_for_a_key(book: Book) -> None:
    totals.deploy("nightly", parameters={"month": 3})
    run = run_deployment("totals/nightly", {"place": "Rome"}, timeout=0, tags=["now"], flow_run_name="roman")
    found = book.store.runs.get(run.id)
    assert (found.name, found.tags) == ("roman", ("money", "now"))
    assert found.parameters == {"month": 3, "place": "Rome"}
    assert run.state.type is StateType.SCHEDULED
    run_deployment("nightly", timeout=0, idempotency_key="k")
    with pytest.raises(Conflict):
        run_deployment("nightly", timeout=0, idempotency_key="k")
    with pytest.raises(InvalidParameter, match="did you mean 'place'"):
        run_deployment("nightly", {"plac": "Rome"}, timeout=0)
    with pytest.raises(NotFound):
        run_deployment("no such deployment", timeout=0)
    with pytest.raises(UsageError, match="no time"):
        run_deployment("nightly", scheduled_time="soon", timeout=0)


def test_a_run_may_wait_for_its_time(book: Book) -> None:
    totals.deploy("nightly", parameters={"month": 3})
    due = datetime.now(timezone.utc) + timedelta(hours=1)
    run = book.store.runs.get(run_deployment("nightly", scheduled_time=due, timeout=0).id)
    assert abs((run.scheduled_at or 0) - due.timestamp() * 1e6) < 1000


SCRIPT = """
from headrace import flow, run_deployment

@flow
def served(x: int) -> int:
    return x + 1

if __name__ == "__main__":
    import sys
    if sys.argv[1] == "serve":
        served.serve("served-one", interval=1, parameters={"x": 1})
    else:
        @flow
        def outer():
            return str(run_deployment("served-one", {"x": 41}).state.type)
        print(outer())
"""


@pytest.mark.process
def test_a_served_flow_fires_when_its_script_has_ended(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SCRIPT)
    try:
        done = subprocess.run([sys.executable, str(script), "serve"], capture_output=True, text=True, timeout=90)
        assert "served-one: next " in done.stdout, done.stderr
        assert "A worker of pool default was started" in done.stdout, done.stderr
        fired = until(
            lambda: [r for r in book.all() if r.trigger == "schedule" and r.state_type is StateType.COMPLETED], 60
        )
        assert fired[0].result["preview"] == 2
        called = subprocess.run([sys.executable, str(script), "call"], capture_output=True, text=True, timeout=90)
        assert called.stdout.strip() == "COMPLETED", called.stderr
    finally:
        for worker in book.store.workers.all():
            if psutil.pid_exists(worker.pid or 0):
                process = psutil.Process(worker.pid)
                process.terminate()
                process.wait(30)


def test_serve_takes_several_and_needs_no_worker_of_its_own(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def nothing() -> None: ...

    ids = serve(
        totals.to_deployment("one", parameters={"month": 1}),
        totals.to_deployment("two", parameters={"month": 2}, cron=["0 6 * * *", "0 18 * * *"]),
        worker=False,
    )
    assert [len(schedules(book, each)) for each in ids] == [0, 2]
    assert "one: no schedule" in capsys.readouterr().out
