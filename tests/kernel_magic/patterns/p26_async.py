"""26. Async tasks are awaited, or submitted from a sync flow; a call that is never awaited fails the flow."""

import asyncio
import warnings

from headrace import flow, task
from headrace.core.errors import UsageError


@task(retries=1)
async def p26_flaky(box: list) -> int:
    box.append(1)
    await asyncio.sleep(0)
    if len(box) == 1:
        raise ValueError
    return len(box)


@flow
async def p26_awaits() -> tuple:
    future = p26_flaky.submit([])
    return await p26_flaky([]), await future


@flow
def p26_submits() -> int:
    return p26_flaky.submit([]).result()


@flow
def p26_forgets() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p26_flaky([])


@flow
def p26_returns() -> object:
    return p26_flaky([])


async def main() -> None:
    assert await p26_awaits() == (2, 2)
    assert p26_submits() == 2
    for forgetful in (p26_forgets, p26_returns):
        state = forgetful(return_state=True)
        assert state.is_failed(), state
        assert isinstance(state.data, UsageError)
        assert "await" in state.message
