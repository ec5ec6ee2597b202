"""Between rows and the records of headrace.core.deployments."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from headrace.core.deployments import DAMAGED, columns
from headrace.store.rows import dumps

_JSON = frozenset(
    {"kernel_spec", "parameters", "parameter_schema", "tags", "retry_delay_seconds", "retention", "details"}
)
_FLAGS = frozenset({"active", "paused", "day_or"})
#: What most JSON columns hold, without a parser: 10,000 due schedules are read in one go.
_EMPTY: dict[str, Any] = {"{}": dict, "[]": tuple}
#: What stands for a column that cannot be read; the others' is None.
_LOST: dict[str, Any] = {"parameters": {}, "details": {}, "tags": ()}
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
    mapping = row._mapping
    values: dict[str, Any] = {name: mapping[name] for name in columns(kind)}
    damaged: list[str] = []
    for name in _JSON & values.keys():
        text = values[name]
        if text is not None:
            try:
                value = json.loads(text) if text not in _EMPTY else _EMPTY[text]()
            except ValueError:
                damaged.append(name)
                value = _LOST.get(name)
            values[name] = tuple(value) if isinstance(value, list) else value
    if damaged and "error" in values:
        # Shown with the row; whatever would run it refuses it, and the rows around it are read all the same.
        values["error"] = f"{DAMAGED} ({', '.join(sorted(damaged))})"
    for name in _FLAGS & values.keys():
        values[name] = bool(values[name])
    return kind(**values)
