"""Calls, as the kind of function asks for: at once, as a coroutine, as a generator."""

from __future__ import annotations

import functools
from typing import Any

from headrace.kernel_magic.engine.deliver import deliver
from headrace.kernel_magic.engine.request import Request
from headrace.kernel_magic.engine.sync import run_sync


def call(request: Request) -> Any:
    """Do a call: return its result, or the coroutine or generator that is its run."""
    definition = request.definition
    if not definition.is_async and not definition.is_generator:
        return call_sync(request)
    if not definition.is_generator:
        if request.parent is not None:
            flow = request.parent.flow
            if flow.calls is None:
                flow.calls = {}
            flow.calls[id(request)] = definition.name  # until it is awaited
        return call_async(request)
    from headrace.kernel_magic.engine import generators

    make: Any = generators.iterate_async if definition.is_async else generators.iterate
    return make(request)


def call_sync(request: Request) -> Any:
    """Do a call of a sync function."""
    run, futures = request.begin()
    for future in futures:
        future._wait()
    refused, args, kwargs = request.resolved(run)
    fn = request.definition.fn
    body = functools.partial(fn, *args, **kwargs) if args or kwargs else fn
    return deliver(run, run_sync(run, body, refused=refused), request.return_state)


async def call_async(request: Request) -> Any:
    """Await a call of an async function."""
    from headrace.kernel_magic.engine.asynchronous import run_async
    from headrace.kernel_magic.engine.loops import ended

    if request.parent is not None and request.parent.flow.calls:
        request.parent.flow.calls.pop(id(request), None)
    run, futures = request.begin()
    for future in futures:
        await ended(future)
    refused, args, kwargs = request.resolved(run)
    outcome = await run_async(run, functools.partial(request.definition.fn, *args, **kwargs), refused=refused)
    return deliver(run, outcome, request.return_state)
