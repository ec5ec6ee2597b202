"""Between rows and records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headrace.core.events import Event
from headrace.core.runs import DAMAGED, JSON_COLUMNS, RUN_COLUMNS, Run, RunKind
from headrace.core.states import StateType

#: `json.dumps` would make an encoder for each value.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_EMPTY: dict[str, Any] = {"tags": "[]", "parameters": "{}", "details": "{}"}


def dumps(value: Any) -> str:
    """Return JSON text; NaN and what JSON lacks become text, so that it is always valid."""
    try:
        return _encode(value)
    except (TypeError, ValueError):
        return _encode(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return the nearest JSON value, at most 20 levels deep."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if depth < 20:
        if isinstance(value, Mapping):
            return {str(k): _plain(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(v, depth + 1) for v in value]
    return repr(value)[:1000]


def json_column(name: str, value: Any) -> str | None:
    """Return a JSON column's text: text is taken as it is, None as the column's empty value."""
    if value is None:
        return _EMPTY.get(name)
    return value if isinstance(value, str) else dumps(value)


def run_row(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a row of `runs` in RUN_COLUMNS' order from column values; absent ones take their default."""
    row = list(map(values.get, RUN_COLUMNS, _DEFAULTS.values()))
    for place, name in _JSON_PLACES:
        row[place] = json_column(name, row[place])
    return tuple(row)


_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(RUN_COLUMNS),
    "name": "",
    "definition": "",
    "owner": "",
    "state_message": "",
    "attempt": 1,
    "max_attempts": 1,
    "trigger": "user",
    "priority": 0,
    "kind": "flow",
}
_JSON_PLACES = [(place, name) for place, name in enumerate(RUN_COLUMNS) if name in JSON_COLUMNS]


def run_values(run: Run) -> dict[str, Any]:
    """Return a run's column values; JSON columns as Python values."""
    values = {name: getattr(run, name) for name in RUN_COLUMNS}
    values["kind"] = run.kind.value
    values["state_type"] = run.state_type.value
    values["tags"] = list(run.tags)
    return values


def row_run(row: Any) -> Run:
    """Return the run of a row that has all RUN_COLUMNS."""
    values = dict(row._mapping)
    damaged = []
    for name in JSON_COLUMNS:
        if values[name] is not None:
            try:
                values[name] = json.loads(values[name])
            except ValueError:
                # One damaged row must not hide or stop all others; what would run it refuses it by this mark.
                damaged.append(name)
                values[name] = json.loads(_EMPTY.get(name, "null"))
    for name, known, instead in (("kind", RunKind, RunKind.FLOW), ("state_type", StateType, StateType.CRASHED)):
        try:
            values[name] = known(values[name])
        except ValueError:
            damaged.append(name)
            values[name] = instead
    if damaged:
        values["details"] = {**values["details"], DAMAGED: sorted(damaged)}
    values["tags"] = tuple(values["tags"] or ())
    return Run(**{name: values[name] for name in RUN_COLUMNS})


def row_event(row: Any) -> Event:
    """Return the event of a row of `events`."""
    values = dict(row._mapping)
    try:
        values["payload"] = json.loads(values["payload"] or "{}")
    except ValueError:  # a damaged one must not silence the journal
        values["payload"] = {}
    return Event(**values)
