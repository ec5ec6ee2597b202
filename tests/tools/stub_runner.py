"""A run's process for tests: takes its attempt over as the real ones do, then does what its parameters say.

`python stub_runner.py RUN_ID`; parameter `act`: ok, fail, die, exit, hang, deaf, child, setsid, print, unborn, superseded, retry.
Each attempt's body writes one line to the file of parameter `effects`, so that tests can count executions.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from headrace.core.errors import InvalidTransition
from headrace.core.states import StateType
from headrace.store import get_store, liveness


def main(run_id: str) -> int:
    store = get_store()
    attempt = int(os.environ["HEADRACE_RUN_ATTEMPT"])
    run = store.runs.get(run_id)
    act = str(run.parameters.get("act", "ok"))
    if act == "unborn":
        print("no module named pandas", file=sys.stderr)
        return 1
    now = store.clock.now_us()
    mine = {"owner_id": liveness.owner_id(), "pid": os.getpid(), "started_at": now, "heartbeat_at": now}
    try:
        store.runs.advance(
            run_id, StateType.RUNNING, "Running", attempt=attempt, expected=(StateType.PENDING,), patch=mine
        )
    except InvalidTransition:
        return 75
    if run.parameters.get("effects"):
        handle = os.open(str(run.parameters["effects"]), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(handle, f"{run_id} {attempt}\n".encode())
        os.close(handle)
    return body(store, run_id, attempt, act, run.parameters)


def body(store: Any, run_id: str, attempt: int, act: str, parameters: Any) -> int:
    def end(state: StateType, name: str) -> None:
        ended = {"ended_at": store.clock.now_us()}
        store.runs.advance(run_id, state, name, attempt=attempt, patch=ended)

    if act == "print":
        for number in range(int(parameters.get("lines", 3))):
            print(f"line {number}", flush=True)
            time.sleep(float(parameters.get("pause", 0)))
        sys.stderr.write("half a line")
        sys.stderr.flush()
    elif act == "die":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "exit":
        os._exit(3)
    elif act == "retry" and attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "fail":
        end(StateType.FAILED, "Failed")
        return 1
    elif act in ("child", "setsid"):
        subprocess.Popen(["sleep", str(parameters.get("seconds", 600))], start_new_session=act == "setsid")
        os.kill(os.getpid(), signal.SIGKILL)
    elif act in ("hang", "deaf"):
        if act == "deaf":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            end(StateType.CANCELLED, "Cancelled")
            return 1
    elif act == "sleep":
        time.sleep(float(parameters.get("seconds", 1)))
    end(StateType.COMPLETED, "Completed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
