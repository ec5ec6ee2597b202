"""Which cells are stale, and why: never ran, failed, code, inputs or files changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.dataflow import CellGraph, normalise_source
from headrace.core.errors import HeadraceError
from headrace.core.states import StateType
from headrace.kernel_magic.cells.notebook import Cell

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession


def key_of_cell(cell: Cell) -> str:
    """Return the key under which a session remembers a cell of the document."""
    return cell.id or f"task:{cell.name}"


def why_stale(session: CellSession, graph: CellGraph, cells: dict[str, Cell]) -> dict[str, str]:
    """Return cell id → why it must run again by itself, for the stale cells.

    Parameters
    ----------
    session : CellSession
    graph : CellGraph
    cells : dict of str to Cell
        By the graph's ids.
    """
    found: dict[str, str] = {}
    for cell_id in graph.ids:
        reason = _why(session, graph, cell_id, cells[cell_id])
        if reason:
            found[cell_id] = reason
    return found


def _why(session: CellSession, graph: CellGraph, cell_id: str, cell: Cell) -> str:
    last = session.last.get(key_of_cell(cell))
    if last is None:
        return "never ran"
    if last.state_type is not StateType.COMPLETED:
        return f"ended {last.state_name}"
    if not same_code(session, last.source, cell.source):
        return "its code changed"
    for name, sources in graph.links[cell_id].inputs.items():
        for source in sources[-1:]:
            writer = session.last.get(key_of_cell(session_cell(graph, source, session)))
            if writer is not None and name in last.upstream and last.upstream[name] != session.versions.get(name):
                return f"{name} changed: {graph.labels[source]} ran again"
    options = cell.task.options if cell.task is not None else None
    marks = session.file_marks(graph.flows[cell_id], options, as_imported=False)
    for path, mark in last.files.items():
        if path in marks and marks[path] != mark:
            return f"the file {path} is {'gone' if marks[path] == 'missing' else 'another'}"
    return ""


def session_cell(graph: CellGraph, cell_id: str, session: CellSession) -> Cell:
    """Return the cell of the document behind a graph's id."""
    return session.cells_by_id.get(cell_id) or Cell(id=cell_id, index=0, source="")


def same_code(session: CellSession, one: str, other: str) -> bool:
    """Return whether two sources do the same by their syntax; the magic line's options count as text."""
    if one.strip() == other.strip():
        return True
    heads = [text.lstrip().partition("\n")[0] if text.lstrip().startswith("%%") else "" for text in (one, other)]
    if heads[0] != heads[1]:
        return False
    try:
        return normalise_source(session.plain_python(one)) == normalise_source(session.plain_python(other))
    except (HeadraceError, SyntaxError):
        return False
