"""The panel in an open notebook: its graph beside it, marks in the margins, and what came while nobody looked."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import OUTPUT, TOKEN, Lab, wait_until
from .test_paths import serious

pytestmark = pytest.mark.browser

RUN_MS = 60_000
NAME = "tasks.ipynb"
SOURCES = {
    "imports": "import time, pathlib",
    "load": "%%task load --retries 1\nrows = [1, 2, 3]\nprint('loaded', len(rows))",
    "slow": "%%task slow\nwhile not pathlib.Path('go-on').exists(): time.sleep(0.05)\ntotal = sum(rows)\nprint('total is', total)",
    "plain": "double = total * 2",
}


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab: Lab) -> None:
    """A notebook of tasks, and a plain one."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name in (NAME, "made.ipynb"):
        cells = [
            {"id": i, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
            for i, s in SOURCES.items()
        ]
        text = json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
        (lab.root / name).write_text(text)


def show(page: Page, name: str) -> Any:
    """Open a notebook with a kernel that is ready and return its panel."""
    page.evaluate("async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}) }", name)
    panel = page.locator(f'.jp-NotebookPanel[id="{page.evaluate(FRONT)}"]')
    panel.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.wait_for_function(IDLE, timeout=RUN_MS)
    page.evaluate(NAMED)
    return panel


FRONT = "() => window.jupyterapp.shell.currentWidget.id"
IDLE = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
# Lab's order of nodes is not the document's.
NAMED = "() => window.jupyterapp.shell.currentWidget.content.widgets.forEach(w => { w.node.dataset.cell = w.model.id })"
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"


def cell(panel: Any, name: str) -> Any:
    """Return a cell of the panel by its id."""
    return panel.locator(f'.jp-CodeCell[data-cell="{name}"]')


def saved(page: Page, lab: Lab, name: str, at: str) -> dict[str, Any]:
    """Save the notebook in front and return one of its cells as the file has it."""
    page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save') }")
    found = json.loads((lab.root / name).read_text())["cells"]
    one = dict(found[list(SOURCES).index(at)])
    return {**one, "source": "".join(one["source"])}


def choose(page: Page, entry: str) -> None:
    page.locator(".lm-Menu-item", has_text=entry).click()


def test_the_flow_is_drawn_before_anything_ran_and_leads_to_the_cells(opened: Page, lab: Lab) -> None:
    page = opened
    panel = show(page, NAME)
    for item, title in (("headrace-run", "Run tasks.ipynb"), ("headrace-schedule", "Schedule tasks.ipynb")):
        panel.locator(f'.jp-Toolbar-item[data-jp-item-name="{item}"]').click()
        expect(page.get_by_role("dialog").get_by_role("heading", name=title)).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="hidden")
    panel.locator('.jp-Toolbar-item[data-jp-item-name="headrace-flow"]').click()
    flow = page.locator(".hr-runview")
    expect(flow.locator(".hr-node.hr-mod-stale .hr-node-name", has_text="load")).to_be_visible()
    expect(flow.get_by_role("status").first).to_contain_text("2 tasks are stale")
    flow.locator(".hr-node", has_text="slow").click()
    expect(cell(panel, "slow")).to_have_class(re.compile("jp-mod-active"))
    expect(cell(panel, "slow")).to_be_in_viewport()
    cell(panel, "load").locator(".jp-InputArea-editor").click()
    expect(flow.locator(".hr-node.hr-mod-marked")).to_contain_text("load")
    page.screenshot(path=OUTPUT / "notebook-flow.png")


