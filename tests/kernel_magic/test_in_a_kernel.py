"""Flows of a real kernel: cancelled from outside, interrupted, killed with it, and continued elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_help import Book, until

from headrace import run_deployment
from headrace.cli.main import run as headrace
from headrace.core.states import StateType
from headrace.store.reaping import reap

pytestmark = [pytest.mark.kernel, pytest.mark.process]

CELLS = [
    """
import os, time
from pathlib import Path
from headrace import flow, task

HERE = Path(os.environ["HEADRACE_DATA_DIR"])
FACTOR = 3
""",
    """
def helper(x):
    return x * FACTOR
""",
    """
@task(persist_result=True)
def first(x):
    with (HERE / "first.txt").open("a") as file:
        file.write("ran\\n")
    return helper(x)

@task
def second(value):
    if not (HERE / "second.txt").exists():
        (HERE / "second.txt").touch()
        time.sleep(60)
    return value + 1

@flow
def pipeline(x: int):
    return second(first(x))

@flow
def quick(x: int):
    return helper(x)

@flow(on_cancellation=[lambda _flow, run, _state: (HERE / f"hook-{run.state_name}").touch()])
def sleepy():
    time.sleep(60)
""",
]


class Kernel:
    """A kernel with the cells above run."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(kernel_name="python3", env=dict(os.environ), startup_timeout=120)
        for cell in CELLS:
            self.run(cell)

    def run(self, source: str) -> str:
        """Run a cell; return the text of its value, or "error" and its name."""
        said: list[str] = []

        def listen(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "execute_result":
                said.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                said.append(f"error {content['ename']}")

        self.client.execute_interactive(source, timeout=120, output_hook=listen, allow_stdin=False)
        return " ".join(said)

    def start(self, source: str) -> None:
        """Begin to run a cell."""
        self.begun = self.client.execute(source)

    def ended(self) -> str:
        """Wait for the cell that was begun; return the name of its error."""
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == self.begun:
                return str(message["content"].get("ename", ""))

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(book: Book) -> Iterator[Callable[[], Kernel]]:
    """Starts kernels."""
    started: list[Kernel] = []

    def start() -> Kernel:
        started.append(Kernel())
        return started[-1]

    yield start
    for each in started:
        each.close()


def running(book: Book, definition: str) -> Any:
    found = [run for run in book.of(definition) if run.state_type is StateType.RUNNING]
    return found[0] if found else None


def test_flows_of_a_kernel_are_cancelled_interrupted_killed_and_continued(
    book: Book, kernel: Callable[[], Kernel], data_dir: Path
) -> None:
    one = kernel()
    one.start("sleepy()")
    run = until(lambda: running(book, "sleepy"), 60)
    assert headrace(["flow-run", "cancel", run.id]) == 0
    assert one.ended() == "CancelledRun"
    assert book.states(book.one("sleepy"))[-1] == "Cancelled"
    assert (data_dir / "hook-Cancelling").exists()
    assert one.run("1 + 1") == "2"

    one.start("sleepy()")
    until(lambda: running(book, "sleepy"), 60)
    one.manager.interrupt_kernel()  # the panel's stop button
    assert one.ended() == "KeyboardInterrupt"
    assert [run.state_name for run in book.of("sleepy")] == ["Cancelled"] * 2

    # The flow is not defined again: what it reaches was edited in another cell.
    one.run("def helper(x):\n    return x * FACTOR + 100")
    one.start("pipeline(5)")
    until((data_dir / "second.txt").exists, 60)
    until(lambda: book.of("second"), 60)
    os.kill(one.manager.provisioner.pid, signal.SIGKILL)
    until(lambda: reap(book.store) or book.one("pipeline").is_final, 60)
    crashed = book.one("pipeline")
    assert (crashed.state_name, book.one("second").state_name) == ("Crashed", "Crashed")

    assert headrace(["flow-run", "retry", crashed.name]) == 0
    again = book.of("pipeline")[-1]
    assert (again.resumed_from_id, again.state_name, again.result["preview"]) == (crashed.id, "Completed", 116)
    assert again.definition_key == crashed.definition_key
    last = book.of("first")[-1]
    assert last.state_name == "Cached", last.cache

    other = kernel()
    other.run("def helper(x):\n    return x * FACTOR + 100")
    assert other.run(f"pipeline.resume({crashed.id!r})") == "116"
    assert [run.state_name for run in book.of("first")] == ["Completed", "Cached", "Cached"]
    other.run("def helper(x):\n    return x")
    assert other.run(f"pipeline.resume({crashed.id!r})") == "6", "another source is another result"
    assert (data_dir / "first.txt").read_text() == "ran\nran\n"


def test_a_kernel_that_is_restarted_under_a_cell_task_crashes_its_run_and_the_cell_runs_anew(
    book: Book, kernel: Callable[[], Kernel]
) -> None:
    one = kernel()
    one.run("%load_ext headrace")
    one.start("%%task slow\nimport time\ntime.sleep(60)")
    until(lambda: running(book, "slow"), 60)
    one.manager.restart_kernel(now=True)
    until(lambda: reap(book.store) or book.one("slow").is_final, 60)
    assert book.one("slow").state_name == "Crashed"
    one.client.wait_for_ready(timeout=60)
    one.run("%load_ext headrace")
    one.run("%%task slow\nx = 1")
    until(lambda: len(book.of("slow")) == 2 and book.of("slow")[-1].is_final, 60)
    assert [run.state_name for run in book.of("slow")] == ["Crashed", "Completed"]


def test_a_flow_is_served_from_a_cell_whose_loop_runs(book: Book, kernel: Callable[[], Kernel]) -> None:
    one = kernel()
    one.run("import headrace\nplan = quick.to_deployment('served', interval=3600, parameters={'x': 5})")
    assert one.run("len(headrace.serve(plan, worker=False))") == "1"
    assert book.store.schedules.next_due() is not None
    one.close()
    run = run_deployment("served", timeout=0)
    done = subprocess.run([sys.executable, "-m", "headrace.kernel_magic.process", run.id], timeout=120)
    assert done.returncode == 0
    assert book.store.runs.get(run.id).result["preview"] == 15  # type: ignore[index]
