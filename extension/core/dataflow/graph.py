"""A notebook's cells and what connects them: plain records and questions that can be asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.records import NONE, CellFlow, Names

#: `data`: the later cell uses what the earlier one made. `order`: both write a name, or the later one overwrites what the
#: earlier one reads. `after`: a person asked for it.
EdgeKind = Literal["data", "order", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInput:
    """A cell as `build_graph` takes it.

    Parameters
    ----------
    id : str
        Unique in the notebook.
    source : str, default ""
        Its code; ignored where `flow` is given.
    flow : CellFlow or None, default None
        Its analysis, if the caller has it already.
    name : str or None, default None
        What people call it (a task's name), for `after` and for messages.
    is_task : bool, default False
        Whether it is a task cell; plain cells are nodes as well.
    after : sequence of str, default ()
        Names or ids of cells that must run before it, whatever the data says.
    mutates : frozenset of str, default empty
        Names that the person says it changes.
    """

    id: str
    source: str = ""
    flow: CellFlow | None = None
    name: str | None = None
    is_task: bool = False
    after: Sequence[str] = ()
    mutates: Names = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One cell must run before another.

    Parameters
    ----------
    upstream, downstream : str
        Cell ids.
    kind : {"data", "order", "after"}
        The strongest reason, in this order.
    names : tuple of str
        The names behind that reason, sorted.
    """

    upstream: str
    downstream: str
    kind: EdgeKind
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLinks:
    """What a cell reads and writes within its notebook, the effects of called functions included.

    Parameters
    ----------
    inputs : mapping of str to tuple of str
        Name → cells above whose writing of it this cell may see, last one last.
    passes : mapping of str to tuple of str
        Name that it binds only on some ways (loops without a turn not counted) → cells above whose value then stays.
    leftovers : frozenset of str
        Names that it may or may not bind and that no cell above writes: what an earlier run left there is wrong.
    outputs : frozenset of str
        Names that it may bind, change or unbind.
    mutates : frozenset of str
        Those of `outputs` that it changes in place, through aliases and called functions too.
    deletes : frozenset of str
        Those of `outputs` that it may unbind.
    file_reads, file_writes : tuple of str
        Paths of files that it reads and writes, with those whose parts other cells define.
    """

    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    passes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leftovers: Names = NONE
    outputs: Names = NONE
    mutates: Names = NONE
    deletes: Names = NONE
    file_reads: tuple[str, ...] = ()
    file_writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A fault of a notebook that is known before anything has run.

    Parameters
    ----------
    cell_id : str
        The cell at fault.
    kind : {"undefined", "defined_below", "deleted", "syntax"}
    name : str
        The name concerned; "" for a syntax error.
    message : str
        One line for a person: the cell, the fault, the remedy.
    other_cell_id : str or None
        The cell below that defines the name, or the one above that deletes it.
    """

    cell_id: str
    kind: Literal["undefined", "defined_below", "deleted", "syntax"]
    name: str
    message: str
    other_cell_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGraph:
    """The cells of a notebook with the order that their code asks for.

    Parameters
    ----------
    ids : tuple of str
        Cells in document order.
    labels : mapping of str to str
        What messages call each cell: its name, else "cell 3" (counted from 1).
    flows : mapping of str to CellFlow
    links : mapping of str to CellLinks
    edges : tuple of Edge
        Sorted by the downstream cell's place, then the upstream's.
    order : tuple of str
        A topological order: document order, but for what `after` moves.
    problems : tuple of Problem
        Faults, in document order.
    syntax_errors : mapping of str to CellSyntaxError
        Cells whose source is no Python, where `build_graph` was told to go on.
    task_ids : frozenset of str
        The task cells.
    upstream, downstream : mapping of str to tuple of Edge
        Each cell's edges.
    """

    ids: tuple[str, ...]
    labels: Mapping[str, str]
    flows: Mapping[str, CellFlow]
    links: Mapping[str, CellLinks]
    edges: tuple[Edge, ...]
    order: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    syntax_errors: Mapping[str, CellSyntaxError] = field(default_factory=dict)
    task_ids: Names = NONE
    upstream: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    downstream: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)

    @property
    def undefined(self) -> dict[str, Names]:
        """Cell id → names that it needs and no cell defines."""
        return self._names_of("undefined")

    @property
    def defined_below(self) -> dict[str, dict[str, str]]:
        """Cell id → name that it needs → the first cell below that defines it."""
        found: dict[str, dict[str, str]] = {}
        for problem in self.problems:
            if problem.kind == "defined_below" and problem.other_cell_id is not None:
                found.setdefault(problem.cell_id, {})[problem.name] = problem.other_cell_id
        return found

    def _names_of(self, kind: str) -> dict[str, Names]:
        found: dict[str, Names] = {}
        for problem in self.problems:
            if problem.kind == kind:
                found[problem.cell_id] = found.get(problem.cell_id, NONE) | {problem.name}
        return found

    def upstream_closure(self, ids: Iterable[str], *, kinds: Iterable[EdgeKind] = ("data", "after")) -> tuple[str, ...]:
        """Return cells with everything that they depend on, in running order.

        Parameters
        ----------
        ids : iterable of str
        kinds : iterable of {"data", "order", "after"}, default data and after
            Edges to follow.

        Returns
        -------
        tuple of str
        """
        return self._closure(ids, frozenset(kinds), up=True)

    def downstream_closure(
        self, ids: Iterable[str], *, kinds: Iterable[EdgeKind] = ("data", "after")
    ) -> tuple[str, ...]:
        """Return cells with everything that depends on them, in running order; parameters as `upstream_closure`."""
        return self._closure(ids, frozenset(kinds), up=False)

    def stale_closure(self, stale: Iterable[str]) -> tuple[str, ...]:
        """Return the cells whose results are in doubt when these are stale: they, and what uses what they make.

        Whether a namespace that later cells have written to can still serve their inputs is another question:
        see `plan_rerun`.
        """
        return self._closure(stale, frozenset({"data", "after"}), up=False)

    def _closure(self, ids: Iterable[str], kinds: frozenset[EdgeKind], *, up: bool) -> tuple[str, ...]:
        edges = self.upstream if up else self.downstream
        found = set(ids)
        pending = list(found)
        while pending:
            for edge in edges.get(pending.pop(), ()):
                if edge.kind in kinds:
                    other = edge.upstream if up else edge.downstream
                    if other not in found:
                        found.add(other)
                        pending.append(other)
        return tuple(i for i in self.order if i in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunStep:
    """A cell that must run again, and why.

    Parameters
    ----------
    cell_id : str
    why : {"stale", "downstream", "remake", "overwritten"}
        Stale itself; uses what a cell that runs again makes; made an input that a later cell has overwritten since (it may be
        restored instead of run); wrote a name that an earlier cell overwrites by running again (may be restored too).
    names : tuple of str
        The names behind it.
    for_cell_id : str or None
        The cell on whose account.
    clear : tuple of str
        Names that an earlier run of the cell may have left and this one may not bind: to be removed before it runs.
    """

    cell_id: str
    why: Literal["stale", "downstream", "remake", "overwritten"]
    names: tuple[str, ...] = ()
    for_cell_id: str | None = None
    clear: tuple[str, ...] = ()


def plan_rerun(graph: CellGraph, stale: Iterable[str]) -> tuple[RerunStep, ...]:
    """Return what must run again so that a namespace in which all cells have run becomes right again.

    A live namespace holds one value a name: the last. So a cell whose input was overwritten since needs its producer to run
    again (or that value to be restored), and when a producer runs again, later writers of its names must follow.

    Parameters
    ----------
    graph : CellGraph
    stale : iterable of str
        Cells that never ran, failed or whose sources or files changed.

    Returns
    -------
    tuple of RerunStep
        In running order.
    """
    place = {cell_id: position for position, cell_id in enumerate(graph.ids)}
    writers: dict[str, list[str]] = {}
    for cell_id in graph.ids:
        for name in graph.links[cell_id].outputs:
            writers.setdefault(name, []).append(cell_id)
    steps: dict[str, RerunStep] = {}
    pending: list[str] = []

    def add(step: RerunStep) -> None:
        if step.cell_id not in steps:
            step = replace(step, clear=tuple(sorted(graph.links[step.cell_id].leftovers)))
            steps[step.cell_id] = step
            pending.append(step.cell_id)

    for cell_id in stale:
        add(RerunStep(cell_id=cell_id, why="stale"))
    while pending:
        cell_id = pending.pop()
        links = graph.links[cell_id]
        for edge in graph.downstream.get(cell_id, ()):
            if edge.kind != "order":
                add(RerunStep(cell_id=edge.downstream, why="downstream", names=edge.names, for_cell_id=cell_id))
        for name, sources in (*links.inputs.items(), *links.passes.items()):
            last = writers[name][-1] if name in writers else None
            if sources and last is not None and place[last] > place[sources[-1]]:
                for source in sources:
                    add(RerunStep(cell_id=source, why="remake", names=(name,), for_cell_id=cell_id))
        for name in links.outputs:
            for writer in writers[name]:
                if place[writer] > place[cell_id]:
                    add(RerunStep(cell_id=writer, why="overwritten", names=(name,), for_cell_id=cell_id))
                    break
    return tuple(steps[i] for i in graph.order if i in steps)
