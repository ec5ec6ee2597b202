"""What a person sees while a flow runs in a notebook: a bar for each task or cell, elapsed time, retries, logs on click.

It is an ipywidgets view where the client can show one, and takes itself away
at the end: what stays, and what a client without widgets gets, is one table
without times or ids, so that the same results give the same bytes. A terminal
gets the table as text.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from headrace.core.drawing import SIGNS, duration_text
from headrace.core.ids import new_id
from headrace.core.settings import flag
from headrace.kernel_magic.cells.tables import TextTable

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession

#: A flow that is over sooner shows its table only, seconds.
DELAY_SECONDS = 0.4
REFRESH_SECONDS = 0.3
#: Rows that are shown, and lines of each row's log.
ROWS, LINES = 40, 100


@dataclass(slots=True)
class Row:
    """One bar.

    Attributes
    ----------
    key, label : str
    total, ended, failed : int
    state_type : str
        For the sign; "" for what has not begun.
    retries : int
    seconds : float or None
    run_id : str
        Whose log is shown.
    note : str
    """

    key: str
    label: str
    total: int = 1
    ended: int = 0
    failed: int = 0
    state_type: str = ""
    retries: int = 0
    seconds: float | None = None
    run_id: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """The row in words."""
        sign = SIGNS.get(self.state_type, SIGNS[""])[0]
        words = [f"{sign} {self.label}"]
        if self.total > 1:
            words.append(f"{self.ended} of {self.total}")
        if self.failed and self.total > 1:
            words.append(f"{self.failed} failed")
        if self.retries:
            words.append(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}")
        words += [part for part in (duration_text(self.seconds), self.note) if part]
        return " · ".join(words)


def shows_widgets(session: CellSession) -> bool:
    """Return whether the client of the request under way shows ipywidgets and does not store what they hold.

    JupyterLab, Jupyter Notebook and VS Code say which cell they execute; nbclient and papermill do not, and a runner
    of ours says whose run it is.
    """
    metadata = session.cell_metadata
    ours = metadata.get("headrace")
    handed = isinstance(ours, dict) and "run_id" in ours
    if session.kernel is None or handed or not session.is_interactive:
        return False
    return flag("WIDGETS", True) and find_spec("ipywidgets") is not None


class LiveView:
    """A view of something under way.

    Parameters
    ----------
    session : CellSession
    title : str
    rows : callable -> sequence of Row
        Called again and again, in a thread.
    final : callable -> TextTable or None
        What stays; None: nothing.
    """

    def __init__(
        self,
        session: CellSession,
        title: str,
        rows: Callable[[], Sequence[Row]],
        final: Callable[[], TextTable | None],
    ) -> None:
        self._session, self._title, self._rows, self._final = session, title, rows, final
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._display_id = new_id()
        self._widget: _Widget | None = None
        self._began = time.monotonic()

    def open(self) -> None:
        """Begin to show, if the client can."""
        if not shows_widgets(self._session):
            return
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="headrace-view", daemon=True)
        self._thread._headrace_run = None  # type: ignore[attr-defined]  # its writing is nobody's log
        self._thread.start()

    def _work(self) -> None:
        try:
            if self._stopped.wait(DELAY_SECONDS):
                return
            self._widget = widget = _Widget(self._session, self._title)
            widget.refresh(self._rows(), time.monotonic() - self._began)
            self._publish(widget.bundle(), update=False)
            while not self._stopped.wait(REFRESH_SECONDS):
                widget.refresh(self._rows(), time.monotonic() - self._began)
        except Exception as error:  # a view must never harm what it shows
            logging.getLogger("headrace.cells").debug("the live view ended: %r", error)

    def _publish(self, bundle: dict[str, Any], *, update: bool) -> None:
        publisher = self._session.shell.display_pub
        publisher.publish(bundle, transient={"display_id": self._display_id}, update=update)

    def close(self, *, show: bool = True) -> None:
        """Take the view away; what stays is the table.

        Parameters
        ----------
        show : bool, default True
            Show the table even where there was no view.
        """
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(10)
        table = self._final()
        if self._widget is not None:
            self._publish(table.bundle() if table is not None else {"text/plain": self._title}, update=True)
            self._widget.close()
        elif table is not None and show:
            if self._session.kernel is None:
                print(table)
            else:
                self._session.shell.display_pub.publish(table.bundle())

    @property
    def was_shown(self) -> bool:
        """Whether the table stands where the view was."""
        return self._widget is not None


class _Widget:
    """The widgets of a view. What opens and closes does so in the browser: the kernel is busy while a flow runs."""

    def __init__(self, session: CellSession, title: str) -> None:
        import ipywidgets

        self._kinds = ipywidgets
        self._session, self._title = session, title
        self._head = ipywidgets.HTML()
        self._list = ipywidgets.VBox()
        self._box = ipywidgets.VBox([self._head, self._list])
        self._box.add_class("headrace-progress")
        self._lines: dict[str, tuple[Any, Any, Any, Any]] = {}

    def bundle(self) -> dict[str, Any]:
        """Return the view as a MIME bundle."""
        found = dict(self._box._repr_mimebundle_())
        return {**found, "text/plain": f"{self._title} runs …"}

    def refresh(self, rows: Sequence[Row], seconds: float) -> None:
        """Show the rows as they are now."""
        done = sum(row.ended >= row.total for row in rows)
        words = f"<b>{escape(self._title)}</b> · {done} of {len(rows)} · {duration_text(seconds)}"
        more = f" · the first {ROWS} are shown" if len(rows) > ROWS else ""
        self._set(self._head, "value", f'<span role="status">{words}{more}</span>')
        for row in rows[:ROWS]:
            self._show(row)
        children = tuple(line[0] for line in self._lines.values())
        if len(children) != len(self._list.children):
            self._list.children = children

    def _show(self, row: Row) -> None:
        if row.key not in self._lines:
            bar = self._kinds.IntProgress(layout=self._kinds.Layout(width="8em"), min=0, max=1)
            log = self._kinds.HTML()
            fold = self._kinds.Accordion([log], titles=(row.text,), layout=self._kinds.Layout(flex="1 1 auto"))
            line = self._kinds.HBox([bar, fold], layout=self._kinds.Layout(align_items="center"))
            self._lines[row.key] = (line, bar, fold, log)
        _line, bar, fold, log = self._lines[row.key]
        self._set(bar, "max", max(1, row.total))
        self._set(bar, "value", row.ended)
        self._set(bar, "bar_style", "danger" if row.failed else "success" if row.ended >= row.total else "info")
        self._set(bar, "tooltip", row.text)
        self._set(fold, "titles", (row.text,))
        if row.run_id:
            self._set(log, "value", _log_html(self._session, row.run_id))

    @staticmethod
    def _set(widget: Any, name: str, value: Any) -> None:
        if getattr(widget, name) != value:
            setattr(widget, name, value)

    def close(self) -> None:
        """Close every widget: no model stays behind."""
        for line, bar, fold, log in self._lines.values():
            for widget in (log, fold, bar, line):
                widget.close()
        for widget in (self._head, self._list, self._box):
            widget.close()


def _log_html(session: CellSession, run_id: str) -> str:
    lines = log_lines(run_id)
    text = "\n".join(lines) if lines else "no log lines yet"
    return f'<pre style="max-height:16em;overflow:auto;margin:0">{escape(text)}</pre>'


def log_lines(run_id: str, most: int = LINES) -> list[str]:
    """Return the last lines of a run's own log."""
    from headrace.kernel_magic.engine.session import session

    store = session().store
    if store is None:
        return []
    count = store.logs.count(run_id, tree=False)
    return [
        line.message[:500] for line in store.logs.lines(run_id, offset=max(0, count - most), limit=most, tree=False)
    ]
