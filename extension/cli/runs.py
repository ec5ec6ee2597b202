"""`headrace flow-run …` and `headrace task-run …`: list, look at, cancel, retry and delete runs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import show
from headrace.cli.answering import answer, unpause
from headrace.core.errors import NotFound, UsageError

if TYPE_CHECKING:
    from headrace.core.runs import LogLine, Run
    from headrace.store import Store

_CONTEXT = {"help_option_names": ["-h", "--help"]}


def open_store() -> Store:
    """Return the store, after the runs of dead processes were ended: what is shown is true now."""
    from headrace.core.errors import StoreError
    from headrace.store import get_store
    from headrace.store.reaping import reap

    store = get_store()
    try:
        reap(store)
    except StoreError:  # a locked store can still be read
        pass
    return store


def find(store: Store, text: str, kinds: tuple[str, ...]) -> Run:
    """Return a run by id, the beginning of its id, or its name.

    Raises
    ------
    NotFound
        There is none, or it is of another kind.
    """
    run = store.runs.by_prefix(text)
    if run.kind.value not in kinds:
        other = "task-run" if run.kind.value in ("task", "cell") else "flow-run"
        raise NotFound(f"{text} is a {run.kind.value} run: headrace {other} … {run.id}", field="run_id")
    return run


def list_command(kinds: tuple[str, ...], roots_only: bool) -> click.Command:
    """Return `ls` for some kinds of runs."""

    @click.command("ls", context_settings=_CONTEXT)
    @click.option("-n", "--limit", default=20, show_default=True, help="How many, the newest first.")
    @click.option("-s", "--state", "states", multiple=True, help="Only in this state (type or name), e.g. failed.")
    @click.option("--name", default="", help="Only where the run's or the definition's name has this in it.")
    @click.option("-t", "--tag", "tags", multiple=True, help="Only with this tag.")
    @click.option("--parent", default=None, help="Only below this run.")
    @show.output
    def ls(
        limit: int, states: tuple[str, ...], name: str, tags: tuple[str, ...], parent: str | None, output: str
    ) -> None:
        """List runs, the newest first."""
        from headrace.core.runs import RunFilter
        from headrace.core.states import NAMES, StateType
        from headrace.core.wire import run_to_wire

        types, names = [], []
        known = {state.lower(): state for listed in NAMES.values() for state in listed}
        for text in states:
            if text.upper() in StateType.__members__:
                types.append(text.upper())
            elif text.lower() in known:
                names.append(known[text.lower()])
            else:
                raise UsageError(
                    f"There is no state {text!r}; known: {', '.join([*StateType.__members__, *known.values()])}.",
                    field="state",
                )
        store = open_store()
        where = RunFilter(
            kinds=kinds,
            state_types=tuple(types),
            state_names=tuple(names),
            text=name,
            tags=tags,
            roots_only=roots_only and parent is None,
            root_id=store.runs.by_prefix(parent).root_id if parent else None,
        )
        runs = store.runs.first(where, limit=max(1, limit))
        if output == "json":
            show.print_json([run_to_wire(run) for run in runs])
            return
        show.table(
            ("id", "name", "definition", "state", "started", "took", "message"),
            (
                (
                    run.id,
                    show.plain(run.name),
                    show.plain(run.definition),
                    show.state(run.state_type.value, run.state_name),
                    show.moment(run.started_at or run.scheduled_at or run.created_at),
                    show.span(run.duration_seconds),
                    show.plain(run.state_message[:80]),
                )
                for run in runs
            ),
            empty="No runs.",
        )

    return ls


def inspect_command(kinds: tuple[str, ...]) -> click.Command:
    """Return `inspect`."""

    @click.command("inspect", context_settings=_CONTEXT)
    @click.argument("run")
    @show.output
    def inspect(run: str, output: str) -> None:
        """Show everything that is known of a run (RUN: id, the beginning of it, or name)."""
        from headrace.core.clock import iso
        from headrace.core.wire import run_to_wire

        store = open_store()
        found = find(store, run, kinds)
        data = run_to_wire(found, full=True)
        history = [
            {"at": iso(event.at), "attempt": event.attempt, "state": event.state_name, "message": event.message}
            for event in store.runs.history(found.id)
        ]
        below = [r for r in store.runs.tree(found.root_id) if r.parent_id == found.id]
        if output == "json":
            show.print_json({**data, "history": history, "children": [run_to_wire(r) for r in below]})
            return
        source = (data.get("details") or {}).pop("source", None)
        facts = {name: value for name, value in data.items() if value not in (None, "", [], {}, 0)}
        for name, value in facts.items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
            if name == "error":
                text = f"{value['type']}: {value['message']}\n{value.get('traceback') or ''}".rstrip()
            show.echo(f"{name:<18} {text}")
        click.echo("\nhistory")
        for item in history:
            show.echo(f"  {item['at']}  {item['attempt']}  {item['state']:<14} {item['message'] or ''}".rstrip())
        if below:
            click.echo()
            show.table(
                ("id", "name", "state", "took"),
                (
                    (
                        r.id,
                        show.plain(r.name),
                        show.state(r.state_type.value, r.state_name),
                        show.span(r.duration_seconds),
                    )
                    for r in below
                ),
            )
        if source:
            show.echo(f"\nsource\n{source.rstrip()}")

    return inspect


def logs_command(kinds: tuple[str, ...]) -> click.Command:
    """Return `logs`."""

    @click.command("logs", context_settings=_CONTEXT)
    @click.argument("run")
    @click.option("--head", type=int, help="Only the first lines.")
    @click.option("--tail", type=int, help="Only the last lines.")
    @click.option("--reverse", is_flag=True, help="The last line first.")
    @click.option("-l", "--level", default="DEBUG", show_default=True, help="Only lines of at least this level.")
    @click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
    @show.output
    def logs(
        run: str, head: int | None, tail: int | None, reverse: bool, level: str, follow: bool, output: str
    ) -> None:
        """Print the log of a run and of everything below it."""
        store = open_store()
        found = find(store, run, kinds)
        number = logging.getLevelNamesMapping() if hasattr(logging, "getLevelNamesMapping") else logging._nameToLevel
        if level.upper() not in number:
            raise UsageError(f"There is no level {level!r}; known: {', '.join(number)}.", field="level")
        names = {r.id: r.name for r in store.runs.tree(found.root_id)}
        tree = found.parent_id is None
        if follow:
            _follow(store, found, tree, number[level.upper()], names)
            return
        count = store.logs.count(found.id, tree=tree, level=number[level.upper()])
        offset = max(0, count - tail) if tail is not None else 0
        limit = head if head is not None else count
        lines = store.logs.lines(found.id, offset=offset, limit=limit, tree=tree, level=number[level.upper()])
        if reverse:
            lines.reverse()
        if output == "json":
            show.print_json(
                [{"at": line.at, "level": line.level, "run_id": line.run_id, "message": line.message} for line in lines]
            )
            return
        for line in lines:
            _print_line(line, names)

    return logs


def _print_line(line: LogLine, names: dict[str, str]) -> None:
    who = names.get(line.run_id, line.run_id[:8])
    show.echo(f"{show.moment(line.at)} | {logging.getLevelName(line.level):<7} | {who} | {line.message}")


def _follow(store: Store, run: Run, tree: bool, level: int, names: dict[str, str]) -> None:
    """Print lines as they come, until the run has ended."""
    import threading

    from headrace.store.watch import Watcher

    watcher, offset, never = Watcher(store.database), 0, threading.Event()
    while True:
        ended = store.runs.get(run.id).is_final
        lines = store.logs.lines(run.id, offset=offset, limit=5000, tree=tree, level=level)
        offset += len(lines)
        if any(line.run_id not in names for line in lines):
            names.update({r.id: r.name for r in store.runs.tree(run.root_id)})
        for line in lines:
            _print_line(line, names)
        if ended and not lines:
            return
        watcher.wait(1.0, never)


def cancel_command(kinds: tuple[str, ...]) -> click.Command:
    """Return `cancel`."""

    @click.command("cancel", context_settings=_CONTEXT)
    @click.argument("runs", nargs=-1, required=True)
    @click.option("--reason", default="cancelled from the command line", help="Shown with the state.")
    def cancel(runs: tuple[str, ...], reason: str) -> int:
        """Ask runs to end; what runs below them ends with them."""
        store = open_store()

        def act(text: str) -> str:
            found = store.runs.request_cancel(find(store, text, kinds).id, reason=reason)
            return f"{found.id}  {found.name}  {found.state_name}"

        return show.each(runs, act)

    return cancel


def delete_command(kinds: tuple[str, ...]) -> click.Command:
    """Return `delete`."""

    @click.command("delete", context_settings=_CONTEXT)
    @click.argument("runs", nargs=-1, required=True)
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    def delete(runs: tuple[str, ...], yes: bool) -> int:
        """Delete runs that have ended, with everything below them."""
        store = open_store()
        if not yes:
            click.confirm(f"Delete {len(runs)} run{'s' if len(runs) > 1 else ''} with everything below?", abort=True)

        def act(text: str) -> str:
            found = find(store, text, kinds)
            return f"{found.id}  {found.name}  deleted ({store.runs.delete(found.id)} runs)"

        return show.each(runs, act)

    return delete


def _group(name: str, kinds: tuple[str, ...], help_text: str, *, roots_only: bool) -> click.Group:
    group = click.Group(name, help=help_text, context_settings=_CONTEXT)
    for command in (
        list_command(kinds, roots_only),
        inspect_command(kinds),
        logs_command(kinds),
        cancel_command(kinds),
    ):
        group.add_command(command)
    return group


flow_run = _group(
    "flow-run", ("flow", "notebook"), "List, inspect, export, cancel, retry and delete runs.", roots_only=True
)
flow_run.add_command(delete_command(("flow", "notebook")))
flow_run.add_command(unpause)
flow_run.add_command(answer)
task_run = _group(
    "task-run", ("task", "cell"), "List, inspect and cancel the runs of tasks and cells.", roots_only=False
)
task_run.add_command(delete_command(("task", "cell")))


@flow_run.command("export", context_settings=_CONTEXT)
@click.argument("run")
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False), help="The file; the run's name by default.")
@click.option("--without-code", is_flag=True, help="Leave out the source of cells and the lines of tracebacks.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def export(run: str, path: str | None, without_code: bool, force: bool) -> None:
    """Write a run as one HTML file to be shared: graph, parameters, outputs, what failed; secrets masked."""
    from pathlib import Path

    from headrace.server.report import report_html

    store = open_store()
    found = find(store, run, ("flow", "notebook", "task", "cell"))
    safe = "".join(ch if ch.isalnum() or ch in "-_." else "_" for ch in found.name or found.id)
    file = Path(path or f"{safe[:100]}.html")
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; --force writes over it.", field="output")
    with file.open("w", encoding="utf-8", errors="replace") as out:
        for piece in report_html(store, found, code=not without_code):
            out.write(piece)
    click.echo(str(file))


@flow_run.command("retry", context_settings=_CONTEXT)
@click.argument("run")
@click.option("--entrypoint", help="Where the flow is now: path.py:flow or package.module:flow.")
def retry(run: str, entrypoint: str | None) -> Any:
    """Continue a run that failed, crashed or was cancelled: what its tasks have stored is not computed again."""
    from headrace.cli.retrying import retry as again

    store = open_store()
    return again(store, find(store, run, ("flow", "notebook")), entrypoint)
