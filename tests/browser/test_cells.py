"""Cell tasks in a real JupyterLab: live views, and outputs that land in their own cells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import Lab, wait_until

pytestmark = pytest.mark.browser

CELLS = {
    "imports": "import time\nfrom pathlib import Path",
    "load": "%%task load\nprint('loading began')\nwhile not Path('go').exists():\n    time.sleep(0.05)\nrows = [1, 2, 3]\nlen(rows)",
    "double": "%%task double\nfrom IPython.display import HTML, display\ndisplay(HTML('<b class=\"mine\">six</b>'))\ntwice = [2 * n for n in rows]",
    "run": "%flow run",
    "graph": "%flow graph",
    "mapped": (
        "from headrace import flow, task\n"
        "@task(retries=1)\ndef square(n):\n    while not Path('go2').exists():\n        time.sleep(0.05)\n    return n * n\n"
        "@flow\ndef squares():\n    return [f.result() for f in square.map(range(12))]\nsum(squares())"
    ),
}


def write(lab: Lab, name: str) -> None:
    """Write the notebook into Lab's folder."""
    cells = [
        {"id": i, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in CELLS.items()
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (lab.root / name).write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab: Lab) -> None:
    write(lab, "live.ipynb")
    write(lab, "mapped.ipynb")


def open_notebook(page: Any, name: str) -> None:
    """Open a notebook and wait for its kernel."""
    page.evaluate("name => { void window.jupyterapp.commands.execute('docmanager:open', {path: name}); }", name)
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )


def run_cell(page: Any, cell_id: str) -> None:
    """Execute a cell, and do not wait for its end."""
    page.evaluate(
        """id => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
            void window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        cell_id,
    )


def cell(page: Any, cell_id: str) -> Any:
    """Return a cell's place on the page."""
    at = list(CELLS).index(cell_id)
    return page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{at}']")


def output(page: Any, cell_id: str) -> Any:
    """Return a cell's outputs on the page."""
    return cell(page, cell_id).locator(".jp-OutputArea").first


def saved(page: Any, lab: Lab, name: str) -> dict[str, list[dict[str, Any]]]:
    """Save the notebook and return each cell's outputs."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    cells = json.loads((lab.root / name).read_text())["cells"]
    return {one["id"]: one["outputs"] for one in cells}


def test_outputs_land_in_their_own_cells_and_the_view_follows_live(lab: Lab, opened: Any) -> None:
    open_notebook(opened, "live.ipynb")
    run_cell(opened, "run")
    view = cell(opened, "run").locator(".headrace-progress")
    view.get_by_text("▶ load").wait_for(timeout=60_000)
    output(opened, "load").get_by_text("loading began").wait_for()
    assert cell(opened, "load").locator(".jp-InputPrompt").inner_text() == "[*]:"
    view.get_by_text("▶ load").click()
    view.locator("pre", has_text="loading began").wait_for()
    run_cell(opened, "graph")  # queued: the kernel is busy
    (lab.root / "go").touch()
    output(opened, "double").locator("b.mine").wait_for()
    view.wait_for(state="detached")
    table = cell(opened, "run").locator(".jp-OutputArea table")
    assert "✔ Completed" in table.inner_text()
    assert output(opened, "load").get_by_text("3", exact=True).count() == 1
    for one in ("load", "double", "run"):
        expect(cell(opened, one).locator(".jp-InputPrompt")).to_have_text("[1]:")

    graph = cell(opened, "graph").locator(".headrace-graph-widget")
    graph.locator("svg.headrace-graph").wait_for()
    graph.locator("select").select_option(label="load")
    graph.locator("pre", has_text="loading began").wait_for()
    (lab.root / "go").unlink()
    run_cell(opened, "load")
    graph.locator("svg.headrace-graph g.s-RUNNING").wait_for()
    (lab.root / "go").touch()
    graph.locator("svg.headrace-graph g.s-RUNNING").wait_for(state="detached")

    outputs = saved(opened, lab, "live.ipynb")
    assert "widget" not in json.dumps(outputs["run"])
    assert [one["output_type"] for one in outputs["double"]] == ["display_data"]
    assert [one["output_type"] for one in outputs["run"]] == ["display_data"]


def test_a_flow_shows_a_bar_for_its_map_and_leaves_one_table(lab: Lab, opened: Any) -> None:
    open_notebook(opened, "mapped.ipynb")
    run_cell(opened, "imports")
    run_cell(opened, "mapped")
    view = cell(opened, "mapped").locator(".headrace-progress")
    view.get_by_text("square · 0 of 12").wait_for(timeout=60_000)
    assert view.locator(".widget-progress, .jupyter-widget-progress, [role=progressbar], .progress").count() >= 1
    (lab.root / "go2").touch()
    view.wait_for(state="detached")
    output(opened, "mapped").get_by_text("506").wait_for()

    def shown() -> dict[str, list[dict[str, Any]]] | None:
        found = saved(opened, lab, "mapped.ipynb")
        return found if len(found["mapped"]) == 2 else None

    outputs = wait_until(shown, 20, "the saved outputs")["mapped"]
    assert "widget" not in json.dumps(outputs)
    assert outputs[0]["data"]["text/plain"][0].split() == ["task", "state"]
