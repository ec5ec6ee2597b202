"""Schedules."""

from __future__ import annotations

from headrace.server.forms import Form, identifier, text
from headrace.server.handlers.forms import CHANGED_SCHEDULE, LIMIT, NEW_SCHEDULE, NOTHING, PAGE, PREVIEW
from headrace.server.routes import EXECUTE, READ, WRITE, Answer, Request, Routes

routes = Routes()


@routes.add("GET", "/schedules", READ, query=Form((identifier("deployment_id"), *PAGE)))
def get_schedules(request: Request) -> Answer:
    """Schedules, oldest first, a page at a time."""
    return request.services.schedules.page(request.query)


@routes.add("POST", "/schedules", EXECUTE, status=201, body=NEW_SCHEDULE)
def post_schedule(request: Request) -> Answer:
    """Make a schedule, and the deployment of its notebook where there is none."""
    schedules = request.services.schedules
    return schedules.show(schedules.create(request.body))


@routes.add("POST", "/schedules/preview", READ, body=PREVIEW)
def post_preview(request: Request) -> Answer:
    """A schedule in words and its next five fire times, with what tokens come to at each."""
    return request.services.schedules.preview(request.body)


@routes.add("GET", "/schedules/{schedule_id}", READ)
def get_schedule(request: Request) -> Answer:
    """One schedule."""
    schedules = request.services.schedules
    return schedules.show(schedules.get(request.ids["schedule_id"]))


@routes.add("PATCH", "/schedules/{schedule_id}", EXECUTE, body=CHANGED_SCHEDULE)
def patch_schedule(request: Request) -> Answer:
    """Change a schedule."""
    schedules = request.services.schedules
    return schedules.show(schedules.change(request.ids["schedule_id"], request.body))


@routes.add("DELETE", "/schedules/{schedule_id}", WRITE, status=204)
def delete_schedule(request: Request) -> Answer:
    """Delete a schedule; its runs stay."""
    request.services.schedules.delete(request.ids["schedule_id"])
    return None


@routes.add("POST", "/schedules/{schedule_id}/pause", WRITE, body=NOTHING)
def post_pause(request: Request) -> Answer:
    """Pause a schedule."""
    schedules = request.services.schedules
    return schedules.show(schedules.set_active(request.ids["schedule_id"], False))


@routes.add("POST", "/schedules/{schedule_id}/unpause", EXECUTE, body=NOTHING)
def post_unpause(request: Request) -> Answer:
    """Let a schedule fire again from now on."""
    schedules = request.services.schedules
    return schedules.show(schedules.set_active(request.ids["schedule_id"], True))


@routes.add("GET", "/schedules/{schedule_id}/slots", READ, query=Form((LIMIT, text("cursor", most=20))))
def get_slots(request: Request) -> Answer:
    """What became of the slots of a schedule, newest first."""
    return request.services.schedules.slots(request.ids["schedule_id"], request.query)
