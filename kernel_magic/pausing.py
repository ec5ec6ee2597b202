"""Runs that wait for a person: `pause_flow_run`, `suspend_flow_run`, and the input that they ask for.

A paused run keeps its process, which looks for the answer. A suspended run
gives its process up; answered, it is started again by a worker, from the top,
and what it asked before is answered at once. What is asked is a type or a
pydantic model; its JSON schema makes the panel's form, and the answer is
checked against the type here, whoever gave it.

Names and meanings are Prefect's (reference/prefect.md, section 1.12).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import threading
import time
from collections.abc import Generator
from typing import Any, NoReturn, TypeVar, overload

from headrace.core.deployments import DEFAULT_POOL
from headrace.core.errors import MissingContextError, SuspendSignal, UsageError, one_line
from headrace.core.event_loops import loop_runs
from headrace.core.launching import LAUNCH
from headrace.core.states import StateType
from headrace.kernel_magic.engine.live import LIVE, LiveRun, current

M = TypeVar("M")

#: How often a paused run looks for its answer, seconds.
LOOK_SECONDS = 0.25
#: How long a paused run waits, as in Prefect, seconds.
PAUSE_SECONDS = 3600.0


class Asked:
    """What a run asks a person for.

    Parameters
    ----------
    kind : type, pydantic model or None
        None: only that the run may go on.

    Raises
    ------
    UsageError
        It is no type that has a JSON schema.
    """

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.schema: dict[str, Any] = {}
        if kind is None:
            return
        from pydantic import BaseModel, TypeAdapter, create_model

        self.is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        model: Any = kind if self.is_model else create_model("Input", value=(kind, ...))
        try:
            self.schema = model.model_json_schema()
        except Exception as error:
            raise UsageError(
                f"wait_for_input: {kind!r} is no type that can be asked for: {one_line(error)}", field="wait_for_input"
            ) from error
        self._adapter = TypeAdapter(model)

    def read(self, value: Any) -> Any:
        """Return an answer as the type that was asked for.

        Raises
        ------
        ValueError
            It does not fit.
        """
        if self.kind is None:
            return None
        made = self._adapter.validate_python(value if value is not None else {})
        return made if self.is_model else made.value


@overload
def pause_flow_run(
    wait_for_input: None = None, timeout: float = PAUSE_SECONDS, poll_interval: float = ..., key: str | None = None
) -> None: ...
@overload
def pause_flow_run(
    wait_for_input: type[M], timeout: float = PAUSE_SECONDS, poll_interval: float = ..., key: str | None = None
) -> M: ...
def pause_flow_run(
    wait_for_input: Any = None,
    timeout: float = PAUSE_SECONDS,
    poll_interval: float = LOOK_SECONDS,
    key: str | None = None,
) -> Any:
    """Let the flow run wait until a person unpauses it, in the panel or by `headrace flow-run unpause`.

    In an async flow the call is awaited.

    Parameters
    ----------
    wait_for_input : type or pydantic model, optional
        What the person is asked for; the answer is returned as this type.
    timeout : float, seconds, default 3600
        How long it waits.
    poll_interval : float, seconds, default 0.25
        How often it looks.
    key : str or None, default the number of the pause
        Names the question.

    Returns
    -------
    object
        The answer; None where nothing was asked for.

    Raises
    ------
    MissingContextError
        There is no flow run around the caller.
    UsageError
        It was called in a task, or what is asked for is no type.
    TimeoutError
        Nobody answered in time: the run fails by it, unless the flow catches it.
    """
    run = _flow_run("pause_flow_run")
    asked, steps = Asked(wait_for_input), max(0.01, float(poll_interval))
    waiting = _pause(run, asked, _key(run, key), float(timeout), steps)
    if _in_loop(run):
        return _waited_async(waiting)
    event = threading.Event()
    while True:
        try:
            seconds = next(waiting)
        except StopIteration as done:
            return done.value
        event.wait(seconds)


async def _waited_async(waiting: Generator[float, None, Any]) -> Any:
    try:
        while True:
            try:
                seconds = next(waiting)
            except StopIteration as done:
                return done.value
            await asyncio.sleep(seconds)
    finally:
        waiting.close()


def _pause(run: LiveRun, asked: Asked, key: str, timeout: float, look: float) -> Generator[float, None, Any]:
    """Ask, and yield how long to wait before each look; return the answer."""
    store = run.session.store
    if store is None:
        raise UsageError("pause_flow_run() works where the run is recorded, not in a process that relays its records.")
    deadline = time.monotonic() + timeout
    name, tries = key, 1
    found = store.pauses.ask(run.id, name, asked.schema)
    if found.answered_at is None:
        run.move(StateType.PAUSED, "Paused", "waits for input" if asked.schema else "waits to be unpaused")
        run.session.recorder.flush()
    while True:
        answered = found if found.answered_at is not None else store.pauses.answer_of(run.id, name)
        if answered is not None:
            try:
                value = asked.read(answered.value)
            except ValueError as error:
                _say(run, f"The answer does not fit, and is asked for again: {one_line(error)}")
                tries += 1
                name = f"{key}#{tries}"
                found = store.pauses.ask(run.id, name, asked.schema)
                continue
            _go_on(run)
            return value
        if time.monotonic() >= deadline:
            _go_on(run)
            raise TimeoutError(f"nobody unpaused the run within {timeout:g} s (timeout= of pause_flow_run)")
        yield min(look, max(0.0, deadline - time.monotonic()))


def _go_on(run: LiveRun) -> None:
    if run.state_type is StateType.PAUSED:
        run.move(StateType.RUNNING, "Running")
        run.session.recorder.flush()


def suspend_flow_run(
    wait_for_input: Any = None, flow_run_id: str | None = None, timeout: float | None = None, key: str | None = None
) -> Any:
    """End the flow run's process; a worker starts it again from the top when a person answers.

    Tasks whose results are persisted are not run again. Where the answer is there already, it is returned.

    Parameters
    ----------
    wait_for_input : type or pydantic model, optional
        What the person is asked for.
    flow_run_id : str or None
        Only the run around the caller can be suspended; anything else is refused.
    timeout : float or None
        An answer that comes later than this many seconds after the question makes the run fail.
    key : str or None, default the number of the pause

    Returns
    -------
    object
        The answer.

    Raises
    ------
    MissingContextError
        There is no flow run around the caller.
    UsageError
        The run is inside another one, or cannot be started again by another process.
    TimeoutError
        The answer came too late.
    """
    run = _flow_run("suspend_flow_run")
    if flow_run_id is not None and flow_run_id != run.id:
        raise UsageError("suspend_flow_run() suspends the run around it only.", field="flow_run_id")
    if run.parent is not None:
        raise UsageError("Only the outermost flow run can be suspended; call suspend_flow_run() in it.")
    store, asked = run.session.store, Asked(wait_for_input)
    name = _key(run, key)
    found = store.pauses.ask(run.id, name, asked.schema)
    if found.answered_at is not None:
        if timeout is not None and found.answered_at - found.asked_at > timeout * 1_000_000:
            raise TimeoutError(f"the answer came later than {timeout:g} s after the question")
        value = _read_or_ask(run, asked, found.value, name)
        return _given(value) if _in_loop(run) else value
    return _suspend(run, asked)


def _read_or_ask(run: LiveRun, asked: Asked, value: Any, key: str) -> Any:
    try:
        return asked.read(value)
    except ValueError as error:
        _say(run, f"The answer does not fit, and is asked for again: {one_line(error)}")
    again = f"{key}'"
    found = run.session.store.pauses.ask(run.id, again, asked.schema)
    return _suspend(run, asked) if found.answered_at is None else _read_or_ask(run, asked, found.value, again)


def _suspend(run: LiveRun, asked: Asked) -> NoReturn:
    known = run.extra or {}
    if not known.get(LAUNCH):
        origin = known.get("origin") or {}
        launch = {name: origin[name] for name in ("entrypoint", "snapshot_id") if name in origin}
        if not launch:
            why = known.get("not_resumable_because", "its flow cannot be found by another process")
            raise UsageError(f"This run cannot be suspended: {why}.")
        # A run that was called here is started again by whichever worker serves the default pool.
        run.details(**{LAUNCH: {"interpreter": sys.executable, "cwd": os.getcwd(), **launch}})
    raise SuspendSignal("waits for input" if asked.schema else "waits to be resumed")


async def _given(value: Any) -> Any:
    return value


def suspended(run: LiveRun, message: str) -> None:
    """Record that a run has no process any more and waits for a person (the brain's SUSPEND)."""
    patch: dict[str, Any] = {"owner_id": None, "lease_owner": None, "lease_until": None, "pid": None}
    if run.extra:
        patch["details"] = {**run.definition.details, **run.extra}
    if not (run.fields or {}).get("deployment_id"):
        patch["pool"] = DEFAULT_POOL
    run.move(StateType.PAUSED, "Suspended", message, patch)
    LIVE.pop(run.id, None)
    run.let_go()


def _flow_run(verb: str) -> LiveRun:
    run = current()
    if run is None:
        raise MissingContextError(f"{verb}() needs a flow run around it.")
    if run.kind == "task":
        raise UsageError(f"{verb}() was called in task {run.definition.name!r}; only a flow can wait for a person.")
    return run


def _key(run: LiveRun, key: str | None) -> str:
    """Return the question's name: the same one where a run is started again and comes here again."""
    if key is not None:
        return key
    run.pauses += 1
    return f"pause-{run.pauses}"


def _in_loop(run: LiveRun) -> bool:
    return getattr(run.definition, "is_async", False) and loop_runs()


def _say(run: LiveRun, text: str) -> None:
    from headrace.kernel_magic.run_logging import say

    say(run, logging.WARNING, text)


def _make_run_input() -> Any:
    from pydantic import BaseModel, create_model

    class RunInput(BaseModel):
        """A model whose fields a person is asked for.

        Examples
        --------
        >>> class Approval(RunInput):
        ...     approved: bool
        ...     note: str = ""
        """

        @classmethod
        def with_initial_data(cls, description: str | None = None, **values: Any) -> type[RunInput]:
            """Return the model with other defaults and a text above the form.

            Parameters
            ----------
            description : str or None
            **values
                Default values by field.
            """
            fields: dict[str, Any] = {}
            for name, value in values.items():
                if name not in cls.model_fields:
                    raise UsageError(f"{cls.__name__} has no field {name!r}.", field=name)
                fields[name] = (cls.model_fields[name].annotation, value)
            made = create_model(cls.__name__, __base__=cls, **fields)
            made.__doc__ = description if description is not None else inspect.getdoc(cls)
            return made

    RunInput.__module__, RunInput.__qualname__ = "headrace", "RunInput"
    return RunInput


def __getattr__(name: str) -> Any:
    if name != "RunInput":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()["RunInput"] = _make_run_input()
    return found
