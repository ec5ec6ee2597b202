"""A process that runs one recorded run: `python -m headrace.kernel_magic.process RUN_ID`.

It takes the run over from whoever made it (PENDING or SCHEDULED → RUNNING by
compare-and-set), finds its flow or task by entrypoint or snapshot, runs it and
ends it. Exit codes: 0 completed or suspended, 1 anything else, 2 no such run, 75 another
process was faster.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.errors import Conflict, HeadraceError, NotFound, one_line
from headrace.core.launching import LAUNCH
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.kernel_magic import origin

if TYPE_CHECKING:
    from headrace.store import Store

S = StateType
#: As in the worker: another process has the attempt.
SUPERSEDED = 75


def main(arguments: list[str] | None = None) -> int:
    """Run a run.

    Parameters
    ----------
    arguments : list of str, default sys.argv[1:]
        One run id.

    Returns
    -------
    int
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        print("usage: python -m headrace.kernel_magic.process RUN_ID", file=sys.stderr)
        return 2
    from headrace.store import get_store

    try:
        store = get_store()
        run = take_over(store, store.runs.get(given[0]))
    except NotFound as error:
        print(one_line(error), file=sys.stderr)
        return 2
    except Conflict as error:
        print(one_line(error), file=sys.stderr)
        return SUPERSEDED
    ended = execute(store, run)
    return 0 if ended.is_completed() or ended.type is S.PAUSED else 1


def take_over(store: Store, run: Run) -> Run:
    """Make this process the owner of a run's attempt.

    Raises
    ------
    Conflict
        Another process has it, or it has ended.
    """
    from headrace.store import liveness

    expected = os.environ.get("HEADRACE_RUN_ATTEMPT") if os.environ.get("HEADRACE_RUN_ID") == run.id else None
    if expected is not None and expected != str(run.attempt):
        raise Conflict(f"Run {run.name} is at attempt {run.attempt} by now; this process was started for {expected}.")
    now = store.clock.now_us()
    mine = {
        "owner_id": liveness.owner_id(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "heartbeat_at": now,
        "started_at": run.started_at or now,
    }
    return store.runs.advance(
        run.id,
        S.RUNNING,
        "Running" if run.attempt == 1 else "Retrying",
        attempt=run.attempt,
        expected={S.PENDING, S.SCHEDULED},
        patch=mine,
        at=now,
    )


def execute(store: Store, run: Run) -> Any:
    """Run a run that this process has taken over; return its final state."""
    try:
        handle, parameters = find(store, run)
    except BaseException as error:
        return _fail(store, run, error)
    record = store.recorder.adopt(run.id, run.root_id, run.attempt)
    first = origin.chain_of(store, run.resumed_from_id) if run.resumed_from_id else run.id
    definition = handle._definition
    try:
        bound = definition.bind((), parameters)
    except HeadraceError as error:
        return _fail(store, run, error)
    from headrace.kernel_magic.engine.calls import call
    from headrace.kernel_magic.engine.request import Request

    request = Request(
        definition,
        bound,
        None,
        return_state=True,
        name=run.name,
        check=getattr(handle, "_validated", None),
        live={"record": record, "chain_id": first, "adopted": run},
    )
    try:
        result = call(request)
        if hasattr(result, "__await__"):
            import asyncio

            result = asyncio.run(_awaited(result))
        elif definition.is_generator:
            result = _exhausted(result)
    except BaseException as error:
        return _ended(store, run, error)
    return result


async def _awaited(result: Any) -> Any:
    return await result


def _exhausted(result: Any) -> Any:
    """Consume a generator flow; its run has ended then."""
    from headrace.core.states import State

    if hasattr(result, "__aiter__"):
        import asyncio

        async def consume() -> None:
            async for _ in result:
                pass

        asyncio.run(consume())
    else:
        for _ in result:
            pass
    return State(type=S.COMPLETED)


def find(store: Store, run: Run) -> tuple[Any, dict[str, Any]]:
    """Return a run's flow or task, with the options that its deployment asks for, and its arguments.

    Raises
    ------
    Exception
        Whatever keeps it from being found: its definition is at fault.
    """
    launch = dict(run.details.get(LAUNCH) or {})
    source = {**(run.details.get(origin.ORIGIN) or {}), **launch}
    if source.get("snapshot_id"):
        handle = origin.restore(store, source["snapshot_id"])
    elif source.get("entrypoint"):
        handle = origin.load(source["entrypoint"])
    else:
        raise NotFound(
            f"Run {run.name} does not say where its {run.kind.value} is: it has neither an entrypoint nor a snapshot."
        )
    options: dict[str, Any] = {}
    left = run.max_attempts - run.attempt
    if run.max_attempts > 1:
        options["retries"] = left
    if launch.get("retry_delay_seconds") is not None:
        options["retry_delay_seconds"] = _delays_left(launch, run.attempt)
    if run.kind is RunKind.TASK:
        options["persist_result"] = True
    if options:
        handle = handle.with_options(**options)
    return handle, origin.parameters_of(store, run)


def _delays_left(launch: Mapping[str, Any], attempt: int) -> Any:
    delays = launch.get("retry_delay_seconds")
    if isinstance(delays, list | tuple) and delays:
        return list(delays[attempt - 1 :]) or [delays[-1]]
    return delays


def _fail(store: Store, run: Run, error: BaseException) -> Any:
    """End a run whose code could not even be found."""
    from headrace.kernel_magic.engine.tracebacks import error_record
    from headrace.store.rows import dumps

    now = store.clock.now_us()
    message = f"{type(error).__name__}: {one_line(error)}"
    print(message, file=sys.stderr)
    patch = {"ended_at": now, "error": dumps(error_record(error))}
    ended = store.runs.advance(run.id, S.FAILED, "Failed", attempt=run.attempt, message=message, patch=patch, at=now)
    return _state(ended)


def _ended(store: Store, run: Run, error: BaseException) -> Any:
    """Return the final state of a run whose call raised an interrupt."""
    store.recorder.flush()
    found = store.runs.get(run.id)
    if not found.is_final:
        return _fail(store, found, error)
    return _state(found)


def _state(run: Run) -> Any:
    from headrace.core.states import State

    return State(type=run.state_type, name=run.state_name, message=run.state_message, run_id=run.id)


if __name__ == "__main__":
    sys.exit(main())
