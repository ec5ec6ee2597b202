"""Schedules: made, changed, paused, deleted, previewed; their slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from headrace.core.clock import instant, iso
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import HeadraceError, NotFound
from headrace.core.launching import LAUNCH, check_tokens, deployment_run
from headrace.core.schedules import describe
from headrace.core.wire_deployments import schedule_to_wire, slot_to_wire
from headrace.store import timetable
from headrace.store.schedules import TIMING

if TYPE_CHECKING:
    from headrace.server.services import Services

#: How many fire times a preview shows.
PREVIEWED = 5
#: What says when a schedule fires, in a request's words.
_TIMED = ("cron", "day_or", "interval_seconds", "anchor_at", "rrule", "at", "timezone", "start_at", "end_at")
_KINDS = ("cron", "interval_seconds", "rrule", "at")


class SchedulesManager:
    """What requests do with schedules.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def to_wire(self, row: ScheduleRow, deployment: Deployment | None) -> dict[str, Any]:
        """Return a schedule as JSON values; one that cannot be read says so in `error`."""
        error = row.error
        try:
            sentence = describe(timetable.schedule_of(row))
        except HeadraceError as fault:
            sentence, error = "", error or fault.message
        data = schedule_to_wire(row, deployment, sentence)
        data["error"] = error
        data["notebook_path"] = self._services.root.relative(data["notebook_path"])
        return data

    def get(self, schedule_id: str) -> ScheduleRow:
        """Return a schedule that this server's person may see.

        Raises
        ------
        NotFound
        """
        seen = self._services.seen_owner
        try:
            row = self._services.store.schedules.get(schedule_id)
        except NotFound:
            row = None
        if row is None or (seen is not None and row.owner != seen):
            raise NotFound("There is no such schedule.", field="schedule_id")
        return row

    def show(self, row: ScheduleRow) -> dict[str, Any]:
        """Return `{schedule}`."""
        found = self._services.store.deployments.many([row.deployment_id])
        return {"schedule": self.to_wire(row, found.get(row.deployment_id))}

    def page(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of schedules."""
        from headrace.store.run_lists import decode_cursor, encode_cursor

        store, limit = self._services.store, query["limit"]
        after = decode_cursor(query["cursor"]) if query.get("cursor") else None
        rows = store.schedules.page(
            owner=self._services.seen_owner,
            deployment_id=query.get("deployment_id"),
            after=None if after is None else (int(after[0]) if isinstance(after[0], int | float) else 0, after[1]),
            limit=limit + 1,
        )
        names = store.deployments.many({row.deployment_id for row in rows})
        shown = [self.to_wire(row, names.get(row.deployment_id)) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else None
        return {"schedules": shown, "next_cursor": encode_cursor(last.created_at, last.id) if last else None}

    def create(self, body: Mapping[str, Any]) -> ScheduleRow:
        """Make a schedule, and the deployment of its notebook where there is none yet.

        Raises
        ------
        NotFound, UsageError, Conflict
        """
        store = self._services.store
        now = store.clock.now_us()
        # The schedule is checked before a deployment is made for it: nothing is stored when it cannot be.
        timetable.build_row(body, deployment_id="", owner=self._services.owner, now=now)
        self._services.quotas.check_schedules()
        if body.get("deployment_id") is not None:
            deployment = self._services.deployments.get(body["deployment_id"])
        else:
            deployment = self._services.deployments.of_notebook(body["notebook"], body)
        self._services.deployments.check_parameters(deployment, body.get("parameters") or {}, defaults=True)
        row = timetable.build_row(body, deployment_id=deployment.id, owner=deployment.owner, now=now)
        if deployment.paused:
            row = replace(row, next_slot_at=None, next_fire_at=None)
        made = store.schedules.create(row)
        self._services.wake()
        return made

    def change(self, schedule_id: str, body: Mapping[str, Any]) -> ScheduleRow:
        """Change a schedule.

        Raises
        ------
        NotFound, UsageError, Conflict
        """
        held = self.get(schedule_id)
        store = self._services.store
        changes = {key: value for key, value in body.items() if key != "revision"}
        if set(changes) & {*TIMING, "parameters"}:
            changes = self._merged(held, changes)
        return store.schedules.update(schedule_id, revision=body.get("revision"), **changes)

    def _merged(self, held: ScheduleRow, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return all fields of a changed schedule with its next time, checked as a new one is."""
        kept = timetable.as_body(held)
        if any(body.get(key) is not None for key in _KINDS):
            for key in (*_KINDS, "day_or", "anchor_at"):
                kept.pop(key, None)
        body = {**kept, **body}
        fields = timetable.row_fields(body)
        if fields["kind"] == "interval" and body.get("anchor_at") is None:
            fields["anchor_at"] = held.anchor_at or self._services.store.clock.now_us()
        deployment = self._services.deployments.get(held.deployment_id)
        self._services.deployments.check_parameters(deployment, fields["parameters"], defaults=True)
        row = replace(held, **fields, slug=body.get("slug", held.slug))
        now = self._services.store.clock.now_us()
        if row.active:
            timetable.check_fires(row, now)
        row = timetable.with_next(row, now)
        if deployment.paused:
            row = replace(row, next_slot_at=None, next_fire_at=None)
        names = (*TIMING, "parameters", "slug", "next_slot_at", "next_fire_at", "error")
        return {name: getattr(row, name) for name in names}

    def set_active(self, schedule_id: str, active: bool) -> ScheduleRow:
        """Pause a schedule, or let it fire again from now on.

        Raises
        ------
        NotFound, InvalidSchedule
        """
        return self.change(schedule_id, {"active": active})

    def delete(self, schedule_id: str) -> None:
        """Delete a schedule; its runs stay.

        Raises
        ------
        NotFound
        """
        self.get(schedule_id)
        self._services.store.schedules.delete(schedule_id)

    def preview(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a schedule in words and its next five fire times, without storing anything.

        Parameters and the output path are shown as each of the five would have them, their tokens filled.

        Raises
        ------
        InvalidSchedule, InvalidParameter, NotFound
        """
        now = self._services.store.clock.now_us() if self._services.is_open else _now()
        row = timetable.build_row({**body, "active": True}, deployment_id="", owner="", now=now)
        slots = list(islice(timetable.slots_after(row, now), PREVIEWED))
        zone = ZoneInfo(row.timezone)
        found: dict[str, Any] = {
            "sentence": describe(timetable.schedule_of(row)),
            "fires": [iso(slot) for slot in slots],
            "wall": [instant(slot).astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z") for slot in slots],
        }
        deployment = self._previewed(body)
        check_tokens(deployment, row.parameters)
        if slots and (row.parameters or deployment.parameters or deployment.output_path):
            runs = [
                deployment_run(deployment, now=now, schedule=row, slot_at=slot, interval_start_at=previous)
                for slot, previous in zip(slots, [timetable.previous_slot(row, slots[0]), *slots], strict=False)
            ]
            found["parameters"] = [dict(run.parameters) for run in runs]
            if deployment.output_path:
                root = self._services.root
                found["output_paths"] = [root.relative(run.details[LAUNCH]["output_path"]) for run in runs]
        return found

    def _previewed(self, body: Mapping[str, Any]) -> Deployment:
        """Return the deployment that a preview is about, as far as it is known."""
        if body.get("deployment_id") is not None:
            found = self._services.deployments.get(body["deployment_id"])
        else:
            found = Deployment(id="", name="preview", notebook_path=body.get("notebook"))
        if body.get("output_path"):
            return replace(found, output_path=self._services.root.new_file(body["output_path"]))
        return found

    def slots(self, schedule_id: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return what became of a schedule's slots, newest first."""
        self.get(schedule_id)
        limit = query["limit"]
        cursor = query.get("cursor")
        before = int(cursor) if cursor and cursor.isdigit() and len(cursor) < 19 else None
        slots = self._services.store.schedules.slots(schedule_id, before=before, limit=limit + 1)
        following = str(slots[limit - 1].slot_at) if len(slots) > limit else None
        return {"slots": [slot_to_wire(s) for s in slots[:limit]], "next_cursor": following}


def _now() -> int:
    from headrace.core.clock import SYSTEM_CLOCK

    return SYSTEM_CLOCK.now_us()
