"""45, 47. A run is cancelled from outside; a failed one goes on from what its tasks have stored."""

import threading
import time

import pytest
from engine_help import Book, until

from headrace import CancelledRun, flow, task
from headrace.store import get_store

told = []
broken = [True]


@task(persist_result=True)
def p46_first(x):
    return x + 1


@task
def p46_second(x):
    if broken[0]:
        raise ConnectionError("no network")
    return x * 2


@flow
def p46_flow(x):
    return p46_second(p46_first(x))


@flow(on_cancellation=[lambda _flow, run, _state: told.append(run.state_name)])
def p46_sleepy():
    time.sleep(30)


with pytest.raises(ConnectionError):
    p46_flow(1)
failed = Book().one("p46-flow")
broken[0] = False
assert p46_flow.resume(failed.id) == 4
again = Book().of("p46-flow")[-1]
assert (again.resumed_from_id, again.trigger) == (failed.id, "retry")
assert [run.state_name for run in Book().of("p46_first")] == ["Completed", "Cached"]


def cancel() -> None:
    def running() -> list:
        return [run for run in Book().of("p46-sleepy") if run.state_name == "Running"]

    get_store().runs.request_cancel(until(running)[0].id, reason="enough")


thread = threading.Thread(target=cancel)
thread.start()
with pytest.raises(CancelledRun, match="enough"):
    p46_sleepy()
thread.join()
assert told[-1] == "Cancelling"
assert Book().one("p46-sleepy").state_name == "Cancelled"
