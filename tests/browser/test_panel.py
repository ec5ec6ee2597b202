"""The panel as a person uses it: a real JupyterLab, real kernels, a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import OUTPUT, Lab, wait_until

pytestmark = pytest.mark.browser

CELLS = [
    ("p", "month: int = 1  # which month, 1 to 12\npause: float = 0.3  # seconds", ["parameters"]),
    (
        "a",
        "%%task fetch\nimport time\nfor n in range(6):\n    print('fetching', n, flush=True)\n    time.sleep(pause)\nrows = list(range(month))",
        [],
    ),
    ("b", "%%task total\ntime.sleep(pause)\nresult = sum(rows)\nprint('total is', result)", []),
]


def write(lab: Lab, name: str) -> None:
    """Write a notebook into Lab's folder."""
    cells = [
        {
            "id": i,
            "cell_type": "code",
            "source": s,
            "metadata": {"tags": t} if t else {},
            "outputs": [],
            "execution_count": None,
        }
        for i, s, t in CELLS
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (lab.root / name).write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab: Lab) -> Iterator[None]:
    for name in ("clicked.ipynb", "timed.ipynb", "survivor.ipynb"):
        write(lab, name)
    return


def menu(page: Any, notebook: str, item: str) -> Any:
    """Choose an item of a notebook's context menu in the file browser and return the dialog."""
    page.locator(".jp-DirListing-item", has_text=notebook).click(button="right")
    page.locator(".lm-Menu-item", has_text=item).click()
    dialog = page.get_by_role("dialog").first
    dialog.wait_for()
    return dialog


def run_clicked(page: Any, notebook: str, **parameters: str) -> None:
    """Run a notebook with parameters by clicking."""
    dialog = menu(page, notebook, "Run with parameters")
    for name, value in parameters.items():
        dialog.get_by_label(name).fill(value)
    dialog.get_by_role("button", name="Run", exact=True).click()
    dialog.wait_for(state="hidden")


def open_panel(page: Any) -> Any:
    """Show the sidebar and return it."""
    panel = page.locator("#headrace-sidebar")
    tab = page.locator("li.lm-TabBar-tab[data-id*=headrace]").first
    tab.wait_for()
    if not panel.is_visible():
        tab.click()
    panel.wait_for()
    return panel


def test_a_notebook_run_by_clicking_is_seen_live(lab: Lab, opened: Any) -> None:
    run_clicked(opened, "clicked.ipynb", month="5")
    view = opened.locator(".jp-MainAreaWidget:not(.lm-mod-hidden)", has_text="clicked")
    view.get_by_text("Running", exact=True).first.wait_for()
    view.get_by_text("fetch", exact=True).first.wait_for()
    opened.screenshot(path=OUTPUT / "running.png")
    view.get_by_role("tab", name="Logs").click()
    view.get_by_text("fetching 1").first.wait_for()
    view.get_by_text("Completed", exact=True).first.wait_for(timeout=30_000)
    view.get_by_text("total is 10").first.wait_for()
    run = wait_until(lambda: lab.run_named("clicked", "Completed"), 10, "the run's end")
    full = lab.get(f"/headrace/api/runs/{run['id']}")["run"]
    assert full["parameters"]["month"] == 5
    opened.screenshot(path=OUTPUT / "logs.png")


def test_wrong_parameters_are_said_beside_the_field_and_nothing_runs(lab: Lab, opened: Any) -> None:
    before = len(lab.runs())
    dialog = menu(opened, "clicked.ipynb", "Run with parameters")
    dialog.get_by_label("month").fill("many")
    dialog.locator("input[aria-invalid=true]").wait_for()
    assert dialog.get_by_role("button", name="Run", exact=True).is_disabled()
    opened.screenshot(path=OUTPUT / "wrong.png")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(lab.runs()) == before


def test_a_schedule_made_by_clicking_fires_and_its_run_appears(lab: Lab, opened: Any) -> None:
    dialog = menu(opened, "timed.ipynb", "Schedule")
    dialog.get_by_label("Repeats").select_option("cron")
    dialog.get_by_label("Minute hour day month weekday").fill("* * * * *")
    dialog.get_by_text("every minute", exact=False).first.wait_for()
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    dialog.wait_for(state="hidden")
    panel = open_panel(opened)
    panel.get_by_text("timed").first.wait_for()
    run = wait_until(lambda: lab.run_named("timed"), 75, "the schedule's run")
    assert run["trigger"] == "schedule"
    panel.locator("text=timed").nth(1).wait_for()
    opened.screenshot(path=OUTPUT / "scheduled.png")
    for schedule in lab.get("/headrace/api/schedules")["schedules"]:
        assert schedule["next_fire_at"] is not None
    wait_until(lambda: lab.run_named("timed", "Completed"), 40, "the scheduled run's end")


def test_killing_the_server_leaves_the_run_to_finish_and_the_panel_shows_it_afterwards(lab: Lab, opened: Any) -> None:
    run_clicked(opened, "survivor.ipynb", pause="1.0")
    run = wait_until(lambda: lab.run_named("survivor", "Running"), 30, "the run")
    sidebar = open_panel(opened)
    sidebar.get_by_text("survivor").first.wait_for()
    lab.kill()
    sidebar.get_by_text("Connection lost", exact=False).first.wait_for(timeout=30_000)
    lab.start()
    ended = wait_until(lambda: lab.run_named("survivor", "Completed"), 60, "the run's end after the restart")
    assert ended["id"] == run["id"]
    opened.goto(opened.url)
    opened.wait_for_selector("#jp-main-dock-panel", timeout=60_000)
    open_panel(opened).get_by_text("survivor").first.wait_for()
