"""Nothing is lost, doubled or left behind when schedulers, workers and runs are killed (reliability.md, T-01 and T-02)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from waiting import wait_until

from headrace.core.runs import RunFilter
from headrace.server.anywhere import local_services
from notebooks import code, write

pytestmark = pytest.mark.process
TESTS = Path(__file__).resolve().parents[1]
RIG, CHAOS = TESTS / "tools" / "kill_rig.py", TESTS / "benchmarks" / "chaos.py"


def trial(script: Path, *arguments: str) -> dict[str, Any]:
    """Run a trial in a process of its own (it forks) and return its verdict."""
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=400)
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return verdict


def rig(*arguments: str) -> dict[str, Any]:
    """Return the verdict of a trial with the stub kernel."""
    verdict = trial(RIG, *arguments)
    # A trial in which no process ever worked would find no fault.
    assert verdict["states"].get("COMPLETED", 0) >= verdict["runs"] / 4 > 0, verdict
    return verdict


def test_200_kills_lose_and_double_nothing() -> None:
    verdict = rig("--kills", "200")
    assert verdict["faults"] == [], verdict
    assert verdict["slots"] >= 80
    assert verdict["runs"] >= 50


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("each", "words"),
    [
        pytest.param(3, [], id="a server and two workers on a file"),
        pytest.param(
            2, ["--postgres"], id="two servers and three workers on one PostgreSQL", marks=pytest.mark.postgres
        ),
    ],
)
def test_20_kills_of_real_servers_workers_runners_and_kernels_lose_and_double_nothing(
    each: int, words: list[str]
) -> None:
    verdict = trial(CHAOS, "--kills", str(4 * each), "--runs", str(2 * each), *words)
    assert verdict["faults"] == [], verdict
    assert verdict["killed"] == dict.fromkeys(("server", "worker", "runner", "kernel"), each)
    assert verdict["states"] == {"Completed": verdict["runs"]}
    assert verdict["runs"] > 2 * each, "the schedule fired"


BEGAN_TWICE = ["--points", "after_spawn_before_pid=kill@{n}", "--gate"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--points", "before_commit=kill@{n}"], id="before a commit"),
        pytest.param(["--points", "after_commit_before_ack=kill@{n}"], id="after a commit"),
        pytest.param(["--points", "after_slot_before_insert=kill@{n}"], id="while a slot is decided"),
        pytest.param(["--points", "after_fire_before_claim=kill"], id="before a claim"),
        pytest.param(["--points", "after_claim_before_spawn=kill@{n}"], id="before a process starts"),
        pytest.param(BEGAN_TWICE, id="before a started process is noted"),
        pytest.param(["--points", "after_commit_before_ack=raise@{n}"], id="a commit that seems to have failed"),
    ],
)
def test_a_death_at_a_commit_edge_loses_and_doubles_nothing(words: list[str]) -> None:
    verdict = rig(*words)
    assert verdict["faults"] == [], verdict


def test_the_rig_sees_it_when_the_fence_of_attempts_is_taken_out() -> None:
    assert rig(*BEGAN_TWICE, "--broken")["faults"]


@pytest.mark.postgres
def test_kills_of_three_workers_and_of_the_server_under_them_lose_nothing() -> None:
    verdict = rig("--postgres", "--kills", "60", "--workers", "3")
    assert verdict["faults"] == [], verdict


@pytest.mark.kernel
@pytest.mark.parametrize("point", ["after_cell_before_save=kill", "after_save_before_terminal=kill"])
def test_a_runner_that_dies_at_its_end_is_a_crash_and_its_output_is_whole(
    point: str, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_WARM_UNITS", "0")
    source = write(
        tmp_path / "in.ipynb", code("key = ''", "parameters"), "print('worked')", "import time\ntime.sleep(0.3)"
    )
    services = local_services(str(tmp_path))
    run = services.runs.start(
        {"notebook": str(source), "output_path": str(tmp_path / "out.ipynb"), "retries": 1},
    )
    words = [sys.executable, "-m", "headrace.server.worker"]
    environment = {**os.environ, "HEADRACE_FAILPOINTS": point}
    worker = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: services.store.runs.get(run.id).is_final, seconds=90)
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    found = services.store.runs.get(run.id)
    assert (found.state_name, found.attempt) == ("Crashed", 2)
    assert "SIGKILL" in found.state_message or "is gone" in found.state_message
    cells = services.store.runs.page(RunFilter(parent_id=run.id))[0]
    assert all(cell.is_final for cell in cells)
    # Only the last words of a process that is killed may not have reached the store.
    assert {cell.state_name for cell in cells if cell.cell_index == 1} == {"Completed"}
    wait_until(lambda: "worked" in (tmp_path / "out.ipynb").read_text(), seconds=60)
    nbformat.validate(nbformat.read(tmp_path / "out.ipynb", as_version=4))
