"""A worker of another version is replaced, and what it runs goes on: after an upgrade nothing needs a person."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from headrace import __version__
from headrace.core.deployments import Worker
from headrace.core.settings import user_name
from headrace.server.anywhere import local_services
from headrace.server.services import Services
from headrace.server.worker.start import ensure_worker, start_worker

# A detached worker is nobody's child to wait for.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
FLOW = """
import time
from pathlib import Path
from headrace import flow

@flow
def waits(folder: str):
    print("begun", flush=True)
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return "done"
"""


@pytest.fixture
def services(data_dir: Path, tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "flows.py").write_text(FLOW)
    found = local_services(str(tmp_path))
    yield found
    for worker in alive(found):
        process = psutil.Process(worker.pid)
        process.terminate()
        process.wait(60)


def alive(services: Services) -> list[Worker]:
    return services.store.workers.alive(pool="default", owner=user_name())


def grow_old(services: Services) -> None:
    with services.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE workers SET version = '0.0.1'")


def started_by_us(services: Services) -> None:
    start_worker(services.place)


def started_by_somebody(services: Services) -> None:
    words = [sys.executable, "-m", "headrace.server.worker"]
    subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("begin", "replaced", "while_it_runs"),
    [
        pytest.param(started_by_us, True, True, id="started by itself: another takes its place and its run"),
        pytest.param(started_by_somebody, False, False, id="started by the machine: it begins anew"),
    ],
)
def test_a_worker_of_another_version_is_replaced_and_its_run_goes_on(
    services: Services, tmp_path: Path, begin: Callable[[Services], None], replaced: bool, while_it_runs: bool
) -> None:
    begin(services)
    wait_until(lambda: len(alive(services)) == 1, seconds=60)
    (old,) = alive(services)

    def start() -> str:
        return services.runs.start({"entrypoint": "flows.py:waits", "parameters": {"folder": str(tmp_path)}}).id

    if while_it_runs:
        run_id = start()
        wait_until(lambda: services.store.logs.count(run_id) > 0, seconds=60)
    grow_old(services)
    assert ensure_worker(services.store, owner=user_name()) is replaced
    wait_until(lambda: [w.version for w in alive(services)] == [__version__], seconds=90)
    (new,) = alive(services)
    assert (new.id != old.id, new.pid != old.pid) == (True, replaced)
    if not while_it_runs:
        run_id = start()
    (tmp_path / "go").touch()
    wait_until(lambda: services.store.runs.get(run_id).is_final, seconds=60)
    ended = services.store.runs.get(run_id)
    assert (ended.state_name, ended.attempt) == ("Completed", 1), ended.state_message
