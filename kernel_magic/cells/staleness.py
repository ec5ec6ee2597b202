"""Which cells are stale, and why: never ran, failed, code, inputs or files changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
    writers: dict[str, list[str]] = {}
    for cell_id in graph.ids:
        for name in graph.links[cell_id].outputs:
            writers.setdefault(name, []).append(cell_id)
    for cell_id in graph.ids:
        reason = _why(session, graph, cell_id, cells[cell_id], writers)
        if reason:
            found[cell_id] = reason
    return found


def _why(session: CellSession, graph: CellGraph, cell_id: str, cell: Cell, writers: Mapping[str, Sequence[str]]) -> str:
    last = session.last.get(key_of_cell(cell))
    if last is None:
        return "never ran"
    if last.state_type is not StateType.COMPLETED:
        return f"ended {last.state_name}"
    if not same_code(session, last.source, cell.source):
        return "its code changed"
    for name, sources in graph.links[cell_id].inputs.items():
        others = () if isinstance(session.shell.user_ns.get(name), ModuleType) else writers.get(name, ())
        reason = _other_value(session, graph, name, sources, [w for w in others if w != cell_id], last.count)
        if reason:
            before, now = last.seen.get(name), small_values(session.shell.user_ns, (name,)).get(name)
            return f"{name} changed: {before} → {now}" if before and now and before != now else reason
    options = cell.task.options if cell.task is not None else None
    marks = session.file_marks(graph.flows[cell_id], options, as_imported=False)
    for path, mark in last.files.items():
        if path in marks and marks[path] != mark:
            return f"the file {path} is {'gone' if marks[path] == 'missing' else 'another'}"
    return ""


def _other_value(
    session: CellSession, graph: CellGraph, name: str, sources: Sequence[str], writers: Sequence[str], count: int
) -> str:
    """Return why the value of a name that a run saw is not what the cells above make of it now; "" if it is.

    Parameters
    ----------
    session : CellSession
    graph : CellGraph
    name : str
    sources : sequence of str
        Cells above that may make the value.
    writers : sequence of str
        Other cells that write the name, these included.
    count : int
        When the run ended.
    """
    made = 0
    for source in sources:
        runs = _runs(session, graph, source)
        before = [run for run in runs if run[0] <= count]
        if runs and (not before or before[-1][1] != runs[-1][1]):
            return f"{name} changed: {graph.labels[source]} ran again"
        made = max([made, *(run[0] for run in before[-1:])])
    for writer in writers:
        if writer not in sources and made and any(made < run[0] < count for run in _runs(session, graph, writer)):
            return f"{name} came from {graph.labels[writer]}, which is not the cell above that makes it"
    return ""


def _runs(session: CellSession, graph: CellGraph, cell_id: str) -> Sequence[tuple[int, str]]:
    return session.history.get(key_of_cell(session_cell(graph, cell_id, session)), ())


def small_values(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return name → value in words, of numbers and short texts.

    Parameters
    ----------
    namespace : mapping
    names : iterable of str
    """
    found = {}
    for name in names:
        value = namespace.get(name)
        if type(value) in (bool, int, float, str) and (type(value) is not str or len(value) <= 40):
            words = repr(value)
            if len(words) <= 60:
                found[name] = words
    return found


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
