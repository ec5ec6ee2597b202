"""7. A flow with retries that fails twice: the third attempt completes; lists, jitter and conditions hold for flows, too."""

import itertools

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


@flow(
    retries=5,
    retry_delay_seconds=[0.02, 0.04],
    retry_jitter_factor=0.5,
    retry_condition_fn=lambda _flow, run, _state: run.run_count < 4,
)
def p07_stubborn() -> None:
    raise RuntimeError("as always")


assert p07_stubborn(return_state=True).is_failed()
run = Book().one("p07-stubborn")
assert run.attempt == 4
events = Book().store.runs.history(run.id)
waited = [
    (after.at - before.at) / 1e6 for before, after in itertools.pairwise(events) if before.state_name == "AwaitingRetry"
]
assert all(took >= least for took, least in zip(waited, [0.02, 0.04, 0.04], strict=True)), waited
