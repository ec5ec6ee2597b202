"""The line magics: `%flow status|graph` on this notebook, `%headrace runs|logs|version|help` on the store."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from headrace.core.cells import RUNNERS
from headrace.core.clock import instant
from headrace.core.drawing import duration_text, table_rows
from headrace.core.errors import HeadraceError
from headrace.core.hints import closest
from headrace.core.runs import RunFilter
from headrace.kernel_magic.cells.flow_view import view_flow
from headrace.kernel_magic.cells.graph_view import FlowPicture, note_of, show_graph
from headrace.kernel_magic.cells.tables import TextTable

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession


#: Subcommand → its options.
FLOW_OPTIONS = {
    "run": ("from", "only", "force", "keep-going", "parallel", "runner"),
    "status": ("times",),
    "graph": ("static",),
}


class _Subcommands:
    """A line magic whose first word chooses what it does.

    Parameters
    ----------
    session : CellSession
    """

    name = ""
    commands: dict[str, str] = {}
    default = "help"

    def __init__(self, session: CellSession) -> None:
        self._session = session

    def as_magic(self) -> Callable[[str], Any]:
        """Return the function that IPython registers."""

        def magic(line: str) -> Any:
            return self(line)

        rows = "\n".join(f"  %{self.name} {word:<10} {text}" for word, text in self.commands.items())
        magic.__doc__ = f"{type(self).__doc__}\n\n{rows}\n"
        magic.__name__ = self.name
        return magic

    def __call__(self, line: str) -> Any:
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"%{self.name}: a quote is not closed in {line!r}.") from error
        word = words[0] if words else self.default
        if word not in self.commands:
            close = closest(word, self.commands)
            hint = f"Did you mean {close}?" if close else f"There are: {', '.join(self.commands)}."
            raise UsageError(f"%{self.name} has no {word!r}. {hint}")
        try:
            return getattr(self, word)(words[1:])
        except HeadraceError as error:
            raise UsageError(str(error)) from error


class FlowMagic(_Subcommands):
    """Run and look at this notebook's flow of task cells."""

    name = "flow"
    default = "status"
    commands = {
        "run": "run the stale cells in order: [--from CELL] [--only CELL[,CELL]] [--force] [--keep-going] "
        "[--parallel N] [--runner threads|processes|dask|ray]",
        "status": "every cell: state, duration, what it comes after, why it is stale: [--times] exact durations",
        "graph": "the same, drawn, and followed while cells run: [--static] a picture only",
        "restore": "bring back the stored outputs of up-to-date cells, without running them",
        "clear": "forget this notebook's stored outputs, and what ran",
        "cancel": "cancel the background cells, or one by its name",
    }

    def run(self, words: list[str]) -> TextTable | None:
        """Run what is stale."""
        from headrace.kernel_magic.cells import flow_run

        options = _flags("run", words, {"from", "only", "parallel", "runner"}, {"force", "keep-going"})
        parallel, where = _side_by_side(options)
        only = tuple(part for part in options.get("only", "").split(",") if part)
        made = flow_run.plan(self._session, start=options.get("from", ""), only=only, force="force" in options)
        return flow_run.run(self._session, made, keep_going="keep-going" in options, parallel=parallel, where=where)

    def status(self, words: list[str]) -> TextTable:
        """Return the table of cells."""
        options = _flags("status", words, set(), {"times"})
        view = view_flow(self._session, exact="times" in options)
        return TextTable(("cell", "state", "time", "after"), table_rows(view.nodes, view.edges), note=note_of(view))

    def graph(self, words: list[str]) -> FlowPicture | None:
        """Draw the graph."""
        options = _flags("graph", words, set(), {"static"})
        return show_graph(self._session, static="static" in options)

    def restore(self, words: list[str]) -> TextTable:
        """Bring back what is stored."""
        _flags("restore", words, set(), set())
        from headrace.kernel_magic.cells import flow_run

        return TextTable(("cell", "what was done"), flow_run.restore(self._session))

    def clear(self, words: list[str]) -> str:
        """Forget this notebook's stored outputs."""
        _flags("clear", words, set(), set())
        from headrace.kernel_magic.cells.keeping import identity
        from headrace.store import get_store

        store = get_store()
        view = view_flow(self._session)
        keys = [
            result.key
            for cell in view.cells.values()
            if cell.task is not None
            for result in store.results.latest(identity(self._session, cell.id, cell.name), limit=1000)
        ]
        store.results.forget(keys)
        self._session.last.clear()
        return f"{len(keys)} stored outputs forgotten; every cell is stale now."

    def cancel(self, words: list[str]) -> str:
        """Cancel background cells."""
        from headrace.kernel_magic.engine.live import LIVE
        from headrace.store import get_store

        running = self._session.background.names
        unknown = [word for word in words if word not in running]
        if unknown:
            there = f"there are: {', '.join(running)}" if running else "none runs"
            raise UsageError(f"%flow cancel: no background cell {unknown[0]!r} runs; {there}.")
        names = words or running
        chosen = [run for run in list(LIVE.values()) if run.kind in ("cell", "flow") and run.name in names]
        for run in chosen:
            get_store().runs.request_cancel(run.id, reason="%flow cancel")
        return f"Asked to end: {', '.join(run.name for run in chosen)}." if chosen else "No background cell runs."


