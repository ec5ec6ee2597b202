"""Tasks on Ray: the same meaning as everywhere. Runs in a process of its own: Ray leaves daemons behind in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


#: On a busy machine Ray's own processes may need more than the minute that it gives them.
PATIENT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "240"}


def test_tasks_on_ray_mean_what_they_mean_everywhere(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, env={**os.environ, **PATIENT}, capture_output=True, text=True, timeout=290, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    parent = book.one("spread")
    assert parent.state_name == "Completed"
    assert {run.parent_id for run in book.of("inner")} == {run.id for run in book.of("outer")}
    assert sorted(line for run in book.of("outer") for line in book.lines(run)) == sorted(
        f"{word} {x}" for x in (1, 2, 3) for word in ("printing", "logging")
    )
    states = book.states(book.one("die_once"))
    assert states == ["Pending", "Submitted", "Running", "AwaitingRetry", "Submitted", "Retrying", "Completed"]


CELL = """
import os
from headrace import INPUTS, RayTaskRunner, flow, task

@task(cache_policy=INPUTS)
def kept(x): return x + 1

@task
def calls(x): return kept(x), kept(x), os.getpid()

@flow(task_runner=RayTaskRunner(init_kwargs={"num_cpus": 1, "log_to_driver": False}))
def from_a_cell():
    return calls.submit(1).result(200)

*values, pid = from_a_cell()
assert values == [2, 2]
assert pid != os.getpid()
"""


@pytest.mark.kernel
def test_a_flow_of_a_kernel_runs_on_ray_and_what_its_tasks_call_is_cached(book: Book) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", env={**os.environ, **PATIENT}, startup_timeout=120)
    said: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            said.extend(message["content"]["traceback"])

    try:
        client.execute_interactive(CELL, timeout=280, output_hook=listen, allow_stdin=False)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not said, "\n".join(said)
    assert [run.state_name for run in book.of("kept")] == ["Completed", "Cached"]
    assert book.one("from-a-cell").state_name == "Completed"
