"""`%flow graph`: the notebook's graph as a picture with its table, followed while cells run.

In a client with ipywidgets the picture is a widget: a cell can be chosen, and
its state, reasons and log are shown. Elsewhere the picture itself is replaced
as states change. What the notebook keeps is the same from run to run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from headrace.core.cards import card
from headrace.core.drawing import Node, table_rows, to_svg, to_text
from headrace.core.ids import new_id
from headrace.kernel_magic.cells.flow_view import FlowView, view_flow
from headrace.kernel_magic.cells.live_view import log_lines, shows_widgets
from headrace.kernel_magic.cells.staleness import key_of_cell
from headrace.kernel_magic.cells.tables import TextTable

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession

#: States that change quickly are drawn this often at most, seconds.
REDRAW_SECONDS = 0.1


def note_of(view: FlowView) -> str:
    """Return what stands below a table of the flow: where its order comes from, and what is wrong."""
    return "\n".join([f"Cells and their order: from {view.origin}.", *view.problems])


class FlowPicture:
    """A graph that shows as SVG where it can and as a table elsewhere.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of (upstream, downstream)
    note : str, default ""
        Below the table.
    title : str, default "This notebook's flow"
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        edges: Sequence[tuple[str, str]],
        note: str = "",
        title: str = "This notebook's flow",
    ) -> None:
        self.nodes, self.edges, self.note, self.title = nodes, edges, note, title

    def __repr__(self) -> str:
        return to_text(self.nodes, self.edges) + (f"\n{self.note}" if self.note else "")

    @property
    def svg(self) -> str:
        """The picture."""
        return to_svg(self.nodes, self.edges, title=self.title, colours=not os.environ.get("NO_COLOR"))

    @property
    def table(self) -> TextTable:
        """The picture in words."""
        return TextTable(("cell", "state", "time", "after"), table_rows(self.nodes, self.edges), note=self.note)

    @property
    def html(self) -> str:
        """The picture with its table folded below it."""
        return f"{self.svg}<details><summary>Table</summary>{self.table._repr_html_()}</details>"

    def bundle(self) -> dict[str, str]:
        """Return it as a MIME bundle."""
        return {"text/plain": repr(self), "text/html": self.html, "image/svg+xml": self.svg}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.bundle()


def picture_of(session: CellSession) -> FlowPicture:
    """Return the picture of a notebook's flow as it stands."""
    view = view_flow(session)
    return FlowPicture(view.nodes, view.edges, note_of(view))


def show_graph(session: CellSession, *, static: bool = False) -> FlowPicture | None:
    """Show the graph; return it where nothing follows it, so that IPython shows it.

    Parameters
    ----------
    session : CellSession
    static : bool, default False
        A picture only.
    """

    def draw() -> FlowPicture:
        return picture_of(session)

    def facts(cell_id: str) -> str:
        return _facts(session, cell_id)

    return picture_of(session) if static else show_picture(session, draw, facts)


def show_picture(
    session: CellSession, draw: Callable[[], FlowPicture], facts: Callable[[str], str] | None = None
) -> FlowPicture | None:
    """Show a picture that follows what it shows; return it where nothing follows it, so that IPython shows it.

    Parameters
    ----------
    session : CellSession
    draw : callable -> FlowPicture
        Draws it as things stand.
    facts : callable(node id) -> HTML or None
        What is known of a chosen node.
    """
    picture = draw()
    if session.kernel is None or not session.is_interactive:
        return picture
    place = str(session.cell_metadata.get("cellId"))
    before = session.graphs.pop(place, None)
    if before is not None:
        before.close()
    session.graphs[place] = GraphView(session, place, picture, draw, facts or (lambda _node: ""))
    return None


