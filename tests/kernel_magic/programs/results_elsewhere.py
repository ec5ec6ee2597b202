"""Stored results of tasks that bodies in other processes call: `python results_elsewhere.py processes|isolation|dask`."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from engine_help import Book, until

from headrace import (
    FLOW_PARAMETERS,
    INPUTS,
    TASK_SOURCE,
    DaskTaskRunner,
    ProcessPoolTaskRunner,
    explain_cache,
    flow,
    task,
    transaction,
    wait,
)
from headrace.core.errors import CrashedRun
from headrace.store import get_store

WHERE = sys.argv[1]
HERE = Path(os.environ["HEADRACE_DATA_DIR"])
ISOLATION = "process" if WHERE == "isolation" else None
FACTOR = 2


@contextlib.contextmanager
def runners():
    """Gives what makes the runner of a flow."""
    if WHERE == "dask":
        from distributed.deploy.subprocess import SubprocessCluster

        with SubprocessCluster(host="127.0.0.1", n_workers=2, dashboard_address=None, silence_logs=50) as cluster:
            yield lambda: DaskTaskRunner(cluster.scheduler_address)
    else:
        yield lambda: ProcessPoolTaskRunner(2) if WHERE == "processes" else None


def ran(what):
    with (HERE / "ran.txt").open("a") as file:
        file.write(f"{what}\n")


def times(what):
    return (HERE / "ran.txt").read_text().splitlines().count(what)


def helper(x):
    return x * FACTOR


@task(cache_policy=INPUTS + TASK_SOURCE)
def kept(x):
    ran(f"kept {x}")
    return helper(x)


@task
def by_flow(x):
    ran("by flow")
    return x


@task(cache_policy=FLOW_PARAMETERS)
def by_parameters():
    ran("by parameters")


@task(result_storage=HERE / "mine", result_storage_key="k-{parameters[x]}.json", result_serializer="json")
def by_key(x):
    return {"x": x}


@task(persist_result=True)
def unpicklable():
    return threading.Lock() is None or (x for x in ())


@task(isolation=ISOLATION)
def calls(x):
    assert os.getpid() != PARENT
    before = explain_cache(kept, x).reason
    found = [kept(x), kept(x)]
    for _ in range(2):
        by_flow(x)
        by_parameters()
        by_key(x)
    unpicklable()
    with transaction("once") as txn:
        if not txn.is_committed():
            ran("transaction")
    return before, found


@flow(persist_result=True)
def spread(x):
    return calls.submit(x).result()


@task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
def alone(x, dies):
    ran(f"alone {x}")
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    # The other one is waiting for the key by now, or comes later: either way it must not compute.
    until(lambda: times("comes") == 2, 60)
    return x


@task(isolation=ISOLATION)
def comes(x, dies=False):
    ran("dies" if dies else "comes")
    return alone(x, dies)


@flow
def one_computes():
    with pytest.raises(CrashedRun):
        comes.submit(7, dies=True).result()
    assert comes.map([7, 7]).result() == [7, 7]


@task(isolation=ISOLATION, persist_result=False)
def first_then(x):
    return by_flow(x)


@flow(persist_result=True)
def breaks(x):
    value = first_then.submit(x).result()
    if not (HERE / "mended").exists():
        raise LookupError("not yet")
    return value


@task(tags=["narrow"])
def narrow():
    ran("narrow")
    until((HERE / "go").exists, 60)


@task(isolation=ISOLATION)
def goes_through():
    narrow()


@flow
def one_at_a_time():
    both = [goes_through.submit(), goes_through.submit()]
    until(lambda: "AwaitingConcurrencySlot" in [run.state_name for run in book.of("narrow")], 60)
    assert times("narrow") == 1
    (HERE / "go").touch()
    wait(both)


PARENT = os.getpid()
with runners() as runner:
    book = Book()
    spread = spread.with_options(task_runner=runner())
    assert spread(1) == ("missed: this task has no stored result", [2, 2])
    assert [times(what) for what in ("kept 1", "by flow", "by parameters", "transaction")] == [1, 1, 1, 1]
    assert [run.state_name for run in book.of("kept")] == ["Completed", "Cached"]
    first, second = (run.cache for run in book.of("kept"))
    assert (first["reason"], second["from_run_id"]) == ("missed: this task has no stored result", book.of("kept")[0].id)
    assert [run.state_name for run in book.of("by_key")] == ["Completed", "Cached"]
    assert [path.name for path in (HERE / "mine").iterdir()] == ["k-1.json"]
    lost = book.one("unpicklable")
    assert lost.details["resumable"] is False
    assert any("cannot be resumed" in line for line in book.lines(lost)), book.lines(lost)

    # The keys are the same here and there, whatever process computed first.
    assert (kept(1), kept(2), times("kept 1")) == (2, 4, 1)
    spread(2)
    assert times("kept 2") == 1
    assert (times("by flow"), times("by parameters")) == (2, 2)
    assert explain_cache(kept, 3).reason == "missed: input x changed"

    one_computes.with_options(task_runner=runner())()
    assert times("alone 7") == 2, "the one that died, and one of the two that came"

    breaks = breaks.with_options(task_runner=runner())
    with pytest.raises(LookupError):
        breaks(5)
    (HERE / "mended").touch()
    assert breaks.resume(book.one("breaks").id) == 5
    assert [run.state_name for run in book.of("by_flow")][-2:] == ["Completed", "Cached"]

    # A limit of a tag counts wherever the task is called.
    get_store().limits.save("tag:narrow", 1)
    one_at_a_time.with_options(task_runner=runner())()
    assert [run.state_name for run in book.of("narrow")] == ["Completed", "Completed"]
    assert get_store().limits.all()[0].active == 0
