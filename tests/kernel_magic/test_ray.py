"""Tasks on Ray: the same meaning as everywhere. Runs in a process of its own: Ray leaves daemons behind in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_help import Book

pytestmark = pytest.mark.process

SCRIPT = """
import os, signal, time
from pathlib import Path
import pytest
from headrace import RayTaskRunner, flow, get_run_logger, runtime, task
from headrace.core.errors import CrashedRun

HERE = Path(__file__).parent

@task
def inner(x): return x + 1

@task(log_prints=True)
def outer(x):
    print("printing", x)
    get_run_logger().info("logging %s", x)
    return inner(x), os.getpid(), runtime.flow_run.name

@task
def die(): os.kill(os.getpid(), signal.SIGKILL)

@task(retries=1)
def die_once():
    if not (HERE / "mark").exists():
        (HERE / "mark").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"

@task(timeout_seconds=0.4)
def slow(): time.sleep(60)

@task
def sleeper():
    (HERE / "ready").touch()
    for _ in range(6000):
        time.sleep(0.01)

@flow(task_runner=RayTaskRunner(init_kwargs={"num_cpus": 2, "log_to_driver": False}))
def spread():
    crash = die.submit()
    with pytest.raises(CrashedRun, match="lost"):
        crash.result(90)
    assert die_once.submit().result(90) == "alive"
    late = slow.submit()
    late.wait(60)
    assert late.state.name == "TimedOut"
    cancelled = sleeper.submit()
    while not (HERE / "ready").exists():
        time.sleep(0.01)
    cancelled.cancel()
    cancelled.wait(20)
    assert cancelled.state.name == "Cancelled"
    found = outer.map([1, 2, 3]).result(90)
    assert [value for value, _, _ in found] == [2, 3, 4]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {name for _, _, name in found} == {runtime.flow_run.name}

spread()
"""


def test_tasks_on_ray_mean_what_they_mean_everywhere(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # On a busy machine Ray's own processes may need more than the minute that it gives them.
    environment = {**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "240"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    parent = book.one("spread")
    assert parent.state_name == "Completed"
    assert {run.parent_id for run in book.of("inner")} == {run.id for run in book.of("outer")}
    assert sorted(line for run in book.of("outer") for line in book.lines(run)) == sorted(
        f"{word} {x}" for x in (1, 2, 3) for word in ("printing", "logging")
    )
    states = book.states(book.one("die_once"))
    assert states == ["Pending", "Submitted", "Running", "AwaitingRetry", "Submitted", "Retrying", "Completed"]