class GraphView:
    """A shown graph that follows its notebook.

    Parameters
    ----------
    session : CellSession
    place : str
        The cell that shows it.
    picture : FlowPicture
    draw : callable -> FlowPicture
    facts : callable(node id) -> HTML
    """

    def __init__(
        self,
        session: CellSession,
        place: str,
        picture: FlowPicture,
        draw: Callable[[], FlowPicture],
        facts: Callable[[str], str],
    ) -> None:
        self._session, self._place, self._draw = session, place, draw
        self._display_id = new_id()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._shown = picture.svg
        self._widget = _GraphWidget(session, place, picture, facts) if shows_widgets(session) else None
        bundle: dict[str, Any] = picture.bundle()
        if self._widget is not None:
            bundle = {**bundle, **self._widget.bundle()}
        session.shell.display_pub.publish(bundle, transient={"display_id": self._display_id})
        session.followers.append(self._follow)

    def _follow(self) -> None:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(REDRAW_SECONDS, self._redraw)
                self._timer.daemon = True
                self._timer._headrace_run = None  # type: ignore[attr-defined]
                self._timer.start()

    def _redraw(self) -> None:
        with self._lock:
            self._timer = None
        try:
            picture = self._draw()
            if picture.svg == self._shown:
                return
            self._shown = picture.svg
            if self._widget is not None:
                self._widget.show(picture)
            else:
                self._publish(picture.bundle())
        except Exception as error:  # a picture must never harm what it shows
            logging.getLogger("headrace.cells").debug("the graph was not drawn: %r", error)

    def _publish(self, bundle: dict[str, Any]) -> None:
        self._session.shell.display_pub.publish(bundle, transient={"display_id": self._display_id}, update=True)

    def close(self, *, leave_picture: bool = False) -> None:
        """Follow no longer.

        Parameters
        ----------
        leave_picture : bool, default False
            Put the picture into the widget's place: the kernel ends, and its widgets with it.
        """
        if self._follow in self._session.followers:
            self._session.followers.remove(self._follow)
        if self._widget is not None:
            if leave_picture:
                self._publish(dict(self._draw().bundle()))
            self._widget.close()


class _GraphWidget:
    """The graph as ipywidgets: the picture, a choice of cells, and what is known of the chosen one."""

    def __init__(self, session: CellSession, place: str, picture: FlowPicture, facts: Callable[[str], str]) -> None:
        import ipywidgets

        # The same cell shows the same model: its id stands in the notebook and must not change from run to run.
        name = hashlib.sha256(f"{session.document_key()}#{place}".encode()).hexdigest()[:32]
        self._describe = facts
        self._picture = ipywidgets.HTML(picture.html)
        self._choice = ipywidgets.Dropdown(description="Cell", options=_choices(picture), value="")
        self._facts = ipywidgets.HTML()
        self._choice.observe(lambda _change: self._tell(), names="value")
        self._box = ipywidgets.VBox([self._picture, self._choice, self._facts], model_id=name)
        self._box.add_class("headrace-graph-widget")

    def bundle(self) -> dict[str, Any]:
        """Return the widget's own part of the MIME bundle."""
        found = dict(self._box._repr_mimebundle_())
        found.pop("text/plain", None)
        return found

    def show(self, picture: FlowPicture) -> None:
        """Show another state."""
        self._picture.value = picture.html
        choices = _choices(picture)
        if tuple(self._choice.options) != tuple(choices):
            chosen = self._choice.value
            self._choice.options = choices
            self._choice.value = chosen if chosen in [value for _, value in choices] else ""
        self._tell()

    def _tell(self) -> None:
        chosen = str(self._choice.value or "")
        self._facts.value = self._describe(chosen) if chosen else ""

    def close(self) -> None:
        """Close every widget."""
        for widget in (self._facts, self._choice, self._picture, self._box):
            widget.close()


def _facts(session: CellSession, cell_id: str) -> str:
    """Return what is known of a cell, as HTML."""
    view = view_flow(session, exact=True)
    node = next((node for node in view.nodes if node.id == cell_id), None)
    if node is None:
        return ""
    last = session.last.get(key_of_cell(view.cells[cell_id]))
    after = ", ".join(view.graph.labels[a] for a, b in view.edges if b == cell_id)
    rows = [
        ("state", node.state_name or "not run"),
        ("time", node.time),
        ("after", after),
        ("stale", view.stale.get(cell_id, "")),
    ]
    lines = log_lines(last.run_id) if last is not None and last.run_id else []
    log = f"<pre style='max-height:16em;overflow:auto'>{escape(chr(10).join(lines))}</pre>" if lines else ""
    return card(node.label, rows) + log


def _choices(picture: FlowPicture) -> list[tuple[str, str]]:
    return [("choose a cell …", ""), *((node.label, node.id) for node in picture.nodes)]
