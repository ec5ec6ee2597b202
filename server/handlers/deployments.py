"""Deployments."""

from __future__ import annotations

from headrace.server.forms import Form, moment, text, whole, words
from headrace.server.handlers.forms import CHANGED_DEPLOYMENT, NEW_DEPLOYMENT, NOTHING, PAGE, PARAMETERS
from headrace.server.routes import EXECUTE, READ, WRITE, Answer, Request, Routes

routes = Routes()
_RUN = Form((PARAMETERS, text("name", most=200), words("tags")))


@routes.add("GET", "/deployments", READ, query=Form((text("text", most=200), *PAGE)))
def get_deployments(request: Request) -> Answer:
    """Deployments by name, a page at a time."""
    return request.services.deployments.page(request.query)


@routes.add("POST", "/deployments", EXECUTE, status=201, body=NEW_DEPLOYMENT)
def post_deployment(request: Request) -> Answer:
    """Make a deployment with its schedules."""
    deployments = request.services.deployments
    return deployments.show(deployments.create(request.body))


@routes.add("GET", "/deployments/{deployment_id}", READ)
def get_deployment(request: Request) -> Answer:
    """One deployment with its schedules and last runs."""
    deployments = request.services.deployments
    return deployments.show(deployments.get(request.ids["deployment_id"]))


@routes.add("PATCH", "/deployments/{deployment_id}", EXECUTE, body=CHANGED_DEPLOYMENT)
def patch_deployment(request: Request) -> Answer:
    """Change a deployment."""
    deployments = request.services.deployments
    return deployments.show(deployments.change(request.ids["deployment_id"], request.body))


@routes.add("DELETE", "/deployments/{deployment_id}", WRITE, status=204)
def delete_deployment(request: Request) -> Answer:
    """Delete a deployment with its schedules."""
    request.services.deployments.delete(request.ids["deployment_id"])
    return None


@routes.add("POST", "/deployments/{deployment_id}/run", EXECUTE, status=201, body=_RUN)
def post_deployment_run(request: Request) -> Answer:
    """Run a deployment now."""
    services = request.services
    deployment = services.deployments.get(request.ids["deployment_id"])
    return {
        "run": services.runs.to_wire(
            services.runs.start_deployment(deployment, request.body, key=request.key), full=True
        )
    }


@routes.add("POST", "/deployments/{deployment_id}/pause", WRITE, body=NOTHING)
def post_pause(request: Request) -> Answer:
    """Pause every schedule of a deployment."""
    deployments = request.services.deployments
    return deployments.show(deployments.set_paused(request.ids["deployment_id"], True))


@routes.add("POST", "/deployments/pause", WRITE, body=NOTHING)
def post_pause_all(request: Request) -> Answer:
    """Pause every deployment."""
    return {"changed": request.services.deployments.set_all_paused(True)}


@routes.add("POST", "/deployments/unpause", EXECUTE, body=NOTHING)
def post_unpause_all(request: Request) -> Answer:
    """Let every deployment's schedules fire again."""
    return {"changed": request.services.deployments.set_all_paused(False)}


@routes.add("POST", "/deployments/{deployment_id}/unpause", EXECUTE, body=NOTHING)
def post_unpause(request: Request) -> Answer:
    """Let the schedules of a deployment fire again."""
    deployments = request.services.deployments
    return deployments.show(deployments.set_paused(request.ids["deployment_id"], False))


@routes.add(
    "GET", "/deployments/{deployment_id}/matrix", READ, query=Form((whole("limit", least=1, most=100, default=20),))
)
def get_matrix(request: Request) -> Answer:
    """The last runs of a deployment and their tasks, as a grid."""
    return request.services.deployments.matrix(request.ids["deployment_id"], request.query["limit"])


@routes.add("GET", "/deployments/{deployment_id}/notices", READ)
def get_notices(request: Request) -> Answer:
    """Who was told of this deployment's runs lately, and whether it arrived."""
    return {"notices": request.services.deployments.notices(request.ids["deployment_id"])}


_BACKFILL = Form((moment("from", required=True), moment("to", required=True)))


@routes.add("POST", "/deployments/{deployment_id}/backfill", EXECUTE, status=201, body=_BACKFILL)
def post_backfill(request: Request) -> Answer:
    """Run every slot between two times that has no run."""
    body = request.body
    return {"runs": request.services.deployments.backfill(request.ids["deployment_id"], body["from"], body["to"])}
