"""Faults that a scheduler of notebooks can have (notebooks.md, 2.5), absent with two real servers on one store.

The faults that need no process are held elsewhere: docs/developer/reliability.md names the test of each.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from server_process import Server, of_kind, ours, wait_for

from notebooks import code
from notebooks import write as write_notebook

pytestmark = [pytest.mark.process, pytest.mark.kernel]
#: A pool without workers: its runs are made and wait.
NOBODY = "nobody"


class Pair:
    """Two servers with one root and one store."""

    def __init__(self, folder: Path) -> None:
        self.data, self.root = folder / "data", folder / "root"
        self.root.mkdir()
        self.one, self.two = (Server(self.root, folder / f"{name}.log") for name in ("one", "two"))
        write_notebook(self.root / "short.ipynb", code("word = ''", "parameters"), "print(repr(word))")
        write_notebook(
            self.root / "long.ipynb",
            "print('begun', flush=True)",
            "import time\nprint('sleeps', flush=True)\ntime.sleep(300)",
            "print('never')",
        )

    def sql(self, statement: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(self.data / "headrace.db", timeout=30, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def begin(self, server: Server, notebook: str) -> str:
        """Start a run and wait until its first lines have come; return its id."""
        run_id: str = server.ask("POST", "/runs", {"notebook": notebook})["run"]["id"]
        wait_for(lambda: server.ask("GET", f"/runs/{run_id}/logs")["total"] >= 1)
        return run_id

    def ended(self, server: Server, run_id: str) -> Any:
        return wait_for(lambda: run if (run := server.run(run_id))["ended_at"] else None, 90)

    def deploy(self, name: str, **body: Any) -> Any:
        """Make a deployment whose runs nobody starts."""
        fields = {"name": name, "notebook": "short.ipynb", "pool": NOBODY, "overlap": "allow", **body}
        return self.one.ask("POST", "/deployments", fields)["deployment"]

    def delete(self, deployment: Any) -> None:
        self.one.ask("DELETE", f"/deployments/{deployment['id']}")

    def kernels(self) -> list[psutil.Process]:
        return of_kind(self.data, "ipykernel")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_DATA_DIR", str(folder / "data"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        # A kernel that waits for the next run would look like one that was left behind.
        patch.setenv("HEADRACE_WARM_UNITS", "0")
        found = Pair(folder)
        yield found
        for process in ours(found.data):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for server in (found.one, found.two):
            server.process.wait(timeout=30)


def test_two_servers_fire_each_slot_once(pair: Pair) -> None:
    """8, and T-12."""
    made = [pair.deploy(f"every second {n}", schedules=[{"interval_seconds": 1}]) for n in range(20)]
    ids = [one["schedules"][0]["id"] for one in made]

    def slots(schedule_id: str) -> list[Any]:
        found: list[Any] = pair.two.ask("GET", f"/schedules/{schedule_id}/slots?limit=200")["slots"]
        return found

    wait_for(lambda: all(len(slots(schedule_id)) >= 4 for schedule_id in ids))
    for deployment in made:
        pair.two.ask("POST", f"/deployments/{deployment['id']}/pause", {})
    for schedule_id in ids:
        rows = slots(schedule_id)
        assert all(row["decision"] == "run" for row in rows)
        runs = pair.sql("SELECT slot_at FROM runs WHERE schedule_id = ?", schedule_id)
        assert len(runs) == len(set(runs)) == len({row["slot_at"] for row in rows}) == len(rows)
        seconds = sorted(slot // 1_000_000 for (slot,) in runs)
        assert seconds == list(range(seconds[0], seconds[0] + len(seconds))), "none was left out"
    for deployment in made:
        pair.delete(deployment)


def test_a_bad_row_stops_nothing_when_a_server_starts_again_and_is_shown(pair: Pair) -> None:
    """2."""
    good = pair.deploy("good", schedules=[{"interval_seconds": 1}])
    bad = pair.deploy("bad", schedules=[{"cron": "* * * * *"}])
    pair.sql("UPDATE schedules SET cron = '99 * * * *', next_fire_at = 1 WHERE deployment_id = ?", bad["id"])
    for server in (pair.one, pair.two):
        server.kill()
    for server in (pair.one, pair.two):
        server.start()
    path = f"/schedules/{good['schedules'][0]['id']}/slots"
    before = len(pair.one.ask("GET", path)["slots"])
    wait_for(lambda: len(pair.one.ask("GET", path)["slots"]) > before + 1)
    shown = wait_for(lambda: pair.one.ask("GET", f"/deployments/{bad['id']}")["deployment"]["schedules"][0]["error"])
    assert "99" in shown
    for deployment in (good, bad):
        pair.delete(deployment)


def test_a_row_that_cannot_be_read_hides_no_other(pair: Pair) -> None:
    """3."""
    deployments = [pair.deploy(name) for name in ("whole", "broken")]
    runs = [pair.one.ask("POST", f"/deployments/{one['id']}/run", {})["run"]["id"] for one in deployments]
    pair.sql("UPDATE deployments SET tags = 'half [' WHERE id = ?", deployments[1]["id"])
    pair.sql("UPDATE runs SET parameters = '{half', tags = '[' WHERE id = ?", runs[1])
    listed = {run["id"] for run in pair.one.ask("GET", "/runs?limit=200")["runs"]}
    assert set(runs) <= listed
    shown = {one["name"]: one["error"] for one in pair.one.ask("GET", "/deployments")["deployments"]}
    assert shown["whole"] is None
    assert "damaged (tags)" in shown["broken"]
    for run_id, deployment in zip(runs, deployments, strict=True):
        pair.one.ask("POST", f"/runs/{run_id}/cancel", {})
        pair.delete(deployment)


def test_a_run_is_shown_as_what_it_is_from_the_first_moment_and_text_needs_no_quotes(pair: Pair) -> None:
    """4 and 10."""
    body = {"notebook": "short.ipynb", "parameters": {"word": "hello"}}
    run = pair.one.ask("POST", "/runs", body)["run"]
    assert run["state_type"] == "SCHEDULED"
    pair.ended(pair.one, run["id"])
    states = [state["state_type"] for state in pair.two.ask("GET", f"/runs/{run['id']}/states")["states"]]
    assert states == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    lines = pair.two.ask("GET", f"/runs/{run['id']}/logs")["lines"]
    assert [line["message"] for line in lines] == ["'hello'"]


def test_a_long_run_is_not_run_over_and_a_cancelled_one_has_its_end_and_its_notebook(pair: Pair) -> None:
    """12 and 13."""
    body = {"notebook": "long.ipynb", "interval_seconds": 1}
    schedule = pair.one.ask("POST", "/schedules", body)["schedule"]

    def slots() -> list[tuple[str, str]]:
        found = pair.one.ask("GET", f"/schedules/{schedule['id']}/slots?limit=200")["slots"]
        return [(slot["decision"], slot["reason"]) for slot in reversed(found)]

    wait_for(lambda: len(slots()) >= 4)
    pair.one.ask("POST", f"/schedules/{schedule['id']}/pause", {})
    assert [decision for decision, _ in slots()] == ["run"] + ["skipped"] * (len(slots()) - 1)
    assert {reason for _, reason in slots()[1:]} == {"already_running"}
    (run,) = pair.one.ask("GET", f"/runs?schedule_id={schedule['id']}&roots=true")["runs"]
    wait_for(lambda: pair.one.ask("GET", f"/runs/{run['id']}/logs")["total"] >= 2)
    pair.one.ask("POST", f"/runs/{run['id']}/cancel", {})
    ended = pair.ended(pair.one, run["id"])
    assert ended["state_type"] == "CANCELLED"
    assert ended["duration_seconds"] > 0
    (output,) = (pair.root / "long-runs").glob("*[0-9].ipynb")
    assert "begun" in output.read_text()


def test_a_run_of_a_killed_server_goes_on_and_is_stopped_through_any_server(pair: Pair) -> None:
    """5, and 8 again."""
    run_id = pair.begin(pair.one, "long.ipynb")
    pair.one.kill()
    assert pair.two.run(run_id)["state_type"] == "RUNNING"
    pair.one.start()
    assert pair.one.run(run_id)["state_type"] == "RUNNING"
    pair.two.ask("POST", f"/runs/{run_id}/cancel", {})
    assert pair.ended(pair.one, run_id)["state_type"] == "CANCELLED"
    wait_for(lambda: not pair.kernels())


def test_a_server_ends_at_once_while_a_run_is_on_and_the_run_goes_on(pair: Pair) -> None:
    """7."""
    run_id = pair.begin(pair.one, "long.ipynb")
    pair.one.process.send_signal(signal.SIGTERM)
    pair.one.process.wait(timeout=60)
    assert pair.two.run(run_id)["state_type"] == "RUNNING"
    assert pair.kernels()
    pair.one.start()
    pair.one.ask("POST", f"/runs/{run_id}/cancel", {})
    assert pair.ended(pair.two, run_id)["state_type"] == "CANCELLED"


def test_a_killed_process_of_a_run_is_a_crash_with_an_end(pair: Pair) -> None:
    """6."""
    run_id = pair.begin(pair.two, "long.ipynb")
    of_kind(pair.data, "headrace.server.runner")[0].kill()
    ended = pair.ended(pair.two, run_id)
    assert ended["state_type"] == "CRASHED"
    assert ended["duration_seconds"] > 0
    wait_for(lambda: not pair.kernels())
