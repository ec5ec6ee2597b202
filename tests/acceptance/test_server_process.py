"""Real processes: the standalone server, its worker, runners and kernels; any of them may be killed."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_process import Server, end_all, of_kind, wait_for, write

pytestmark = [pytest.mark.process, pytest.mark.kernel]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    found.mkdir()
    return found


@pytest.fixture
def server(data_dir: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server; at the end nothing of it is left, the worker and its runs neither."""
    # A kernel that waits for the next run would look like one that was left behind.
    monkeypatch.setenv("HEADRACE_WARM_UNITS", "0")
    found = Server(root, tmp_path / "server.log")
    yield found
    end_all(found, data_dir)


def ended(server: Server, run_id: str, seconds: float = 90) -> Any:
    def look() -> Any:
        run = server.run(run_id)
        return run if run["state_type"] in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED") else None

    return wait_for(look, seconds)


def test_a_run_outlives_the_server_that_was_asked_for_it(server: Server, root: Path, data_dir: Path) -> None:
    write(
        root,
        "import time, os\nprint('begun')\ntime.sleep(4)",
        "print('tokens', [k for k in os.environ if 'TOKEN' in k])",
    )
    run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb", "parameters": {"n": 1}})["run"]["id"]
    wait_for(lambda: "begun" in [line["message"] for line in server.ask("GET", f"/runs/{run_id}/logs")["lines"]])
    server.kill()
    assert of_kind(data_dir, "headrace.server.runner"), "the runner goes on"
    server.start()
    run = ended(server, run_id)
    assert run["state_type"] == "COMPLETED"
    lines = [line["message"] for line in server.ask("GET", f"/runs/{run_id}/logs")["lines"]]
    assert lines == ["begun", "tokens []"]
    outputs = server.ask("GET", f"/runs/{run_id}/outputs")["cells"]
    assert len(outputs) == 3 or len(outputs) == 4
    assert list((root / "r-runs").glob("*.ipynb"))


def test_a_killed_worker_is_replaced_and_its_run_taken_over(server: Server, root: Path, data_dir: Path) -> None:
    write(root, "import time\nfor i in range(8):\n    print(i, flush=True)\n    time.sleep(0.5)")
    run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
    wait_for(lambda: server.ask("GET", f"/runs/{run_id}/logs")["total"] >= 2)
    of_kind(data_dir, "headrace.server.worker")[0].kill()
    second = server.ask("POST", "/runs", {"notebook": "r.ipynb", "name": "second"})["run"]["id"]
    assert ended(server, run_id)["state_type"] == "COMPLETED"
    assert server.ask("GET", f"/runs/{run_id}/logs")["total"] == 8
    assert server.run(run_id)["attempt"] == 1
    server.ask("POST", f"/runs/{second}/cancel", {})
    assert ended(server, second)["state_type"] in ("CANCELLED", "COMPLETED")


@pytest.mark.parametrize("victim", ["headrace.server.runner", "ipykernel"])
def test_a_killed_runner_or_kernel_is_a_crash_and_leaves_no_process(
    server: Server, root: Path, data_dir: Path, victim: str
) -> None:
    write(root, "import time\nprint('begun', flush=True)\ntime.sleep(60)")
    run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
    wait_for(lambda: server.ask("GET", f"/runs/{run_id}/logs")["total"] >= 1)
    of_kind(data_dir, victim)[0].kill()
    run = ended(server, run_id)
    assert run["state_type"] == "CRASHED"
    assert run["state_message"]
    wait_for(lambda: not of_kind(data_dir, "ipykernel") and not of_kind(data_dir, "headrace.server.runner"))
    cells = server.ask("GET", f"/runs/{run_id}/graph")["nodes"]
    assert all(cell["state_type"] in ("COMPLETED", "CRASHED", "CANCELLED") for cell in cells)


def test_a_cancelled_notebook_is_cancelled_and_its_kernel_gone(server: Server, root: Path, data_dir: Path) -> None:
    write(root, "import time\nprint('begun', flush=True)\ntime.sleep(60)", "print('never')")
    run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
    wait_for(lambda: server.ask("GET", f"/runs/{run_id}/logs")["total"] >= 1)
    server.ask("POST", f"/runs/{run_id}/cancel", {})
    assert ended(server, run_id)["state_type"] == "CANCELLED"
    wait_for(lambda: not of_kind(data_dir, "ipykernel"))


def test_a_schedule_fires_with_the_server_gone(server: Server, root: Path, data_dir: Path) -> None:
    write(root, "print(n)")
    body = {"notebook": "r.ipynb", "interval_seconds": 2, "parameters": {"n": 7}}
    schedule = server.ask("POST", "/schedules", body)["schedule"]
    wait_for(lambda: of_kind(data_dir, "headrace.server.worker"))
    wait_for(lambda: server.ask("GET", "/workers")["fires_when_closed"])
    server.kill()
    fired = len(_slots(data_dir, schedule["id"]))
    wait_for(lambda: len(_slots(data_dir, schedule["id"])) >= fired + 2)
    server.start()
    server.ask("POST", f"/schedules/{schedule['id']}/pause", {})
    runs = server.ask("GET", f"/runs?schedule_id={schedule['id']}")["runs"]
    assert ended(server, runs[-1]["id"])["state_type"] == "COMPLETED"
    slots = [run["slot_at"] for run in runs]
    assert len(slots) == len(set(slots))


def _slots(data_dir: Path, schedule_id: str) -> list[Any]:
    import sqlite3

    connection = sqlite3.connect(data_dir / "headrace.db", timeout=10)
    try:
        return connection.execute("SELECT slot_at FROM slots WHERE schedule_id = ?", (schedule_id,)).fetchall()
    finally:
        connection.close()


