"""`.delay()`: a task's run handed to a worker, and the future that watches it from here."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

from headrace.core.deployments import DEFAULT_POOL
from headrace.core.launching import new_run
from headrace.core.runs import RunKind
from headrace.core.states import State
from headrace.kernel_magic import origin

R = TypeVar("R")
#: How often a waiting process looks at the store, seconds.
LOOK_SECONDS = 0.1


class BackgroundFuture(Generic[R]):
    """A run that a worker makes, in another process.

    Parameters
    ----------
    run_id : str
    name : str
    """

    def __init__(self, run_id: str, name: str) -> None:
        self.task_run_id = run_id
        self.name = name
        self._final: State | None = None

    @property
    def state(self) -> State:
        """The run's present state."""
        if self._final is not None:
            return self._final
        from headrace.store import get_store

        run = get_store().runs.get(self.task_run_id)
        data: Any = None
        if run.is_final:
            data = self._data(run)
        state = State(
            type=run.state_type,
            name=run.state_name,
            message=run.state_message,
            at_us=run.state_at,
            attempt=run.attempt,
            data=data,
            run_id=run.id,
        )
        if run.is_final:
            self._final = state
        return state

    def _data(self, run: Any) -> Any:
        if run.result and run.result.get("storage"):
            from headrace.kernel_magic.results.cache import open_result

            return open_result(run.result["storage"], run.result["serializer"])
        if run.error:
            from headrace.core.errors import FailedRun

            return FailedRun(f"{run.error.get('type')}: {run.error.get('message')}", run_id=run.id)
        return None

    def done(self) -> bool:
        """Return whether the run has ended."""
        return self.state.is_final()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, at most `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            if deadline is not None and time.monotonic() >= deadline:
                return
            time.sleep(LOOK_SECONDS)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait, and return what the run returned.

        Raises
        ------
        TimeoutError
            It has not ended after `timeout` seconds.
        RunError
            It did not complete.
        """
        self.wait(timeout)
        if not self.done():
            raise TimeoutError(f"{self.name} has not ended after {timeout:g} s; is a worker running? (headrace worker)")
        value: R = self.state.result(raise_on_failure)
        return value

    def add_done_callback(self, fn: Callable[[BackgroundFuture[R]], object]) -> None:
        """Call `fn(future)` in a thread when the run has ended."""

        def watch() -> None:
            self.wait()
            fn(self)

        threading.Thread(target=watch, name=f"headrace-{self.name}", daemon=True).start()

    def cancel(self, reason: str = "cancelled by the program") -> None:
        """Ask the run to end."""
        from headrace.kernel_magic.control import cancel_run

        cancel_run(self.task_run_id, reason)

    def __await__(self) -> Generator[Any, None, R]:
        import asyncio

        async def wait() -> R:
            while not self.done():
                await asyncio.sleep(LOOK_SECONDS)
            value: R = self.state.result()
            return value

        return wait().__await__()

    def __repr__(self) -> str:
        return f"<BackgroundFuture {self.name} {self.state.name}>"


def delay(task: Any, parameters: Mapping[str, Any]) -> BackgroundFuture[Any]:
    """Record a run of a task for a worker.

    Parameters
    ----------
    task : Task
    parameters : mapping
        Arguments by name.

    Returns
    -------
    BackgroundFuture

    Raises
    ------
    UsageError
        The task or its arguments cannot be pickled, or are larger than 5 MB.
    """
    from headrace.core.settings import user_name
    from headrace.kernel_magic.engine.live import TAGS
    from headrace.kernel_magic.engine.session import session
    from headrace.kernel_magic.names import task_slug
    from headrace.kernel_magic.previews import pictures

    store = session().store
    definition = task._definition
    launch: dict[str, Any] = {"interpreter": sys.executable, "cwd": os.getcwd()}
    if definition.entrypoint is not None and definition.fn.__module__ != "__main__":
        launch["entrypoint"] = definition.entrypoint
    else:  # a script without a main guard would hand the run out again when it is imported
        launch["snapshot_id"] = origin._kept_function(task, store)
    if task.options.retry_delay_seconds is not None:
        launch["retry_delay_seconds"] = list(task.options.delays)
    details: dict[str, Any] = dict(definition.details)
    if not all(origin.is_exact(value) for value in parameters.values()):
        details[origin.ORIGIN] = {
            "parameters_id": origin._keep(store, "parameters", origin._packed(dict(parameters), "its arguments"))
        }
    run = new_run(
        owner=user_name(),
        now=store.clock.now_us(),
        kind=RunKind.TASK,
        definition=definition.name,
        launch=launch,
        parameters=pictures(parameters),
        name=task_slug(definition.name),
        tags=tuple(sorted({*task.options.tags, *TAGS.get()})),
        pool=DEFAULT_POOL,
        retries=task.options.retries,
        trigger="user",
        definition_key=definition.key,
        version=definition.version,
    )
    from dataclasses import replace

    store.runs.create(replace(run, details={**run.details, **details}))
    return BackgroundFuture(run.id, run.name)