def test_a_plain_cell_becomes_a_task_from_its_menu_and_is_set_by_a_form(opened: Page, lab: Lab) -> None:
    page = opened
    panel = show(page, "made.ipynb")
    cell(panel, "plain").locator(".jp-InputArea-editor").click(button="right")
    choose(page, "Make This Cell a Task")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Retries").fill("many")
    expect(dialog.locator(".hr-field-error")).to_contain_text("whole number")
    dialog.get_by_label("Retries").fill("2")
    dialog.get_by_label("Name").fill("doubled")
    dialog.get_by_role("button", name="Make it a task").click()
    mark = cell(panel, "plain").locator(".hr-cellmark")
    expect(mark).to_have_attribute("aria-label", re.compile("doubled"))
    written = saved(page, lab, "made.ipynb", "plain")
    assert written["source"] == SOURCES["plain"]
    assert written["metadata"]["headrace"] == {"task": {"name": "doubled", "retries": 2}}
    # By the keyboard alone, and into the magic line of a cell that has one.
    cell(panel, "load").locator(".hr-cellmark").focus()
    page.keyboard.press("Enter")
    page.locator(".lm-Menu").wait_for()
    for key in ("ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    dialog.wait_for()
    assert dialog.get_by_label("Retries").input_value() == "1"
    dialog.get_by_label("Time limit").fill("15m")
    page.keyboard.press("Enter")
    dialog.wait_for(state="hidden")
    assert saved(page, lab, "made.ipynb", "load")["source"].startswith(
        "%%task load --retries 1 --timeout-seconds 15m\nrows"
    )
    mark.click()
    choose(page, "Plain Cell Again")
    expect(mark).to_have_count(0)
    assert "headrace" not in saved(page, lab, "made.ipynb", "plain")["metadata"]


def test_marks_follow_the_runs_in_every_tab_and_offer_what_finished_meanwhile(opened: Page, lab: Lab) -> None:
    page = opened
    panel = show(page, NAME)
    other = page.context.new_page()
    other.goto(f"http://127.0.0.1:{lab.port}/lab/workspaces/other?token={TOKEN}&reset")
    other.wait_for_selector(".jp-DirListing-item", timeout=RUN_MS)
    beside = show(other, NAME)
    page.evaluate(RUN_ALL)
    for view in (panel, beside):
        expect(cell(view, "load").locator(".hr-cellmark")).to_have_attribute("aria-label", re.compile("Completed"))
        expect(cell(view, "slow").locator(".hr-cellmark")).to_have_attribute("aria-label", re.compile("Running"))
    expect(cell(panel, "load").locator(".hr-offer")).to_have_count(0)
    # The tab that sent the code closes before the end: the kernel goes on, what it says is heard by nobody.
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
    page.goto("about:blank")
    (lab.root / "go-on").touch()
    wait_until(lambda: lab.get("/headrace/api/runs?kind=cell&name=slow&state_type=COMPLETED")["runs"], 40, "the end")
    page.goto(f"http://127.0.0.1:{lab.port}/lab?token={TOKEN}&reset")
    page.wait_for_selector(".jp-DirListing-item", timeout=RUN_MS)
    panel = show(page, NAME)
    for view in (panel, beside):
        offer = cell(view, "slow").locator(".hr-offer")
        expect(offer).to_contain_text("finished")
        offer.get_by_role("button", name="show output").click()
        expect(cell(view, "slow").locator(".jp-OutputArea")).to_contain_text("total is 6")
        expect(offer).to_have_count(0)
    page.screenshot(path=OUTPUT / "notebook-marks.png")
    other.close()
    # What changes makes stale what uses it; the menu runs both, and their outputs land in their own cells.
    change = "source => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource(source)"
    page.evaluate(change, SOURCES["load"].replace("2, 3]", "2, 30]"))
    slow = cell(panel, "slow").locator(".hr-cellmark")
    expect(slow).to_contain_text("stale")
    slow.click()
    choose(page, "Run Stale up to Here")
    expect(cell(panel, "slow").locator(".jp-OutputArea")).to_contain_text("total is 33", timeout=RUN_MS)
    expect(slow).not_to_contain_text("stale")
    slow.click()
    choose(page, "History of This Cell")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(2)
    dialog.get_by_role("button", name="Close").last.click()
    slow.click()
    choose(page, "Show Its Log")
    expect(page.locator(".hr-runview").get_by_text("total is 33").first).to_be_visible()


def test_axe_finds_nothing_serious_beside_and_in_a_notebook(opened: Page, lab: Lab) -> None:
    page = opened
    panel = show(page, NAME)
    panel.locator('.jp-Toolbar-item[data-jp-item-name="headrace-flow"]').click()
    page.locator(".hr-runview .hr-node").first.wait_for()
    mark = cell(panel, "load").locator(".hr-cellmark")
    mark.wait_for()
    found = {"flow": serious(page, ".hr-runview"), "marks": serious(page, ".hr-cellmark")}
    mark.click()
    page.locator(".lm-Menu").wait_for()
    page.screenshot(path=OUTPUT / "notebook.png")
    page.keyboard.press("Escape")
    for command in ("headrace:cell-settings", "headrace:cell-history"):
        page.evaluate("([id, cell]) => { window.jupyterapp.commands.execute(id, {cell}) }", [command, "load"])
        dialog = page.get_by_role("dialog")
        dialog.locator("input, tbody tr, .hr-empty").first.wait_for()
        found[command] = serious(page, "dialog[open]")
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    assert {place: problems for place, problems in found.items() if problems} == {}
