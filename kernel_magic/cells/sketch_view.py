"""A drawn flow (`flow.visualize()`) in a notebook: with the states of its newest run, followed while it runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core.runs import RunFilter
from headrace.kernel_magic.cells.flow_progress import task_rows
from headrace.kernel_magic.cells.graph_view import FlowPicture, show_picture
from headrace.kernel_magic.engine.session import session

if TYPE_CHECKING:
    from headrace.kernel_magic.sketch import Sketch


def picture_of(sketch: Sketch) -> FlowPicture:
    """Return a drawn flow with the states of its newest run.

    Parameters
    ----------
    sketch : Sketch
    """
    here = session()
    states: dict[str, tuple[str, str]] = {}
    note = "It has not run yet."
    if here.store is not None:
        here.recorder.flush()
        chosen = RunFilter(kinds=("flow",), names=(sketch.name,), roots_only=False)
        newest = here.store.runs.first(chosen, limit=20)
        for run in [run for run in newest if run.definition == sketch.name][:1]:
            note = f"Its newest run: {run.state_name}."
            for row in task_rows(run.root_id, run.id):
                many = f" {row.ended} of {row.total}" if row.total > 1 else ""
                states[row.label] = (row.state_type, f"{row.state_type.capitalize()}{many}")
    nodes = []
    for node in sketch.nodes:
        kind, name = states.get(node.label.removesuffix(" (mapped)"), ("", ""))
        nodes.append(replace(node, state_type=kind, state_name=name))
    return FlowPicture(nodes, sketch.edges, note, title=f"The flow {sketch.name}")


def show(sketch: Sketch) -> None:
    """Show a drawn flow in the notebook or terminal of this process."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    loaded = getattr(shell, "_headrace", None)
    picture = picture_of(sketch) if loaded is None else show_picture(loaded.session, lambda: picture_of(sketch))
    if picture is not None:
        if hasattr(shell, "kernel"):
            shell.display_pub.publish(picture.bundle())
        else:
            print(picture)
