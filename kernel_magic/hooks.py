"""Hooks: callables of the user at a run's turns. An error in one is logged and changes nothing."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any

from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome
from headrace.kernel_magic.runtime import RunView


def state_of(run: LiveRun, outcome: Outcome | None) -> Any:
    """Return the state that a hook is told: the run's present one, or what the outcome is about to make it."""
    from headrace.core.states import State

    if outcome is None:
        return run.state()
    data = outcome.value if outcome.error is None else outcome.error
    ending = outcome.ending
    return State(
        type=ending.type, name=ending.name, message=ending.message, attempt=run.attempt, data=data, run_id=run.id
    )


def arguments(run: LiveRun, outcome: Outcome | None) -> tuple[Any, RunView, Any]:
    """Return what a hook is called with: definition, run, state."""
    return (run.definition.handle or run.definition, RunView(run), state_of(run, outcome))


def call_all(hooks: Iterable[Callable[..., Any]], run: LiveRun, outcome: Outcome | None) -> None:
    """Call hooks from sync code; an async one is run to its end."""
    given = arguments(run, outcome)
    for hook in hooks:
        try:
            result = hook(*given)
            if inspect.isawaitable(result):
                from headrace.kernel_magic.engine.loops import run_to_end

                run_to_end(result)
        except Exception as error:
            _report(run, hook, error)


async def call_all_async(hooks: Iterable[Callable[..., Any]], run: LiveRun, outcome: Outcome | None) -> None:
    """Call hooks from async code."""
    given = arguments(run, outcome)
    for hook in hooks:
        try:
            result = hook(*given)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            _report(run, hook, error)


def _report(run: LiveRun, hook: Callable[..., Any], error: Exception) -> None:
    from headrace.kernel_magic.engine.tracebacks import traceback_text
    from headrace.kernel_magic.run_logging import say

    text = f"Hook {hook_name(hook)!r} raised {type(error).__name__}: {error}"
    say(run, logging.ERROR, text, f"{text}\n{traceback_text(error)}")


def hook_name(hook: Callable[..., Any]) -> str:
    """Return what a hook is called, for messages."""
    while isinstance(hook, functools.partial):
        hook = hook.func
    return str(getattr(hook, "__name__", type(hook).__name__))
