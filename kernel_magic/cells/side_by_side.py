"""`%flow run --parallel N`: independent cells side by side, each as a function of its inputs.

A cell starts when everything that it comes after has ended, the order of two
writers of a name included: the namespace ends as in document order. Cells that
reach the namespace by other ways (plain cells, IPython magics, `exec`) run one
at a time in the kernel's own thread.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headrace.kernel_magic.cells.routing import acting_for
from headrace.kernel_magic.cells.staleness import key_of_cell

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph
    from headrace.kernel_magic.cells.flow_view import FlowView
    from headrace.kernel_magic.cells.notebook import Cell
    from headrace.kernel_magic.cells.session import CellSession


def comes_after(graph: CellGraph, ids: Sequence[str]) -> dict[str, set[str]]:
    """Return each cell's upstream cells among the given ones, through any others."""
    chosen, found = set(ids), {}
    for cell_id in ids:
        seen: set[str] = set()
        todo = [edge.upstream for edge in graph.upstream.get(cell_id, ())]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += [edge.upstream for edge in graph.upstream.get(one, ())]
        found[cell_id] = seen & chosen
    return found


def is_function(session: CellSession, view: FlowView, cell_id: str) -> bool:
    """Return whether a cell can run as a function of its inputs."""
    cell, flow = view.cells[cell_id], view.graph.flows[cell_id]
    return cell.task is not None and not flow.opaque and "get_ipython()" not in session.plain_python(cell.source)


class SideBySide:
    """Runs the steps of a plan, as many at a time as may be.

    Parameters
    ----------
    session : CellSession
    view : FlowView
    ids : sequence of str
        In running order.
    limit : int
    where : str
        The runner of cells that name none.
    alone : callable(cell id) -> bool
        Runs a cell in the kernel's own thread; False: it failed.
    refused : callable(cell id) -> bool
        Whether a cell must not run because one that it needs failed; it is recorded then.
    begun : callable(cell id) -> str
        Called when a cell starts; returns the line that stands above what it shows.
    say : callable(line)
    ended : callable(cell id, completed)
    """

    def __init__(
        self,
        session: CellSession,
        view: FlowView,
        ids: Sequence[str],
        *,
        limit: int,
        where: str,
        alone: Callable[[str], bool],
        refused: Callable[[str], bool],
        begun: Callable[[str], str],
        say: Callable[[str], None],
        ended: Callable[[str, bool], None],
    ) -> None:
        self._session, self._view, self._limit, self._where = session, view, limit, where
        self._alone, self._refused, self._begun, self._say, self._ended = alone, refused, begun, say, ended
        self._after = comes_after(view.graph, ids)
        self._left = list(ids)
        self._running: set[str] = set()
        self._finished: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def run(self) -> None:
        """Run everything.

        Raises
        ------
        KeyboardInterrupt
            Every cell under way has been asked to end, and has.
        """
        try:
            while self._left or self._running:
                if not self._start_what_can():
                    self._take(wait=True)
                while self._take(wait=False):
                    pass
        except BaseException:
            self._stop()
            raise

    def _start_what_can(self) -> bool:
        """Start cells; return whether the graph may have changed meanwhile."""
        for cell_id in list(self._left):
            if self._after[cell_id]:
                continue
            if self._refused(cell_id):
                self._left.remove(cell_id)
                self._done(cell_id)
                return True
            if not is_function(self._session, self._view, cell_id):
                self._left.remove(cell_id)
                self._say(self._begun(cell_id))
                self._end(cell_id, self._alone(cell_id))
                return True
            if len(self._running) < self._limit:
                self._left.remove(cell_id)
                self._start(cell_id)
        return False

    def _start(self, cell_id: str) -> None:
        self._running.add(cell_id)
        line = self._begun(cell_id)
        cell, context = self._view.cells[cell_id], contextvars.copy_context()

        def work() -> None:
            completed = False
            try:
                completed = context.run(self._run_apart, cell, line)
            finally:
                self._finished.put((cell_id, completed))

        threading.Thread(target=work, name=f"headrace-cell-{cell.name}", daemon=True).start()

    def _run_apart(self, cell: Cell, line: str) -> bool:
        from headrace.kernel_magic.cells.execution import CellAttempt, Shown

        key = key_of_cell(cell)
        self._session.lazy.load_for(self._session.analyse(cell.source))
        self._session.note_start(key, cell)
        with acting_for(self._session, cell, apart=line):
            attempt = CellAttempt(
                self._session, self._session.cell_runner, cell, Shown(), lambda: None, self._where or "threads"
            )
            return attempt.run_sync(key).is_completed()

    def _take(self, *, wait: bool) -> bool:
        try:
            cell_id, completed = self._finished.get(timeout=0.05) if wait else self._finished.get_nowait()
        except queue.Empty:
            return False
        self._running.discard(cell_id)
        self._end(cell_id, completed)
        return True

    def _end(self, cell_id: str, completed: bool) -> None:
        self._ended(cell_id, completed)
        self._done(cell_id)

    def _done(self, cell_id: str) -> None:
        for waiting in self._after.values():
            waiting.discard(cell_id)

    def _stop(self) -> None:
        from headrace.kernel_magic.control import cancel
        from headrace.kernel_magic.engine.live import LIVE, current

        flow, self._left = current(), []
        for run in list(LIVE.values()):
            if run.kind in ("cell", "flow") and run.parent is flow and flow is not None:
                cancel(run, "the flow was interrupted")
        while self._running:
            self._take(wait=True)
