"""Which cells use what others made: edges between the cell runs of a notebook, told from their code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headrace.core.errors import HeadraceError
from headrace.core.runs import EdgeKind
from headrace.server.runner.plan import CellPlan

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph, CellInput

Edge = tuple[str, str, EdgeKind, str]


def analyse_cells(plans: Sequence[CellPlan], language: str) -> CellGraph | None:
    """Return the graph of a notebook's cells, by run id; None where it cannot be told.

    Parameters
    ----------
    plans : sequence of CellPlan
    language : str
        The notebook's; only Python is analysed.
    """
    if language != "python":
        return None
    from headrace.core.dataflow import build_graph

    try:
        return build_graph(_inputs(plans), keep_going=True)
    except HeadraceError:
        return None


def cell_edges(plans: Sequence[CellPlan], graph: CellGraph | None) -> list[Edge]:
    """Return (run id, upstream run id, kind, name) for each dependency between cells.

    Parameters
    ----------
    plans : sequence of CellPlan
    graph : CellGraph or None
        None where only `--after` counts.
    """
    if graph is None:
        return _told(plans)
    found: list[Edge] = []
    for edge in graph.edges:
        if edge.kind == "data":
            found += [(edge.downstream, edge.upstream, EdgeKind.DATA, name) for name in edge.names or ("",)]
        elif edge.kind == "after":
            found.append((edge.downstream, edge.upstream, EdgeKind.ORDER, ""))
    return found


def _told(plans: Sequence[CellPlan]) -> list[Edge]:
    """Return the edges that `--after` asks for."""
    named = {plan.options.name: plan for plan in plans if plan.task is not None and plan.options.name}
    return [
        (plan.run_id, named[name].run_id, EdgeKind.ORDER, "")
        for plan in plans
        for name in plan.options.after
        if name in named and named[name] is not plan
    ]


def _inputs(plans: Sequence[CellPlan]) -> list[CellInput]:
    from IPython.core.inputtransformer2 import TransformerManager

    from headrace.core.dataflow import CellInput, analyse, sparing

    transform = sparing(TransformerManager().transform_cell)
    found: list[CellInput] = []
    for plan in plans:
        source = plan.source if plan.task is None else plan.task.body
        try:
            flow = analyse(source, transform=transform)
        except (HeadraceError, SyntaxError):
            continue
        options = plan.options
        names = frozenset(options.mutates)
        task = plan.task is not None
        # Only a task's name is a name: plain cells are called by their first line, which many may share.
        name = options.name or None
        found.append(CellInput(id=plan.run_id, name=name, flow=flow, is_task=task, after=options.after, mutates=names))
    return found
