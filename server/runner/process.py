"""A run in a process: in the foreground of a terminal, or started by a worker for a run that waits in the store."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.core.errors import HeadraceError, InvalidTransition, NotFound, one_line
from headrace.core.ids import is_id
from headrace.core.run_spec import NotebookSpec
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.server.kernels import Kernel
from headrace.server.runner.observer import Observer
from headrace.server.runner.outcome import EXIT_FAILED, EXIT_USAGE
from headrace.server.runner.prepare import Prepared, prepare
from headrace.server.runner.runner import NotebookRunner, Result
from headrace.server.runner.signals import Signals

#: A process that finds its attempt taken over by another one leaves with this code: no crash.
EXIT_SUPERSEDED = 75
#: By these a worker tells the process its attempt, and where to leave the kernel's facts for whoever reaps.
ATTEMPT, ATTEMPT_DIR = "HEADRACE_RUN_ATTEMPT", "HEADRACE_ATTEMPT_DIR"


async def run_async(
    prepared: Prepared,
    *,
    observer: Observer | None = None,
    run: Run | None = None,
    traits: Mapping[str, Any] | None = None,
    own_process: bool = False,
    signals: Signals | None = None,
) -> Result:
    """Run a prepared notebook in the present event loop.

    Parameters
    ----------
    prepared : Prepared
    observer : Observer or None
    run : Run or None
        A run of the store that this process has taken over.
    traits : mapping or None
        For nbclient.
    own_process : bool, default False
        The process is there for this run alone (see NotebookRunner).
    signals : Signals or None
        See NotebookRunner.
    """
    runner = NotebookRunner(
        prepared, observer=observer, run=run, traits=traits, own_process=own_process, signals=signals
    )
    return await runner.run()


def run_here(
    prepared: Prepared, *, observer: Observer | None = None, run: Run | None = None, own_process: bool = True
) -> Result:
    """Run a prepared notebook to its end in this thread."""
    return asyncio.run(run_async(prepared, observer=observer, run=run, own_process=own_process))


def main(arguments: list[str]) -> int:
    """Serve `python -m headrace.server.runner SPEC.json | RUN_ID | --warm JSON | --recover RUN_ID`.

    Returns
    -------
    int
        0 completed, 1 failed, 2 the spec cannot be, 75 another process has the attempt, 138 the kernel died.
    """
    if len(arguments) == 2 and arguments[0] == "--warm":
        from headrace.server.runner.warm import main as warm

        return warm(arguments[1])
    if len(arguments) == 2 and arguments[0] == "--recover":
        return _recover(arguments[1])
    if len(arguments) != 1:
        print("usage: python -m headrace.server.runner SPEC.json|RUN_ID", file=sys.stderr)
        return EXIT_USAGE
    return asyncio.run(execute(arguments[0]))


def _recover(run_id: str) -> int:
    from headrace.server.runner.recovery import recover_output
    from headrace.store import get_store

    try:
        recover_output(get_store(), run_id)
    except HeadraceError as error:
        print(f"headrace runner: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    return 0


async def execute(argument: str, *, kernel: Kernel | None = None) -> int:
    """Take a run over and run it to its end, in a process that is there for it alone.

    Parameters
    ----------
    argument : str
        A spec's path, or a run's id.
    kernel : Kernel or None, default None
        A warm one.

    Returns
    -------
    int
        As `main`.
    """
    code, run = EXIT_FAILED, None
    try:
        spec, run = _load(argument)
        prepared = prepare(spec)
        runner = NotebookRunner(prepared, run=run, own_process=True, kernel=kernel)
        kernel = None
        code = (await runner.run()).ending.exit_code
    except InvalidTransition as error:
        print(f"headrace runner: {error}", file=sys.stderr)
        code = EXIT_SUPERSEDED
    except HeadraceError as error:
        print(f"headrace runner: {one_line(error)}", file=sys.stderr)
        if run is not None:
            _refused(run, error)
        else:
            code = error.exit_code
    finally:
        if kernel is not None:
            await kernel.stop(now=True)
    return code


def _load(argument: str) -> tuple[NotebookSpec, Run | None]:
    """Return the spec, and the run that this process has taken over."""
    from headrace.server.secret_values import waiting_for
    from headrace.store import get_store

    if is_id(argument):
        run = get_store().runs.get(argument)
        data = dict(run.details.get("spec") or {})
        data.setdefault("input_path", run.notebook_path or "")
        data.update(run_id=run.id, root_id=run.root_id, parent_id=run.parent_id, parameters=dict(run.parameters))
        spec = NotebookSpec.from_dict(data)
    else:
        try:
            text = Path(argument).read_text(encoding="utf-8")
        except OSError as error:
            raise NotFound(f"The spec {argument} cannot be read ({error.strerror}).") from error
        spec = NotebookSpec.from_json(text)
        if spec.run_id is None:
            return spec, None
        found = get_store().runs.find(spec.run_id)
        if found is None:
            return spec, None
        run = found
    secrets = waiting_for(get_store(), run.id)
    if secrets:
        spec = replace(spec, parameters={**spec.parameters, **secrets})
    return spec, take_over(run)


def take_over(run: Run) -> Run:
    """Make this process the owner of a run's attempt: of two processes for one attempt only one gets it.

    Raises
    ------
    InvalidTransition
        It is not waiting any more.
    """
    import socket

    from headrace.store import get_store, liveness

    runs = get_store().runs
    attempt = int(os.environ.get(ATTEMPT) or run.attempt)
    mine = {"owner_id": liveness.owner_id(), "host": socket.gethostname(), "pid": os.getpid()}
    if run.kind is not RunKind.NOTEBOOK:
        raise NotFound(f"Run {run.name} is a {run.kind.value}, not a notebook.")
    now = get_store().clock.now_us()
    taken = runs.advance(
        run.id,
        StateType.RUNNING,
        "Running",
        attempt=attempt,
        expected=(StateType.SCHEDULED, StateType.PENDING),
        patch={**mine, "started_at": now, "heartbeat_at": now},
        durable=True,
    )
    return taken


def _refused(run: Run, error: HeadraceError) -> None:
    """End a run whose definition cannot be run."""
    from headrace.store import get_store

    store = get_store()
    now = store.clock.now_us()
    facts = {"type": type(error).__name__, "message": str(error), "traceback": ""}
    try:
        store.runs.advance(
            run.id,
            StateType.FAILED,
            "Failed",
            attempt=run.attempt,
            message=one_line(error),
            patch={"ended_at": now, "error": json.dumps(facts)},
        )
    except InvalidTransition:
        pass


def leave_facts(facts: Mapping[str, Any]) -> None:
    """Write the kernel's process where a worker looks for what it has to reap."""
    folder = os.environ.get(ATTEMPT_DIR)
    if not folder or "pid" not in facts:
        return
    import psutil

    from headrace.store import liveness

    try:
        started = psutil.Process(facts["pid"]).create_time()
    except psutil.Error:
        return
    part = Path(folder) / ".kernel.json.part"
    part.write_text(
        json.dumps({"pid": facts["pid"], "started": started, "host": liveness.host_key()}), encoding="utf-8"
    )
    os.replace(part, Path(folder) / "kernel.json")


def forget_facts() -> None:
    """Take the kernel out of what a worker reaps."""
    folder = os.environ.get(ATTEMPT_DIR)
    if folder:
        (Path(folder) / "kernel.json").unlink(missing_ok=True)


__all__ = ["main", "run_async", "run_here", "take_over"]
