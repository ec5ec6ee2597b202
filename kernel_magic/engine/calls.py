"""Calls of async functions and of generators: the same runs, entered in other ways."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from headrace.kernel_magic import resolve
from headrace.kernel_magic.definition import FunctionDefinition
from headrace.kernel_magic.engine.deliver import deliver
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome

#: Checks the arguments of a live run; returns why it must not start, if so.
Check = Callable[[LiveRun, dict[str, Any]], "Outcome | None"]


def call_otherwise(
    definition: FunctionDefinition,
    parameters: dict[str, Any],
    wait_for: Any,
    return_state: bool,
    name: str | None,
    *,
    parent: LiveRun | None,
    check: Check | None = None,
) -> Any:
    """Return the coroutine or generator that is the run of an async or generator function."""
    if definition.is_async and not definition.is_generator:
        return call_async(definition, parameters, wait_for, return_state, name, parent, check)
    from headrace.kernel_magic.engine import generators

    make: Any = generators.iterate_async if definition.is_async else generators.iterate
    return make(definition, parameters, wait_for, name, parent, check)


async def call_async(
    definition: FunctionDefinition,
    parameters: Mapping[str, Any],
    wait_for: Any,
    return_state: bool,
    name: str | None,
    parent: LiveRun | None,
    check: Check | None = None,
) -> Any:
    """Await a call of an async function."""
    from headrace.kernel_magic.engine.asynchronous import run_async
    from headrace.kernel_magic.engine.loops import ended

    run = LiveRun(definition, parent, parameters=parameters, name=name)
    refused: Outcome | None = None
    if wait_for is not None or resolve.needs_look(parameters.values()):
        for future in resolve.upstream_of(run, parameters, wait_for):
            await ended(future)
        refused, parameters = resolve.values(run, parameters, wait_for)
        run.parameters = parameters
    if check is not None and refused is None:
        refused = check(run, dict(parameters))
    args, kwargs = definition.arguments(run.parameters or {})
    outcome = await run_async(run, functools.partial(definition.fn, *args, **kwargs), refused=refused)
    return deliver(run, outcome, return_state)
