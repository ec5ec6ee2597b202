"""36. Tasks in processes, from `__main__` or a cell: real processes, values and errors come back."""

import os

from headrace import ProcessPoolTaskRunner, flow, task

SECRET = 7


@task
def p36_where(x: int) -> tuple:
    return os.getpid(), x * SECRET


@task
def p36_bad() -> None:
    raise LookupError("there")


@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def p36_flow() -> tuple:
    bad = p36_bad.submit()
    pids, values = zip(*p36_where.map([1, 2]).result(), strict=True)
    return set(pids), list(values), type(bad.result(raise_on_failure=False))


pids, values, error = p36_flow()
assert os.getpid() not in pids
assert (values, error) == ([7, 14], LookupError)
