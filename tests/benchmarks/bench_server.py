"""What the server promises: firings in time, ten thousand slots at once, rest, runs at once, long lists, memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from run import Row, tell

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))
US = 1_000_000
RUNS = 1_000_000
LATE_SCHEDULES, DUE_AT_ONCE, AT_REST = 1_000, 10_000, 100_000
REST_SECONDS = 30.0


def at(values: list[float], share: float) -> float:
    """Return a percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def fresh(name: str) -> Any:
    """Return an empty store in a folder of its own; child processes find it too."""
    from headrace.core.settings import find_store
    from headrace.store import Store

    os.environ["HEADRACE_DATA_DIR"] = os.path.join(os.environ["HOME"], name)
    return Store(find_store())


def schedules(store: Any, count: int, first_us: Callable[[int], int], *, interval_seconds: float = 3600.0) -> None:
    """Store so many deployments, each with an interval schedule that fires first at a time."""
    from headrace.core.deployments import Deployment, ScheduleRow
    from headrace.core.ids import new_id
    from headrace.store import schema as t
    from headrace.store.records import values_of

    now = store.clock.now_us()
    deployments, rows = [], []
    for number in range(count):
        one = Deployment(id=new_id(), name=f"d{number}", owner="ada", kind="flow", entrypoint="a:b", overlap="allow")
        first = first_us(number)
        row = ScheduleRow(
            id=new_id(),
            deployment_id=one.id,
            owner="ada",
            kind="interval",
            interval_seconds=interval_seconds,
            anchor_at=first,
            next_slot_at=first,
            next_fire_at=first,
        )
        deployments.append({**values_of(one), "created_at": now, "updated_at": now})
        rows.append({**values_of(row), "created_at": now, "updated_at": now})
    with store.database.write() as connection:
        for table, values in ((t.deployments, deployments), (t.schedules, rows)):
            known = set(table.c.keys())
            connection.execute(table.insert(), [{k: v for k, v in one.items() if k in known} for one in values])


