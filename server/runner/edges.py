"""Which cells use what others made: edges between the cell runs of a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.runs import EdgeKind
from headrace.server.runner.plan import CellPlan

Edge = tuple[str, str, EdgeKind, str]


def cell_edges(plans: Sequence[CellPlan], language: str) -> list[Edge]:
    """Return (run id, upstream run id, kind, name) for each dependency between cells.

    Parameters
    ----------
    plans : sequence of CellPlan
    language : str
        The notebook's; only Python is analysed, elsewhere only `--after` counts.
    """
    named = {plan.options.name: plan for plan in plans if plan.task is not None and plan.options.name}
    edges: list[Edge] = []
    for plan in plans:
        for name in plan.options.after:
            before = named.get(name)
            if before is not None and before is not plan:
                edges.append((plan.run_id, before.run_id, EdgeKind.ORDER, ""))
    return edges
