"""Health, counts, the home page, workers, limits, the API's own description."""

from __future__ import annotations

from headrace.server.forms import Form, number, text, whole
from headrace.server.handlers.forms import LIMIT
from headrace.server.routes import EXECUTE, READ, WRITE, Answer, Request, Routes

routes = Routes()


@routes.add("GET", "/health", READ)
def get_health(request: Request) -> Answer:
    """How the store, the scheduler and the workers are."""
    return request.services.system.health()


@routes.add("GET", "/overview", READ, query=Form((whole("days", least=1, most=90, default=7),)))
def get_overview(request: Request) -> Answer:
    """What runs, failed, is late and comes next, and the last days."""
    return request.services.system.overview(request.query["days"])


@routes.add("GET", "/counts", READ)
def get_counts(request: Request) -> Answer:
    """How many runs are running, waiting, late, and have failed since yesterday."""
    return request.services.system.counts()


@routes.add("GET", "/flows", READ, query=Form((LIMIT,)))
def get_flows(request: Request) -> Answer:
    """The flows and notebooks that have run, the latest first, each with its newest run."""
    return request.services.system.flows(request.query["limit"])


@routes.add("GET", "/settings", READ)
def get_settings(request: Request) -> Answer:
    """The settings of this server, what each is now, and where that stands."""
    return request.services.system.settings()


@routes.add("GET", "/workers", READ)
def get_workers(request: Request) -> Answer:
    """The workers, and whether schedules fire while no server runs."""
    return request.services.system.workers()


@routes.add("POST", "/workers", EXECUTE, status=201, body=Form((text("pool", most=100, least=1, default="default"),)))
def post_worker(request: Request) -> Answer:
    """Start a worker of a pool unless one is alive."""
    return request.services.system.start_worker(request.body["pool"])


@routes.add("GET", "/limits", READ)
def get_limits(request: Request) -> Answer:
    """The concurrency limits and who holds their slots."""
    return request.services.system.limits()


_LIMIT = Form((whole("limit", most=1_000_000, required=True), number("slot_decay_per_second", most=999_999)))


@routes.add("PUT", "/limits/{name}", WRITE, body=_LIMIT)
def put_limit(request: Request) -> Answer:
    """Make or change a concurrency limit."""
    return request.services.system.set_limit(request.ids["name"], request.body)


@routes.add("DELETE", "/limits/{name}", WRITE, status=204)
def delete_limit(request: Request) -> Answer:
    """Delete a concurrency limit."""
    request.services.system.delete_limit(request.ids["name"])
    return None


@routes.add("GET", "/openapi.json", READ)
def get_openapi(request: Request) -> Answer:
    """This description of the API."""
    from headrace.server.openapi import document

    return document()
