"""11. A limit of 0.2 s holds for a sync flow, an async task and a submitted task."""

import asyncio
import time

from headrace import flow, task


@flow(timeout_seconds=0.2)
def p11_flow() -> None:
    time.sleep(20)


@task(timeout_seconds=0.2)
async def p11_async() -> None:
    await asyncio.sleep(20)


@task(timeout_seconds=0.2)
def p11_task() -> None:
    time.sleep(20)


@flow
def p11_submits() -> list[str]:
    futures = [p11_task.submit(), p11_async.submit()]
    for future in futures:
        future.wait()
    return [future.state.name for future in futures]


started = time.monotonic()
assert p11_flow(return_state=True).name == "TimedOut"
assert p11_submits() == ["TimedOut", "TimedOut"]
assert time.monotonic() - started < 5
