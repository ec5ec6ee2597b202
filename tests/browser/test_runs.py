"""What is done with runs: found again, chosen, compared, shared; deployments changed; the page alone at a port of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import DIST, TOKEN, Lab, free_port, wait_until
from .test_paths import serious, show_panel

pytestmark = pytest.mark.browser

CELLS = [
    "month: int = 1\ndb_password: str = 'swordfish'",
    "%%task fetch\n"
    "from headrace import get_run_logger, task\n"
    "from headrace.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact\n"
    "@task\ndef page(n):\n    return n\n"
    "rows = [f.result() for f in page.map(list(range(12)))]\n"
    "get_run_logger().info('fetched %s with %s', len(rows), db_password)",
    "%%task total\n"
    "result = sum(rows) * month\nprint('total is', result)\n"
    "create_markdown_artifact(f'# Month **{month}**\\n\\n<script>window.hurt = 1</script>', key='report')\n"
    "create_table_artifact([{'month': month, 'total': result}], description='Totals')\n"
    "create_link_artifact('javascript:window.hurt=1', 'no link')",
    "%%task check\ndef look(m):\n    if m > 6:\n        raise ValueError('no bikes in ' + str(m))\nlook(month)",
]
HOSTILE = """
from headrace import flow, get_run_logger, task

@task(task_run_name="<img src=x onerror='window.hurt=1'>" + "y" * 180)
def step():
    get_run_logger().warning("\\x1b[31mred\\x1b[0m <script>window.hurt = 1</script> " + "z" * 10_000)

@flow(flow_run_name="<img src=x onerror='window.hurt=1'>" + "x" * 10_000)
def strange():
    step()

