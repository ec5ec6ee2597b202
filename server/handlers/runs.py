"""Runs: lists, start, cancel, again, resume, delete."""

from __future__ import annotations

from headrace.server.forms import Form, choice, delays, flag, identifier, moment, record, text, words
from headrace.server.handlers.forms import (
    CELL_TIMEOUT,
    NOTHING,
    PAGE,
    PARAMETERS,
    PATH,
    POOL,
    RETRIES,
    TAGS,
    TIMEOUT,
)
from headrace.server.routes import EXECUTE, READ, WRITE, Answer, Request, Routes
from headrace.server.sorts import SORTS

routes = Routes()

LISTED = Form(
    (
        words("state_type", repeated=True),
        words("state_name", repeated=True),
        words("kind", repeated=True),
        words("tag", repeated=True),
        text("name", most=200),
        text("text", most=200),
        *(identifier(f"{what}_id") for what in ("parent", "root", "deployment", "schedule", "document", "cell")),
        text("trigger", most=50),
        text("owner", most=200),
        text("pool", most=100),
        moment("since"),
        moment("until"),
        flag("roots", default=True),
        choice("sort", SORTS, default="-created_at"),
        *PAGE,
    )
)
NEW = Form(
    (
        text("notebook", most=PATH, least=1, help="Path below the server's root."),
        text("entrypoint", most=1000, least=3, help="path.py:flow or package.module:flow."),
        text("deployment", most=200, least=1, help="A deployment's name or id."),
        PARAMETERS,
        text("kernel_name", most=200, least=1, nullable=True),
        text("output_path", most=PATH, nullable=True),
        text("name", most=200),
        TAGS,
        RETRIES,
        delays("retry_delay_seconds", nullable=True),
        TIMEOUT,
        CELL_TIMEOUT,
        text("cwd", most=PATH, nullable=True),
        POOL,
        moment("scheduled_at", nullable=True),
    ),
    one_of=("notebook", "entrypoint", "deployment"),
)
AGAIN = Form((record("parameters", nullable=True),))
ANSWER = Form((record("values", required=True),))
BULK = Form(
    (
        choice("action", ("cancel", "delete", "rerun"), required=True),
        words("ids", most=500, length=100, required=True),
    )
)


@routes.add("GET", "/runs", READ, query=LISTED)
def get_runs(request: Request) -> Answer:
    """Runs, filtered and sorted, a page at a time."""
    return request.services.runs.page(request.query)


@routes.add("POST", "/runs", EXECUTE, status=201, body=NEW)
def post_run(request: Request) -> Answer:
    """Run a notebook, a flow or a deployment now, or at a given time."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.start(request.body, key=request.key), full=True)}


@routes.add("POST", "/runs/bulk", EXECUTE, body=BULK)
def post_bulk(request: Request) -> Answer:
    """Cancel, delete or run again many runs; each answers for itself."""
    return {"results": request.services.runs.bulk(request.body["action"], request.body["ids"])}


@routes.add("GET", "/runs/{run_id}", READ)
def get_run(request: Request) -> Answer:
    """One run in full."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.get(request.ids["run_id"]), full=True)}


@routes.add("DELETE", "/runs/{run_id}", WRITE, status=204)
def delete_run(request: Request) -> Answer:
    """Delete a finished run with everything below it."""
    request.services.runs.delete(request.ids["run_id"])
    return None


@routes.add("POST", "/runs/{run_id}/cancel", WRITE, status=202, body=NOTHING)
def post_cancel(request: Request) -> Answer:
    """Ask that a run be cancelled."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.cancel(request.ids["run_id"]), full=True)}


@routes.add("POST", "/runs/{run_id}/rerun", EXECUTE, status=201, body=AGAIN)
def post_rerun(request: Request) -> Answer:
    """Run the same definition again as a new run."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.rerun(request.ids["run_id"], request.body.get("parameters")), full=True)}


@routes.add("POST", "/runs/{run_id}/resume", EXECUTE, status=201, body=AGAIN)
def post_resume(request: Request) -> Answer:
    """Continue a failed, crashed or cancelled run as a new run."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.resume(request.ids["run_id"], request.body.get("parameters")), full=True)}


@routes.add("POST", "/runs/{run_id}/unpause", EXECUTE, status=202, body=NOTHING)
def post_unpause(request: Request) -> Answer:
    """Let a paused run go on."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.go_on(request.ids["run_id"]), full=True)}


@routes.add("POST", "/runs/{run_id}/answer", EXECUTE, status=202, body=ANSWER)
def post_answer(request: Request) -> Answer:
    """Give a paused run the input that it asked for, and let it go on."""
    runs = request.services.runs
    return {"run": runs.to_wire(runs.go_on(request.ids["run_id"], request.body["values"]), full=True)}
