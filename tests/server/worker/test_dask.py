"""A pool on a Dask cluster: runs are claimed here and executed there, with lines, cancels and crashes as at home."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from headrace.core.errors import UsageError
from headrace.core.launching import new_run
from headrace.core.runs import Run, RunFilter, RunKind
from headrace.core.settings import find_store, user_name
from headrace.core.states import StateType
from headrace.server.anywhere import local_services
from headrace.server.services import Services
from headrace.server.worker import command, dask
from headrace.server.worker.worker import Worker
from headrace.store import Store
from notebooks import code, write

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::ResourceWarning")]
STUB = Path(__file__).resolve().parents[2] / "tools" / "stub_runner.py"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster that is there already."""
    from distributed.deploy.subprocess import SubprocessCluster

    with SubprocessCluster(
        host="127.0.0.1", n_workers=1, threads_per_worker=4, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = Store(find_store(sqlite_url))
    yield opened
    opened.close()


def stub(store: Store, run: Run) -> command.Command:
    """Start the stub instead of a notebook's runner."""
    real = command.build(store, replace(run, kind=RunKind.FLOW))
    return replace(real, arguments=[sys.executable, str(STUB), run.id])


def submit(store: Store, act: str, *, retries: int = 0, **parameters: Any) -> str:
    """Store a run that waits for a worker, and return its id."""
    now = store.clock.now_us()
    run = new_run(
        owner=user_name(),
        now=now,
        kind=RunKind.FLOW,
        definition="m:f",
        launch={},
        parameters={"act": act, **parameters},
        retries=retries,
    )
    store.runs.create(run)
    return run.id


@contextmanager
def working(store: Store, address: str, inner: Callable[[Store, Run], command.Command] = stub) -> Iterator[Worker]:
    """A worker of a Dask pool, in a thread of this process."""
    worker = Worker(store, pool="default", owner=user_name(), limit=8, build=dask.builder(address, store, inner=inner))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        wait_until(lambda: not worker.children, seconds=60)
        worker.stop_event.set()
        thread.join(timeout=20)


def test_runs_go_to_the_cluster_and_their_lines_ends_and_cancels_come_back(store: Store, scheduler: str) -> None:
    printing, dying, retried = submit(store, "print", lines=20), submit(store, "die"), submit(store, "retry", retries=1)
    hanging = submit(store, "hang")
    with working(store, scheduler):
        wait_until(lambda: store.runs.get(hanging).state_type is StateType.RUNNING, seconds=60)
        store.runs.request_cancel(hanging)
        ids = (printing, dying, retried, hanging)
        wait_until(lambda: all(store.runs.get(run_id).is_final for run_id in ids), seconds=90)
    states = [store.runs.get(run_id).state_type.value for run_id in ids]
    assert states == ["COMPLETED", "CRASHED", "COMPLETED", "CANCELLED"]
    assert store.runs.get(retried).attempt == 2
    lines = store.logs.lines(printing, limit=1000)
    assert [line.message for line in lines if line.logger == "stdout"] == [f"line {n}" for n in range(20)]
    # Whoever looked first said it: the task on the cluster, or the reaper who found its owner gone.
    message = store.runs.get(dying).state_message
    assert any(words in message for words in ("exit code 137", "is gone", "SIGKILL")), message


def test_another_host_cannot_use_a_file_on_this_one(store: Store) -> None:
    with pytest.raises(UsageError, match="PostgreSQL"):
        dask.builder("tls://10.0.0.5:8786", store)
    with pytest.raises(UsageError, match="PostgreSQL"):
        dask.builder("tcp://10.0.0.5:8786", store, allow_insecure=True)
    with pytest.raises(UsageError, match="without encryption"):
        dask.builder("tcp://10.0.0.5:8786", store)
    with pytest.raises(UsageError, match="--address"):
        dask.builder("", store)


def test_what_a_run_needs_is_sent_along_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "jupyter").mkdir()
    (tmp_path / "jupyter" / "kernel.json").write_text("{}")
    (tmp_path / "spec.json").write_text(json.dumps({"input_path": str(tmp_path)}))
    (tmp_path / "stdout.log").write_text("old")
    assert sorted(dask.files_of(tmp_path)) == ["jupyter/kernel.json", "spec.json"]


FLOWS = """
import time
from pathlib import Path
from headrace import flow, task

@task
def double(x):
    print("doubling", x)
    return 2 * x

@flow
def work(x: int = 1):
    return double(x) + 1

@flow
def waits(folder: str):
    print("begun", flush=True)
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return "done"
"""


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """Deployments from a folder with a notebook and flows."""
    write(tmp_path / "r.ipynb", code("n = 0", "parameters"), "print('n is', n)", code("n + 1"))
    write(tmp_path / "long.ipynb", "print('begun', flush=True)", "import time\ntime.sleep(300)")
    (tmp_path / "flows.py").write_text(FLOWS)
    return local_services(str(tmp_path))


def lines(store: Store, run_id: str) -> list[str]:
    found = [run_id, *(run.id for run in store.runs.page(RunFilter(root_id=run_id))[0])]
    return [line.message for each in dict.fromkeys(found) for line in store.logs.lines(each, limit=1000)]


@pytest.mark.kernel
def test_notebooks_and_flows_run_on_the_cluster(services: Services, scheduler: str, tmp_path: Path) -> None:
    store = services.store
    notebook = services.runs.start(
        {"notebook": "r.ipynb", "parameters": {"n": 41}, "output_path": str(tmp_path / "out.ipynb")}
    )
    flow = services.runs.start({"entrypoint": "flows.py:work", "parameters": {"x": 5}})
    long = services.runs.start({"notebook": "long.ipynb"})
    with working(store, scheduler, inner=command.build):
        wait_until(lambda: "begun" in lines(store, long.id), seconds=90)
        store.runs.request_cancel(long.id)
        ids = (notebook.id, flow.id, long.id)
        wait_until(lambda: all(store.runs.get(run_id).is_final for run_id in ids), seconds=90)
    states = [(run.state_type.value, run.state_message) for run in map(store.runs.get, ids)]
    assert [state for state, _ in states] == ["COMPLETED", "COMPLETED", "CANCELLED"], states
    assert "n is 41" in lines(store, notebook.id)
    assert "42" in (tmp_path / "out.ipynb").read_text()
    assert "doubling 5" in lines(store, flow.id)
    assert store.runs.get(flow.id).result["preview"] == 11  # type: ignore[index]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_dask_worker_that_is_lost_takes_no_run_with_it_and_none_runs_twice(
    services: Services, scheduler: str, tmp_path: Path, number: int
) -> None:
    store = services.store
    run = services.runs.start({"entrypoint": "flows.py:waits", "parameters": {"folder": str(tmp_path)}})
    with working(store, scheduler, inner=command.build) as worker:
        wait_until(lambda: "begun" in lines(store, run.id), seconds=90)
        pid = psutil.Process(store.runs.get(run.id).pid).ppid()
        os.kill(pid, number)
        try:
            (tmp_path / "go").touch()
            wait_until(lambda: store.runs.get(run.id).is_final, seconds=90)
            # The worker does not wait for a task that nobody will tell it of.
            wait_until(lambda: not worker.children, seconds=60)
        finally:
            if number == signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
    ended = store.runs.get(run.id)
    assert (ended.state_type, ended.attempt) == (StateType.COMPLETED, 1), ended.state_message
    assert lines(store, run.id).count("begun") == 1
