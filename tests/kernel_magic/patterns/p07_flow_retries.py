"""7. A flow with retries that fails twice: the third attempt completes."""

from engine_help import Book

from headrace import flow
from headrace.runtime import flow_run

seen = []


@flow(retries=3, retry_delay_seconds=[0.01, 0.02])
def p07_flaky() -> str:
    seen.append(flow_run.run_count)
    if len(seen) < 3:
        raise RuntimeError("not yet")
    return "done"


assert p07_flaky() == "done"
assert seen == [1, 2, 3]
run = Book().one("p07-flaky")
assert (run.attempt, run.state_name) == (3, "Completed")
