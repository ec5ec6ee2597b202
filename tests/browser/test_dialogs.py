"""The dialogs: everything a schedule can say, who is told, kernels without Headrace, answers, and a server without it."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import OUTPUT, TOKEN, Lab, wait_until
from .test_paths import serious

pytestmark = pytest.mark.browser

RUN_MS = 60_000
SECRET = (
    "month: int = 1\ntoken: str = ...  # secret: of the shop",
    "import pathlib\nassert token == 'swordfish' and pathlib.Path('let-in').exists()",
    "print('month', month)",
)
FLOW = """
from headrace import RunInput, flow, pause_flow_run

class Approval(RunInput):
    '''Is the report good?'''
    approved: bool
    copies: int

@flow
def ask():
    answer = pause_flow_run(wait_for_input=Approval)
    print('approved', answer.approved, 'copies', answer.copies)
"""


@pytest.fixture(scope="module", autouse=True)
def notebooks(lab: Lab) -> None:
    """A notebook that fails, one of a kernel without Headrace, and a flow that asks."""
    bare = lab.folder / "bare"
    venv.create(bare, symlinks=True)
    spec = {
        "argv": [str(bare / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Bare Python",
        "language": "python",
        "env": {"PYTHONPATH": ""},
    }
    folder = lab.folder / "data" / "kernels" / "bare"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    (lab.root / "told.ipynb").write_text(notebook("1 / 0"))
    (lab.root / "without.ipynb").write_text(notebook("1", kernel="bare"))
    (lab.root / "wait.py").write_text(FLOW)
    (lab.root / "secret.ipynb").write_text(notebook(*SECRET))


def notebook(*sources: str, kernel: str = "python3") -> str:
    """Return a notebook's file; its first cell holds its parameters."""
    cells = [
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
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()
    thread.join()


def post(lab: Lab, path: str, body: Any) -> Any:
    """Ask the API for something."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{lab.port}/headrace/api{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def execute(page: Page, command: str, **arguments: Any) -> None:
    script = "([id, args]) => { window.jupyterapp.commands.execute(id, args) }"
    page.evaluate(script, [command, arguments])


def test_a_schedule_says_everything_and_its_failure_is_told(
    opened: Page, lab: Lab, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    page = opened
    address, told = hook
    # From the launcher no notebook is in front: it is asked for.
    page.locator(".jp-LauncherCard", has_text="Schedule a Notebook").click()
    chooser = page.locator(".jp-Open-Dialog")
    chooser.locator(".jp-DirListing-item", has_text="told").click()
    page.locator(".jp-Dialog .jp-Dialog-footer .jp-mod-accept").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Repeats").select_option("rrule")
    dialog.get_by_label("RRULE").fill("FREQ=MONTHLY;BYDAY=-1FR")
    expect(dialog.locator(".hr-preview li")).to_have_count(5)
    dialog.get_by_text("Kernel, output, retries").click()
    dialog.get_by_label("Output").fill("told-{nothing}.ipynb")
    expect(dialog.locator(".hr-preview .hr-field-error")).to_contain_text("nothing")
    dialog.get_by_label("Output").fill("told-{scheduled_at:%Y-%m}.ipynb")
    expect(dialog.locator(".hr-preview li").first).to_contain_text(re.compile(r"told-\d{4}-\d\d\.ipynb"))
    dialog.get_by_label("Wait before a retry").fill("soon")
    expect(dialog.locator(".hr-field-error")).to_have_text("A number is needed.")
    expect(dialog.get_by_role("button", name="Schedule", exact=True)).to_be_disabled()
    dialog.get_by_label("Wait before a retry").fill("0")
    dialog.get_by_label("Limit of each cell").fill("2")
    dialog.get_by_label("Tags").fill("nightly, money")
    dialog.get_by_text("Version, overlap").click()
    dialog.get_by_label("Which version runs").select_option("pinned")
    dialog.get_by_label("If the last run is still on").select_option("queue")
    dialog.get_by_label("Times missed").select_option("skip")
    dialog.get_by_role("button", name="fails, works again or is late").click()
    dialog.get_by_label("Mail address or webhook").fill("nowhere")
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    expect(dialog.locator(".hr-field-error")).to_contain_text("https://")
    dialog.get_by_label("Mail address or webhook").fill(address)
    dialog.get_by_text("is late").check()
    page.screenshot(path=OUTPUT / "schedule.png")
    assert serious(page, "dialog[open]") == []
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    dialog.wait_for(state="hidden")
    found = next(d for d in lab.get("/headrace/api/deployments")["deployments"] if "told" in d["name"])
    assert found["schedules"][0]["rrule"] == "FREQ=MONTHLY;BYDAY=-1FR"
    said = {key: found[key] for key in ("source", "overlap", "catch_up", "cell_timeout_seconds", "tags")}
    assert said == {
        "source": "pinned",
        "overlap": "queue",
        "catch_up": "skip",
        "cell_timeout_seconds": 120,
        "tags": ["nightly", "money"],
    }
    assert found["notify"] == [{"events": ["failed", "recovered", "late"], "to": address}]
    # Its run fails in a worker, and the worker tells.
    run = post(lab, f"/deployments/{found['id']}/run", {})["run"]
    wait_until(lambda: told, 60, "the notice")
    assert (told[0]["event"], told[0]["run"]["id"]) == ("failed", run["id"])
    assert "ZeroDivisionError" in told[0]["text"]


def test_a_run_that_asks_shows_its_form_where_the_person_is(opened: Page, lab: Lab) -> None:
    page = opened
    run = post(lab, "/runs", {"entrypoint": "wait.py:ask"})["run"]
    execute(page, "headrace:open", place={"page": "run", "id": run["id"]})
    form = page.locator(".hr-pauseform")
    form.wait_for(timeout=RUN_MS)
    expect(form).to_contain_text("Is the report good?")
    expect(form.get_by_role("button", name="Answer")).to_be_disabled()
    form.get_by_label("copies").fill("many")
    expect(form.locator(".hr-field-error").last).to_contain_text("whole number")
    page.screenshot(path=OUTPUT / "pause.png")
    assert serious(page, ".hr-runview") == []
    # The same form from the list, and by the keyboard alone.
    page.locator('[data-id="headrace-sidebar"]').first.click()
    page.locator(".hr-sidebar").get_by_role("button", name="Answer ask", exact=False).first.press("Enter")
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("approved").press("Space")
    dialog.get_by_label("copies").fill("3")
    dialog.get_by_label("copies").press("Enter")
    dialog.wait_for(state="hidden")
    expect(form).to_have_count(0)
    expect(page.locator(".hr-header .hr-badge")).to_have_text("Completed", timeout=RUN_MS)

    def said() -> bool:
        log = lab.get(f"/headrace/api/runs/{run['id']}/logs")["lines"]
        return "approved True copies 3" in [line["message"] for line in log]

    wait_until(said, 40, "what it printed")


def test_a_kernel_without_headrace_is_named_and_can_be_used_without(opened: Page, lab: Lab) -> None:
    page = opened
    execute(page, "headrace:run-with-parameters", path="without.ipynb")
    notice = page.locator("dialog[open] .hr-kernelnotice")
    expect(notice).to_contain_text(str(lab.folder / "bare" / "bin" / "python"))
    # Without a field to fill in, Enter runs it.
    expect(page.locator("dialog[open] footer .hr-mod-accept")).to_be_focused()
    page.screenshot(path=OUTPUT / "kernel.png")
    assert serious(page, "dialog[open]") == []
    # This Python has no pip: that is said, with what to do.
    notice.get_by_role("button", name="Install Headrace into it").click()
    expect(notice.get_by_role("alert")).to_contain_text("has no pip")
    notice.get_by_role("button", name="Use it without").click()
    expect(notice).to_have_count(0)
    expect(page.locator("dialog[open]").get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_a_secret_is_given_again_when_its_run_is_continued_or_made_again(opened: Page, lab: Lab) -> None:
    page = opened
    execute(page, "headrace:run-with-parameters", path="secret.ipynb")
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("month").fill("5")
    dialog.get_by_label("token").fill("swordfish")
    dialog.get_by_role("button", name="Run", exact=True).click()
    state = page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden) .hr-header .hr-badge")
    expect(state).to_have_text("Failed", timeout=RUN_MS)
    (lab.root / "let-in").touch()
    page.get_by_role("button", name="Continue from failed cell").click()
    expect(dialog).to_contain_text("Secrets are not kept")
    expect(dialog.get_by_label("month")).to_have_count(0)
    token = dialog.get_by_label("token")
    assert (token.get_attribute("type"), token.input_value()) == ("password", "")
    accept = dialog.get_by_role("button", name="Continue", exact=True)
    expect(accept).to_be_disabled()
    token.fill("swordfish")
    assert serious(page, "dialog[open]") == []
    accept.click()
    expect(state).to_have_text("Completed", timeout=RUN_MS)
    # Again from the start: with the run's own values, of which the notebook's default is a change.
    page.locator(".jp-MainAreaWidget:not(.lm-mod-hidden)").get_by_role("button", name="Run again…").click()
    assert dialog.get_by_label("month").input_value() == "5"
    dialog.get_by_label("month").fill("1")
    dialog.get_by_label("token").fill("swordfish")
    dialog.get_by_role("button", name="Run", exact=True).click()

    def made() -> list[dict[str, Any]]:
        return [run for run in lab.runs() if run["name"].startswith("secret")]

    # The view of the run before it may still be in front, completed, too.
    wait_until(lambda: len(made()) == 3, 40, "the third run")
    values = [lab.get(f"/headrace/api/runs/{run['id']}")["run"]["parameters"] for run in made()]
    assert values == [{"month": month, "token": "•••"} for month in (1, 5, 5)]


def test_a_server_of_another_version_says_which_of_both_is_to_be_loaded_anew(page: Page, lab: Lab) -> None:
    older = {**lab.get("/headrace/api/health"), "version": "0.0.1"}
    page.route("**/headrace/api/health", lambda route: route.fulfill(json=older))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"http://127.0.0.1:{lab.port}/lab?token={TOKEN}&reset")
    said = "still runs 0.0.1. Restart the Jupyter server"
    expect(page.locator(".Toastify__toast")).to_contain_text(said, timeout=RUN_MS)
    execute(page, "headrace:show-runs")
    expect(page.locator(".hr-sidebar .hr-banner")).to_contain_text(said)
    assert serious(page, ".hr-sidebar") == []


def test_a_server_that_has_not_loaded_headrace_says_so(page: Page, lab: Lab) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.route("**/headrace/api/**", lambda route: route.fulfill(status=404, body="<html>404</html>"))
    page.route_web_socket("**/headrace/api/stream*", lambda socket: socket.close())
    page.goto(f"http://127.0.0.1:{lab.port}/lab?token={TOKEN}&reset")
    page.wait_for_selector(".jp-DirListing-item", timeout=RUN_MS)
    expect(page.locator(".Toastify__toast")).to_contain_text("Restart the Jupyter server", timeout=RUN_MS)
    execute(page, "headrace:run-with-parameters", path="told.ipynb")
    expect(page.locator("dialog[open] .hr-banner")).to_contain_text("Restart the Jupyter server")
