"""The OpenAPI document, made from the table of routes (docs/developer/wire.md is its prose)."""

from __future__ import annotations

import re
from typing import Any

from headrace.server.forms import Form, schema_of
from headrace.server.routes import Route, all_routes

_ERRORS = {
    400: "Malformed: not JSON, NaN, a name twice.",
    403: "Not logged in, or not allowed.",
    404: "No such id or path.",
    409: "A conflict with the present state, or a stale revision.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A field is wrong.",
    429: "A quota is used up.",
    503: "The store cannot be used now.",
    507: "The disk is full.",
}


def document() -> dict[str, Any]:
    """Return the API's description.

    Returns
    -------
    dict
        OpenAPI 3.1, JSON values.
    """
    from headrace import __version__

    paths: dict[str, dict[str, Any]] = {}
    for route in all_routes():
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    error = {
        "type": "object",
        "required": ["message", "reason"],
        "properties": {
            "message": {"type": "string"},
            "reason": {"type": ["string", "null"], "description": "Null where Jupyter itself refuses."},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "message"],
                    "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
                },
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace", "version": __version__, "license": {"name": "BSD-3-Clause"}},
        "servers": [{"url": "/headrace/api"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    words = re.sub(r"\{\w+\}", "one", route.path).strip("/").replace("/", "_").replace(".", "_")
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{words}",
        "summary": route.summary,
        "x-headrace-action": route.action,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": _part_schema(name)}
            for name in re.findall(r"\{(\w+)\}", route.path)
        ]
        + _query(route.query),
        "responses": _responses(route),
    }
    if route.method == "POST" and route.body is not None:
        found["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
        )
    if route.body is not None and route.body.fields:
        needed = bool(route.body.one_of) or any(f.required for f in route.body.fields)
        content = {"application/json": {"schema": schema_of(route.body)}}
        found["requestBody"] = {"required": needed, "content": content}
    return found


def _part_schema(name: str) -> dict[str, Any]:
    return {"type": "string", "format": "uuid"} if name.endswith("_id") else {"type": "string", "minLength": 1}


def _query(form: Form | None) -> list[dict[str, Any]]:
    if form is None:
        return []
    properties = schema_of(form)["properties"]
    return [{"name": f.name, "in": "query", "required": f.required, "schema": properties[f.name]} for f in form.fields]


def _responses(route: Route) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if route.path.endswith("/download"):
        done["content"] = {"text/plain": {}, "application/x-ndjson": {}}
    elif route.path.endswith("/export"):
        done["content"] = {"text/html": {}}
    elif route.status != 204:
        done["content"] = {"application/json": {"schema": {"type": "object"}}}
    found: dict[str, Any] = {str(route.status): done}
    if route.status == 201:
        found["200"] = {**done, "description": "The same request was answered before: its first answer."}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, meaning in _ERRORS.items():
        found[str(status)] = {"description": meaning, "content": content}
    return found
