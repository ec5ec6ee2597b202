"""21. as_completed gives futures as they end; wait with a timeout says what has not."""

import threading

from headrace import as_completed, flow, task, wait

gates = {name: threading.Event() for name in "abc"}


@task
def p21_gated(name: str) -> str:
    gates[name].wait(10)
    return name


@flow
def p21_flow() -> list:
    futures = {name: p21_gated.submit(name) for name in "abc"}
    done, not_done = wait(futures.values(), timeout=0.05)
    assert (done, len(not_done)) == (set(), 3)
    try:
        next(as_completed(futures.values(), timeout=0.05))
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    try:
        futures["a"].result(timeout=0.01)
    except TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    seen = []
    gates["b"].set()
    for future in as_completed(futures.values()):
        seen.append(future.result())
        gates[{"b": "c", "c": "a"}.get(seen[-1], "a")].set()
    calls = []
    futures["a"].add_done_callback(calls.append)
    assert calls == [futures["a"]]
    return seen


assert p21_flow() == ["b", "c", "a"]
