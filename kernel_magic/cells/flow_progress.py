"""Live views of `@flow` functions that are called in a notebook."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headrace.core.drawing import SIGNS
from headrace.core.settings import flag
from headrace.kernel_magic.cells.live_view import LiveView, Row
from headrace.kernel_magic.cells.tables import TextTable

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession
    from headrace.kernel_magic.engine.live import LiveRun

#: Flows that one cell calls beyond these show nothing: a loop over a flow would fill the page.
FLOWS_IN_A_CELL = 5


class FlowProgress:
    """Shows each outermost flow of a shell while it runs (see `engine.common.WATCHERS`).

    Parameters
    ----------
    session : CellSession
    """

    def __init__(self, session: CellSession) -> None:
        self._session = session
        self._views: dict[str, LiveView] = {}
        self._request = ""
        self._count = 0

    def __call__(self, run: LiveRun, begins: bool) -> None:
        """Open or close the view of a flow run."""
        try:
            self._session.tell()
            if not begins:
                view = self._views.pop(run.id, None)
                if view is not None:
                    view.close()
            elif run.id not in self._views and self._is_shown(run):
                self._views[run.id] = view = self._view(run)
                view.open()
        except Exception as error:  # a view must never harm what it shows
            logging.getLogger("headrace.cells").debug("no live view: %r", error)

    def _is_shown(self, run: LiveRun) -> bool:
        above = run.parent
        while above is not None:
            if above.kind == "flow":
                return False
            above = above.parent
        if run.definition.key.endswith("#flow") or not flag("PROGRESS", True):
            return False
        request = str((self._session.request.get("header") or {}).get("msg_id", ""))
        if request != self._request:
            self._request, self._count = request, 0
        self._count += 1
        return self._count <= FLOWS_IN_A_CELL

    def _view(self, run: LiveRun) -> LiveView:
        name = run.definition.name

        def final() -> TextTable | None:
            run.session.recorder.flush()
            rows = task_rows(run.root.id, run.id)
            if not rows:
                return None
            body = [(row.label, _counts(row)) for row in rows]
            return TextTable(("task", "state"), body, note=f"flow {name}: {run.state_name}")

        def rows() -> list[Row]:
            self._session.tell()  # pictures of the flow follow at the same pace
            return task_rows(run.root.id, run.id)

        return LiveView(self._session, name, rows, final)


def _counts(row: Row) -> str:
    good = row.ended - row.failed
    words = [f"{SIGNS['COMPLETED'][0]} {good}"] if good else []
    words += [f"{SIGNS['FAILED'][0]} {row.failed} failed"] if row.failed else []
    words += [f"{SIGNS[''][0]} {row.total - row.ended} not ended"] if row.total > row.ended else []
    return ", ".join(words)


def task_rows(root_id: str, but: str = "") -> list[Row]:
    """Return a bar for each task below a root run.

    Parameters
    ----------
    root_id : str
    but : str, default ""
        A run that is left out: the flow that the view is of.
    """
    from headrace.kernel_magic.engine.session import session
    from headrace.store.progress import progress_of

    store = session().store
    if store is None:
        return []
    rows = []
    for one in progress_of(store.database, root_id, but=but):
        kind = "RUNNING" if one.running else "SCHEDULED" if one.waiting_for_retry else "PENDING"
        if one.ended == one.total:
            kind = "FAILED" if one.failed else "COMPLETED"
        rows.append(
            Row(
                key=f"{one.kind} {one.definition}",
                label=one.definition,
                total=one.total,
                ended=one.ended,
                failed=one.failed,
                state_type=kind,
                retries=one.attempts - one.total,
                run_id=one.newest_id,
            )
        )
    return rows
