"""Flows that run by themselves: `flow.deploy`, `flow.serve`, `serve` and `deploy`.

A deployment says where its flow is: an entrypoint where another process can
import it, else a snapshot of the function with what it reaches (a flow of a
cell). It is made by name: told the same again, nothing changes. Nothing here
waits for a schedule; a worker does, in a process of its own, whatever becomes
of the kernel or script.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from headrace.core.clock import iso, micros
from headrace.core.deployments import CATCH_UPS, DEFAULT_POOL, OVERLAPS, Deployment
from headrace.core.errors import InvalidOption, InvalidParameter, InvalidSchedule, UsageError
from headrace.core.hints import did_you_mean
from headrace.core.ids import new_id
from headrace.core.launching import check_tokens
from headrace.kernel_magic import origin
from headrace.kernel_magic.parameters import annotations_of, validate

if TYPE_CHECKING:
    from headrace.kernel_magic.flows import Flow
    from headrace.store import Store

#: The fields of a schedule that `cron=`, `interval=`, `rrule=` and `at=` stand for.
_TIMING = ("cron", "interval", "rrule", "at")


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """What `flow.to_deployment` says and `deploy` or `serve` carries out.

    Parameters
    ----------
    flow : Flow
    deployment : Deployment
    schedules : tuple of mapping
        As the store takes them; None leaves those that are there alone.
    """

    flow: Flow[Any, Any]
    deployment: Deployment
    schedules: tuple[Mapping[str, Any], ...] | None = field(default=None)

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.deployment.name

    def apply(self) -> str:
        """Make the deployment, or make the one of this name what this says; return its id."""
        from headrace.store.deploying import deploy as write

        store = here()
        return write(store, self.deployment, self.schedules).deployment.id


def plan(
    flow: Flow[Any, Any],
    name: str,
    *,
    cron: str | Sequence[str] | None = None,
    interval: float | timedelta | None = None,
    rrule: str | None = None,
    at: datetime | str | None = None,
    schedule: Any = None,
    schedules: Sequence[Any] | None = None,
    timezone: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    version: str | None = None,
    work_pool_name: str = DEFAULT_POOL,
    priority: int = 0,
    retries: int = 0,
    retry_delay_seconds: float | Sequence[float] | None = None,
    timeout_seconds: float | None = None,
    concurrency_limit: int | None = None,
    overlap: str = "skip",
    catch_up: str = "latest",
    grace_seconds: float | None = None,
    paused: bool = False,
    retention: Mapping[str, Any] | None = None,
    env_file: str | None = None,
) -> DeploymentPlan:
    """Say how a flow runs by itself; `Flow.to_deployment` documents the parameters.

    Raises
    ------
    InvalidOption, InvalidParameter, InvalidSchedule, UsageError
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or any(ord(ch) < 32 for ch in name):
        raise InvalidOption(f"A deployment's name must be text of 1 to 200 characters; it is {name!r}.", field="name")
    for label, value, known in (("overlap", overlap, OVERLAPS), ("catch_up", catch_up, CATCH_UPS)):
        if value not in known:
            raise InvalidOption(f"{label} must be one of {', '.join(known)}; it is {value!r}.", field=label)
    for label, number, least in (("retries", retries, 0), ("concurrency_limit", concurrency_limit, 1)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
            raise InvalidOption(f"{label} must be a whole number, {least} or more; it is {number!r}.", field=label)
    from headrace.core.settings import user_name

    store, definition = here(), flow._definition
    entrypoint = definition.entrypoint
    made = Deployment(
        id=new_id(),
        name=name.strip(),
        owner=user_name(),
        kind="flow",
        entrypoint=entrypoint,
        snapshot_id=None if entrypoint else origin._kept_function(flow, store),
        source_mode="live" if entrypoint else "pinned",
        interpreter=sys.executable,
        cwd=os.getcwd(),
        parameters=checked_parameters(flow, parameters or {}),
        parameter_schema=schema_of(flow),
        description=description if description is not None else (flow.description or "").strip(),
        tags=tuple(dict.fromkeys((*flow.options.tags, *tags))),
        pool=work_pool_name,
        priority=priority,
        retries=retries,
        retry_delay_seconds=_delays(retry_delay_seconds),
        timeout_seconds=timeout_seconds,
        concurrency_limit=concurrency_limit,
        overlap=overlap,
        catch_up=catch_up,
        grace_seconds=grace_seconds,
        paused=paused,
        retention=retention,
        env_file=None if env_file is None else os.path.abspath(env_file),
        details={"flow": flow.name, "version": version or flow.version, "source": definition.source},
    )
    check_tokens(made)
    bodies = _schedules(store, made, (cron, interval, rrule, at), schedule, schedules, timezone)
    for body in bodies or ():
        checked_parameters(flow, body.get("parameters") or {})
    return DeploymentPlan(flow=flow, deployment=made, schedules=bodies)


def _delays(value: Any) -> float | tuple[float, ...] | None:
    if value is None or isinstance(value, int | float):
        return value
    return tuple(float(each) for each in value)


def _schedules(
    store: Store,
    deployment: Deployment,
    timing: tuple[Any, ...],
    one: Any,
    many: Sequence[Any] | None,
    zone: str | None,
) -> tuple[Mapping[str, Any], ...] | None:
    """Return schedules as the store takes them, each checked; None where none was named."""
    from headrace.store import timetable

    named = [(key, value) for key, value in zip(_TIMING, timing, strict=True) if value is not None]
    if sum((len(named) > 0, one is not None, many is not None)) > 1 or len(named) > 1:
        raise InvalidSchedule(
            "Name one of cron, interval, rrule, at, schedule and schedules; several go into schedules=[…].",
            field="schedules",
        )
    found: list[Any]
    if named:
        key, value = named[0]
        values = value if key == "cron" and not isinstance(value, str) else [value]
        found = [{key: each} for each in values]
    elif one is not None or many is not None:
        found = [one] if one is not None else list(many or ())
    else:
        return None
    bodies = tuple(_body(item, zone) for item in found)
    for body in bodies:
        timetable.build_row(body, deployment_id=deployment.id, owner=deployment.owner, now=store.clock.now_us())
    return bodies


def _body(item: Any, zone: str | None) -> dict[str, Any]:
    """Return one schedule as JSON values: text is a cron rule, a number or timedelta an interval."""
    if isinstance(item, str):
        item = {"cron": item}
    elif isinstance(item, timedelta | int | float):
        item = {"interval": item}
    if not isinstance(item, Mapping):
        raise InvalidSchedule(
            f"A schedule is a mapping such as {{'cron': '0 6 * * *', 'timezone': 'Europe/Berlin'}}; this is {item!r}.",
            field="schedules",
        )
    body = dict(item)
    if "interval" in body:
        value = body.pop("interval")
        body["interval_seconds"] = value.total_seconds() if isinstance(value, timedelta) else value
    for old, new in (("anchor_date", "anchor_at"),):
        if old in body:
            body[new] = body.pop(old)
    for name, value in body.items():
        if isinstance(value, datetime) and value.tzinfo is not None:
            body[name] = iso(micros(value))
        elif isinstance(value, datetime):
            body[name] = value.isoformat()
    if zone is not None:
        body.setdefault("timezone", zone)
    return body


def schema_of(flow: Flow[Any, Any]) -> dict[str, Any] | None:
    """Return the JSON schema of a flow's parameters, None where a type has none."""
    from pydantic import create_model

    hints, fields = annotations_of(flow._definition), {}
    for name, parameter in flow._definition.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        fields[name] = (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
    try:
        made: Any = create_model("Parameters", **fields)  # type: ignore[call-overload]
        schema: dict[str, Any] = made.model_json_schema()
    except Exception:  # a parameter of a type that no JSON can hold: the form has none, calls are still checked
        return None
    return schema


def checked_parameters(flow: Flow[Any, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse parameters that the flow does not take, and values that JSON cannot hold.

    Raises
    ------
    InvalidParameter, ParameterTypeError
    """
    definition = flow._definition
    for name, value in parameters.items():
        if name not in definition.parameters and not definition.open_ended:
            known = definition.parameters
            hint = did_you_mean(name, known, f"it takes {', '.join(known) or 'none'}.")
            raise InvalidParameter(f"flow {flow.name!r} has no parameter {name!r}; {hint}", field=name)
        if not origin.is_exact(value):
            raise InvalidParameter(
                f"parameter {name!r} is {type(value).__name__}; a deployment keeps what JSON can hold.", field=name
            )
    if flow.options.validate_parameters:
        plain = {n: v for n, v in parameters.items() if n in definition.parameters and not _has_token(v)}
        validate(definition, plain)
    return dict(parameters)


def _has_token(value: Any) -> bool:
    return isinstance(value, str) and "{" in value


def deploy(*plans: DeploymentPlan) -> list[str]:
    """Make deployments, or make those of their names what the plans say; start no worker.

    Parameters
    ----------
    *plans : DeploymentPlan
        From `flow.to_deployment(…)`.

    Returns
    -------
    list of str
        Their ids.

    Raises
    ------
    UsageError
        Something else was given.
    """
    _check_plans(plans, "deploy")
    return [each.apply() for each in plans]


def serve(*plans: DeploymentPlan, worker: bool = True) -> list[str]:
    """Make deployments and see that a worker is there to run them; return at once.

    Unlike Prefect's, it does not hold the script or cell: the worker is a process of its own, and schedules fire
    whatever becomes of this one.

    Parameters
    ----------
    *plans : DeploymentPlan
    worker : bool, default True
        Start a worker of the pool where none is alive.

    Returns
    -------
    list of str
        The deployments' ids.
    """
    _check_plans(plans, "serve")
    ids = [each.apply() for each in plans]
    store = here()
    for each, deployment_id in zip(plans, ids, strict=True):
        rows = store.schedules.of_deployments([deployment_id])[deployment_id]
        due = [row.next_fire_at for row in rows if row.next_fire_at is not None]
        when = f"next {iso(min(due))}" if due else "no schedule; run it by run_deployment or in the panel"
        print(f"{each.name}: {when}")
    if worker:
        for pool in sorted({each.deployment.pool for each in plans}):
            said = start_worker(store, pool)
            if said:
                print(said)
    return ids


def _check_plans(plans: tuple[Any, ...], verb: str) -> None:
    for each in plans:
        if not isinstance(each, DeploymentPlan):
            raise UsageError(f"{verb}() takes what my_flow.to_deployment(name, …) returns; this is {each!r}.")


def start_worker(store: Store, pool: str) -> str:
    """Start a detached worker where none is alive for a pool; return what was done, in words.

    It is started by the command `headrace worker start`, in a process of its own: a kernel holds no server code.
    """
    from headrace.core.settings import DATA_DIR, DATABASE_URL

    environment = {**os.environ, DATABASE_URL: store.place.url, DATA_DIR: str(store.place.data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "worker", "start", "--pool", pool],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        warnings.warn(f"no worker could be started: {lines[-1] if lines else 'no reason given'}", stacklevel=3)
    return done.stdout.strip()


def here() -> Any:
    """Return the store that this process records into.

    Raises
    ------
    UsageError
        It relays its records to another process.
    """
    from headrace.kernel_magic.engine.session import session

    store = session().store
    if store is None:
        raise UsageError("Deployments are made where runs are recorded, not in a process that relays its records.")
    return store
