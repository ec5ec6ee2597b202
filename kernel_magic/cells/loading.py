"""The cell that loads Headrace: it is under way before cells are watched, and counts among those that ran all the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.core.dataflow import CellFlow
from headrace.core.states import State, StateType
from headrace.kernel_magic.cells.notebook import Cell

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession


def digest_of(source: str) -> str:
    """Return what stands for a cell that has no id."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class LoadingCell:
    """Waits for the end of the cell under way, if there is one, and notes it once.

    Parameters
    ----------
    session : CellSession
    cell_of : callable
        Source, metadata and None → the plain cell of the document that it is.
    flow_of : callable
        Cell → its names, None where it is no Python.
    """

    def __init__(
        self,
        session: CellSession,
        cell_of: Callable[[str, Any, Any], Cell],
        flow_of: Callable[[Cell], CellFlow | None],
    ) -> None:
        self._session, self._cell_of, self._flow_of = session, cell_of, flow_of
        self._events = session.shell.events
        self._events.register("post_run_cell", self._ended)

    def close(self) -> None:
        """Wait no longer."""
        if self._ended in self._events.callbacks["post_run_cell"]:
            self._events.unregister("post_run_cell", self._ended)

    def _ended(self, result: Any) -> None:
        self.close()
        info = getattr(result, "info", None)
        source = getattr(info, "raw_cell", "") or ""
        if not source.strip() or getattr(info, "silent", False):
            return
        cell = self._cell_of(source, self._session.cell_metadata, None)
        key = cell.id or digest_of(source)
        if key not in self._session.last:
            self._session.note_start(key, cell)
            state = None if result.success else State(type=StateType.FAILED)
            self._session.note_end(key, cell, None, self._flow_of(cell), state)
