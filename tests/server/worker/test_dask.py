"""A pool on a Dask cluster: runs are claimed here and executed there, with lines, cancels and crashes as at home."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace.core.errors import UsageError
from headrace.core.launching import new_run
from headrace.core.runs import Run, RunKind
from headrace.core.settings import find_store, user_name
from headrace.core.states import StateType
from headrace.server.worker import command, dask
from headrace.server.worker.worker import Worker
from headrace.store import Store

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
def working(store: Store, address: str) -> Iterator[Worker]:
    """A worker of a Dask pool, in a thread of this process."""
    worker = Worker(store, pool="default", owner=user_name(), limit=8, build=dask.builder(address, store, inner=stub))
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
