"""What belongs to one run: graph, states, attempts, logs, outputs, source, artifacts."""

from __future__ import annotations

from headrace.server.forms import Form, choice, flag, identifier, text, whole
from headrace.server.routes import READ, Answer, Download, Request, Routes

routes = Routes()


@routes.add("GET", "/runs/{run_id}/graph", READ, query=Form((whole("depth", most=100), whole("since_seq", most=2**62))))
def get_graph(request: Request) -> Answer:
    """The tree of a run as a graph."""
    query = request.query
    return request.services.run_parts.graph(
        request.ids["run_id"], depth=query.get("depth"), since_seq=query.get("since_seq")
    )


@routes.add("GET", "/runs/{run_id}/states", READ)
def get_states(request: Request) -> Answer:
    """The state changes of a run, oldest first."""
    return request.services.run_parts.states(request.ids["run_id"])


@routes.add("GET", "/runs/{run_id}/attempts", READ)
def get_attempts(request: Request) -> Answer:
    """The attempts of a run, and the runs that it continues."""
    return request.services.run_parts.attempts(request.ids["run_id"])


LOGS = Form(
    (
        whole("offset", least=-(2**31), most=2**31 - 1),
        whole("limit", least=1, most=5000, default=200),
        whole("level", most=100, default=0),
        identifier("run_id"),
        text("search", most=200),
        flag("tail"),
    )
)


@routes.add("GET", "/runs/{run_id}/logs", READ, query=LOGS)
def get_logs(request: Request) -> Answer:
    """A range of log lines."""
    return request.services.run_parts.logs(request.ids["run_id"], {"level": 0, **request.query})


@routes.add(
    "GET", "/runs/{run_id}/logs/download", READ, query=Form((choice("format", ("text", "jsonl"), default="text"),))
)
def get_log_file(request: Request) -> Answer:
    """The whole log as a file."""
    form = request.query["format"]
    name, pieces = request.services.run_parts.log_pieces(request.ids["run_id"], form)
    kind = "application/x-ndjson" if form == "jsonl" else "text/plain; charset=utf-8"
    return Download(file_name=name, media_type=kind, pieces=pieces)


@routes.add("GET", "/runs/{run_id}/outputs", READ, query=Form((identifier("run_id"),)))
def get_outputs(request: Request) -> Answer:
    """The cells of a notebook run with their outputs."""
    return request.services.run_parts.outputs(request.ids["run_id"], request.query.get("run_id"))


@routes.add("GET", "/runs/{run_id}/source", READ)
def get_source(request: Request) -> Answer:
    """The source that a run executed."""
    return request.services.run_parts.source(request.ids["run_id"])


@routes.add("GET", "/runs/{run_id}/export", READ, query=Form((flag("code", default=True),)))
def get_export(request: Request) -> Answer:
    """A run as one HTML file to be shared, its secrets masked."""
    name, pieces = request.services.run_parts.export(request.ids["run_id"], code=request.query["code"])
    return Download(file_name=name, media_type="text/html; charset=utf-8", pieces=pieces)


_ARTIFACTS = Form((text("key", most=200), whole("limit", least=1, most=500, default=100)))


@routes.add("GET", "/runs/{run_id}/artifacts", READ, query=_ARTIFACTS)
def get_run_artifacts(request: Request) -> Answer:
    """The artifacts of a run's tree, newest first."""
    query = request.query
    return request.services.run_parts.artifacts(request.ids["run_id"], key=query.get("key"), limit=query["limit"])


@routes.add("GET", "/artifacts", READ, query=_ARTIFACTS)
def get_artifacts(request: Request) -> Answer:
    """The newest artifacts of all runs."""
    return request.services.run_parts.artifacts(None, key=request.query.get("key"), limit=request.query["limit"])
