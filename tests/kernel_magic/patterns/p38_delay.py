"""38. `.delay()` and `map(deferred=True)`: a worker runs them in processes of their own; futures give values and errors."""

import os
import subprocess
import sys

import pytest

from headrace import FailedRun, task, wait

BASE = 100


@task
def p38_task(x):
    return os.getpid(), x + BASE


@task
def p38_bad():
    raise LookupError("there")


futures = [*p38_task.map([1, 2], deferred=True), p38_bad.delay()]
assert [future.state.name for future in futures] == ["Scheduled"] * 3
worker = subprocess.Popen([sys.executable, "-m", "headrace.cli.main", "worker"], stderr=subprocess.DEVNULL)
try:
    done, not_done = wait(futures, timeout=60)
    assert (len(done), len(not_done)) == (3, 0)
    pids, values = zip(*[future.result() for future in futures[:2]], strict=True)
    assert values == (101, 102)
    assert os.getpid() not in pids
    with pytest.raises(FailedRun, match="LookupError: there"):
        futures[2].result()
finally:
    worker.terminate()
    worker.wait(30)
