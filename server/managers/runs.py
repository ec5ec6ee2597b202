"""Runs: listed, started, cancelled, run again, resumed, deleted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core.clock import iso
from headrace.core.deployments import DEFAULT_POOL, Deployment
from headrace.core.errors import Conflict, NotFound, UsageError, one_line
from headrace.core.launching import deployment_run, launch_of, new_run, run_again
from headrace.core.runs import Run, RunFilter, RunKind
from headrace.core.states import StateType
from headrace.core.wire import run_to_wire
from headrace.server.quotas import TooMany

if TYPE_CHECKING:
    from headrace.server.services import Services

#: Body field → the run's launch value, for runs that no deployment stands behind.
_LAUNCH = ("kernel_name", "timeout_seconds", "cell_timeout_seconds", "retry_delay_seconds")
_FILTERS = ("parent_id", "root_id", "deployment_id", "schedule_id", "document_id", "cell_id", "trigger", "pool")


class RunsManager:
    """What requests do with runs.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def to_wire(self, run: Run, *, full: bool = False) -> dict[str, Any]:
        """Return a run as JSON values, its paths relative to the server's root."""
        data = run_to_wire(run, full=full)
        shown = self._services.root.relative(run.notebook_path)
        if run.definition and run.definition == run.notebook_path:
            data["definition"] = shown
        data["notebook_path"] = shown
        if full:
            data["details"] = {k: v for k, v in data["details"].items() if k != "launch"}
            output, cwd = run.details.get("output_path"), run.details.get("cwd")
            if isinstance(output, str) and output and "://" not in output:
                full_path = os.path.join(cwd if isinstance(cwd, str) else "", output)
                data["details"]["output_path"] = self._services.root.relative(full_path)
            launch = run.details.get("launch")
            data["questions"] = self._questions(run)
            data["can_rerun"] = launch_of(run) is not None
            if isinstance(launch, Mapping):
                data["launch"] = {k: v for k, v in launch.items() if k not in ("env_file",)}
        return data

    def get(self, run_id: str) -> Run:
        """Return a run that this server's person may see.

        Raises
        ------
        NotFound
        """
        run = self._services.store.runs.find(run_id)
        seen = self._services.seen_owner
        if run is None or (seen is not None and run.owner != seen):
            raise NotFound("There is no such run.", field="run_id")
        return run

    def page(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of runs."""
        where = RunFilter(
            state_types=query.get("state_type", ()),
            state_names=query.get("state_name", ()),
            kinds=query.get("kind", ()),
            names=(query["name"],) if query.get("name") else (),
            tags=query.get("tag", ()),
            roots_only=query.get("roots", True),
            owner=self._services.seen_owner or query.get("owner"),
            since=query.get("since"),
            until=query.get("until"),
            text=query.get("text", ""),
            **{name: query.get(name) for name in _FILTERS},
        )
        wanted = query.get("owner")
        if self._services.seen_owner is not None and wanted not in (None, self._services.seen_owner):
            return {"runs": [], "next_cursor": None}
        runs, cursor = self._services.store.runs.page(
            where, sort=query["sort"], limit=query["limit"], cursor=query.get("cursor")
        )
        return {"runs": [self.to_wire(run) for run in runs], "next_cursor": cursor}

    def start(self, body: Mapping[str, Any], *, key: str | None = None) -> Run:
        """Start a run: of a deployment, of a notebook, of a flow.

        Parameters
        ----------
        body : mapping
        key : str or None, default None
            Of the request: the run that it made before is returned, not made again.

        Raises
        ------
        NotFound, UsageError
        """
        if body.get("deployment") is not None:
            deployment = self._services.deployments.resolve(body["deployment"])
            return self.start_deployment(deployment, body, key=key)
        retries = body.get("retries", 0)
        launch: dict[str, Any] = {name: body.get(name) for name in _LAUNCH}
        launch["cwd"] = self._services.root.directory(body["cwd"]) if body.get("cwd") is not None else None
        if body.get("output_path"):
            launch["output_path"] = self._services.root.new_file(body["output_path"])
        common: dict[str, Any] = {
            "owner": self._services.owner,
            "now": self._services.store.clock.now_us(),
            "parameters": body.get("parameters"),
            "name": body.get("name", ""),
            "tags": body.get("tags", ()),
            "pool": body.get("pool", DEFAULT_POOL),
            "retries": retries,
            "scheduled_at": body.get("scheduled_at"),
            "trigger": "api",
        }
        if body.get("notebook") is not None:
            path = self._services.root.notebook(body["notebook"])
            self._services.notebooks.check_run(path, body.get("parameters") or {}, body.get("kernel_name"))
            launch["cwd"] = launch["cwd"] or os.path.dirname(path)
            run = new_run(kind=RunKind.NOTEBOOK, definition=path, launch=launch, notebook_path=path, **common)
        else:
            launch["entrypoint"] = self._services.deployments.entrypoint(body["entrypoint"])
            launch["cwd"] = launch["cwd"] or str(self._services.root.folder)
            run = new_run(kind=RunKind.FLOW, definition=launch["entrypoint"], launch=launch, **common)
        return self._create(run, key)

    def start_deployment(self, deployment: Deployment, body: Mapping[str, Any], *, key: str | None = None) -> Run:
        """Start a run of a deployment, with changed parameters perhaps."""
        self._services.deployments.check_runnable(deployment)
        self._services.deployments.check_parameters(deployment, body.get("parameters") or {})
        fields: dict[str, Any] = {name: body[name] for name in ("name", "tags", "pool", "retries") if name in body}
        run = deployment_run(
            deployment,
            now=self._services.store.clock.now_us(),
            parameters=body.get("parameters"),
            trigger="api",
            scheduled_at=body.get("scheduled_at"),
            **fields,
        )
        return self._create(run, key)

    def _create(self, run: Run, key: str | None = None) -> Run:
        if key is not None:
            run = replace(run, idempotency_key=f"request:{key}")
            held = self._services.store.runs.of_key(run.owner, f"request:{key}")
            if held is not None:
                return held
        self._services.quotas.check_waiting()
        self._services.quotas.take_start()
        made = self._services.store.runs.create(self._services.notebooks.without_secrets(run))
        self._services.wake()
        return made

    def cancel(self, run_id: str) -> Run:
        """Ask that a run be cancelled.

        Raises
        ------
        NotFound, Conflict
        """
        self.get(run_id)
        return self._services.store.runs.request_cancel(run_id)

    def rerun(self, run_id: str, parameters: Mapping[str, Any] | None) -> Run:
        """Run the same definition again.

        Raises
        ------
        NotFound, Conflict
        """
        return self._again(self.get(run_id), parameters, resume=False)

    def resume(self, run_id: str, parameters: Mapping[str, Any] | None) -> Run:
        """Continue a run that failed, crashed or was cancelled.

        Raises
        ------
        NotFound, Conflict
        """
        return self._again(self.get(run_id), parameters, resume=True)

    def _again(self, run: Run, parameters: Mapping[str, Any] | None, *, resume: bool) -> Run:
        now = self._services.store.clock.now_us()
        again = run_again(run, now=now, parameters=parameters, resume=resume)
        if again.kind is RunKind.NOTEBOOK and not again.details["launch"].get("snapshot_id"):
            if not again.notebook_path or not os.path.isfile(again.notebook_path):
                raise Conflict("The notebook of this run is not there any more.", field="run_id")
            if parameters:
                self._services.notebooks.check_run(again.notebook_path, again.parameters, None)
        return self._create(replace(again, owner=self._services.owner))

    def delete(self, run_id: str) -> None:
        """Delete a finished run with everything below it.

        Raises
        ------
        NotFound, Conflict
        """
        self.get(run_id)
        self._services.store.runs.delete(run_id)

    def bulk(self, action: str, ids: tuple[str, ...]) -> list[dict[str, Any]]:
        """Do the same with many runs; each answers for itself."""
        results: list[dict[str, Any]] = []
        for run_id in ids:
            try:
                if action == "cancel":
                    self.cancel(run_id)
                elif action == "delete":
                    self.delete(run_id)
                else:
                    self.rerun(run_id, None)
            except (NotFound, Conflict, UsageError, TooMany) as error:
                results.append({"id": run_id, "ok": False, "message": error.message})
            else:
                results.append({"id": run_id, "ok": True, "message": ""})
        return results

    def _questions(self, run: Run) -> list[dict[str, Any]]:
        if run.state_type is not StateType.PAUSED:
            return []
        questions = self._services.store.pauses.open(run.id)
        return [{"key": q.key, "schema": dict(q.schema), "asked_at": iso(q.asked_at)} for q in questions]

    def go_on(self, run_id: str, values: Mapping[str, Any] | None = None) -> Run:
        """Let a paused run go on, with what it asked for.

        Raises
        ------
        NotFound
        Conflict
            It is not paused.
        UsageError
            It asked for something else.
        """
        run, store = self.get(run_id), self._services.store
        asked = store.pauses.open(run.id) if run.state_type is StateType.PAUSED else []
        if asked and asked[0].schema:
            check_answer(asked[0].schema, values)
        store.pauses.answer(run, dict(values) if values is not None else None)
        self._services.wake()
        return self.get(run_id)


def check_answer(schema: Mapping[str, Any], values: Mapping[str, Any] | None) -> None:
    """Refuse an answer that does not fit what was asked.

    Raises
    ------
    UsageError
        With the field's name.
    """
    import jsonschema  # type: ignore[import-untyped]
    import referencing

    if values is None:
        raise UsageError("values: this run asks for input; give it.", field="values")
    # An empty registry: a run's schema makes the server fetch nothing.
    validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    try:
        error = jsonschema.exceptions.best_match(validator.iter_errors(dict(values)))
    except Exception as wrong:  # the schema is the run's own, and may be anything
        raise UsageError(
            f"values: the schema that this run asks by cannot be used: {one_line(wrong)[:300]}", field="values"
        ) from wrong
    if error is not None:
        name = ".".join(str(part) for part in error.absolute_path) or "values"
        raise UsageError(f"{name}: {error.message[:300]}", field=name)
