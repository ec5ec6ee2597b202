"""The panel in headless Chromium on a large store: what a person waits for, and whether it stays fluid."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from panel_store import PROGRAM
from run import ROOT, Row, tell

sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests" / "tools")]

#: An hour's updates (10 a second), sent in so long, seconds; and how many go before, which warm caches.
UPDATES, MEMORY_SECONDS, WARM_UPDATES = 36_000, 300, 3_600
REPEATS = 5
#: Waits for a condition, then for the frame that shows it; gives the milliseconds since `start`.
HELP = """
window.bench = {
  painted: () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  })),
  until: (what, limit = 60000) => new Promise((done, fail) => {
    const end = performance.now() + limit;
    const look = () => {
      const found = what();
      if (found) return void done(found);
      if (performance.now() > end) return void fail(new Error('nothing after ' + limit + ' ms: ' + what));
      requestAnimationFrame(look);
    };
    look();
  }),
  open: place => window.jupyterapp.commands.execute('headrace:open', { place }),
  view: () => window.jupyterapp.shell.currentWidget.node,
  frames: async (step, ms) => {
    let count = 0;
    const start = performance.now();
    let now = start;
    while (now - start < ms) {
      step(now - start);
      now = await new Promise(requestAnimationFrame);
      count += 1;
    }
    return (1000 * count) / (now - start);
  },
  tasks: []
};
new PerformanceObserver(list => list.getEntries().forEach(each => window.bench.tasks.push(each.duration)))
  .observe({ type: 'longtask' });