def _flags(command: str, words: list[str], valued: set[str], plain: set[str]) -> dict[str, str]:
    """Return `--name value` and `--name` words as a mapping."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in valued | plain:
            known = ", ".join(f"--{n}" for n in sorted(valued | plain))
            raise UsageError(
                f"%flow {command} has no {word!r}; {f'known: {known}' if known else 'it takes no options'}."
            )
        if name in valued and not equals:
            value = next(rest, "")
            if not value:
                wanted = {"parallel": "a number", "runner": "the name of a runner"}.get(name, "a cell's name")
                raise UsageError(f"%flow run: --{name} needs {wanted}.")
        found[name] = value
    return found


def _side_by_side(options: dict[str, str]) -> tuple[int, str]:
    """Return how many cells run at a time, and where."""
    where = options.get("runner", "")
    if where and where not in RUNNERS:
        raise UsageError(f"%flow run: --runner is {where!r}, but wants one of {', '.join(RUNNERS)}.")
    text = options.get("parallel", "")
    if text and not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise UsageError(f"%flow run: --parallel is {text!r}, but wants a whole number from 1 to 1000.")
    if text:
        return int(text), where
    return (os.cpu_count() or 1) if where else 1, where


class HeadraceMagic(_Subcommands):
    """Look into the store: runs and logs."""

    name = "headrace"
    commands = {
        "runs": "the newest runs",
        "logs": "the log of a run: its id, its name, or nothing for the newest",
        "version": "which Headrace this is",
        "help": "this list, and the options of %%task",
    }

    def version(self, _words: list[str]) -> str:
        """Return the version."""
        from headrace import __version__

        return __version__

    def help(self, _words: list[str]) -> None:
        """Print what there is."""
        from headrace.kernel_magic.magics import TASK_HELP

        for kind in (HeadraceMagic, FlowMagic):
            for word, text in kind.commands.items():
                print(f"%{kind.name} {word:<10} {text}")
        print(f"\n{TASK_HELP}")

    def runs(self, words: list[str]) -> TextTable:
        """Return the newest runs."""
        from headrace.store import get_store

        if len(words) > 1 or (words and not words[0].isdecimal()):
            raise UsageError(f"%headrace runs wants a number of runs, or nothing, not {' '.join(words)!r}.")
        count = int(words[0]) if words else 20
        get_store().recorder.flush()
        page, _ = get_store().runs.page(RunFilter(), limit=min(count, 200))
        rows = [
            (
                run.name,
                run.kind.value,
                run.state_name,
                instant(run.created_at).astimezone().strftime("%d %b %H:%M:%S"),
                duration_text(run.duration_seconds),
                run.id[:13],
            )
            for run in page
        ]
        return TextTable(("run", "kind", "state", "made", "time", "id"), rows, note="" if rows else "No runs yet.")

    def logs(self, words: list[str]) -> None:
        """Print a run's log."""
        from headrace.store import get_store

        store = get_store()
        store.recorder.flush()
        if words:
            run = store.runs.by_prefix(words[0])
        else:
            page, _ = store.runs.page(limit=1)
            if not page:
                print("No runs yet.")
                return
            run = page[0]
        count = store.logs.count(run.id, tree=run.parent_id is None)
        for line in store.logs.lines(run.id, offset=max(0, count - 1000), limit=1000, tree=run.parent_id is None):
            print(f"{instant(line.at).astimezone():%H:%M:%S} {line.message}")