strange()
"""


class History:
    """A deployment and what became of its runs.

    Parameters
    ----------
    lab : Lab
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        cells = [
            {
                "id": f"c{at}",
                "cell_type": "code",
                "source": source,
                "metadata": {} if at else {"tags": ["parameters"]},
                "outputs": [],
                "execution_count": None,
            }
            for at, source in enumerate(CELLS)
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        text = json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
        (lab.root / "bikes.ipynb").write_text(text, encoding="utf-8")
        body = {
            "notebook": "bikes.ipynb",
            "name": "bikes",
            "tags": ["nightly-bikes"],
            "output_path": "bikes-{run_name}.ipynb",
            "schedules": [{"cron": "30 6 * * 1", "timezone": "Europe/Oslo"}],
        }
        self.deployment = self.post("/deployments", body)["deployment"]["id"]
        started = [self.post(f"/deployments/{self.deployment}/run", {"parameters": {"month": m}}) for m in (1, 2, 8)]
        self.ids = [answer["run"]["id"] for answer in started]
        self.good, self.other, self.failed = self.ids
        subprocess.run(
            [sys.executable, "-c", HOSTILE],
            env=lab.environment,
            cwd=lab.root,
            check=True,
            timeout=60,
            capture_output=True,
        )
        wait_until(lambda: all(self.run(i)["ended_at"] for i in self.ids), 120, "the end of the runs")

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send something to the API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.lab.port}/headrace/api{path}",
            json.dumps(body).encode(),
            {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run."""
        found: dict[str, Any] = self.lab.get(f"/headrace/api/runs/{run_id}")["run"]
        return found


@pytest.fixture(scope="module")
def history(lab: Lab) -> History:
    """Runs to look at."""
    return History(lab)


def open_place(window: Page, **place: Any) -> Any:
    """Open a view of the panel in the main area and return it."""
    window.evaluate("place => window.jupyterapp.commands.execute('headrace:open', {place})", place)
    return window.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .hr-root").first


def tab(view: Any, name: str) -> None:
    """Choose a tab of a view."""
    view.get_by_role("tab", name=name).first.click()


def test_runs_are_found_by_filters_that_can_be_saved_and_many_are_chosen_at_once(
    opened: Page, lab: Lab, history: History
) -> None:
    page = opened
    show_panel(page)
    recent = page.locator(".hr-sidebar .hr-recent")
    recent.get_by_role("button", name="Filters").click()
    recent.get_by_label("Deployment").last.select_option(label="bikes")
    expect(recent.locator(".hr-run")).to_have_count(3)
    recent.get_by_role("button", name="Failed", exact=True).click()
    expect(recent.locator(".hr-run")).to_have_count(1)
    recent.get_by_role("button", name="Save this filter…").click()
    recent.get_by_label("Name of the filter").fill("bad bikes")
    recent.get_by_label("Name of the filter").press("Enter")
    recent.get_by_role("button", name="Clear all").click()
    recent.get_by_label("Tag").last.fill("nightly-bikes")
    recent.get_by_label("Tag").last.press("Enter")
    recent.get_by_label("Date").last.select_option("1")
    expect(recent.locator(".hr-run")).to_have_count(3)
    recent.get_by_role("button", name="bad bikes", exact=True).click()
    expect(recent.locator(".hr-run")).to_have_count(1)
    recent.get_by_role("button", name="Clear all").click()
    # By keyboard alone: search, go down, choose two, compare them.
    recent.get_by_role("button", name="Filters").click()
    recent.locator(".hr-run-main").first.focus()
    page.keyboard.press("/")
    page.keyboard.type("bikes")
    expect(recent.locator(".hr-run")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowDown")
    expect(recent.locator(".hr-bulk")).to_contain_text("2 chosen")
    assert serious(page, ".hr-sidebar") == []
    recent.get_by_role("button", name="Compare two runs").click()
    view = page.locator(".hr-compare")
    expect(view.locator(".hr-compare-table").first).to_contain_text("month")
    expect(view).to_contain_text("The code is the same.")
    view.get_by_text("Only what differs").click()
    expect(view).to_contain_text("page × 12")
    expect(view.locator(".hr-compare-cell", has_text="total is")).to_contain_text("differs")
    assert serious(page, ".hr-compare") == []
    # Delete many: run the first again twice, then take both away.
    copies = [history.post(f"/runs/{history.good}/rerun", {})["run"]["id"] for _ in range(2)]
    for copy in copies:
        history.post(f"/runs/{copy}/cancel", {}) if not history.run(copy)["ended_at"] else None
        wait_until(lambda copy=copy: history.run(copy)["ended_at"], 60, "the copy's end")
    recent.get_by_role("button", name="Done choosing").click()
    recent.get_by_role("button", name="Choose runs").click()
    for copy in copies:
        recent.locator(f'[data-run-id="{copy}"] .hr-run-pick').check()
    recent.locator(".hr-bulk").get_by_role("button", name="Delete").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    wait_until(lambda: not {run["id"] for run in lab.runs()} & set(copies), 20, "the copies' end")


def test_a_runs_log_artifacts_file_and_pictures_are_at_hand(opened: Page, history: History, tmp_path: Path) -> None:
    page = opened
    view = open_place(page, page="run", id=history.failed)
    expect(view.locator(".hr-nodepanel")).to_contain_text("no bikes in 8")
    view.locator(".hr-nodepanel").get_by_role("tab", name="Attempts").click()
    expect(view.locator(".hr-nodepanel .hr-table").first).to_contain_text("Failed")
    for kind in ("SVG", "PNG"):
        with page.expect_download() as saved:
            view.get_by_role("button", name=kind, exact=True).click()
        assert Path(saved.value.path()).stat().st_size > 500
    view.get_by_role("tab", name="Logs").click()
    expect(view.locator(".hr-log-line", has_text="fetched 12")).to_have_count(1)
    view.locator(".hr-log-line", has_text="Failed").get_by_role("button", name=re.compile(r"^\+\d+ lines")).click()
    whole = view.locator(".hr-log-whole")
    expect(whole).to_contain_text("Traceback")
    whole.get_by_role("button", name=re.compile("ipykernel")).first.click()
    active = page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    expect(active).to_contain_text("no bikes in")
    view = open_place(page, page="run", id=history.good, tab="artifacts")
    tab(view, "Results & artifacts")
    expect(view.locator(".hr-artifact")).to_have_count(3)
    expect(view.locator(".hr-artifact").first).to_contain_text("Month 1")
    expect(view.locator(".hr-artifact-table")).to_contain_text("66")
    expect(view.get_by_role("link", name="no link")).to_have_count(0)
    assert page.evaluate("window.hurt") is None
    assert serious(page, ".hr-runview") == []
    # Not of the run that was run again elsewhere: it wrote over its own output.
    view = open_place(page, page="run", id=history.other, tab="graph")
    with page.expect_popup() as popup:
        view.get_by_role("link", name="as HTML").click()
    expect(popup.value.get_by_text("total is 132")).to_be_visible(timeout=30_000)
    popup.value.close()
    view = open_place(page, page="run", id=history.good)
    for code in (True, False):
        view.get_by_role("button", name="Share…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("code")).to_contain_text(f"/headrace/#/runs/{history.good}")
        if not code:
            dialog.get_by_label("With the code").uncheck()
        with page.expect_download() as saved:
            dialog.get_by_role("button", name="Save the file").click()
        text = Path(saved.value.path()).read_text(encoding="utf-8")
        assert "total is 66" in text
        assert "swordfish" not in text
        assert ("sum(rows)" in text) is code
        file = tmp_path / "shared.html"
        file.write_text(text, encoding="utf-8")
    requests: list[str] = []
    alone = page.context.new_page()
    alone.on("request", lambda request: requests.append(request.url))
    alone.goto(file.as_uri())
    expect(alone.get_by_role("heading", level=1)).to_contain_text("Completed")
    expect(alone.locator("svg.headrace-graph")).to_have_count(1)
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    alone.close()


def test_a_graph_is_arranged_along_time_and_saved_so(opened: Page, history: History) -> None:
    view = open_place(opened, page="run", id=history.good, tab="graph")
    by_time = view.get_by_role("button", name="Arrange by time (Gantt)")
    by_time.click()
    expect(view.locator(".hr-graph.hr-mod-time .hr-node", has_text="total").first).to_be_visible()
    assert serious(opened, ".hr-runview") == []
    with opened.expect_download() as saved:
        view.get_by_role("button", name="SVG", exact=True).click()
    assert re.search(r">[\d.]+ m?s</text>", Path(saved.value.path()).read_text(encoding="utf-8"))
    by_time.click()
    expect(view.locator(".hr-graph.hr-mod-time")).to_have_count(0)


def test_a_deployment_is_changed_afterwards_and_its_schedule_too(opened: Page, lab: Lab, history: History) -> None:
    page = opened
    view = open_place(page, page="deployment", id=history.deployment)
    expect(view.locator(".hr-durations button")).not_to_have_count(0)
    expect(view.locator(".hr-matrix tbody tr")).to_have_count(5)
    tab(view, "Settings")
    view.get_by_label("Output notebook").fill("elsewhere.txt")
    view.get_by_label("Retries").fill("2")
    view.get_by_label("Tags").fill("nightly, bikes")
    view.get_by_label("Parameters").fill('{"month": 5}')
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-field.hr-mod-invalid")).to_contain_text(".ipynb")
    view.get_by_label("Output notebook").fill("")
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-deploymentform-foot")).to_contain_text("Nothing changed")
    kept = lab.get(f"/headrace/api/deployments/{history.deployment}")["deployment"]
    assert (kept["retries"], kept["tags"], kept["parameters"]) == (2, ["nightly", "bikes"], {"month": 5})
    assert kept["output_path"] is None
    # Who is told, too.
    view.get_by_role("button", name="fails, works again or is late…").click()
    view.get_by_label("is late").check()
    expect(view.locator(".hr-field-error")).to_contain_text("is not empty")
    view.get_by_label("Mail address or webhook").fill("nowhere")
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-field-error")).to_contain_text("https://")
    view.get_by_label("Mail address or webhook").fill("http://127.0.0.1:9/hook")
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-deploymentform-foot")).to_contain_text("Nothing changed")
    kept = lab.get(f"/headrace/api/deployments/{history.deployment}")["deployment"]
    assert kept["notify"] == [{"events": ["failed", "recovered", "late"], "to": "http://127.0.0.1:9/hook"}]
    view.get_by_role("button", name="Remove this address").click()
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-deploymentform-foot")).to_contain_text("Nothing changed")
    assert lab.get(f"/headrace/api/deployments/{history.deployment}")["deployment"]["notify"] == []
    assert serious(page, ".hr-runview") == []
    tab(view, "Schedules")
    expect(view.locator(".hr-upcoming li")).to_have_count(5)
    view.locator(".hr-schedule").get_by_role("button", name=re.compile("^Change")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Minute hour day month weekday").fill("15 7 * * 2")
    dialog.get_by_text("07:15").first.wait_for()
    dialog.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-schedule")).to_contain_text("07:15")


def test_workers_and_limits_are_seen_and_limits_made_changed_and_deleted(opened: Page, lab: Lab) -> None:
    page = opened
    show_panel(page)
    page.locator(".hr-workersline").click()
    view = page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .hr-runview")
    expect(view.get_by_role("heading", name="Workers")).to_be_visible()
    view.get_by_role("button", name="Add a limit…").click()
    view.get_by_label("Name").fill("database")
    view.get_by_label("At once").fill("3")
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-limit")).to_contain_text("0 / 3")
    view.get_by_role("button", name="Change database").click()
    view.get_by_label("At once").fill("4")
    view.get_by_role("button", name="Save").click()
    expect(view.locator(".hr-limit")).to_contain_text("0 / 4")
    assert serious(page, ".hr-runview") == []
    view.get_by_role("button", name="Delete database").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(view.get_by_text("No limits")).to_be_visible()
    assert lab.get("/headrace/api/limits") == {"limits": []}


def test_axe_finds_nothing_serious_at_home_in_lists_histories_and_what_is_shared(
    opened: Page, history: History
) -> None:
    page, front = opened, ".jp-MainAreaWidget:not(.lm-mod-hidden) .hr-root"
    found = {}
    for name, place in {"home": {}, "runs": {}, "deployment": {"id": history.deployment}}.items():
        view = open_place(page, page=name, **place)
        expect(view.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        view.locator(".hr-run, .hr-matrix").first.wait_for()
        found[name] = serious(page, front)
    for name in ("Runs", "Schedules"):
        tab(view, name)
        view.locator(".hr-run, .hr-schedule").first.wait_for()
        found[name] = serious(page, front)
    open_place(page, page="run", id=history.good, tab="parameters").get_by_role("button", name="Share…").click()
    found["share"] = serious(page, "dialog[open]")
    page.keyboard.press("Escape")
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_who_opens_the_panel_or_a_run_by_the_keyboard_goes_on_there_and_sees_where(
    opened: Page, history: History
) -> None:
    page = opened
    ring = "() => getComputedStyle(document.activeElement).outlineStyle"
    inside = "selector => document.activeElement.closest(selector) !== null"
    page.evaluate("() => window.jupyterapp.commands.execute('headrace:show-runs')")
    page.locator(".hr-mod-recent .hr-run").first.wait_for()
    for _ in range(2):
        page.keyboard.press("Tab")
        assert page.evaluate(inside, ".hr-sidebar")
        assert page.evaluate(ring) == "solid"
    view = open_place(page, page="run", id=history.good)
    view.locator(".hr-node").first.wait_for()
    graph = view.locator(".hr-graph")
    graph.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel = view.locator(".hr-nodepanel")
    panel.get_by_role("tab", name="Overview").press("ArrowRight")
    expect(panel.get_by_role("tab", name="Log")).to_be_focused()
    view.get_by_role("button", name="Share…").press("Enter")
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Save the file").wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        # Past the last field the browser's own parts follow, never what lies behind.
        assert page.evaluate("() => document.activeElement === document.body") or page.evaluate(inside, "dialog")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    expect(view.get_by_role("button", name="Share…")).to_be_focused()


def test_labs_start_pays_for_less_than_80_kilobytes(opened: Page) -> None:
    sizes = opened.evaluate(
        "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/extensions/headrace/'))"
        ".filter(e => e.startTime < (performance.getEntriesByName('headrace:started')[0]?.startTime ?? Infinity))"
        ".map(e => e.decodedBodySize)"
    )
    assert sizes
    minified = all(b"\n//" not in file.read_bytes()[:2000] for file in (DIST / "static").glob("remoteEntry.*.js"))
    assert minified, "the panel was built with --development"
    assert sum(sizes) < 80_000, sizes


@pytest.fixture
def alone(lab: Lab) -> Iterator[str]:
    """Headrace without JupyterLab, on the same store, behind its own token."""
    port = free_port()
    command = [sys.executable, "-m", "headrace.cli.main", "server", "start", "--port", str(port), "--root"]
    command += [str(lab.root), "--allow-root", "--IdentityProvider.token=alone"]
    process = subprocess.Popen(command, env=lab.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(answers, 60, "the server")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def test_the_page_alone_asks_for_its_token_and_shows_everything_wide_and_narrow(
    alone: str, history: History, page: Page
) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{alone}/headrace/")
    page.locator("input[type=password]").first.fill("alone")
    page.locator("#login_submit, button[type=submit]").first.click()
    expect(page.get_by_role("heading", name="Failed lately")).to_be_visible()
    strange = next(run for run in history.lab.runs() if run["kind"] == "flow" and "onerror" in run["name"])
    places = {
        "home": "#/home",
        "runs": "#/runs",
        "run": f"#/runs/{history.failed}",
        "artifacts": f"#/runs/{history.good}?tab=artifacts",
        "strange": f"#/runs/{strange['id']}?tab=logs",
        "deployment": f"#/deployments/{history.deployment}",
        "compare": f"#/compare/{history.good}/{history.failed}",
        "workers": "#/workers",
    }
    for width in (1280, 300):
        page.set_viewport_size({"width": width, "height": 800})
        for name, address in places.items():
            page.goto(f"{alone}/headrace/{address}")
            assert complaints == [], name
            page.locator(".hr-main .hr-root").first.wait_for()
            expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
            over = "() => document.documentElement.scrollWidth - window.innerWidth"

            def fits(over: str = over) -> bool:
                return bool(page.evaluate(over) <= 0)

            # What comes late may be drawn once more: it has to fit in the end.
            wait_until(fits, 10, f"{name} to fit at {width}: it is {page.evaluate(over)} pixels too wide")
    assert page.evaluate("window.hurt") is None
    spinning = page.evaluate("() => document.getAnimations().filter(a => a.playState === 'running').length")
    assert spinning == 0
    page.goto(f"{alone}/headrace/#/workers")
    assert serious(page, ".hr-main") == []
    assert complaints == []