def lateness() -> Row:
    """A thousand schedules that fire one after another: from the slot's time to its committed row."""
    from headrace.server.scheduler import Scheduler

    store = fresh("late")
    begin = store.clock.now_us() + 3 * US
    schedules(store, LATE_SCHEDULES, lambda n: begin + n * 20_000)
    late: list[float] = []
    plain = store.schedules.fire

    def fire(firings: Any) -> Any:
        made = plain(firings)
        now = store.clock.now_us()
        late.extend((now - run.slot_at) / 1000 for run in made)
        return made

    store.schedules.fire = fire
    scheduler = Scheduler(store)
    thread = threading.Thread(target=scheduler.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while len(late) < LATE_SCHEDULES and time.monotonic() < deadline:
        time.sleep(0.1)
    scheduler.stop()
    thread.join()
    store.close()
    assert len(late) == LATE_SCHEDULES, len(late)
    value = f"p99 {at(late, 0.99):.0f} ms, median {statistics.median(late):.0f} ms"
    return Row("firing lateness, 1,000 schedules, slot to committed row", value, "", None, "p99 ≤ 200 ms")


def due_at_once() -> Row:
    """Ten thousand schedules due at one instant, two schedulers in processes of their own."""
    store = fresh("race")
    schedules(store, DUE_AT_ONCE, lambda n: store.clock.now_us() + 3_600 * US)
    when = store.clock.now_us() + 8 * US
    with store.database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE schedules SET anchor_at = {when}, next_slot_at = {when}, next_fire_at = {when}"
        )
    command = [sys.executable, __file__, "race", str(when)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [json.loads(racer.communicate(timeout=300)[0]) for racer in racers]
    with store.database.read() as connection:
        runs, once = connection.exec_driver_sql("SELECT count(*), count(DISTINCT schedule_id) FROM runs").one()
    store.close()
    assert (runs, once) == (DUE_AT_ONCE, DUE_AT_ONCE), (runs, once)
    took = (max(end["last"] for end in ends) - when) / US
    beside = "made " + " and ".join(f"{end['made']:,} ({end['cpu']:.1f} s of a core)" for end in ends)
    return Row("10,000 slots of one minute, two schedulers racing, once each", f"{took:.2f} s", beside, None, "≤ 3 s")


def race(when: int) -> None:
    """Be one of the two schedulers."""
    from headrace.core.settings import find_store
    from headrace.server.scheduler import Scheduler
    from headrace.store import Store

    store = Store(find_store())
    scheduler = Scheduler(store)
    store.schedules.next_due()
    scheduler.tick()
    while store.clock.now_us() < when:
        time.sleep(0.001)
    made, last, cpu = 0, when, time.process_time()
    while True:
        found = len(scheduler.tick())
        if found:
            made, last = made + found, store.clock.now_us()
        elif not store.schedules.due(store.clock.now_us(), limit=1):
            break
    print(json.dumps({"made": made, "last": last, "cpu": time.process_time() - cpu}))


def at_rest() -> Row:
    """A hundred thousand schedules of which none is due."""
    from headrace.server.scheduler import Scheduler

    store = fresh("rest")
    far = store.clock.now_us() + 3_000 * US
    schedules(store, AT_REST, lambda n: far + n)
    scheduler = Scheduler(store)
    thread = threading.Thread(target=scheduler.run, daemon=True)
    thread.start()
    time.sleep(3)
    cpu, wall = time.process_time(), time.monotonic()
    time.sleep(REST_SECONDS)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    scheduler.stop()
    thread.join()
    store.close()
    return Row("100,000 schedules at rest", f"{share:.2%} of a core", "", None, "≤ 1 %")


def pages() -> list[Row]:
    """Pages of a list of a million runs, by every filter that the panel offers."""
    import many_runs

    from headrace.core.runs import RunFilter

    store = fresh("list")
    many_runs.fill(store, RUNS)
    now = store.clock.now_us()
    filters: dict[str, dict[str, Any]] = {
        "none": {},
        "state": {"state_types": ("FAILED",)},
        "states": {"state_types": ("FAILED", "CRASHED")},
        "a state of the oldest": {"state_types": ("CRASHED",)},
        "a state that none has": {"state_types": ("PAUSED",)},
        "kind": {"kinds": ("flow",)},
        "text": {"text": "report 99"},
        "text that none has": {"text": "nowhere"},
        "tag": {"tags": ("daily",)},
        "deployment": {"deployment_id": "d7"},
        "trigger": {"trigger": "api"},
        "since": {"since": now - 86_400 * US},
        "between": {"since": now - 20 * 86_400 * US, "until": now - 10 * 86_400 * US},
        "state, kind, tag": {"state_types": ("FAILED",), "kinds": ("flow",), "tags": ("daily",)},
        "parts, too": {"roots_only": False},
        "failed parts, too": {"roots_only": False, "state_types": ("FAILED",)},
        "tasks": {"roots_only": False, "kinds": ("task",)},
        "old cells": {"roots_only": False, "kinds": ("cell",), "until": now - 10 * 86_400 * US},
    }
    worst: tuple[float, str] = (0.0, "")
    shown = []
    for name, values in filters.items():
        where, spent = RunFilter(owner="ada", **values), []
        for sort in ("-created_at", "-duration", "name") if where.roots_only else ("-created_at",):
            cursor = None
            for _ in range(7):
                began = time.perf_counter()
                _, cursor = store.runs.page(where, sort=sort, limit=50, cursor=cursor)
                spent.append((time.perf_counter() - began) * 1000)
                if cursor is None:
                    break
        worst = max(worst, (at(spent, 0.95), name))
        shown.append(f"{name} {at(spent, 0.95):.0f}")
    store.close()
    what = "page of 50 of 1,000,000 runs, p95 of the worst filter (three sortings, seven pages each)"
    return [Row(what, f"{worst[0]:.0f} ms ({worst[1]})", "ms: " + ", ".join(shown), None, "≤ 50 ms")]


def run_now() -> Row:
    """From the request to the first line of user code, where a kernel waits."""
    from server_process import Server, of_kind, ours, wait_for, write

    home = Path(os.environ["HOME"])
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        os.environ[name] = str(home / name.lower())
        (home / name.lower()).mkdir()
    data = home / "now"
    os.environ["HEADRACE_DATA_DIR"] = str(data)
    root = home / "root"
    root.mkdir()
    write(root, "import time\nprint(time.time())")
    server = Server(root, home / "server.log")
    spent: list[float] = []
    try:
        for number in range(8):
            began = time.time()
            run_id = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
            wait_for(lambda run_id=run_id: server.run(run_id)["state_type"] == "COMPLETED")
            lines = server.ask("GET", f"/runs/{run_id}/logs")["lines"]
            if number:
                spent.append((float(lines[0]["message"]) - began) * 1000)
            # The next unit is made three seconds after a run's start.
            wait_for(lambda: of_kind(data, "ipykernel"))
            time.sleep(8)
    finally:
        server.process.terminate()
        for process in ours(data):
            process.kill()
    value = f"median {statistics.median(spent):.0f} ms, worst {max(spent):.0f} ms"
    return Row("run now to the first line of a notebook's code, warm kernel", value, "", None, "≤ 300 ms")


def memory() -> list[Row]:
    """What the extension adds to a Jupyter server: unused, and after its lists were read."""
    plain, unused, used = _server_mb(False, False), _server_mb(True, False), _server_mb(True, True)
    beside = f"without {plain:.0f} MB"
    return [
        Row("server extension, unused", f"+{unused - plain:.1f} MB", beside, None, "≤ 10 MB"),
        Row("server extension, in use", f"+{used - plain:.1f} MB", beside, None, "≤ 60 MB"),
    ]


def _server_mb(enabled: bool, used: bool) -> float:
    """Return a Jupyter server's own memory (what ends with it), MB."""
    with tempfile.TemporaryDirectory() as home:
        names = ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "HEADRACE_DATA_DIR", "HOME")
        environment = {**os.environ, **{name: f"{home}/{name.lower()}" for name in names}}
        Path(home, "home").mkdir()
        words = ["--ServerApp.port=0", "--no-browser", "--allow-root", f"--ServerApp.root_dir={home}/home"]
        words += ["--IdentityProvider.token=t", f"--ServerApp.jpserver_extensions={{'headrace': {enabled}}}"]
        words += ["--HeadraceApp.start_workers=False"] if enabled else []
        process = subprocess.Popen([sys.executable, "-m", "jupyter_server", *words], env=environment, stderr=-3)
        try:
            info = Path(home, "jupyter_runtime_dir", f"jpserver-{process.pid}.json")
            deadline = time.monotonic() + 60
            while not (info.exists() and info.read_text().strip()) and time.monotonic() < deadline:
                time.sleep(0.1)
            url = json.loads(info.read_text())["url"]
            paths = ["api/status"] * 5
            if used:
                names = ("health", "overview", "counts", "runs", "deployments", "schedules", "workers", "openapi.json")
                paths += [f"headrace/api/{name}" for name in names] * 20
            for path in paths:
                request = urllib.request.Request(url + path, headers={"Authorization": "token t"})
                urllib.request.urlopen(request, timeout=60).read()
            time.sleep(2)
            return float(psutil.Process(process.pid).memory_full_info().uss) / 1e6
        finally:
            process.terminate()
            process.wait(30)


def measure() -> list[Row]:
    """Measure it all."""
    return [lateness(), due_at_once(), at_rest(), run_now(), *pages(), *memory()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["race"]:
        race(int(sys.argv[2]))
    else:
        tell(measure())
