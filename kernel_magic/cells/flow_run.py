"""`%flow run`: run again what is stale, in an order that works, as one flow run; `%flow restore` brings back without running."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.cells import CellOptions
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.dataflow import plan_rerun
from headrace.core.drawing import SIGNS, duration_text, rough_duration
from headrace.core.errors import FailedRun, HeadraceError, UsageError
from headrace.core.hints import did_you_mean
from headrace.core.states import State, StateType
from headrace.kernel_magic.cells.flow_view import FlowView, view_flow
from headrace.kernel_magic.cells.keeping import find, find_large, identity, parts_of
from headrace.kernel_magic.cells.last_value import quiet
from headrace.kernel_magic.cells.live_view import LiveView, Row
from headrace.kernel_magic.cells.notebook import Cell
from headrace.kernel_magic.cells.routing import acting_for, goes_to_front
from headrace.kernel_magic.cells.side_by_side import SideBySide
from headrace.kernel_magic.cells.staleness import key_of_cell
from headrace.kernel_magic.cells.tables import TextTable
from headrace.kernel_magic.cells.values import put_back
from headrace.kernel_magic.engine.live import LIVE
from headrace.kernel_magic.results.hashing import UnhashableInput
from headrace.kernel_magic.results.policies import key_of

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession


_HEAD = ("cell", "state", "time")


@dataclass(slots=True)
class Plan:
    """What `%flow run` is going to do.

    Attributes
    ----------
    view : FlowView
    steps : list of (cell id, why)
        In running order.
    clear : dict of str to tuple of str
        Cell id → names that an earlier run of it may have left and this one may not bind.
    """

    view: FlowView
    steps: list[tuple[str, str]] = field(default_factory=list)
    clear: dict[str, tuple[str, ...]] = field(default_factory=dict)


def plan(session: CellSession, *, start: str = "", only: tuple[str, ...] = (), force: bool = False) -> Plan:
    """Decide which cells run again.

    Parameters
    ----------
    session : CellSession
    start : str, default ""
        `--from`: this cell and what depends on it, besides what is stale.
    only : tuple of str, default ()
        `--only`: just these cells.
    force : bool, default False
        Every cell.

    Raises
    ------
    UsageError
        A named cell is not there, a cell cannot be read, or it reads a name that nothing defines.
    """
    view = view_flow(session)
    graph = view.graph
    names = {view.graph.labels[i]: i for i in graph.ids}
    for name, wrong in view.broken.items():
        if not only or name in only:
            raise UsageError(f"{name}: {wrong}")
    if only:
        chosen = [_named(names, name) for name in only]
        return Plan(view, [(i, "asked for") for i in graph.order if i in chosen])
    reasons = dict(view.stale)
    if force:
        reasons = {i: reasons.get(i, "--force") for i in graph.ids if i in view.members}
    elif start:
        first = _named(names, start)
        reasons.setdefault(first, "--from")
    space = session.shell.user_ns
    missing = [p.message for p in graph.problems if p.kind in ("undefined", "defined_below") and p.name not in space]
    if missing:
        raise UsageError(missing[0])
    steps = plan_rerun(graph, reasons)
    words = {
        "downstream": "uses {n} of {c}",
        "remake": "makes {n}, overwritten since",
        "overwritten": "writes {n} after {c}",
    }
    found = []
    for step in steps:
        again = step.why in ("remake", "overwritten") and key_of_cell(view.cells[step.cell_id]) in session.last
        if step.cell_id not in view.members and not again:
            continue
        why = reasons.get(step.cell_id) or words[step.why].format(
            n=", ".join(step.names) or "what comes", c=graph.labels.get(step.for_cell_id or "", "another cell")
        )
        found.append((step.cell_id, why))
    return Plan(view, found, {step.cell_id: step.clear for step in steps if step.clear})


def _named(names: dict[str, str], name: str) -> str:
    if name in names:
        return names[name]
    if name in names.values():
        return name
    raise UsageError(f"There is no cell {name!r}; " + did_you_mean(name, names, f"there are {', '.join(names)}."))


def run(
    session: CellSession, made: Plan, *, keep_going: bool = False, parallel: int = 1, where: str = ""
) -> TextTable | None:
    """Run a plan as one flow run.

    Parameters
    ----------
    session : CellSession
    made : Plan
    keep_going : bool, default False
        Raise nothing at the end though cells failed.
    parallel : int, default 1
        So many independent cells at a time.
    where : str, default ""
        The runner of cells that name none, each as a function of its inputs; "": the kernel itself.

    Returns
    -------
    TextTable or None
        None: it stands already where the live view was.

    Raises
    ------
    FailedRun
        Cells failed; the others that do not depend on them ran.
    """
    from headrace.kernel_magic.definition import Definition
    from headrace.kernel_magic.engine.sync import execute_sync
    from headrace.kernel_magic.options import FlowOptions

    origin = f"Cells and their order: from {made.view.origin}."
    if not made.steps:
        return TextTable(_HEAD, [], note=f"Nothing is stale. {origin}")
    path = session.notebook_path
    steps = _Steps(session, made)
    _import_again(session, made)

    def body() -> None:
        if parallel > 1 or where:
            SideBySide(
                session,
                made.view,
                [cell_id for cell_id, _ in made.steps],
                limit=parallel,
                where=where,
                alone=steps.alone,
                refused=steps.refused,
                begun=steps.begun,
                say=steps.say,
                ended=steps.ended,
            ).run()
        else:
            for cell_id, _why in made.steps:
                if not steps.refused(cell_id):
                    steps.say(steps.begun(cell_id))
                    steps.ended(cell_id, steps.alone(cell_id))
        if steps.failed:
            raise FailedRun(f"{len(steps.failed)} of {len(made.steps)} cells failed: {', '.join(steps.failed)}")

    name = Path(path).stem if path else "notebook"
    definition = Definition("flow", name, f"{session.document_key()}#flow", FlowOptions(name=None, log_prints=False))
    fields = {"notebook_path": path or None, "kernel_id": session.kernel_id, "trigger": "cell"}
    order = [cell_id for cell_id, _ in made.steps]

    def table() -> TextTable:
        return TextTable(_HEAD, [steps.rows[cell_id] for cell_id in order if cell_id in steps.rows], note=origin)

    view = LiveView(session, name, steps.live_rows, table)
    view.open()
    try:
        state = execute_sync(definition, body, fields=fields)
    finally:
        view.close(show=False)
    completed = state.is_completed()
    raises = not completed and (not keep_going or isinstance(state.data, KeyboardInterrupt))
    if raises and not view.was_shown:
        session.show(table())
    if isinstance(state.data, KeyboardInterrupt):
        raise state.data
    if raises:
        if isinstance(state.data, HeadraceError):
            raise state.data
        raise FailedRun(state.message, state=state, run_id=state.run_id)
    return None if view.was_shown else table()


def _import_again(session: CellSession, made: Plan) -> None:
    """Import modules of one's own again that were edited: the cells about to run would go on with the old ones."""
    from headrace.kernel_magic.cells.modules import import_again

    for cell_id, _why in made.steps:
        for path in import_again(session.own_modules(made.view.graph.flows[cell_id])):
            print(f"↻ {path} — edited, imported again")


