"""Notebooks and kernels."""

from __future__ import annotations

from headrace.server.forms import Form, record, records, text, whole
from headrace.server.handlers.forms import NOTHING, PATH
from headrace.server.routes import EXECUTE, READ, WRITE, Answer, Request, Routes

routes = Routes()
_PATH = Form((text("path", most=PATH, least=1, required=True, help="Below the server's root."),))
#: An open notebook is sent without outputs; its sources may still be more than other bodies.
MAX_DOCUMENT = 16 << 20
_CELL = Form(
    (
        text("id", most=200, required=True),
        text("cell_type", most=20, required=True),
        text("source", most=MAX_DOCUMENT, required=True),
        record("metadata"),
    )
)
_DOCUMENT = Form(
    (
        text("path", most=PATH, least=1, required=True),
        text("kernel_id", most=100, nullable=True),
        records("cells", _CELL, most=20_000, required=True),
        record("metadata"),
        whole("revision", most=2**53, required=True),
    )
)


@routes.add("GET", "/notebooks/inspect", READ, query=_PATH)
def get_inspection(request: Request) -> Answer:
    """What a notebook declares: parameters, kernel, cells."""
    return request.services.notebooks.inspect(request.query["path"])


@routes.add("GET", "/notebooks/graph", READ, query=_PATH)
def get_notebook_graph(request: Request) -> Answer:
    """The analysed flow of a notebook, with the newest run of each cell and what is stale."""
    return request.services.notebook_graphs.graph(request.query["path"])


@routes.add("PUT", "/documents", WRITE, body=_DOCUMENT, max_body=MAX_DOCUMENT)
def put_document(request: Request) -> Answer:
    """Keep the open notebook as the panel has it."""
    return request.services.notebooks.save_document(request.body)


@routes.add("GET", "/kernelspecs", READ)
def get_kernelspecs(request: Request) -> Answer:
    """The installed kernels."""
    return request.services.notebooks.kernelspecs()


@routes.add("GET", "/kernelspecs/{name}", READ)
def get_kernelspec(request: Request) -> Answer:
    """One kernel: its Python, and whether Headrace is in it."""
    return {"kernelspec": request.services.interpreters.look(request.ids["name"])}


@routes.add("POST", "/kernelspecs/{name}/install", EXECUTE, status=202, body=NOTHING)
def post_install(request: Request) -> Answer:
    """Install Headrace into a kernel's Python."""
    return {"installation": request.services.interpreters.install(request.ids["name"])}


@routes.add("GET", "/kernelspecs/{name}/install", READ)
def get_install(request: Request) -> Answer:
    """How that installation stands, and what it has said."""
    return {"installation": request.services.interpreters.installation(request.ids["name"])}
