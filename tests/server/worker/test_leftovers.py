"""What goes of old runs: their rows where a deployment says so, and the files of those that were deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headrace.core.deployments import Deployment
from headrace.core.ids import new_id
from headrace.core.launching import deployment_run
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.server.worker import facts
from headrace.server.worker.leftovers import remove_leftovers
from headrace.store import Store
from headrace.store.deploying import retain


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    opened = Store(find_store(sqlite_url))
    yield opened
    opened.close()


def attempt(store: Store, run_id: str, *, young: bool = False) -> Path:
    """Make the folder of a run's first attempt, an hour and more ago."""
    folder = store.place.data_dir / "attempts" / run_id / "1"
    folder.mkdir(parents=True)
    (folder / "stdout.log").write_text("words")
    if not young:
        os.utime(folder.parent, (0, 0))
    return folder


def test_the_files_of_deleted_runs_go_and_others_stay(store: Store) -> None:
    kept = store.runs.create(deployment_run(Deployment(id=new_id(), name="d", owner="a"), now=store.clock.now_us()))
    assert remove_leftovers(store) == 0
    known, deleted, young, living = (
        attempt(store, kept.id),
        attempt(store, new_id()),
        attempt(store, new_id(), young=True),
        attempt(store, new_id()),
    )
    mine = facts.ProcessFacts.of(psutil.Process().pid)
    assert mine is not None
    facts.write_facts(living, mine)
    assert remove_leftovers(store) == 1
    assert [folder.exists() for folder in (known, deleted, young, living)] == [True, False, True, True]


def test_old_runs_go_where_a_deployment_says_so(store: Store) -> None:
    kept = store.deployments.create(Deployment(id=new_id(), name="kept", owner="a"))
    few = store.deployments.create(Deployment(id=new_id(), name="few", owner="a", retention={"runs": 2}))
    old = store.deployments.create(Deployment(id=new_id(), name="old", owner="a", retention={"days": 1}))
    day = 86_400_000_000
    now = store.clock.now_us()
    for deployment in (kept, few, old):
        for number in range(4):
            run = store.runs.create(deployment_run(deployment, now=now - number * day - 1))
            store.runs.advance(run.id, StateType.CANCELLED, "Cancelled", attempt=1)
    unfinished = store.runs.create(deployment_run(old, now=now - 9 * day))
    assert retain(store) == 5
    assert [len(store.deployments.last_runs(d.id)) for d in (kept, few, old)] == [4, 2, 2]
    assert store.runs.find(unfinished.id) is not None
