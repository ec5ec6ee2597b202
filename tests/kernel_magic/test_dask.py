"""Tasks on a Dask cluster: states, logs and results in this store; a lost worker is a retry or a crash, never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_help import Book, until

from headrace import DaskTaskRunner, flow, get_run_logger, runtime, task
from headrace.core.errors import CrashedRun, InvalidOption, UsageError

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster that is there already: two workers, and Dask's own habit of running a lost worker's tasks again."""
    from distributed.deploy.subprocess import SubprocessCluster

    with SubprocessCluster(
        host="127.0.0.1", n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@task
def inner(x: int) -> int:
    return x + 1


@task(log_prints=True)
def outer(x: int) -> tuple[int, int, str]:
    print("printing", x)
    get_run_logger().info("logging %s", x)
    return inner(x), os.getpid(), runtime.flow_run.name


@task
def die() -> None:
    inner(1)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1)
def die_once(mark: Path) -> int:
    with mark.open("a") as file:
        file.write("ran\n")
    if mark.read_text().count("ran") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.read_text().count("ran")


@task(timeout_seconds=0.4)
def slow() -> None:
    for _ in range(3000):
        time.sleep(0.01)


def test_bodies_run_on_the_cluster_and_all_is_recorded_here(book: Book, scheduler: str) -> None:
    @flow(task_runner=DaskTaskRunner(scheduler))
    def spread() -> list[tuple[int, int, str]]:
        return outer.map([1, 2, 3]).result()

    found = spread()
    parent = book.one("spread")
    assert [value for value, _, _ in found] == [2, 3, 4]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {name for _, _, name in found} == {parent.name}
    assert {run.root_id for run in book.of("inner")} == {parent.id}
    assert {run.parent_id for run in book.of("inner")} == {run.id for run in book.of("outer")}
    assert book.states(book.of("outer")[0]) == ["Pending", "Submitted", "Running", "Completed"]
    assert sorted(line for run in book.of("outer") for line in book.lines(run)) == sorted(
        f"{word} {x}" for x in (1, 2, 3) for word in ("printing", "logging")
    )


def test_errors_limits_and_cancels_mean_what_they_mean_everywhere(book: Book, scheduler: str) -> None:
    @task
    def bad() -> None:
        raise LookupError("there")

    @task
    def sleeper(mark: Path) -> None:
        mark.touch()
        for _ in range(3000):
            time.sleep(0.01)

    @flow(task_runner=DaskTaskRunner(scheduler))
    def trouble(folder: Path) -> list[str]:
        with pytest.raises(LookupError, match="there"):
            bad.submit().result()
        late = slow.submit()
        late.wait()
        cancelled = sleeper.submit(folder / "ready")
        until((folder / "ready").exists)
        cancelled.cancel()
        cancelled.wait(5)
        return [late.state.name, cancelled.state.name]

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert trouble(Path(folder)) == ["TimedOut", "Cancelled"]
    error = book.one("bad").error
    assert error is not None
    assert "raise LookupError" in error["traceback"]


def test_a_lost_worker_is_a_retry_or_a_crash_and_no_body_runs_twice_in_one_attempt(
    book: Book, scheduler: str, tmp_path: Path
) -> None:
    @flow(task_runner=DaskTaskRunner(scheduler))
    def deadly() -> int:
        crash = die.submit()
        crash.wait(60)
        with pytest.raises(CrashedRun, match="lost"):
            crash.result(1)
        return die_once.submit(tmp_path / "mark").result(60)

    assert deadly() == 2
    assert book.one("die").state_name == "Crashed"
    assert [run.state_name for run in book.of("inner")] == ["Completed"]
    states = book.states(book.one("die_once"))
    assert states == ["Pending", "Submitted", "Running", "AwaitingRetry", "Submitted", "Retrying", "Completed"]


@task(retries=1)
def freeze_once(mark: Path) -> int:
    with mark.open("a") as file:
        file.write("ran\n")
    if mark.read_text().count("ran") == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return mark.read_text().count("ran")


def test_a_frozen_worker_is_a_lost_worker(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.kernel_magic.runners.dask.FROZEN_SECONDS", 5.0)

    @flow(task_runner=DaskTaskRunner(n_workers=1))
    def cold() -> int:
        return freeze_once.submit(tmp_path / "mark").result(120)

    assert cold() == 2
    states = book.states(book.one("freeze_once"))
    assert states == ["Pending", "Submitted", "Running", "AwaitingRetry", "Submitted", "Retrying", "Completed"]


def test_a_script_without_a_main_guard_gets_a_cluster_of_its_own(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from headrace import DaskTaskRunner, flow, task\n"
        "@task\n"
        "def where(x): return os.getpid(), x\n"
        "@flow(task_runner=DaskTaskRunner(n_workers=1))\n"
        "def spread(): return where.map([1, 2]).result()\n"
        "found = spread()\n"
        "assert [x for _, x in found] == [1, 2] and os.getpid() not in dict(found)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [run.state_name for run in book.of("where")] == ["Completed", "Completed"]


def test_what_cannot_be_is_said_before_anything_runs() -> None:
    with pytest.raises(InvalidOption, match="an address, or what a cluster is made with"):
        DaskTaskRunner("tcp://x:1", n_workers=2)
    with pytest.raises(InvalidOption, match="n_workers must be a whole number"):
        DaskTaskRunner(n_workers=0)
    with pytest.raises(UsageError, match="without encryption"):
        DaskTaskRunner("tcp://10.0.0.5:8786")
    assert DaskTaskRunner("tcp://10.0.0.5:8786", allow_insecure=True).address == "tcp://10.0.0.5:8786"


def test_a_cluster_that_cannot_be_reached_fails_the_task(book: Book) -> None:
    runner = DaskTaskRunner("tcp://127.0.0.1:9", client_kwargs={"timeout": 0.5})

    @flow(task_runner=runner)
    def lonely() -> Any:
        future = inner.submit(1)
        future.wait()
        return future.state.type.value

    assert lonely() == "FAILED"
