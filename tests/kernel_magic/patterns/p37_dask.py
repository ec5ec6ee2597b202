"""37. Tasks on a Dask cluster: one of its own by default; records, logs and errors come back."""

import os

from engine_help import Book

from headrace import DaskTaskRunner, flow, get_run_logger, task

OFFSET = 10


@task
def p37_task(x):
    get_run_logger().info("on the cluster")
    return os.getpid(), x + OFFSET


@task
def p37_bad():
    raise LookupError("there")


@flow(task_runner=DaskTaskRunner(n_workers=1))
def p37_flow():
    bad = p37_bad.submit()
    pids, values = zip(*p37_task.map([1, 2]).result(), strict=True)
    return set(pids), list(values), type(bad.result(raise_on_failure=False))


pids, values, error = p37_flow()
assert os.getpid() not in pids
assert (values, error) == ([11, 12], LookupError)
book = Book()
runs = book.of("p37_task")
assert [run.state_name for run in runs] == ["Completed"] * 2
assert all(book.lines(run) == ["on the cluster"] for run in runs)