class _Steps:
    """The steps of a plan on their way: what each came to."""

    def __init__(self, session: CellSession, made: Plan) -> None:
        self._session, self._view = session, made.view
        self._why = dict(made.steps)
        self._clear = made.clear
        self._broken: set[str] = set()
        self._is_quiet = goes_to_front(session)
        self.rows: dict[str, tuple[str, str, str]] = {}
        self._live = {i: Row(key=i, label=made.view.cells[i].name, note=why) for i, why in made.steps}
        self.failed: list[str] = []
        self._root_id = ""

    def refused(self, cell_id: str) -> bool:
        """Record that a cell cannot run because one that it needs failed, if so."""
        graph, cell = self._view.graph, self._view.cells[cell_id]
        edges = graph.upstream.get(cell_id, ())
        upstream = [edge.upstream for edge in edges if edge.kind != "order" and edge.upstream in self._broken]
        if not upstream:
            return False
        self._broken.add(cell_id)
        _refuse(self._session, cell, graph.labels[upstream[0]])
        self.rows[cell_id] = (cell.name, "✖ UpstreamFailed", "")
        self._live[cell_id].ended, self._live[cell_id].state_type = 1, "FAILED"
        return True

    def begun(self, cell_id: str) -> str:
        """Note that a cell begins; return the line that says which, and why."""
        for name in self._clear.get(cell_id, ()):
            self._session.shell.user_ns.pop(name, None)
        return f"▶ {self._view.cells[cell_id].name} — {self._why[cell_id]}"

    def say(self, line: str) -> None:
        """Show a line above what a cell shows, where that is shown under the caller."""
        if not self._is_quiet:
            print(line)

    def alone(self, cell_id: str) -> bool:
        """Run a cell in this thread."""
        return _run_cell(self._session, self._view.cells[cell_id])

    def ended(self, cell_id: str, completed: bool) -> None:
        """Note how a cell ended."""
        cell = self._view.cells[cell_id]
        if not completed:
            self._broken.add(cell_id)
            self.failed.append(cell.name)
        last = self._session.last.get(key_of_cell(cell))
        if last is not None:
            seconds = last.duration_seconds
            words = rough_duration(seconds) if self._session.kernel is not None else duration_text(seconds)
            self.rows[cell_id] = (cell.name, f"{SIGNS[last.state_type.value][0]} {last.state_name}", words)
            row = self._live[cell_id]
            row.ended, row.failed, row.note = 1, int(not completed), ""
            row.state_type, row.seconds, row.run_id = last.state_type.value, seconds, last.run_id

    def live_rows(self) -> list[Row]:
        """Return a bar for each cell, and for each task that the cells call."""
        from headrace.kernel_magic.cells.flow_progress import task_rows

        now, running, root_id = SYSTEM_CLOCK.now_us(), self._session.running, ""
        runs = {run.fields.get("cell_id"): run for run in list(LIVE.values()) if run.fields}
        for cell_id, row in self._live.items():
            began = running.get(key_of_cell(self._view.cells[cell_id]))
            run = runs.get(self._view.cells[cell_id].id)
            if began is not None and not row.ended:
                row.state_type, row.seconds = "RUNNING", (now - began) / 1e6
            if run is not None:
                row.run_id, row.retries, root_id = run.id, run.attempt - 1, run.root.id
        self._root_id = root_id or self._root_id
        return [*self._live.values(), *(task_rows(self._root_id) if self._root_id else ())]


