"""This notebook's flow as it stands: the analysed cells, the newest run of each, and what is stale."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.dataflow import CellGraph, CellInput, CellSyntaxError, build_graph
from headrace.core.drawing import Node, rough_duration
from headrace.core.errors import UsageError
from headrace.core.graph import reachable
from headrace.kernel_magic.cells.modules import star_names
from headrace.kernel_magic.cells.naming import check_all_names
from headrace.kernel_magic.cells.notebook import Cell, Notebook
from headrace.kernel_magic.cells.staleness import key_of_cell, same_code, why_stale

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession


#: Lines of a plain cell that run the flow or look at it.
_STEERS = re.compile(r"^\s*%(flow|headrace)\b", re.MULTILINE)


@dataclass(slots=True)
class FlowView:
    """A notebook's flow.

    Attributes
    ----------
    notebook : Notebook
    graph : CellGraph
        Of all code cells.
    cells : dict of str to Cell
        By the graph's ids.
    stale : dict of str to str
        Cell id → why it must run again by itself.
    nodes : list of Node
        The task cells, in document order.
    edges : list of (upstream, downstream)
        Between task cells; what plain cells hand on is followed through them.
    problems : list of str
        What is wrong, a line each, with the cell's name.
    broken : dict of str to str
        Name of a task cell that is not in the graph → why: its code or its options cannot be read.
    members : frozenset of str
        The task cells, and the plain cells that they need.
    """

    notebook: Notebook
    graph: CellGraph
    cells: dict[str, Cell]
    stale: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    members: frozenset[str] = frozenset()

    @property
    def origin(self) -> str:
        """Where the cells and their order come from, in words."""
        return self.notebook.origin


def view_flow(session: CellSession, *, exact: bool = False) -> FlowView:
    """Return this notebook's flow.

    Parameters
    ----------
    session : CellSession
    exact : bool, default False
        Exact durations, in a notebook too, which keeps what is shown.

    Raises
    ------
    HeadraceError
        `--after` goes round in a circle, or names a task that is not there.
    """
    notebook = session.notebook()
    check_all_names(notebook.cells)
    problems: list[str] = []
    broken: dict[str, str] = {}
    inputs: list[CellInput] = []
    cells: dict[str, Cell] = {}
    for number, cell in enumerate(notebook.cells):
        if cell.task is None and _STEERS.search(cell.source):
            continue  # what runs the flow is no part of it
        wrong = cell.error
        if not wrong:
            try:
                flow = session.analyse(cell.source)
            except CellSyntaxError as error:
                wrong = f"{error} in line {error.line}; correct it."
        if wrong:
            problems.append(f"{cell.name}: {wrong}")
            if cell.error or cell.task is not None:
                broken[cell.name] = wrong
            continue
        cell_id = cell.id or f"cell-{number}"
        cells[cell_id] = cell
        options = cell.task.options if cell.task is not None else None
        inputs.append(
            CellInput(
                id=cell_id,
                name=cell.name,
                flow=flow,
                is_task=cell.task is not None,
                after=options.after if options is not None else (),
                mutates=frozenset(options.mutates) if options is not None else frozenset(),
            )
        )
    graph = build_graph(inputs, known=session.known_names(), star_names=star_names, keep_going=True)
    session.cells_by_id = cells
    view = FlowView(notebook, graph, cells, problems=problems, broken=broken)
    view.problems += [problem.message for problem in graph.problems]
    _check_identity(session, notebook)
    tasks = {cell_id for cell_id, cell in cells.items() if cell.task is not None}
    # Plain cells belong to the flow where a task needs what they make; plots and notes do not.
    view.members = frozenset(graph.upstream_closure(sorted(tasks, key=graph.ids.index)))
    view.stale = {i: why for i, why in why_stale(session, graph, cells).items() if i in view.members}
    view.nodes = [_node(session, cells[i], i, view, exact or session.kernel is None) for i in graph.ids if i in tasks]
    view.edges = _between(tasks, [(e.upstream, e.downstream) for e in graph.edges if e.kind != "order"])
    return view


def _check_identity(session: CellSession, notebook: Notebook) -> None:
    """Refuse where the cells that ran and those of the saved file cannot be told to be the same.

    Raises
    ------
    UsageError
    """
    if not notebook.is_file:
        return
    name = Path(notebook.path).name
    saved = {cell.id: cell for cell in notebook.cells}
    saved_at = Path(notebook.path).stat().st_mtime_ns // 1000
    for key, ran in session.ran.items():
        last = session.last.get(key)
        if last is None or ran.task is None:
            continue
        if not ran.id:
            raise UsageError(
                f"{ran.name} was run by a client that sends no cell ids, so %flow cannot tell which cell of {name} it "
                "is: run the notebook in JupyterLab 4, Notebook 7 or VS Code, or with `headrace run`."
            )
        cell = saved.get(ran.id)
        differs = cell is None or not same_code(session, last.source, cell.source)
        if differs and last.at > saved_at:
            raise UsageError(f"{ran.name} ran with other code than the file {name} has: save the notebook first.")


def _between(tasks: set[str], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the edges between tasks, those through plain cells included."""
    found: list[tuple[str, str]] = []
    after: dict[str, list[str]] = {}
    for upstream, downstream in edges:
        after.setdefault(upstream, []).append(downstream)
    for task in sorted(tasks):
        seen: set[str] = set()
        todo = list(after.get(task, ()))
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in tasks:
                found.append((task, node))
            else:
                todo.extend(after.get(node, ()))
    return _reduced(found)


def _reduced(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out edges that a longer way says already."""
    kept = list(dict.fromkeys(edges))
    after: dict[str, set[str]] = {}
    for upstream, downstream in kept:
        after.setdefault(upstream, set()).add(downstream)
    return [
        (upstream, downstream)
        for upstream, downstream in kept
        if downstream
        not in reachable([n for n in after[upstream] if n != downstream], [e for e in kept if e[0] != upstream])
    ]


def _node(session: CellSession, cell: Cell, cell_id: str, view: FlowView, exact: bool) -> Node:
    key = key_of_cell(cell)
    if key in session.running:
        return Node(id=cell_id, label=cell.name, state_type="RUNNING", state_name="Running")
    last = session.last.get(key)
    if last is None:
        return Node(id=cell_id, label=cell.name)
    reason = view.stale.get(cell_id, "")
    return Node(
        id=cell_id,
        label=cell.name,
        state_type=last.state_type.value,
        state_name=last.state_name,
        duration_seconds=last.duration_seconds,
        note="" if reason.startswith("ended") else reason,
        time_text=None if exact else rough_duration(last.duration_seconds),
    )
