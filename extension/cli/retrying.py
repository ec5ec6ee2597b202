"""`headrace flow-run retry`: a new run that continues an earlier one, here or by a worker."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.cli import show
from headrace.core.errors import Conflict, NotFound
from headrace.core.ids import new_id
from headrace.core.launching import LAUNCH, run_again
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType

if TYPE_CHECKING:
    from headrace.store import Store


def retry(store: Store, run: Run, entrypoint: str | None = None) -> int:
    """Continue a run.

    A run that a worker started goes to the workers again; one that a script, a
    notebook or the REPL started is run here, in a process of its own, to its end.

    Parameters
    ----------
    store : Store
    run : Run
    entrypoint : str or None
        Where the flow is now, if not where it was.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Conflict
        The run has not ended, completed, or belongs to another one.
    NotFound
        Nobody knows where its flow is.
    """
    if run.parent_id is not None:
        raise Conflict(f"Run {run.name} is part of another one; retry that: headrace flow-run retry {run.root_id}")
    if LAUNCH in run.details and entrypoint is None:
        again = run_again(run, now=store.clock.now_us(), resume=True)
        store.runs.create(again)
        show.echo(f"{again.id}  {again.name}  waits for a worker of pool {again.pool!r}")
        return 0
    if run.kind is RunKind.NOTEBOOK:
        raise Conflict(f"Run {run.name} is a notebook's; continue it with: headrace run --resume {run.id}")
    again = continued(store, run, entrypoint)
    store.runs.create(again)
    show.echo(f"{again.id}  {again.name}")
    origin = again.details["origin"]
    cwd = origin.get("cwd")
    done = subprocess.run(
        [origin["interpreter"], "-m", "headrace.kernel_magic.process", again.id],
        cwd=cwd if cwd and os.path.isdir(cwd) else None,
        check=False,
    )
    ended = store.runs.get(again.id)
    show.echo(f"{ended.name}  {ended.state_name}{': ' + ended.state_message if ended.state_message else ''}")
    return done.returncode


def continued(store: Store, run: Run, entrypoint: str | None) -> Run:
    """Return a run, not stored yet, that continues an earlier one in a process of its own."""
    if not run.is_final or run.state_type is StateType.COMPLETED:
        raise Conflict(
            f"Run {run.name} is {run.state_name}; only a failed, crashed or cancelled run can be retried.",
            field="run_id",
        )
    origin: dict[str, Any] = dict(run.details.get("origin") or {})
    if entrypoint is not None:
        origin.pop("snapshot_id", None)
        path, colon, name = entrypoint.rpartition(":")
        origin["entrypoint"] = f"{os.path.abspath(path)}{colon}{name}" if path.endswith(".py") else entrypoint
    if not (origin.get("entrypoint") or origin.get("snapshot_id")):
        why = run.details.get("not_resumable_because") or "it was recorded without a place"
        raise NotFound(
            f"Nobody knows where the flow of run {run.name} is ({why}); say it: --entrypoint path.py:flow",
            field="entrypoint",
        )
    if not os.access(origin.get("interpreter", ""), os.X_OK):
        raise NotFound(f"The Python that made run {run.name} is gone: {origin.get('interpreter')}", field="interpreter")
    now, run_id = store.clock.now_us(), new_id()
    kept = {name: value for name, value in run.details.items() if name in ("source", "resumable")}
    return replace(
        Run(id=run_id, root_id=run_id),
        kind=run.kind,
        name=f"{run.name}-again" if not run.name.endswith("-again") else run.name,
        definition=run.definition,
        definition_key=run.definition_key,
        version=run.version,
        owner=run.owner,
        max_attempts=run.max_attempts,
        state_type=StateType.PENDING,
        state_name="Pending",
        state_at=now,
        created_at=now,
        tags=run.tags,
        parameters=run.parameters,
        trigger="retry",
        resumed_from_id=run.id,
        details={**kept, "origin": origin},
    )
