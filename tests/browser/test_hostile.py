"""Whatever runs are called, print and display, the page shows it as text: in JupyterLab and alone (T-19, S-30 to S-34)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from payloads import COMMANDS, PAYLOADS
from playwright.sync_api import Locator, Page, expect

from headrace.core.ids import new_id
from headrace.core.settings import StorePlace, user_name
from headrace.store import Store

from .conftest import TOKEN, Lab

pytestmark = pytest.mark.browser

#: What a payload leaves in the panel when anything of it is taken for markup.
ALIVE = """() => [...document.querySelectorAll('.hr-root, .hr-main, .hr-sidebar, dialog')].flatMap(root =>
  [...root.querySelectorAll('*')].filter(node =>
    ['SCRIPT', 'OBJECT', 'EMBED', 'BASE', 'META', 'LINK', 'MARQUEE'].includes(node.tagName.toUpperCase()) ||
    (node.tagName === 'IFRAME' && node.getAttribute('sandbox') !== '') ||
    [...node.attributes].some(({name, value}) => name.startsWith('on') || name.startsWith('data-command') ||
      (['href', 'src', 'action'].includes(name) && /^\\s*(javascript|vbscript):/i.test(value))))
  ).map(node => node.outerHTML.slice(0, 200))"""
#: Columns of a run that hold its words.
WORDS = ("name", "definition", "definition_key", "pool", "notebook_path", "kernel_id")
TABS = ("Graph", "Timeline", "Logs", "Outputs", "Results & artifacts", "Parameters", "Attempts", "Details")
#: How the browser says that it let nothing run or be fetched, and that a picture is none, or is not there.
REFUSED = (
    "sandboxed",
    "Content Security Policy",
    "Unsafe attempt to load URL",
    "ERR_INVALID_URL",
    "Failed to load resource",
)
DISPLAYS = ("text/html", "image/svg+xml", "text/markdown", "text/plain", "image/png", "application/json")


class Hostile:
    """Runs in the lab's store of which every word is a payload.

    Parameters
    ----------
    lab : Lab
    """

    def __init__(self, lab: Lab) -> None:
        self.store = Store(StorePlace(url=f"sqlite:///{lab.data / 'headrace.db'}", data_dir=lab.data, source="test"))
        self.root = self.record(PAYLOADS[0], kind="notebook")
        self.nodes = [self.record(text, kind="cell", root=self.root, place=n) for n, text in enumerate(PAYLOADS)]
        self.alone = [self.record(text, kind="flow") for text in PAYLOADS]
        self.store.recorder.flush()

    def record(self, text: str, *, kind: str, root: str | None = None, place: int = 0) -> str:
        run_id, now, recorder = new_id(), self.store.clock.now_us(), self.store.recorder
        top = root or run_id
        run: dict[str, Any] = dict.fromkeys(WORDS, text)
        run |= {"id": run_id, "root_id": top, "parent_id": root, "kind": kind, "owner": user_name(), "tags": [text]}
        run |= {"cell_id": f"c{place}", "cell_index": place, "parameters": {text: text, "plain": text}}
        run |= {"state_type": "RUNNING", "state_name": "Running", "state_at": now, "created_at": now, "started_at": now}
        run |= {"details": {"source": text, "warnings": [text], "output_path": text}}
        record = recorder.open(run)
        recorder.log(run_id, top, now, 20, text, text)
        outputs: list[dict[str, Any]] = [{"output_type": "stream", "name": "stdout", "text": text}]
        outputs += [{"output_type": "error", "ename": text, "evalue": text, "traceback": [text]}]
        outputs += [{"output_type": "display_data", "metadata": {}, "data": {name: text}} for name in DISPLAYS]
        for position, output in enumerate(outputs):
            recorder.output(run_id, top, position, now, output)
        data = json.dumps(
            {
                "markdown": text,
                "link": text,
                "link_text": text,
                "table": [{text: text}],
                "image_url": "" if text.startswith("http") else text,
            }
        )
        for what in ("markdown", "link", "table", "image"):
            recorder.artifact((new_id(), run_id, top, text[:100], what, text, user_name(), data, now, now))
        error = {"type": text, "message": text, "traceback": f"{text}\n{text}", "cell_id": text}
        recorder.change(record, "FAILED", "Failed", now, text, patch={"ended_at": now, "error": error})
        return run_id


@pytest.fixture(scope="module", autouse=True)
def bait(lab: Lab) -> None:
    """A notebook from elsewhere: its outputs carry commands of ours."""
    html = "".join(f"<p>{text}</p>" for text in COMMANDS)
    output = {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}
    cell = {"id": "c", "cell_type": "code", "source": "1", "metadata": {}, "outputs": [output], "execution_count": 1}
    prose = {"id": "m", "cell_type": "markdown", "source": "\n\n".join(COMMANDS), "metadata": {}}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": [prose, cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / "bait.ipynb").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def hostile(lab: Lab) -> Iterator[Hostile]:
    """Runs to look at; they are gone afterwards."""
    assert lab.get("/headrace/api/counts")
    made = Hostile(lab)
    yield made
    for run_id in (made.root, *made.alone):
        made.store.runs.delete(run_id)
    made.store.close()


@pytest.fixture
def harm(page: Page) -> list[str]:
    """What the page did that it must not do."""
    found: list[str] = []
    page.on("dialog", lambda dialog: (found.append(f"dialog {dialog.message}"), dialog.dismiss()))
    # What leaves the browser comes by here; what a page's own policy stops does not.
    page.route(re.compile(r"evil\.invalid"), lambda route: (found.append(route.request.url), route.abort()))
    page.on("pageerror", lambda error: found.append(f"uncaught {error}"))
    page.on("popup", lambda popup: found.append(f"popup {popup.url}"))

    def hear(message: Any) -> None:
        if message.type == "error" and not any(part in message.text for part in REFUSED):
            found.append(f"console {message.text[:300]}")

    page.on("console", hear)
    return found


def see_tab(page: Page, view: Locator, name: str) -> None:
    """Open a tab of a view: its words are there, and nothing of them lives."""
    view.get_by_role("tab", name=name, exact=True).first.click()
    expect(view.get_by_role("tabpanel", name=name).first).to_contain_text(re.compile(r"\w"))
    assert page.evaluate(ALIVE) == []


def test_the_page_alone_shows_every_word_as_a_word(lab: Lab, hostile: Hostile, page: Page, harm: list[str]) -> None:
    page.goto(f"http://127.0.0.1:{lab.port}/headrace/?token={TOKEN}")
    expect(page.get_by_role("heading", name="Failed lately")).to_be_visible()

    def show(place: str, seen: str) -> None:
        page.evaluate("place => { window.location.hash = place }", place)
        expect(page.locator(seen).first).to_be_visible()
        assert page.evaluate(ALIVE) == []

    show("#/runs", ".hr-run")
    show(f"#/runs/{hostile.root}", ".hr-runview")
    for name in TABS:
        see_tab(page, page.locator(".hr-runview"), name)
    for node in hostile.nodes[::16]:
        show("#/workers", ".hr-main")
        show(f"#/runs/{hostile.root}?tab=graph&node={node}", ".hr-nodepanel h2")
        for name in ("Log", "Source", "Outputs", "Details"):
            see_tab(page, page.locator(".hr-nodepanel"), name)
    show(f"#/compare/{hostile.alone[0]}/{hostile.alone[10]}", ".hr-compare-head")
    assert page.evaluate("[window.hurt, Object.prototype.hurt]") == [None, None]
    assert harm == [], "\n".join(map(str, harm))


def test_lab_shows_every_word_as_a_word(lab: Lab, hostile: Hostile, opened: Page, harm: list[str]) -> None:
    page = opened
    place = {"page": "run", "id": hostile.root, "tab": "outputs"}
    page.evaluate("place => window.jupyterapp.commands.execute('headrace:open', {place})", place)
    view = page.locator(".hr-runview")
    for name in TABS:
        see_tab(page, view, name)
        expect(view.locator(".hr-output-rich:empty")).to_have_count(0)
        if name == "Outputs":
            # What would have been fetched from elsewhere can be opened by hand.
            expect(view.get_by_role("link", name="http://evil.invalid/x.png").first).to_be_attached()
    assert page.evaluate("[window.hurt, Object.prototype.hurt]") == [None, None]
    assert harm == [], "\n".join(map(str, harm))


@pytest.fixture
def changed(page: Page) -> list[str]:
    """The requests that would make something run."""
    found: list[str] = []

    def hear(request: Any) -> None:
        if request.method != "GET" and re.search(r"/headrace/api/(runs|schedules|deployments|workers)", request.url):
            found.append(f"{request.method} {request.url}")

    page.on("request", hear)
    return found


def test_a_command_in_somebodys_notebook_does_nothing(opened: Page, changed: list[str]) -> None:
    page = opened
    page.locator(".jp-DirListing-item", has_text="bait.ipynb").dblclick()
    book = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    shown = book.locator(".jp-RenderedHTMLCommon :text-is('bait')")
    expect(shown).to_have_count(2 * len(COMMANDS))
    for at in range(2 * len(COMMANDS)):
        shown.nth(at).click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert changed == []


@pytest.mark.parametrize("command", ["headrace:schedule", "headrace:run-with-parameters"])
def test_a_link_that_carries_a_command_opens_a_dialog_and_no_more(
    opened: Page, changed: list[str], command: str
) -> None:
    page = opened
    given = {"path": "bait.ipynb", "cron": "* * * * *", "parameters": {"x": 1}, "confirm": True, "accept": True}
    page.evaluate("([command, given]) => window.jupyterapp.commands.execute(command, given)", [command, given])
    expect(page.locator("dialog[open]")).to_contain_text("bait.ipynb")
    expect(page.locator("dialog[open] .hr-mod-accept")).to_be_visible()
    # Nobody has run and saved it here; who schedules it all the same is told so.
    note = page.get_by_role("note").filter(has_text="does not trust this notebook")
    expect(note).to_have_count(1 if command == "headrace:schedule" else 0)
    assert [line for line in changed if "preview" not in line] == []
    page.keyboard.press("Escape")
    assert [line for line in changed if "preview" not in line] == []