def test_sigterm_ends_the_server_within_seconds_and_leaves_the_worker(
    server: Server, root: Path, data_dir: Path
) -> None:
    write(root, "print(1)")
    run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
    ended(server, run_id)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=30)
    worker = of_kind(data_dir, "headrace.server.worker")
    assert worker
    worker[0].terminate()
    worker[0].wait(timeout=60)


def test_servers_that_were_stopped_leave_no_file_and_no_process(server: Server, root: Path, data_dir: Path) -> None:
    write(root, "print(1)")

    def serve_and_stop() -> set[str]:
        ended(server, server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"])
        wait_for(lambda: not of_kind(data_dir, "ipykernel") and not of_kind(data_dir, "headrace.server.runner"))
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
        assert not of_kind(data_dir, "server start")
        folders = (data_dir, Path(os.environ["JUPYTER_RUNTIME_DIR"]), Path(os.environ["HEADRACE_RUNTIME_DIR"]))
        kept = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {str(path) for path in kept if "attempts" not in path.parts}

    first = serve_and_stop()
    server.start()
    assert serve_and_stop() == first


def test_the_same_double_click_makes_one_run(server: Server, root: Path) -> None:
    write(root, "print(1)")
    body = {"notebook": "r.ipynb"}
    first = server.ask("POST", "/runs", body, Idempotency_Key="k1")["run"]["id"]
    again = server.ask("POST", "/runs", body, Idempotency_Key="k1")["run"]["id"]
    assert first == again
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.ask("POST", "/runs", {**body, "name": "x"}, Idempotency_Key="k1")
    assert caught.value.code == 409
    caught.value.close()
    server.ask("POST", f"/runs/{first}/cancel", {})


def test_a_failed_cell_task_ends_its_run_and_every_cell(server: Server, root: Path) -> None:
    write(
        root,
        "%load_ext headrace",
        "%%task load --retries 1\nrows = [1, 2]",
        "%%task total\ntotal = sum(rows)\ncounter = nowhere",
        "%%task report\nprint(total, counter)",
    )
    run = ended(server, server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"])
    assert run["state_type"] == "FAILED"
    assert "nowhere" in run["error_summary"]
    nodes = server.ask("GET", f"/runs/{run['id']}/graph")["nodes"]
    states = {node["name"]: (node["state_type"], node["state_name"]) for node in nodes}
    assert states["load"] == ("COMPLETED", "Completed")
    assert states["total"] == ("FAILED", "Failed")
    assert states["report"] == ("CANCELLED", "NotRun")


FLOW = """
from headrace import flow, task

@task
def double(x):
    print("doubling", x)
    return 2 * x

@flow(log_prints=True)
def etl(n: int = 1):
    print("raw words")
    if n < 0:
        raise ValueError("no rows")
    return double(n)
"""


def test_a_flow_of_a_script_is_run_by_its_entrypoint(server: Server, root: Path) -> None:
    (root / "flows.py").write_text(FLOW)
    body = {"entrypoint": "flows.py:etl", "parameters": {"n": 4}}
    done = ended(server, server.ask("POST", "/runs", body)["run"]["id"])
    assert (done["state_type"], done["kind"], done["parameters"]) == ("COMPLETED", "flow", {"n": 4})
    nodes = server.ask("GET", f"/runs/{done['id']}/graph")["nodes"]
    assert [(node["kind"], node["state_type"]) for node in nodes] == [("task", "COMPLETED")]
    lines = [line["message"] for line in server.ask("GET", f"/runs/{done['id']}/logs")["lines"]]
    assert lines.count("raw words") == 1
    made = server.ask("POST", "/deployments", {"name": "etl", "entrypoint": "flows.py:etl", "parameters": {"n": -1}})
    failed = ended(server, server.ask("POST", f"/deployments/{made['deployment']['id']}/run", {})["run"]["id"])
    assert failed["state_type"] == "FAILED"
    assert "no rows" in failed["error_summary"]
    again = server.ask("POST", f"/runs/{failed['id']}/rerun", {"parameters": {"n": 1}})["run"]["id"]
    assert ended(server, again)["state_type"] == "COMPLETED"


def test_a_suspended_run_is_answered_and_goes_on_in_a_worker(server: Server, root: Path) -> None:
    (root / "flows.py").write_text(
        "from headrace import flow, pause_flow_run, suspend_flow_run\n"
        "@flow\n"
        "def asks():\n"
        "    first = suspend_flow_run(wait_for_input=int)\n"
        "    second = pause_flow_run(wait_for_input=int)\n"
        "    return first + second\n"
    )
    deployment = server.ask("POST", "/deployments", {"name": "asks", "entrypoint": "flows.py:asks"})["deployment"]
    run_id = server.ask("POST", f"/deployments/{deployment['id']}/run", {})["run"]["id"]
    for name, value in (("Suspended", 20), ("Paused", 22)):
        run = wait_for(lambda name=name: r if (r := server.run(run_id))["state_name"] == name else None, 60)
        assert run["questions"][0]["schema"]["properties"]["value"]["type"] == "integer"
        with pytest.raises(urllib.error.HTTPError, match="422"):
            server.ask("POST", f"/runs/{run_id}/answer", {"values": {"value": "many"}})
        server.ask("POST", f"/runs/{run_id}/answer", {"values": {"value": value}})
    run = ended(server, run_id)
    assert (run["state_type"], run["result"]["preview"]) == ("COMPLETED", 42), run
