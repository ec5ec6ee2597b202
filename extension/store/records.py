"""Between rows and the records of headrace.core.deployments."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from headrace.core.deployments import columns
from headrace.store.rows import dumps

_JSON = frozenset(
    {"kernel_spec", "parameters", "parameter_schema", "tags", "retry_delay_seconds", "retention", "details"}
)
_FLAGS = frozenset({"active", "paused", "day_or"})
R = TypeVar("R")


def value_of(name: str, value: Any) -> Any:
    """Return a field's value as its column holds it."""
    if name in _JSON:
        if value is None:
            return None
        return dumps(list(value) if isinstance(value, tuple) else value)
    return int(value) if name in _FLAGS else value


def values_of(record: Any) -> dict[str, Any]:
    """Return a record's column values."""
    return {name: value_of(name, getattr(record, name)) for name in columns(type(record))}


def record_of(kind: type[R], row: Any) -> R:
    """Return the record of a row that has (at least) the columns of `kind`."""
    values: dict[str, Any] = {}
    mapping = row._mapping
    for name in columns(kind):
        value = mapping[name]
        if name in _JSON and value is not None:
            value = json.loads(value)
            if name == "tags" or isinstance(value, list):
                value = tuple(value)
        elif name in _FLAGS:
            value = bool(value)
        values[name] = value
    return kind(**values)
