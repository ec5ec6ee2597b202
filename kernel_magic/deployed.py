"""`run_deployment`: a run of a deployment, made and waited for from anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from headrace.core.clock import micros, parse_iso
from headrace.core.errors import InvalidParameter, UsageError
from headrace.core.event_loops import loop_runs
from headrace.core.hints import did_you_mean
from headrace.kernel_magic import origin
from headrace.kernel_magic.background import BackgroundFuture
from headrace.kernel_magic.deploying import here
from headrace.kernel_magic.engine.live import TAGS, current


class DeployedRun(BackgroundFuture[Any]):
    """A run of a deployment; also what `run_deployment` returns.

    Parameters
    ----------
    run_id, name : str
    """

    @property
    def id(self) -> str:
        """The run's id."""
        return self.task_run_id

    flow_run_id = id


def run_deployment(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    scheduled_time: datetime | str | None = None,
    flow_run_name: str | None = None,
    timeout: float | None = None,
    poll_interval: float | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
) -> Any:
    """Run a deployment, and wait for its end unless told not to. In an async flow the call is awaited.

    Parameters
    ----------
    name : str
        The deployment's name or id; "flow/deployment" is taken too.
    parameters : mapping, optional
        Over the deployment's own.
    scheduled_time : datetime or str, optional
        Not before; default now.
    flow_run_name : str, optional
    timeout : float or None, seconds
        How long to wait: None until its end, 0 not at all.
    poll_interval : float, optional
        Accepted for Prefect's sake; the end is noticed within 0.1 s.
    tags : iterable of str, optional
    idempotency_key : str, optional
        The same key makes no second run.

    Returns
    -------
    DeployedRun
        `state`, `result()`, `wait()`, `cancel()`, `id`, `name`.

    Raises
    ------
    NotFound
        There is no such deployment.
    InvalidParameter
    Conflict
        The key was used.
    """
    future = _start(name, parameters, scheduled_time, flow_run_name, tags, idempotency_key)
    run = current()
    if run is not None and getattr(run.flow.definition, "is_async", False) and loop_runs():
        return _waited(future, timeout)
    try:
        if timeout != 0:
            future.wait(timeout)
    except BaseException:
        future.cancel("the run that waited for it ended")
        raise
    return future


async def _waited(future: DeployedRun, timeout: float | None) -> DeployedRun:
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    try:
        while not future.done() and (deadline is None or loop.time() < deadline):
            await asyncio.sleep(0.1)
    except BaseException:
        future.cancel("the run that waited for it ended")
        raise
    return future


def _start(
    name: str,
    parameters: Mapping[str, Any] | None,
    scheduled_time: datetime | str | None,
    flow_run_name: str | None,
    tags: Iterable[str] | None,
    idempotency_key: str | None,
) -> DeployedRun:
    from headrace.core.settings import user_name
    from headrace.store.deploying import run_deployment as make

    store, owner = here(), user_name()
    found = store.deployments.named(name, owner) or store.deployments.resolve(name.rpartition("/")[2], owner)
    known = (found.parameter_schema or {}).get("properties")
    for each, value in (parameters or {}).items():
        if known is not None and each not in known:
            hint = did_you_mean(each, known, f"it takes {', '.join(known) or 'none'}.")
            raise InvalidParameter(f"deployment {found.name!r} has no parameter {each!r}; {hint}", field=each)
        if not origin.is_exact(value):
            raise InvalidParameter(f"parameter {each!r} is {type(value).__name__}, which JSON cannot hold.", field=each)
    due = None
    if scheduled_time is not None:
        try:
            moment = datetime.fromisoformat(scheduled_time) if isinstance(scheduled_time, str) else scheduled_time
            due = micros(moment) if moment.tzinfo else parse_iso(moment.astimezone().isoformat())
        except ValueError as error:
            raise UsageError(f"scheduled_time: {scheduled_time!r} is no time.", field="scheduled_time") from error
    run = current()
    made = make(
        store,
        found.id,
        owner=owner,
        parameters=parameters,
        scheduled_at=due,
        run_name=flow_run_name or "",
        tags=tuple(dict.fromkeys((*(tags or ()), *TAGS.get(), *(run.tags if run is not None else ())))),
        idempotency_key=idempotency_key,
        trigger="flow" if run is not None else "user",
    )
    return DeployedRun(made.id, made.name)
