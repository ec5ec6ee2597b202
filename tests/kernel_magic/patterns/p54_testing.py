"""54. The test help isolates the store; .fn runs the plain function."""

from headrace import flow, get_run_logger, task
from headrace.store import get_store
from headrace.testing import disable_run_logger, headrace_test


@task
def p54_task(x: int) -> int:
    get_run_logger().info("working")
    return x + 1


@flow
def p54_flow() -> int:
    return p54_task(1)


with disable_run_logger():
    assert p54_task.fn(1) == 2
before = get_store().place
with headrace_test() as store:
    assert p54_flow() == 2
    store.recorder.flush()
    assert store.place != before
    (run,) = store.runs.page()[0]
    assert (run.definition, run.state_name) == ("p54-flow", "Completed")
assert get_store().place == before
