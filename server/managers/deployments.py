"""Deployments: made (also for a notebook that is scheduled), changed, run, paused, deleted."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from headrace.core import notices
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import NotFound, UsageError
from headrace.core.ids import is_id, new_id
from headrace.core.launching import check_tokens
from headrace.core.runs import Run
from headrace.core.wire_deployments import deployment_to_wire, last_run_to_wire, matrix_to_wire, notice_to_wire
from headrace.server import agreement
from headrace.server.managers.needs import missing
from headrace.server.notices.sending import mail_is_set_up
from headrace.server.scheduler import slot_run
from headrace.store import timetable
from headrace.store.deploying import Deployed, deploy, set_paused
from headrace.store.firing import Due
from headrace.store.run_lists import decode_cursor, encode_cursor

if TYPE_CHECKING:
    from headrace.server.services import Services

#: Slots of one schedule that a backfill runs at most.
BACKFILL = 1000
#: Body fields that are a deployment's own, under the same name.
_PLAIN = (
    *("description", "tags", "pool", "priority", "retries", "retry_delay_seconds", "timeout_seconds", "env_file"),
    *("cell_timeout_seconds", "concurrency_limit", "overlap", "catch_up", "catch_up_limit", "grace_seconds", "paused"),
    *("retention", "parameters", "parameter_schema"),
)


class DeploymentsManager:
    """What requests do with deployments.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def get(self, deployment_id: str) -> Deployment:
        """Return a deployment that this server's person may see.

        Raises
        ------
        NotFound
        """
        seen = self._services.seen_owner
        try:
            found = self._services.store.deployments.get(deployment_id)
        except NotFound:
            found = None
        if found is None or (seen is not None and found.owner != seen):
            raise NotFound("There is no such deployment.", field="deployment_id")
        return found

    def resolve(self, text: str) -> Deployment:
        """Return the deployment of this name or id.

        Raises
        ------
        NotFound
        """
        named = self._services.store.deployments.named(text, self._services.owner)
        if named is not None:
            return named
        if not is_id(text):
            raise NotFound(f"There is no deployment {text!r}.", field="deployment")
        return self.get(text)

    def to_wire(self, deployment: Deployment, schedules: Sequence[ScheduleRow], runs: list[Run]) -> dict[str, Any]:
        """Return a deployment with its schedules and last runs."""
        data = deployment_to_wire(deployment)
        root = self._services.root
        for name in ("notebook_path", "cwd", "output_path", "env_file"):
            data[name] = root.relative(getattr(deployment, name))
        data["schedules"] = [self._services.schedules.to_wire(row, deployment) for row in schedules]
        rules, _ = notices.rules_of(deployment.details)
        own = deployment.owner == self._services.owner
        data["notify"] = [{"events": [*r.events], "to": r.to if own else notices.shown(r.to)} for r in rules]
        data["last_runs"] = [last_run_to_wire(run) for run in runs]
        fires = [row["next_fire_at"] for row in data["schedules"] if row["active"] and row["next_fire_at"]]
        data["next_fire_at"] = min(fires, default=None)
        data["moved_on"] = self._moved_on(deployment)
        data["error"] = data["error"] or missing(deployment, self._services.root)
        return data

    def check_runnable(self, deployment: Deployment) -> None:
        """Refuse to run a deployment whose file or interpreter is gone.

        Raises
        ------
        NotFound
        """
        gone = missing(deployment, self._services.root)
        if gone is not None:
            raise NotFound(gone, field="deployment")

    def _moved_on(self, deployment: Deployment) -> bool:
        """Return whether the file differs from the copy that was pinned."""
        if deployment.snapshot_id is None or deployment.notebook_path is None:
            return False
        try:
            with open(deployment.notebook_path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            return True
        return deployment.snapshot_id != f"sha256:{digest}"

    def show(self, deployment: Deployment) -> dict[str, Any]:
        """Return `{deployment}`."""
        store = self._services.store
        schedules = store.schedules.of_deployments([deployment.id])[deployment.id]
        return {"deployment": self.to_wire(deployment, schedules, store.deployments.last_runs(deployment.id))}

    def page(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of deployments, by name."""
        store, limit = self._services.store, query["limit"]
        after = decode_cursor(query["cursor"]) if query.get("cursor") else None
        found = store.deployments.page(
            owner=self._services.seen_owner,
            text=query.get("text", ""),
            after=None if after is None else (str(after[0]), after[1]),
            limit=limit + 1,
        )
        shown = found[:limit]
        schedules = store.schedules.of_deployments(d.id for d in shown)
        data = [self.to_wire(d, schedules[d.id], store.deployments.last_runs(d.id)) for d in shown]
        last = shown[-1] if len(found) > limit else None
        return {"deployments": data, "next_cursor": encode_cursor(last.name, last.id) if last else None}

    def entrypoint(self, text: str) -> str:
        """Return a flow's entrypoint, checked as far as can be without running any code.

        Raises
        ------
        NotFound, UsageError
        """
        place, sign, name = text.rpartition(":")
        if not sign or not place or not name.isidentifier():
            raise UsageError(f"entrypoint: {text!r} is not path.py:flow or package.module:flow.", field="entrypoint")
        if place.endswith(".py"):
            return f"{self._services.root.resolve(place, field='entrypoint')}:{name}"
        if not all(part.isidentifier() for part in place.split(".")):
            raise UsageError(f"entrypoint: {place!r} is no module's name.", field="entrypoint")
        return text

    def check_parameters(
        self, deployment: Deployment, parameters: Mapping[str, Any], *, defaults: bool = False
    ) -> None:
        """Refuse parameters that the deployment's notebook does not take.

        Parameters
        ----------
        deployment : Deployment
        parameters : mapping
        defaults : bool, default False
            They are kept with the deployment or a schedule, so that they may hold tokens.

        Raises
        ------
        InvalidParameter
        """
        templated: set[str] = set()
        if defaults:
            check_tokens(deployment, parameters)
            templated = {name for name, value in parameters.items() if isinstance(value, str) and "{" in value}
        if not parameters or deployment.notebook_path is None or not os.path.isfile(deployment.notebook_path):
            return
        if defaults:
            self._services.notebooks.check_kept(deployment.notebook_path, parameters)
        # What tokens will fill is text until then: only the name can be checked.
        self._services.notebooks.check_names(deployment.notebook_path, templated)
        plain = {name: value for name, value in parameters.items() if name not in templated}
        self._services.notebooks.check_values(deployment.notebook_path, plain, complete=False)

    def _fields(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a deployment's fields from a request's: what runs, where, under which policies."""
        root = self._services.root
        fields: dict[str, Any] = {name: body[name] for name in _PLAIN if name in body}
        if body.get("notebook") is not None:
            path = root.notebook(body["notebook"])
            kernel = self._services.notebooks.check_kernel(path, body.get("kernel_name"))
            fields.update(kind="notebook", notebook_path=path, entrypoint=None, interpreter=None)
            fields.update(kernel_name=kernel, kernel_spec=self._services.kernel_spec(kernel), cwd=os.path.dirname(path))
        elif body.get("entrypoint") is not None:
            fields.update(kind="flow", entrypoint=self.entrypoint(body["entrypoint"]), notebook_path=None)
            fields.update(interpreter=sys.executable, cwd=str(root.folder), kernel_name=None, kernel_spec=None)
            fields.update(snapshot_id=None, source_mode="live")
        elif body.get("kernel_name") is not None:
            kernel = self._services.notebooks.check_kernel("", body["kernel_name"])
            fields.update(kernel_name=kernel, kernel_spec=self._services.kernel_spec(kernel))
        if "output_path" in body:
            fields["output_path"] = root.new_file(body["output_path"]) if body["output_path"] else None
        if body.get("cwd") is not None:
            fields["cwd"] = root.directory(body["cwd"])
        if fields.get("env_file") is not None:
            fields["env_file"] = root.resolve(fields["env_file"], field="env_file")
        return fields

    def _details(self, body: Mapping[str, Any], held: Deployment | None, path: str | None) -> dict[str, Any]:
        """Return what else is known of a deployment: who is told, who agreed; what a request does not say stays."""
        details = {**(held.details if held else {}), **body.get("details", {})}
        if "notify" in body:
            details[notices.KEY] = self._rules(body["notify"], details)
        if path is not None and {"notebook", "agreed"} & body.keys():
            details = agreement.agreed(self._services, path, body.get("agreed"), details)
        return details

    def _rules(self, given: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> dict[str, Any]:
        """Return who is told, with since when: what happened before a rule was made is no news."""
        rules = notices.check_rules(given)
        mails = [rule["to"] for rule in rules if notices.is_mail(rule["to"])]
        if mails and not mail_is_set_up():
            raise UsageError(
                f"notify: no mail can be sent to {mails[0]} from here: set smtp_url in headrace.toml.", field="notify"
            )
        held = details.get(notices.KEY) or {}
        same = held.get("rules") == rules
        return {"rules": rules, "since": held["since"] if same else self._services.store.clock.now_us()}

    def notices(self, deployment_id: str) -> list[dict[str, Any]]:
        """Return what was told of a deployment lately, newest first."""
        self.get(deployment_id)
        return [notice_to_wire(notice) for notice in self._services.store.notices.of_deployment(deployment_id)]

    def _pin(self, fields: dict[str, Any], source: str | None, path: str | None, *, keep: bool = True) -> None:
        """Keep a copy of the notebook's present content (or only name it), or let go of it.

        Raises
        ------
        UsageError
            It is a flow: its code is in a file or module, or was kept with the cell that defined it.
        """
        if path is None:
            if source == "pinned":
                raise UsageError("source: only a notebook can be pinned; deploy the flow again.", field="source")
        elif source == "pinned":
            content = self._services.notebooks.read(path)
            fields["snapshot_id"] = (
                self._services.store.deployments.keep_snapshot("notebook", content, {"path": path})
                if keep
                else f"sha256:{hashlib.sha256(content).hexdigest()}"
            )
            fields["source_mode"] = "pinned"
        elif source == "live":
            fields.update(snapshot_id=None, source_mode="live")

    def _checked(self, body: Mapping[str, Any], held: Deployment | None = None, *, keep: bool = True) -> Deployment:
        """Return the deployment that a request describes; what it does not say is the default.

        Parameters
        ----------
        body : mapping
        held : Deployment or None, default None
            The one of before, whose details stay.
        keep : bool, default True
            Store the copy of a pinned notebook.

        Raises
        ------
        NotFound, UsageError
        """
        fields = self._fields(body)
        fields["details"] = self._details(body, held, fields.get("notebook_path"))
        deployment = Deployment(id=new_id(), name=body["name"], owner=self._services.owner, **fields)
        self.check_parameters(deployment, deployment.parameters, defaults=True)
        for item in body.get("schedules", ()):
            self.check_parameters(deployment, item.get("parameters") or {}, defaults=True)
        pinned: dict[str, Any] = {}
        self._pin(pinned, body.get("source"), deployment.notebook_path, keep=keep)
        return replace(deployment, **pinned)

    def create(self, body: Mapping[str, Any]) -> Deployment:
        """Make a deployment with its schedules, all or nothing.

        Raises
        ------
        NotFound, UsageError, Conflict
        """
        store = self._services.store
        now = store.clock.now_us()
        self._services.quotas.check_schedules(len(body.get("schedules", ())))
        # The copy of a pinned notebook is kept only once everything else has been checked.
        deployment = self._checked({key: value for key, value in body.items() if key != "source"})
        rows = []
        for item in body.get("schedules", ()):
            row = timetable.build_row(item, deployment_id=deployment.id, owner=deployment.owner, now=now)
            rows.append(replace(row, next_slot_at=None, next_fire_at=None) if deployment.paused else row)
        pinned: dict[str, Any] = {}
        self._pin(pinned, body.get("source"), deployment.notebook_path)
        made = store.deployments.create(replace(deployment, **pinned), rows)
        if rows:
            self._services.wake()
        return made

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False) -> Deployed:
        """Make a deployment, or make the one of this name what the body says; told twice it changes nothing.

        Raises
        ------
        NotFound, UsageError
        """
        held = self._services.store.deployments.named(body["name"], self._services.owner)
        deployment = self._checked(body, held, keep=not dry_run)
        present = self._services.store.schedules.of_deployments([held.id])[held.id] if held is not None else []
        self._services.quotas.check_schedules(len(body.get("schedules") or ()) - len(present))
        deployed = deploy(self._services.store, deployment, body.get("schedules"), dry_run=dry_run)
        if not dry_run:
            self._services.wake()
        return deployed

    def of_notebook(self, notebook: str, body: Mapping[str, Any]) -> Deployment:
        """Return the deployment of a notebook; it is made where there is none.

        Raises
        ------
        NotFound, UsageError, Conflict
        """
        path = self._services.root.notebook(notebook)
        name = body.get("name")
        held = self._services.store.deployments.of_notebook(path, self._services.owner)
        if held is not None and name in (None, held.name):
            details = agreement.agreed(self._services, path, body.get("agreed"), dict(held.details))
            if details == held.details:
                return held
            return self._services.store.deployments.update(held.id, details=details)
        label = name or os.path.basename(path).removesuffix(".ipynb")
        if name is None and self._services.store.deployments.named(label, self._services.owner) is not None:
            label = notebook.removesuffix(".ipynb")
        agreed = {"agreed": body["agreed"]} if body.get("agreed") is not None else {}
        return self.create({"notebook": notebook, "name": label, "kernel_name": body.get("kernel_name"), **agreed})

    def change(self, deployment_id: str, body: Mapping[str, Any]) -> Deployment:
        """Change a deployment.

        Raises
        ------
        NotFound, UsageError, Conflict
        """
        held = self.get(deployment_id)
        changes = self._fields(body)
        path = changes.get("notebook_path", held.notebook_path)
        if {"notify", "notebook", "agreed"} & body.keys():
            changes["details"] = self._details(body, held, path)
        if "name" in body:
            changes["name"] = body["name"]
        kept = held.source_mode if "notebook" in body and held.notebook_path else None
        self._pin(changes, body.get("source") or kept, path)
        new = replace(held, **changes)
        if {"parameters", "output_path"} & changes.keys():
            self.check_parameters(new, new.parameters, defaults=True)
        made = self._services.store.deployments.update(deployment_id, revision=body.get("revision"), **changes)
        if made.paused != held.paused:
            made = set_paused(self._services.store, made, made.paused)
            self._services.wake()
        return made

    def set_paused(self, deployment_id: str, paused: bool) -> Deployment:
        """Pause every schedule of a deployment, or let them fire again from now on.

        Raises
        ------
        NotFound
        """
        return self.change(deployment_id, {"paused": paused})

    def set_all_paused(self, paused: bool) -> int:
        """Pause every deployment of this person, or let all fire again from now on; return how many were changed."""
        store = self._services.store
        changed = [d for d in store.deployments.all_of(self._services.owner) if d.paused != paused]
        for deployment in changed:
            set_paused(store, deployment, paused)
        self._services.wake()
        return len(changed)

    def delete(self, deployment_id: str) -> None:
        """Delete a deployment with its schedules; its runs stay.

        Raises
        ------
        NotFound
        """
        self.get(deployment_id)
        self._services.store.deployments.delete(deployment_id)

    def backfill(self, deployment_id: str, start: int, end: int) -> int:
        """Run every slot of a deployment's schedules between two times that has no run, and return how many.

        Parameters
        ----------
        deployment_id : str
        start, end : int, µs
            Both included.

        Raises
        ------
        NotFound
        UsageError
            There are too many slots, or they lie in the future.
        """
        deployment, store = self.get(deployment_id), self._services.store
        now = store.clock.now_us()
        if start > end or end > now:
            raise UsageError("to: give two times of the past, the earlier one first.", field="to")
        plans = []
        for row in store.schedules.of_deployments([deployment.id])[deployment.id]:
            slots = list(
                islice(takewhile(lambda slot: slot <= end, timetable.slots_after(row, start - 1)), BACKFILL + 1)
            )
            if len(slots) > BACKFILL:
                raise UsageError(
                    f"to: there are more than {BACKFILL} slots in this time; take a shorter one.", field="to"
                )
            plans.append((row, slots))
        self._services.quotas.check_waiting(sum(len(slots) for _, slots in plans))
        made = 0
        for row, slots in plans:
            due = [Due(slot_at=slot, run=slot_run(deployment, row, slot, now, trigger="backfill")) for slot in slots]
            made += len(store.schedules.backfill(row, due))
        self._services.wake()
        return made

    def matrix(self, deployment_id: str, limit: int) -> dict[str, Any]:
        """Return the grid of a deployment's last runs and their tasks or cells."""
        self.get(deployment_id)
        store = self._services.store
        runs = list(reversed(store.deployments.last_runs(deployment_id, limit=limit)))
        grid = matrix_to_wire(runs, store.deployments.below([run.id for run in runs]))
        return {"runs": [self._services.runs.to_wire(run) for run in runs], **grid}