"""
GROUPS = """async root => {
  performance.clearResourceTimings();
  performance.setResourceTimingBufferSize(1000);
  await bench.open({ page: 'run', id: root, tab: 'graph' });
  await bench.until(() => bench.view().querySelector('.hr-node.hr-mod-group'));
  const shown = await bench.painted();
  const [data] = performance.getEntriesByType('resource').filter(each => each.name.includes(`/${root}/graph`));
  return shown - data.responseEnd;
}"""
EXPAND = """async at => {
  const fold = [...bench.view().querySelectorAll('.hr-node.hr-mod-group:not(.hr-mod-open) .hr-node-fold')][at];
  const runs = () => bench.view().querySelectorAll('.hr-node:not(.hr-mod-group)').length;
  const before = runs();
  const start = performance.now();
  fold.click();
  await bench.until(() => runs() > before);
  return (await bench.painted()) - start;
}"""
COLLAPSE = """async () => {
  const runs = () => bench.view().querySelector('.hr-node:not(.hr-mod-group)');
  for (let round = 0; runs() && round < 40; round += 1) {
    bench.view().querySelector('.hr-node.hr-mod-open > .hr-node-head .hr-node-fold')?.click();
    await bench.painted();
    await bench.painted();
  }
  await bench.until(() => !runs());
  await bench.painted();
}"""
FIND = """async name => {
  const box = bench.view().querySelector('.hr-nodesearch input');
  box.focus();
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const start = performance.now();
  set.call(box, name);
  box.dispatchEvent(new Event('input', { bubbles: true }));
  await bench.until(() => bench.view().querySelector('[role=option]')?.textContent.endsWith(name));
  box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  const frame = bench.view().querySelector('.hr-graph').getBoundingClientRect();
  await bench.until(() => {
    const node = bench.view().querySelector('.hr-node.hr-mod-marked');
    const at = node?.textContent.includes(name) && node.getBoundingClientRect();
    return at && at.left >= frame.left && at.right <= frame.right && at.top >= frame.top && at.bottom <= frame.bottom;
  });
  return (await bench.painted()) - start;
}"""
MOVE = """async () => {
  const pane = bench.view().querySelector('.react-flow__pane');
  const { left, top, width, height } = pane.getBoundingClientRect();
  const at = { clientX: left + width / 2, clientY: top + height / 2, bubbles: true, cancelable: true, view: window };
  const mouse = (type, dx, dy, target) =>
    target.dispatchEvent(new MouseEvent(type, { ...at, clientX: at.clientX + dx, clientY: at.clientY + dy, buttons: 1 }));
  mouse('mousedown', 0, 0, pane);
  const pan = await bench.frames(ms => mouse('mousemove', 300 * Math.sin(ms / 300), 150 * Math.sin(ms / 200), window), 2000);
  mouse('mouseup', 0, 0, window);
  const zoom = await bench.frames(ms => pane.dispatchEvent(
    new WheelEvent('wheel', { ...at, deltaY: Math.cos(ms / 350) > 0 ? 12 : -12 })), 2000);
  return [pan, zoom];
}"""
LAYOUTS = """() => performance.getEntriesByName('headrace:layout').map(each => [each.detail, each.duration])"""
LOG = """async root => {
  const tab = [...bench.view().querySelectorAll('[role=tab]')].find(each => each.textContent === 'Logs');
  const lines = () => bench.view().querySelector('.hr-log-window')?.textContent ?? '';
  const start = performance.now();
  tab.click();
  await bench.until(() => /line \\d/.test(lines()));
  const first = (await bench.painted()) - start;
  const view = bench.view().querySelector('.hr-log-view');
  const press = key => view.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  press('Home');
  await bench.until(() => lines().includes('line 1 of'));
  await bench.painted();
  const again = performance.now();
  press('End');
  await bench.until(() => lines().includes('line 1000000 of'));
  return [first, (await bench.painted()) - again];
}"""
RUNS = """async () => {
  const start = performance.now();
  await bench.open({ page: 'runs' });
  await bench.until(() => bench.view().querySelectorAll('.hr-run').length >= 20);
  const found = (await bench.painted()) - start;
  window.jupyterapp.shell.currentWidget.close();
  return found;
}"""
WATCH = """names => {
  window.seen = {};
  new MutationObserver(() => bench.view().querySelectorAll('.hr-node').forEach(node => {
    const name = node.querySelector('.hr-node-name')?.textContent;
    if (names.includes(name) && !window.seen[name] && node.textContent.includes('Seen')) {
      requestAnimationFrame(() => { window.seen[name] = (performance.timeOrigin + performance.now()) / 1000; });
    }
  })).observe(bench.view(), { subtree: true, childList: true, characterData: true });
}"""


class Bench:
    """One browser on one Lab, and the store beside it."""

    def __init__(self, page: Any, lab: Any) -> None:
        self.page, self.lab = page, lab
        self.root = ""
        self.rows: list[Row] = []

    def child(self, *words: str) -> subprocess.Popen[str]:
        """Start a process that writes into the store."""
        environment = {**os.environ, "HEADRACE_DATA_DIR": str(self.lab.data)}
        command = [sys.executable, str(PROGRAM), *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def row(self, what: str, value: float, goal: float, unit: str = "ms", *, more: bool = False) -> None:
        """Note a figure beside its goal; `more`: more is better."""
        ratio = value / goal
        ok = ratio >= 1 if more else ratio <= 1
        words = f"{'≥' if more else '≤'} {goal:g} {unit}{'' if ok else ' (missed)'}"
        self.rows.append(Row(what, f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}", "", None, words))
        print(self.rows[-1], file=sys.stderr, flush=True)

    def median(self, script: str, *arguments: Any) -> float:
        return statistics.median(float(self.page.evaluate(script, each)) for each in arguments)

    def graph(self) -> None:
        page, root = self.page, self.root
        close = "() => { window.jupyterapp.shell.currentWidget.close() }"
        shown = []
        for at in range(REPEATS):
            shown.append(page.evaluate(GROUPS, root))
            if at < REPEATS - 1:
                page.evaluate(close)
        self.row("10,000 tasks in groups, after the data came", statistics.median(shown), 1500)
        pan, zoom = page.evaluate(MOVE)
        self.row("frames while panning, groups", pan, 30, "fps", more=True)
        self.row("frames while zooming, groups", zoom, 30, "fps", more=True)
        expanded = []
        for at in range(REPEATS):
            expanded.append(page.evaluate(EXPAND, at))
            page.evaluate(COLLAPSE)
        self.row("a group of 1,000 expanded", statistics.median(expanded), 700)
        self.row("a group of 1,000 expanded, slowest of 5", max(expanded), 700)
        names = [f"step_{layer:03d}_{place:03d}" for layer, place in ((3, 50), (55, 7), (99, 99), (42, 42), (71, 3))]
        self.row("any task found and shown", self.median(FIND, *names), 300)
        laid = [ms for count, ms in page.evaluate(LAYOUTS) if count == 1000]
        self.row("layout of 1,000 nodes", statistics.median(laid), 50)
        page.evaluate(close)
        page.evaluate(GROUPS, root)
        page.evaluate(EXPAND, 0)
        pan, zoom = page.evaluate(MOVE)
        self.row("frames while panning, 1,000 nodes open", pan, 30, "fps", more=True)
        self.row("frames while zooming, 1,000 nodes open", zoom, 30, "fps", more=True)

    def live(self) -> None:
        page = self.page
        page.evaluate(FIND, "step_000_010")
        names = page.evaluate(
            "() => [...bench.view().querySelectorAll('.hr-node:not(.hr-mod-group) .hr-node-name')].map(each => each.textContent)"
        )[:10]
        page.evaluate(WATCH, names)
        written = json.loads(self.child("marked", self.root, *names).communicate()[0])
        page.wait_for_function("count => Object.keys(window.seen).length >= count", arg=len(names))
        seen = page.evaluate("() => window.seen")
        late = sorted(1000 * (seen[name] - at) for name, at in written.items())
        self.row("a state change on screen, after it was written: median", statistics.median(late), 250)
        self.row("a state change on screen, after it was written: slowest of 10", late[-1], 250)
        page.evaluate("() => { bench.tasks.length = 0 }")
        writer = self.child("changes", self.root, "1000", "10")
        page.wait_for_function("() => window.bench", timeout=1000)
        fps = page.evaluate("() => bench.frames(() => undefined, 10000)")
        writer.communicate()
        longest = page.evaluate("() => Math.max(0, ...bench.tasks)")
        self.row("longest task in the page at 1,000 changes/s for 10 s", longest, 100)
        self.row("frames at 1,000 changes/s", fps, 30, "fps", more=True)

    def lists(self) -> None:
        first, end = zip(*[self._log() for _ in range(3)], strict=True)
        self.row("log of 1,000,000 lines: first screen", statistics.median(first), 300)
        self.row("log of 1,000,000 lines: jump to the end", statistics.median(end), 300)
        self.row("runs list of 1,000,000 runs: first page", self.median(RUNS, *[None] * REPEATS), 300)

    def _log(self) -> tuple[float, float]:
        self.page.evaluate(
            "root => bench.open({ page: 'run', id: root, tab: 'graph' }).then(() => bench.until(() => bench.view().querySelector('[role=tab]')))",
            self.root,
        )
        self.page.get_by_role("tab", name="Details", exact=True).click()
        first, end = self.page.evaluate(LOG, self.root)
        return float(first), float(end)

    def memory(self, seconds: float) -> None:
        session = self.page.context.new_cdp_session(self.page)

        def heap() -> float:
            session.send("HeapProfiler.collectGarbage")
            return float(self.page.evaluate("() => performance.memory.usedJSHeapSize")) / 1e6

        self.page.get_by_role("tab", name="Graph", exact=True).click()
        rate = UPDATES / seconds

        def send(updates: int) -> int:
            words = ("changes", self.root, str(round(rate)), str(updates / rate))
            return int(json.loads(self.child(*words).communicate()[0]))

        send(WARM_UPDATES)
        before = heap()
        sent = send(UPDATES)
        after = heap()
        self.row(
            f"memory after an hour's updates, {sent:,} in {seconds:.0f} s ({before:.0f} MB before)",
            after / before,
            1.1,
            "×",
        )


def measure(store: Path | None, memory_seconds: float) -> list[Row]:
    """Measure everything."""
    from playwright.sync_api import sync_playwright
    from provision import CHROMIUM_FLAGS, chromium

    from conftest import TOKEN, Lab

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        if store is not None:
            lab.data = store
            lab.environment["HEADRACE_DATA_DIR"] = str(store)
        browser = playwright.chromium.launch(executable_path=str(chromium()), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        bench = Bench(page, lab)
        if store is None:
            bench.root = json.loads(bench.child("fill").communicate()[0])
        lab.start()
        try:
            if store is not None:
                bench.root = lab.get("/headrace/api/runs?name=large")["runs"][0]["id"]
            page.goto(f"http://127.0.0.1:{lab.port}/lab?token={TOKEN}&reset")
            page.wait_for_selector("#jp-main-dock-panel", timeout=60_000)
            page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('headrace:open')")
            page.evaluate(HELP)
            bench.graph()
            bench.live()
            bench.lists()
            bench.memory(memory_seconds)
        finally:
            browser.close()
            lab.stop()
    return bench.rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, help="a folder that was filled before")
    parser.add_argument("--memory-seconds", type=float, default=MEMORY_SECONDS)
    chosen = parser.parse_args()
    tell(measure(chosen.store, chosen.memory_seconds))
