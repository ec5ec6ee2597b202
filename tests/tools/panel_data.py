"""Synthetic runs in the wire's words: what the panel is developed, looked at and measured with."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

Wire = dict[str, Any]
NOW = datetime.now(timezone.utc)


def iso(at: datetime) -> str:
    """Return an instant as the wire writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def make_run(name: str, state: str = "COMPLETED", **fields: Any) -> Wire:
    """Return a run in list form; `fields` override."""
    identity = str(fields.get("id") or uuid.uuid4())
    started = fields.pop("started", NOW - timedelta(minutes=5))
    seconds = fields.pop("seconds", 12.0)
    ended = state in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    begun = state not in {"SCHEDULED", "PENDING"}
    run: Wire = dict.fromkeys(
        "parent_id definition version host state_message scheduled_at error_summary deployment_id schedule_id slot_at"
        " resumed_from_id notebook_path document_id cell_id cell_index kernel_id pool pid heartbeat_at progress".split()
    )
    run |= {
        "id": identity, "root_id": identity, "kind": "flow", "name": name, "definition_key": None, "owner": "me",
        "attempt": 1, "max_attempts": 1, "state_type": state, "state_name": state.capitalize(), "tags": [],
        "created_at": iso(started), "started_at": iso(started) if begun else None,
        "ended_at": iso(started + timedelta(seconds=seconds)) if ended else None,
        "state_at": iso(started), "duration_seconds": seconds if ended else None, "cached": False, "priority": 0,
        "trigger": "user",
    }  # fmt: skip
    return run | fields


def layered_run(layers: int = 100, width: int = 100, seed: int = 7, name: str = "ten thousand tasks") -> Wire:
    """Return a run of distinct tasks in layers, two edges into each: `{run, nodes, edges}`.

    Parameters
    ----------
    layers, width : int, default 100
        10,000 tasks and about 20,000 edges by default.
    seed : int, default 7
        The same seed gives the same graph.
    """
    rng = random.Random(seed)
    start = NOW - timedelta(hours=1)
    root = make_run(name, "RUNNING", started=start, progress={"done": 0, "total": layers * width})
    rows: list[list[Wire]] = []
    edges: list[Wire] = []
    for layer in range(layers):
        row = []
        for place in range(width):
            state = "COMPLETED" if layer < layers * 0.6 else "RUNNING" if layer < layers * 0.62 else "PENDING"
            if state == "COMPLETED" and rng.random() < 0.002:
                state = "FAILED"
            task = make_run(
                f"step_{layer:03d}_{place:03d}", state, kind="task", root_id=root["id"], parent_id=root["id"],
                definition_key=f"step_{layer:03d}_{place:03d}", trigger="flow", seconds=rng.uniform(1, 40),
                started=start + timedelta(seconds=layer * 40),
            )  # fmt: skip
            if rows:
                for source in rng.sample(rows[-1], min(2, len(rows[-1]))):
                    edges.append({"source": source["id"], "target": task["id"], "kind": "data", "name": None})
            row.append(task)
        rows.append(row)
    nodes = [task for row in rows for task in row]
    root["progress"]["done"] = sum(task["ended_at"] is not None for task in nodes)
    return {"run": root, "nodes": nodes, "edges": edges}


def pipeline_run(state: str = "FAILED", minutes_ago: float = 3, **fields: Any) -> Wire:
    """Return a run like the demo's: a subflow, mapped tasks, a cached one, a failure and what it stopped."""
    start = NOW - timedelta(minutes=minutes_ago)
    fields = {"name": "montreal-cycling.ipynb", "kind": "notebook", "notebook_path": "montreal-cycling.ipynb"} | fields
    root = make_run(state=state, started=start, seconds=74, **fields)
    nodes: list[Wire] = []
    edges: list[Wire] = []

    def add(name: str, how: str, at: float, seconds: float, *after: str, **more: Any) -> str:
        shared = {"kind": "cell", "root_id": root["id"], "parent_id": root["id"], "trigger": "flow", "seconds": seconds}
        run = make_run(name, how, started=start + timedelta(seconds=at), **(shared | more))  # fmt: skip
        if run["kind"] == "cell":
            run |= {"cell_id": f"cell-{len(nodes)}", "cell_index": len(nodes)}
        nodes.append(run)
        for source in after:
            edges.append({"source": source, "target": run["id"], "kind": "data", "name": "frame"})
        return str(run["id"])

    imports = add("imports", "COMPLETED", 0, 0.8)
    bikes = add("load bikes", "COMPLETED", 1, 6.2, imports)
    weather = add("load weather", "COMPLETED", 1, 3.1, imports, cached=True, state_name="Cached")
    clean = add("clean", "COMPLETED", 8, 2.4, bikes)
    daily = add("daily weather", "COMPLETED", 8, 1.2, weather)
    join = add("join", "COMPLETED", 11, 0.9, clean, daily)
    scores = [add(f"score-{n}", "COMPLETED" if n < 37 else "FAILED" if n == 37 else "RUNNING" if n < 42 else "PENDING", 12 + n % 9,
                  4 + n % 5, join, kind="task", definition_key="score") for n in range(60)]  # fmt: skip
    fit = add("fit", "RUNNING" if state == "RUNNING" else "FAILED", 22, 41.0, join, attempt=2, max_attempts=3,
              error_summary="ValueError: Input X contains NaN.")  # fmt: skip
    tuning = add("tune the model", "COMPLETED", 24, 20, join, kind="flow")
    depth = [
        add(f"depth {n}", "COMPLETED", 24 + n, 5, kind="task", parent_id=tuning, definition_key=f"depth{n}")
        for n in range(4)
    ]
    best = add("pick the best", "COMPLETED", 38, 2, *depth, kind="task", parent_id=tuning)
    plots = add("plots", "CANCELLED", 64, 0.1, fit, state_name="NotRun")
    add(
        "report",
        "FAILED" if state != "RUNNING" else "PENDING",
        64,
        0.1,
        plots,
        best,
        *scores,
        state_name="UpstreamFailed",
    )
    if state == "FAILED":
        root["error_summary"] = "ValueError: Input X contains NaN."
    return {"run": root, "nodes": nodes, "edges": edges}


LEVELS = [20, 20, 20, 10, 30, 20, 40, 20]
WORDS = [
    "read 12,482 rows",
    "\x1b[32mok\x1b[0m wrote part",
    "https://example.org/docs explains",
    "<b>not markup</b>",
    "\x1b[1;31mbad value\x1b[0m in row",
]


def log_line(number: int, run_ids: list[str]) -> Wire:
    """Return one made-up log line; the same number gives the same line."""
    text = f"{WORDS[number % len(WORDS)]} {number}" + (" " + "x" * 400 if number % 50 == 49 else "")
    return {
        "number": number, "seq": number, "run_id": run_ids[number % len(run_ids)], "level": LEVELS[number % len(LEVELS)],
        "at": iso(NOW - timedelta(minutes=5) + timedelta(milliseconds=number)), "logger": "flow", "message": text,
    }  # fmt: skip
