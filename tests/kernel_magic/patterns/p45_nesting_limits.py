"""Bad input: recursion without end, duplicate submission in a small pool, unhashable and huge arguments."""

import pytest
from engine_help import Book

from headrace import ThreadPoolTaskRunner, flow, task
from headrace.core.errors import UsageError


@task
def p45_endless(n: int) -> int:
    return p45_endless(n + 1)


@flow
def p45_endless_flow(n: int) -> int:
    return p45_endless_flow(n + 1)


@task
def p45_tree(depth: int) -> int:
    """Wait for tasks in a pool that is full of waiting tasks: waiting lends the place on."""
    return 1 if depth == 0 else sum(p45_tree.map([depth - 1] * 2).result())


@task
def p45_big(values: list) -> int:
    return len(values)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def p45_flow() -> tuple:
    return p45_tree.submit(4).result(), p45_big.submit(list(range(300_000))).result()


with pytest.raises(UsageError, match="without end"):
    p45_endless(0)
with pytest.raises(UsageError, match="without end"):
    p45_endless_flow(0)
assert all(run.is_final for run in Book().of("p45-endless-flow"))
assert p45_flow() == (16, 300_000)
run = Book().one("p45_big")
assert len(run.parameters["values"]) == 51
