"""Nothing is lost, doubled or left behind when schedulers, workers and runs are killed (reliability.md, T-01 and T-02)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process
RIG = Path(__file__).resolve().parents[1] / "tools" / "kill_rig.py"


def rig(*arguments: str) -> dict[str, Any]:
    """Run a trial in a process of its own (it forks) and return its verdict."""
    done = subprocess.run([sys.executable, str(RIG), *arguments], capture_output=True, text=True, timeout=240)
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    # A trial in which no process ever worked would find no fault.
    assert verdict["states"].get("COMPLETED", 0) >= verdict["runs"] / 4 > 0, verdict
    return verdict


def test_200_kills_lose_and_double_nothing() -> None:
    verdict = rig("--kills", "200")
    assert verdict["faults"] == [], verdict
    assert verdict["slots"] >= 80
    assert verdict["runs"] >= 50


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
