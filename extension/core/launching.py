"""How a run that a worker starts is made: from a deployment, from a notebook or a flow on its own, from an earlier run.

What its process needs to know stands in the run itself, under
`details["launch"]`, so that a later change of the deployment alters no run
that is waiting. Whoever replaces a run's details keeps that key.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Any

from headrace.core.clock import instant
from headrace.core.deployments import DAMAGED, DEFAULT_POOL, Deployment, ScheduleRow
from headrace.core.errors import Conflict, InvalidParameter, UsageError
from headrace.core.ids import new_id
from headrace.core.parameters.jsonable import json_safe
from headrace.core.parameters.templates import check, papermill_facts, render, resolve_values
from headrace.core.runs import DAMAGED as DAMAGED_RUN
from headrace.core.runs import Run, RunKind
from headrace.core.schedules.zones import find_zone
from headrace.core.states import StateType

#: The limit of a scheduled run that names none, seconds: 24 hours (DESIGN.md, "States"; it stands in the form).
SCHEDULED_TIMEOUT_SECONDS = 86_400.0
#: What a deployment hands to each of its runs.
_LAUNCHED = (
    *("snapshot_id", "entrypoint", "interpreter", "kernel_name", "kernel_spec", "output_path", "cwd", "env_file"),
    *("timeout_seconds", "cell_timeout_seconds", "retry_delay_seconds"),
)
#: What a notebook's spec and a flow's origin have of it.
_OF_SPEC = ("kernel_name", "cwd", "env_file", "timeout_seconds", "cell_timeout_seconds", "checkpoint")
_OF_ORIGIN = ("interpreter", "cwd", "entrypoint", "snapshot_id")
LAUNCH = "launch"
#: Tokens that a run fills beside its parameters.
TOKENS = ("run_id", "run_name", "scheduled_at", "interval_start", "interval_end", "notebook")


def new_run(
    *,
    owner: str,
    now: int,
    kind: RunKind,
    definition: str,
    launch: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    name: str = "",
    tags: tuple[str, ...] = (),
    pool: str = DEFAULT_POOL,
    priority: int = 0,
    retries: int = 0,
    scheduled_at: int | None = None,
    trigger: str = "api",
    notebook_path: str | None = None,
    **fields: Any,
) -> Run:
    """Return a root run that waits for a worker.

    Parameters
    ----------
    owner : str
    now : int, µs
    kind : RunKind
        NOTEBOOK or FLOW.
    definition : str
        The notebook's path or the flow's entrypoint, for people.
    launch : mapping
        What its process needs: absent values are left out.
    parameters, name, tags, pool, priority, retries
    scheduled_at : int or None, default now
    trigger : str, default "api"
    notebook_path : str or None
    **fields
        Further fields of the run.
    """
    run_id = new_id()
    label = PurePath(definition).name if kind is RunKind.NOTEBOOK else definition.rpartition(":")[2]
    return Run(
        id=run_id,
        root_id=run_id,
        kind=kind,
        name=name or f"{label.removesuffix('.ipynb')}-{secrets.token_hex(2)}",
        definition=definition,
        owner=owner,
        max_attempts=retries + 1,
        state_type=StateType.SCHEDULED,
        state_name="Scheduled",
        state_at=now,
        created_at=now,
        scheduled_at=now if scheduled_at is None else scheduled_at,
        tags=tags,
        parameters=dict(parameters or {}),
        trigger=trigger,
        notebook_path=notebook_path,
        pool=pool,
        priority=priority,
        details={LAUNCH: {key: value for key, value in launch.items() if value is not None}},
        **fields,
    )


def deployment_run(
    deployment: Deployment,
    *,
    now: int,
    parameters: Mapping[str, Any] | None = None,
    schedule: ScheduleRow | None = None,
    slot_at: int | None = None,
    interval_start_at: int | None = None,
    trigger: str = "deployment",
    scheduled_at: int | None = None,
    **fields: Any,
) -> Run:
    """Return a run of a deployment, the tokens of its default parameters and of its output path filled.

    Parameters
    ----------
    deployment : Deployment
    now : int, µs
    parameters : mapping or None
        Over the deployment's and the schedule's own.
    schedule : ScheduleRow or None
        The schedule that fires, with `slot_at`, its due time in µs.
    interval_start_at : int or None, µs
        The slot before: the stretch of time that the run stands for begins there and ends at `slot_at`.
    trigger : str, default "deployment"
    scheduled_at : int or None, default now
    **fields
        Further fields of the run (`name`, `tags`, `idempotency_key` …).
    """
    for record in (deployment, schedule):
        if record is not None and (record.error or "").startswith(DAMAGED):
            raise UsageError(f"{record.error}; delete it and make it anew.", field="deployment")
    launch: dict[str, Any] = {key: getattr(deployment, key) for key in _LAUNCHED}
    if schedule is not None and launch["timeout_seconds"] is None:
        launch["timeout_seconds"] = SCHEDULED_TIMEOUT_SECONDS
    notebook = deployment.kind == "notebook"
    launch.update(interval_start_at=interval_start_at, interval_end_at=slot_at)
    fields.setdefault("tags", deployment.tags)
    fields.setdefault("pool", deployment.pool)
    fields.setdefault("priority", deployment.priority)
    fields.setdefault("retries", deployment.retries)
    run = new_run(
        owner=deployment.owner,
        now=now,
        kind=RunKind.NOTEBOOK if notebook else RunKind.FLOW,
        definition=(deployment.notebook_path if notebook else deployment.entrypoint) or deployment.name,
        launch=launch,
        scheduled_at=scheduled_at,
        trigger=trigger,
        notebook_path=deployment.notebook_path,
        deployment_id=deployment.id,
        schedule_id=schedule.id if schedule else None,
        slot_at=slot_at,
        **fields,
    )
    defaults = {**deployment.parameters, **(schedule.parameters if schedule else {})}
    zone = schedule.timezone if schedule else "UTC"
    return fill_tokens(run, defaults, parameters or {}, zone=zone)


def token_facts(run: Run, zone: str = "UTC") -> dict[str, Any]:
    """Return what the tokens of parameters and paths may name beside earlier parameters.

    Parameters
    ----------
    run : Run
    zone : str, default "UTC"
        IANA name: times are told on the clocks of the schedule's own zone.
    """
    launch = run.details[LAUNCH]
    place = find_zone(zone)

    def moment(us: int | None) -> datetime | None:
        return None if us is None else instant(us).astimezone(place)

    due = run.slot_at if run.slot_at is not None else run.scheduled_at
    return {
        "run_id": run.id,
        "run_name": run.name,
        "scheduled_at": moment(due),
        "interval_start": moment(launch.get("interval_start_at")),
        "interval_end": moment(launch.get("interval_end_at")),
        "notebook": PurePath(run.notebook_path).stem if run.notebook_path else None,
        **papermill_facts(instant(run.created_at), run.id),
    }


def _filled_path(template: str, facts: Mapping[str, Any]) -> str:
    """Return a path with its tokens filled; it is no template any more, for the runner fills paths too."""
    return render(template, facts, path=True).replace("{", "{{").replace("}", "}}")


def fill_tokens(run: Run, defaults: Mapping[str, Any], given: Mapping[str, Any], *, zone: str = "UTC") -> Run:
    """Return a run with its parameters: the defaults with their tokens filled, under the values that were given.

    Parameters
    ----------
    run : Run
    defaults : mapping
        Of the deployment and the schedule; may hold tokens such as `{scheduled_at:%Y-%m}`.
    given : mapping
        Values of this run alone, taken as they are.
    zone : str, default "UTC"

    Raises
    ------
    InvalidParameter
        A token is unknown or has no value in this run.
    """
    launch = dict(run.details[LAUNCH])
    templated = [n for n, v in defaults.items() if n not in given and isinstance(v, str) and ("{" in v or "}" in v)]
    output = launch.get("output_path")
    if not templated and not (isinstance(output, str) and "{" in output):
        parameters = {**defaults, **given}
        return run if parameters == run.parameters else replace(run, parameters=parameters)
    facts = token_facts(run, zone)
    filled = resolve_values({n: v for n, v in defaults.items() if n not in given}, facts)
    parameters = {**{n: json_safe(v) for n, v in filled.items()}, **given}
    if templated:
        launch["templated"] = templated
    if isinstance(output, str):
        launch.update(output_template=output, output_path=_filled_path(output, {**parameters, **facts}))
    return replace(run, parameters=parameters, details={**run.details, LAUNCH: launch})


def check_tokens(deployment: Deployment, schedule_parameters: Mapping[str, Any] | None = None) -> None:
    """Refuse tokens that no run could fill, when a deployment or a schedule is saved.

    Raises
    ------
    InvalidParameter
        With the parameter's name.
    """
    known: list[str] = list(TOKENS)
    for name, value in {**deployment.parameters, **(schedule_parameters or {})}.items():
        if isinstance(value, str):
            try:
                check(value, known)
            except InvalidParameter as error:
                raise InvalidParameter(f"parameter {name!r}: {error.message}", field=name) from error
        known.append(name)
    if deployment.output_path:
        try:
            check(deployment.output_path, known)
        except InvalidParameter as error:
            raise InvalidParameter(f"output_path: {error.message}", field="output_path") from error


def launch_of(run: Run) -> dict[str, Any] | None:
    """Return what another process needs to run this run's definition again, None where nobody knows.

    A run that a worker started has it; a notebook of the command line has its spec; a flow of a script or a kernel
    has noted where it comes from.
    """
    if run.parent_id is not None:
        return None
    details = run.details
    if details.get(DAMAGED_RUN):
        return None
    if LAUNCH in details:
        return dict(details[LAUNCH])
    if run.kind is RunKind.NOTEBOOK and run.notebook_path and isinstance(details.get("spec"), Mapping):
        return {key: details["spec"][key] for key in _OF_SPEC if details["spec"].get(key) is not None}
    origin = details.get("origin")
    if run.kind is RunKind.FLOW and isinstance(origin, Mapping):
        found = {key: origin[key] for key in _OF_ORIGIN if origin.get(key) is not None}
        return found if "entrypoint" in found or "snapshot_id" in found else None
    return None


def run_again(run: Run, *, now: int, parameters: Mapping[str, Any] | None = None, resume: bool = False) -> Run:
    """Return a run of the same definition as an earlier one.

    Parameters
    ----------
    run : Run
        An earlier root run.
    now : int, µs
    parameters : mapping or None
        Changed parameters.
    resume : bool, default False
        Continue the earlier run: what it finished is restored, not run again.

    Raises
    ------
    Conflict
        Nobody knows how to run the earlier one again, or (to resume) it has not ended, or it completed.
    """
    launch = launch_of(run)
    if launch is None:
        what = "resumed" if resume else "run again"
        raise Conflict(
            f"Run {run.name} cannot be {what} from here: it belongs to another run, or to a session that is gone."
        )
    if resume and (not run.is_final or run.state_type is StateType.COMPLETED):
        raise Conflict(
            f"Run {run.name} is {run.state_name}; only a failed, crashed or cancelled run can be resumed.",
            field="run_id",
        )
    fresh_id = new_id()
    again = replace(
        Run(id=fresh_id, root_id=fresh_id),
        kind=run.kind,
        name=f"{run.name.rpartition('-')[0] or run.name}-{secrets.token_hex(2)}",
        definition=run.definition,
        definition_key=run.definition_key,
        owner=run.owner,
        max_attempts=run.max_attempts,
        state_type=StateType.SCHEDULED,
        state_name="Resuming" if resume else "Scheduled",
        state_at=now,
        created_at=now,
        scheduled_at=now,
        tags=run.tags,
        parameters={**run.parameters, **(parameters or {})},
        deployment_id=run.deployment_id,
        trigger="retry",
        resumed_from_id=run.id if resume else None,
        notebook_path=run.notebook_path,
        pool=run.pool or DEFAULT_POOL,
        priority=run.priority,
        details={LAUNCH: launch, **{key: run.details[key] for key in ("origin",) if key in run.details}},
    )
    template = launch.get("output_template")
    if template is not None and not resume:
        # Its own id and name, and the time that the earlier one stood for: each run keeps its output.
        stood_for = run.slot_at if run.slot_at is not None else run.scheduled_at
        facts = token_facts(replace(again, slot_at=stood_for))
        launch["output_path"] = _filled_path(template, {**again.parameters, **facts})
    return again
