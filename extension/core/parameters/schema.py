"""A list of parameters as JSON schema (draft 2020-12): one description for the form, the help and the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.core.parameters.coercion import Checked, coerce, prepare, validate
from headrace.core.parameters.jsonable import json_safe
from headrace.core.parameters.model import Parameter, TypeForm

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SIMPLE: dict[str, dict[str, Any]] = {
    "any": {},
    "none": {"type": "null"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "complex": {"type": "string", "format": "complex"},
    "str": {"type": "string"},
    "secret": {"type": "string", "writeOnly": True},
    "bytes": {"type": "string", "format": "bytes"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": ["number", "string"], "format": "duration"},
    "decimal": {"type": ["string", "number"], "format": "decimal"},
    "fraction": {"type": ["string", "integer"], "format": "fraction"},
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string", "format": "path"},
}


def parameters_schema(parameters: Iterable[Parameter], *, title: str = "") -> dict[str, Any]:
    """Return the JSON schema of a set of parameter values.

    Parameters
    ----------
    parameters : iterable of Parameter
        What a notebook declares.
    title : str, default ""
        A title for the form.

    Returns
    -------
    dict
        An object schema: `properties` in the order of the cell, `required`, no additional properties. Beyond the
        standard words a property has `x-headrace-annotation` (source text), `x-headrace-default-source` (where the
        default's value cannot be told) and `x-headrace-secret`.
    """
    listed = list(parameters)
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "type": "object",
        "properties": {parameter.name: parameter_schema(parameter) for parameter in listed},
        "required": [parameter.name for parameter in listed if parameter.required],
        "additionalProperties": False,
    }
    if title:
        schema["title"] = title
    return schema


def parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """Return the JSON schema of one parameter's values.

    Parameters
    ----------
    parameter : Parameter
        The parameter.

    Returns
    -------
    dict
        Its schema, with `title`, and `description`, `default` and the `x-headrace-…` words where there are any. Of a
        secret there is no default: the notebook's text may hold one that should not travel.
    """
    schema = dict(type_schema(parameter.type))
    if parameter.nullable and not parameter.type.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    schema["title"] = parameter.name
    if parameter.help:
        schema["description"] = parameter.help
    if parameter.annotation:
        schema["x-headrace-annotation"] = parameter.annotation
    if parameter.secret:
        return schema | {"writeOnly": True, "x-headrace-secret": True}
    if parameter.default_known:
        schema["default"] = _default(parameter)
    if parameter.default_source and not parameter.default_known:
        schema["x-headrace-default-source"] = parameter.default_source
    return schema


def type_schema(form: TypeForm) -> dict[str, Any]:
    """Return the JSON schema of a type.

    Parameters
    ----------
    form : TypeForm
        The type.

    Returns
    -------
    dict
        Its schema; {} accepts anything.
    """
    if form.kind == "literal":
        return {"enum": [json_safe(value) for value in form.values]}
    if form.kind == "enum":
        return {"enum": list(form.enum.labels) if form.enum else []}
    if form.kind == "union":
        return {"anyOf": [type_schema(member) for member in form.args]}
    if form.kind in ("list", "set", "frozenset"):
        schema: dict[str, Any] = {"type": "array"}
        if form.args and form.args[0].kind != "any":
            schema["items"] = type_schema(form.args[0])
        return schema if form.kind == "list" else schema | {"uniqueItems": True}
    if form.kind == "tuple":
        if form.variadic:
            return {"type": "array", "items": type_schema(form.args[0])}
        if not form.args:
            return {"type": "array"}
        items = [type_schema(arg) for arg in form.args]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}
    if form.kind == "dict":
        values = type_schema(form.args[1]) if form.args else {}
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    return dict(_SIMPLE[form.kind])


def _default(parameter: Parameter) -> Any:
    """The default as a choice of the schema where the type is an enum, else as JSON."""
    from headrace.core.parameters.model import EnumMember

    if isinstance(parameter.default, EnumMember):
        for form in parameter.type.walk():
            if form.enum is not None and form.enum.name == parameter.default.enum:
                labels = dict(zip((name for name, _ in form.enum.members), form.enum.labels, strict=True))
                return labels.get(parameter.default.name, parameter.default.name)
    return json_safe(parameter.default)


__all__ = [
    "DIALECT",
    "Checked",
    "coerce",
    "parameter_schema",
    "parameters_schema",
    "prepare",
    "type_schema",
    "validate",
]
