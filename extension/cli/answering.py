"""`headrace flow-run unpause` and `answer`: let a run go on that waits for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from headrace.core.errors import Conflict, UsageError
from headrace.core.states import StateType

_CONTEXT = {"help_option_names": ["-h", "--help"]}


def fields_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return what a question asks for: field → its type in words."""
    required = set(schema.get("required") or ())
    found = {}
    for name, field in (schema.get("properties") or {}).items():
        kind = str(
            field.get("type") or " or ".join(sorted({str(k.get("type")) for k in field.get("anyOf", ())})) or "any"
        )
        default = "" if name in required else f", default {json.dumps(field.get('default'))}"
        found[name] = f"{kind}{default}"
    return found


def read_values(schema: Mapping[str, Any], given: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return typed values: JSON where a field is no text, and text as it stands.

    Raises
    ------
    UsageError
        A field is not asked for.
    """
    properties = schema.get("properties") or {}
    values: dict[str, Any] = {}
    for name, text in given:
        if properties and name not in properties:
            known = ", ".join(f"{field} ({kind})" for field, kind in fields_of(schema).items())
            raise UsageError(f"{name} is not asked for; asked for: {known}.", field=name)
        if (properties.get(name) or {}).get("type") == "string":
            values[name] = text
            continue
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _go_on(text: str, given: tuple[tuple[str, str], ...]) -> None:
    from headrace.cli.runs import find, open_store

    store = open_store()
    run = find(store, text, ("flow", "notebook", "task", "cell"))
    if run.state_type is not StateType.PAUSED:
        raise Conflict(f"Run {run.name} is {run.state_name}, not paused.", field="run_id")
    asked = store.pauses.open(run.id)
    schema = asked[0].schema if asked else {}
    values = read_values(schema, given)
    missing = [name for name in schema.get("required") or () if name not in dict(given)]
    if missing:
        known = ", ".join(f"{field} ({kind})" for field, kind in fields_of(schema).items())
        raise UsageError(
            f"Run {run.name} asks for {known}: headrace flow-run answer {run.id} -v {missing[0]} VALUE",
            field=missing[0],
        )
    if schema:
        _check(schema, values)
    store.pauses.answer(run, values if schema else None)
    click.echo(f"{run.name} goes on.")
    if run.owner_id is None:
        click.echo("It was suspended: a worker starts it again (headrace worker).")


def _check(schema: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse what does not fit as the server does, where the checker is installed; the run checks it in any case."""
    try:
        from headrace.server.managers.runs import check_answer

        check_answer(schema, values)
    except ImportError:
        return


@click.command("unpause", context_settings=_CONTEXT)
@click.argument("run")
def unpause(run: str) -> None:
    """Let a paused run go on that asks for nothing."""
    _go_on(run, ())


@click.command("answer", context_settings=_CONTEXT)
@click.argument("run")
@click.option("-v", "--value", "values", nargs=2, multiple=True, metavar="NAME VALUE", help="A field; JSON or text.")
def answer(run: str, values: tuple[tuple[str, str], ...]) -> None:
    """Give a paused run what it asks for, and let it go on."""
    _go_on(run, values)