def _run_cell(session: CellSession, cell: Cell) -> bool:
    """Run one cell as itself, in this thread or, if it awaits, on a loop of its own."""
    shell = session.shell
    with acting_for(session, cell), quiet(session.plain_python(cell.source)):
        transformed = shell.transform_cell(cell.source)
        if not shell.should_run_async(cell.source, transformed_cell=transformed):
            return bool(shell.run_cell(cell.source, store_history=False).success)
        # The kernel's own loop runs this very magic: a cell that awaits gets a loop of its own, in a thread.
        context = contextvars.copy_context()
        found: list[Any] = []

        def work() -> None:
            coroutine = shell.run_cell_async(cell.source, store_history=False, transformed_cell=transformed)
            found.append(context.run(asyncio.run, coroutine))

        thread = threading.Thread(target=work, name="headrace-await")
        thread.start()
        thread.join()
        return bool(found and found[0].success)


def _refuse(session: CellSession, cell: Cell, upstream: str) -> None:
    """Record that a cell was not run because another one failed."""
    from headrace.kernel_magic.cells.engine_options import run_options
    from headrace.kernel_magic.definition import Definition
    from headrace.kernel_magic.engine.sync import execute_sync

    if cell.task is None:
        return
    definition = Definition("cell", cell.name, identity(session, cell.id, cell.name), run_options(cell.task.options))
    failed = State(type=StateType.FAILED, run_id=upstream, message=f"{upstream} failed")
    execute_sync(
        definition,
        lambda: None,
        name=cell.name,
        refused_by=failed,
        fields={
            "cell_id": cell.id or None,
            "cell_index": cell.index,
            "notebook_path": session.notebook_path or None,
            "document_id": session.document_id,
            "trigger": "cell",
        },
    )


def restore(session: CellSession) -> list[tuple[str, str]]:
    """Bring back the stored outputs of every up-to-date cell, in running order, without running task cells.

    Plain cells that task cells need are run: they import and define what those build on.

    Returns
    -------
    list of (cell, what was done)
    """
    from headrace.kernel_magic.engine.session import session as here

    store = here().store
    view = view_flow(session)
    rows: list[tuple[str, str]] = []
    lost: set[str] = set()
    for cell_id in view.graph.order:
        if cell_id not in view.members:
            continue
        cell = view.cells[cell_id]
        missing = [e.upstream for e in view.graph.upstream.get(cell_id, ()) if e.kind == "data" and e.upstream in lost]
        if missing:
            lost.add(cell_id)
            rows.append((cell.name, f"not restored: {view.graph.labels[missing[0]]} is not"))
            continue
        if cell.task is None:
            ok = _run_cell(session, cell)
            rows.append((cell.name, "ran (a plain cell)" if ok else "failed"))
            if not ok:
                lost.add(cell_id)
            continue
        why = _restore_cell(session, store, view, cell_id, cell)
        waits = not why and any(name in session.lazy.digests() for name in view.graph.flows[cell_id].binds)
        rows.append((cell.name, why or ("restored when it is needed: it is large" if waits else "restored")))
        if why:
            lost.add(cell_id)
    return [*rows, *((name, f"not restored: {wrong}") for name, wrong in view.broken.items())]


def _restore_cell(session: CellSession, store: Any, view: FlowView, cell_id: str, cell: Cell) -> str:
    from headrace.kernel_magic.results.shelf import Shelf

    flow = view.graph.flows[cell_id]
    key = identity(session, cell.id, cell.name)
    options = cell.task.options if cell.task is not None else CellOptions()
    try:
        parts = parts_of(session, key, flow, cell.source, options, None)
    except UnhashableInput as error:
        return f"not restored: {error}"
    large = find_large(store, key_of(parts))
    if large is not None:
        found, kept = large
        digests, kept.names = kept.names, {}
        put_back(kept, session.shell)
        session.note_start(key_of_cell(cell), cell)
        done = State(type=StateType.COMPLETED, name="Cached")
        session.note_end(key_of_cell(cell), cell, found.run_id or "", flow, done, version=found.key)
        session.lazy.add(cell.name, found, digests)
        return ""
    decision = find(Shelf(store), key, parts)
    if not decision.hit:
        return f"not restored: {decision.reason.removeprefix('missed: ')}"
    put_back(decision.value, session.shell)
    done = State(type=StateType.COMPLETED, name="Cached")
    session.note_start(key_of_cell(cell), cell)
    session.note_end(key_of_cell(cell), cell, decision.from_run_id or "", flow, done, version=decision.key or "")
    return ""
