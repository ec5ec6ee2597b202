"""Whom the reaper kills: what an attempt left behind, and nobody who was given its process id later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace.server.processes import kill_group
from headrace.server.worker import facts

#: Says its id, starts a child in its group that sleeps, and leaves.
LEADER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
print(os.getpid(), child.pid, flush=True)
sys.stdin.read()
os._exit(0)
"""


class Left:
    """A group whose leader has gone and whose child lives."""

    def __init__(self, *, session: bool) -> None:
        options = {"start_new_session": True} if session else {"preexec_fn": os.setpgrp}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.leader: Any = subprocess.Popen([sys.executable, "-c", LEADER], **pipes, **options)  # type: ignore[call-overload]
        self.pgid, self.child = map(int, self.leader.stdout.readline().split())
        self.session = session
        self.facts = facts.ProcessFacts.of(self.pgid)
        self.leader.stdin.close()
        self.leader.wait(timeout=20)
        self.leader.stdout.close()

    def lives(self) -> bool:
        try:
            return psutil.Process(self.child).status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def wait_until_dead(self) -> None:
        deadline = time.monotonic() + 20
        while self.lives():
            assert time.monotonic() < deadline
            os.sched_yield()


@pytest.fixture(params=[True, False], ids=["of the attempt", "of somebody else's later process"])
def left(request: pytest.FixtureRequest) -> Iterator[Left]:
    made = Left(session=request.param)
    yield made
    if made.lives():
        os.kill(made.child, signal.SIGKILL)


def test_children_without_their_leader_are_killed_only_if_they_are_the_attempts(left: Left, tmp_path: Path) -> None:
    assert left.facts is not None
    facts.write_facts(tmp_path, left.facts)
    facts.kill_attempt(tmp_path)
    if left.session:
        left.wait_until_dead()
    else:
        assert left.lives()
        assert facts.kill_attempt(tmp_path), "nothing of the attempt is alive"


def test_a_kernels_group_without_its_leader_is_told_in_the_same_way(left: Left) -> None:
    assert kill_group(left.pgid, started="1") is left.session
    if left.session:
        left.wait_until_dead()
    else:
        assert left.lives()


@pytest.mark.parametrize("change", [{"started": 1.0}, {"host": "elsewhere"}])
def test_a_living_process_with_the_same_id_is_not_the_attempts(tmp_path: Path, change: dict[str, object]) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        known = facts.ProcessFacts.of(process.pid)
        assert known is not None
        facts.write_facts(tmp_path, replace(known, **change))  # type: ignore[arg-type]
        assert facts.kill_attempt(tmp_path)
        assert process.poll() is None
        facts.write_facts(tmp_path, known)
        facts.kill_attempt(tmp_path)
        assert process.wait(timeout=20) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
