"""14. Ten sleeps that are submitted run at the same time."""

import time

from headrace import flow, task, wait


@task
def p14_nap() -> int:
    time.sleep(0.3)
    return 1


@flow
def p14_naps() -> int:
    futures = [p14_nap.submit() for _ in range(10)]
    done, not_done = wait(futures)
    assert (len(done), len(not_done)) == (10, 0)
    return sum(future.result() for future in futures)


started = time.monotonic()
assert p14_naps() == 10
assert time.monotonic() - started < 2.5
