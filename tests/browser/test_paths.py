"""More of the panel's paths: what failed, what comes back, schedules by hand, and people without a mouse or eyes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import ROOT, Lab

pytestmark = pytest.mark.browser

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
RUN_MS = 60_000
GOOD = ["month: int = 3", "rows = list(range(month))\nprint(len(rows), 'rows')", "print('total', sum(rows))"]
BAD = ["month: int = 3", "rows = [month]", "raise ValueError('<b>no bikes</b> in ' + str(month))", "print(rows)"]


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab: Lab) -> None:
    """A notebook that works, one that fails, and a file that is none."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, sources in {"good.ipynb": GOOD, "bad.ipynb": BAD}.items():
        cells: list[dict[str, Any]] = [
            {
                "id": f"c{at}",
                "cell_type": "code",
                "source": source,
                "metadata": {} if at else {"tags": ["parameters"]},
                "outputs": [],
                "execution_count": None,
            }
            for at, source in enumerate(sources)
        ]
        text = json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
        (lab.root / name).write_text(text, encoding="utf-8")
    (lab.root / "notes.txt").write_text("no notebook", encoding="utf-8")


def choose(page: Page, file: str, entry: str) -> None:
    """Take an entry of the file browser's context menu."""
    if not page.locator(".jp-DirListing").first.is_visible():
        page.locator('[data-id="filebrowser"]').first.click()
    page.locator(".jp-DirListing-item", has_text=file).click(button="right")
    page.locator(".lm-Menu-item", has_text=entry).click()
    page.wait_for_selector("dialog[open]")


def show_panel(page: Page) -> None:
    """Open the panel at the left."""
    if not page.locator(".hr-sidebar").is_visible():
        page.locator('[data-id="headrace-sidebar"]').first.click()
    page.wait_for_selector(".hr-sidebar")


def run_notebook(page: Page, file: str, state: str) -> None:
    """Start a notebook from the file browser and wait until it has ended."""
    choose(page, file, "Run with Parameters")
    page.wait_for_selector("dialog[open] .hr-fields input >> nth=0")
    page.locator("dialog[open] .hr-mod-accept").click()
    expect(page.locator(".hr-header .hr-badge")).to_have_text(state, timeout=RUN_MS)


def test_a_failed_run_opens_on_what_failed_and_comes_back_after_a_reload(opened: Page) -> None:
    page = opened
    run_notebook(page, "bad.ipynb", "Failed")
    expect(page.locator(".hr-runview")).to_contain_text("<b>no bikes</b> in 3")
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator(".hr-timeline-row").first).to_be_visible()
    # Lab writes its layout a moment after a change.
    with page.expect_response(lambda answer: "/lab/api/workspaces" in answer.url and answer.request.method == "PUT"):
        page.locator(".hr-runview").get_by_role("tab", name="Details").first.click()
    page.goto(page.url.replace("?reset", "").replace("&reset", ""))
    expect(page.locator(".hr-runview").get_by_role("tab", name="Details").first).to_have_attribute(
        "aria-selected", "true"
    )


def test_a_schedule_is_checked_as_typed_made_paused_run_and_deleted(opened: Page, lab: Lab) -> None:
    page = opened
    choose(page, "good.ipynb", "Schedule")
    page.get_by_label("Repeats").select_option("cron")
    rule = page.get_by_label("Minute hour day month weekday")
    rule.fill("61 * * * *")
    expect(page.locator(".hr-field.hr-mod-invalid .hr-field-error")).to_be_visible()
    rule.fill("30 6 * * 1")
    expect(page.locator(".hr-preview li")).to_have_count(5)
    page.get_by_role("button", name="Schedule", exact=True).click()
    show_panel(page)
    line = page.locator(".hr-schedule", has_text="good")
    expect(line).to_have_count(1)
    expect(line).to_contain_text("06:30")
    line.get_by_role("button", name=re.compile("^Pause")).click()
    expect(line).to_contain_text("paused")
    line.get_by_role("button", name=re.compile("^Unpause")).click()
    expect(line).to_contain_text("next")
    line.get_by_role("button", name=re.compile("now$")).click()
    expect(page.locator(".hr-header .hr-badge")).to_have_text("Completed", timeout=RUN_MS)
    line.get_by_role("button", name=re.compile("^Delete")).click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    # Its deployment stays, and can still be run by hand.
    expect(line).to_contain_text("it has no schedule")
    assert not [
        found for found in lab.get("/headrace/api/schedules")["schedules"] if "good" in found["deployment_name"]
    ]


def test_menus_offer_runs_for_notebooks_only(opened: Page) -> None:
    opened.locator(".jp-DirListing-item", has_text="notes.txt").click(button="right")
    opened.wait_for_selector(".lm-Menu")
    expect(opened.locator(".lm-Menu-item", has_text="Run with Parameters")).to_have_count(0)
    opened.keyboard.press("Escape")


def wear(page: Page, theme: str) -> None:
    """Change the theme, "Light" or "Dark"; the page alone follows the system's."""
    page.emulate_media(color_scheme="dark" if theme == "Dark" else "light")
    if page.evaluate("() => 'jupyterapp' in window"):
        change = "async theme => { await window.jupyterapp.commands.execute('apputils:change-theme', {theme}) }"
        page.evaluate(change, f"JupyterLab {theme}")
        page.wait_for_selector(f'body[data-jp-theme-name="JupyterLab {theme}"]', state="attached")
        page.wait_for_selector("#jupyterlab-splash", state="detached")


def serious(page: Page, within: str) -> list[str]:
    """What axe-core finds in both themes that keeps people out, as one line each."""
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(path=AXE)
        # Lab's body has no height of its own, so that axe-core would take all in it for hidden and look at no colour.
        page.add_style_tag(content="body { height: 100vh }")
    found = []
    for theme in ("Dark", "Light"):
        wear(page, theme)
        said = page.evaluate("within => axe.run(within)", within)
        assert said["passes"], f"axe-core checked nothing in {within}"
        found += [
            f"{theme}: {problem['id']}: {node['target']} {node['failureSummary']}"
            for problem in said["violations"]
            if problem["impact"] in {"serious", "critical"}
            for node in problem["nodes"]
        ]
    return found


def test_axe_finds_nothing_serious(opened: Page) -> None:
    page = opened
    run_notebook(page, "bad.ipynb", "Failed")
    show_panel(page)
    page.wait_for_selector(".hr-mod-recent .hr-run")
    found = {"sidebar": serious(page, ".hr-sidebar"), "status": serious(page, ".hr-status-item")}
    for tab in ["Graph", "Timeline", "Logs", "Outputs", "Parameters", "Attempts", "Details"]:
        page.locator(".hr-runview").get_by_role("tab", name=tab, exact=True).first.click()
        page.wait_for_load_state("networkidle")
        found[tab] = serious(page, ".hr-runview")
    choose(page, "good.ipynb", "Schedule")
    page.wait_for_selector(".hr-preview li")
    found["dialog"] = serious(page, "dialog[open]")
    page.keyboard.press("Escape")
    assert {place: problems for place, problems in found.items() if problems} == {}
