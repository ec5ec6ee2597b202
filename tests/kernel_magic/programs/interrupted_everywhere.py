"""Sends Ctrl-C to a flow at one place after another, and looks whether it was heard and every run has its end.

It is a process of its own: Python 3.11 hangs in a profiled call while any thread of the process has an exception waiting
for it, as a thread that sleeps beyond its time limit has.
"""

import gc
import signal
import sys

from engine_help import Book

from headrace import flow, get_run_logger, task

#: Ctrl-C comes at every so many-th place where Python may hear a signal.
STEP = 17


@task
def add(x):
    get_run_logger().info("adding %s", x)
    return x + 1


@flow
def whole():
    return add(add(1))


def interrupted_at(place, call):
    """Call, and send Ctrl-C at a place; return whether there was such a place, and whether it was heard."""
    count = 0

    def at(frame, event, _argument):
        nonlocal count
        if event in ("call", "c_return"):
            count += 1
            if count == place:
                signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)

    heard = False
    sys.setprofile(at)
    try:
        call()
    except KeyboardInterrupt:
        heard = True
    finally:
        sys.setprofile(None)
    return count >= place, heard


gc.disable()  # Python swallows what is raised while it collects garbage
assert whole() == 3
place, sent = 1, True
while sent:
    sent, heard = interrupted_at(place, whole)
    assert heard == sent, place
    place += STEP
ends = {(run.definition, run.state_name) for run in Book().all()}
assert {state for _, state in ends} == {"Completed", "Cancelled"}, ends
assert {("whole", "Cancelled"), ("add", "Cancelled")} <= ends
assert place > 50 * STEP
