"""A stand-in for the server, with made-up runs: `python tests/tools/panel_mock.py [--port N] [--tasks N] [--empty]`.

For work on the panel alone: it serves the compiled standalone page at /headrace/ and speaks the words of
docs/developer/wire.md. It checks nothing and keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import tornado.web
import tornado.websocket

sys.path.insert(0, str(Path(__file__).parent))
from panel_data import NOW, Wire, iso, layered_run, log_line, make_run, pipeline_run

FRONT = Path(__file__).resolve().parents[2] / "labextension"
APP = FRONT / "dist" / "app"
VERSION = json.loads((FRONT / "package.json").read_text(encoding="utf-8"))["version"]
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Headrace</title><link rel="stylesheet" href="static/app.css"></head>
<body><div id="headrace-app"></div><script src="static/app.js"></script></body></html>"""


class State:
    """The made-up store."""

    def __init__(self, tasks: int, empty: bool) -> None:
        self.trees: dict[str, Wire] = {}
        self.seq = 1
        self.lines = 1000
        self.sockets: set[Stream] = set()
        self.schedules: list[Wire] = []
        self.deployments: list[Wire] = []
        if empty:
            return
        self.live = pipeline_run("RUNNING", 1, name="nightly report", progress={"done": 41, "total": 74})
        trees = [pipeline_run("FAILED", 12), self.live, layered_run(max(1, tasks // 100), 100)]
        for at in range(30):
            state = ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "SCHEDULED"][at % 7]
            kind = ["notebook", "flow", "cell"][at % 3]
            run = make_run(f"{['sales', 'train model', 'clean', 'report'][at % 4]} {at}", state, kind=kind, seconds=at**3 / 7 + 0.2,
                           started=NOW - timedelta(hours=at * at / 2 + 0.4), trigger=["schedule", "user", "cell", "cli"][at % 4],
                           tags=["prod"] if at % 5 == 0 else [])  # fmt: skip
            trees.append({"run": run, "nodes": [], "edges": []})
        self.trees = {tree["run"]["id"]: tree for tree in trees}
        last = [
            {k: t["run"][k] for k in ("id", "state_type", "state_name", "started_at", "duration_seconds")}
            for t in trees[3:13]
        ]
        for name, cron, words, hours in [
            ("sales.ipynb", "0 9 * * 1-5", "At 09:00, Monday to Friday", 3),
            ("weather.ipynb", "*/30 * * * *", "Every 30 minutes", 0.4),
        ]:
            identity = str(uuid.uuid4())
            self.deployments.append(
                {
                    "id": identity,
                    "name": name,
                    "notebook_path": name,
                    "last_runs": last,
                    "schedules": [],
                    "parameters": {},
                    "paused": False,
                }
            )
            self.schedules.append({
                "id": str(uuid.uuid4()), "deployment_id": identity, "deployment_name": name, "notebook_path": name, "kind": "cron", "cron": cron,
                "timezone": "Europe/Paris", "active": True, "next_fire_at": iso(NOW + timedelta(hours=hours)), "sentence": words,
                "error": None, "revision": 1, "parameters": {},
            })  # fmt: skip

    def runs(self) -> list[Wire]:
        return sorted((tree["run"] for tree in self.trees.values()), key=lambda run: run["created_at"], reverse=True)

    def find(self, run_id: str) -> tuple[Wire, Wire]:
        for tree in self.trees.values():
            for run in (tree["run"], *tree["nodes"]):
                if run["id"] == run_id:
                    return tree, run
        raise tornado.web.HTTPError(404)

    async def live_on(self) -> None:
        """Let the running pipeline go on: one change each 300 ms."""
        at = 0
        while True:
            await asyncio.sleep(0.3)
            run = self.live["nodes"][at % len(self.live["nodes"])]
            at += 1
            if run["state_type"] in {"PENDING", "RUNNING"} and run["kind"] == "task":
                done = run["state_type"] == "RUNNING"
                run |= {"state_type": "COMPLETED" if done else "RUNNING", "state_name": "Completed" if done else "Running",
                        "started_at": run["started_at"] or iso(NOW), "ended_at": iso(NOW) if done else None, "duration_seconds": 1.0 if done else None}  # fmt: skip
            self.lines += 3
            self.send(runs=[run], logs={self.live["run"]["id"]: self.lines})

    def send(self, **changes: Any) -> None:
        self.seq += 1
        for socket in self.sockets:
            socket.write_message(json.dumps({"type": "changes", "seq": self.seq, **changes}))


class Stream(tornado.websocket.WebSocketHandler):
    def initialize(self, state: State) -> None:
        self.state = state

    def open(self) -> None:
        self.state.sockets.add(self)
        self.write_message({"type": "hello", "seq": self.state.seq, "store": "mock", "version": VERSION})

    def on_message(self, message: str | bytes) -> None:
        if json.loads(message)["type"] == "ping":
            self.write_message({"type": "pong"})

    def on_close(self) -> None:
        self.state.sockets.discard(self)


class Api(tornado.web.RequestHandler):
    """Every route the panel's views read; changes are answered without being kept."""

    def initialize(self, state: State) -> None:
        self.state = state

    def get(self, path: str) -> None:
        parts = path.split("/")
        name = "_".join(part for at, part in enumerate(parts) if at != 1 or parts[0] == "notebooks")
        self.write(
            getattr(self, f"show_{name}" if len(parts) != 2 or parts[0] == "notebooks" else "show_one")(*parts[1:2])
        )

    def show_health(self) -> Wire:
        return {"status": "ok", "message": None, "version": VERSION, "workers": 1}

    def show_counts(self) -> Wire:
        return {"running": 2, "scheduled": 4, "failed_24h": 3, "crashed_24h": 1, "late": 0}

    def show_overview(self) -> Wire:
        days = [
            {
                "day": iso(NOW - timedelta(days=6 - d))[:10],
                "completed": 20 + d,
                "failed": d % 3,
                "crashed": d == 4,
                "cancelled": 0,
                "median_seconds": 31.0 + d,
            }
            for d in range(7)
        ]
        nxt = [{"schedule": s, "deployment": None, "fire_at": s["next_fire_at"]} for s in self.state.schedules]
        runs = self.state.runs()
        return {
            "running": [r for r in runs if r["state_type"] == "RUNNING"],
            "failed_recently": [r for r in runs if r["state_type"] == "FAILED"],
            "next": nxt,
            "late": [],
            "days": days,
        }

    def show_runs(self) -> Wire:
        states, text = self.get_query_arguments("state_type"), self.get_query_argument("text", "").lower()
        runs = [r for r in self.state.runs() if (not states or r["state_type"] in states) and text in r["name"].lower()]
        return {"runs": runs, "next_cursor": None}

    def show_one(self, run_id: str) -> Wire:
        if not self.request.path.split("/api/")[1].startswith("runs/"):
            raise tornado.web.HTTPError(404)
        _, run = self.state.find(run_id)
        error = None
        if run["state_type"] == "FAILED":
            trace = "\x1b[31mTraceback\x1b[0m (most recent call last):\n  Cell \x1b[32mIn[6]\x1b[0m, line 4\n    model.fit(X, y)\nValueError: Input X contains NaN."
            error = {
                "type": "ValueError",
                "message": "Input X contains NaN.",
                "traceback": trace,
                "cell_id": "cell-66",
                "cell_index": 66,
            }
        cache = {"hit": True, "reason": "Same source and inputs as the run of yesterday."} if run["cached"] else None
        more = {
            "parameters": {"counter": "berri", "first_month": 4, "last_month": 10},
            "error": error,
            "result": None,
            "cache": cache,
            "details": {},
        }
        return {"run": run | more}

    def show_runs_graph(self, run_id: str) -> Wire:
        tree, _ = self.state.find(run_id)
        return {**tree, "seq": self.state.seq}

    def show_runs_states(self, run_id: str) -> Wire:
        _, run = self.state.find(run_id)
        return {
            "states": [
                {
                    "seq": 1,
                    "at": run["created_at"],
                    "run_id": run_id,
                    "attempt": 1,
                    "state_type": run["state_type"],
                    "state_name": run["state_name"],
                    "message": "",
                }
            ]
        }

    def show_runs_attempts(self, run_id: str) -> Wire:
        _, run = self.state.find(run_id)
        return {
            "attempts": [
                {
                    "attempt": 1,
                    "started_at": run["started_at"],
                    "ended_at": run["ended_at"],
                    "state_type": run["state_type"],
                    "state_name": run["state_name"],
                    "message": "ValueError: x",
                }
            ],
            "chain": [run],
        }

    def show_runs_logs(self, run_id: str) -> Wire:
        tree, _ = self.state.find(run_id)
        total = 1_000_000 if len(tree["nodes"]) > 1000 else self.state.lines
        ids = [node["id"] for node in tree["nodes"][:9]] or [run_id]
        offset, limit = int(self.get_query_argument("offset", "0")), int(self.get_query_argument("limit", "200"))
        found: Wire = {
            "lines": [log_line(n, ids) for n in range(offset, min(total, offset + limit))],
            "offset": offset,
            "total": total,
        }
        if self.get_query_argument("search", ""):
            found["matches"] = total // 5
        return found

    def show_runs_outputs(self, run_id: str) -> Wire:
        tree, _ = self.state.find(run_id)
        text = {"output_type": "stream", "name": "stdout", "text": "12,482 rows\n"}
        html = {
            "output_type": "display_data",
            "metadata": {},
            "data": {
                "text/html": "<table><tr><th>day</th><td>412</td></tr></table><script>alert(1)</script>",
                "text/plain": "day 412",
            },
        }
        return {
            "cells": [
                {
                    "run_id": n["id"],
                    "cell_id": n["cell_id"],
                    "cell_index": n["cell_index"],
                    "source": "x = 1",
                    "cell_type": "code",
                    "state_type": n["state_type"],
                    "state_name": n["state_name"],
                    "outputs": [text, html],
                    "truncated": False,
                }
                for n in tree["nodes"][:5]
            ]
        }

    def show_runs_source(self, run_id: str) -> Wire:
        return {
            "source": "def fit(frame):\n    model = LinearRegression()\n    return model.fit(frame[X], frame[y])\n",
            "language": "python",
        }

    def show_runs_artifacts(self, run_id: str) -> Wire:
        return {"artifacts": []}

    def show_schedules(self) -> Wire:
        return {"schedules": self.state.schedules, "next_cursor": None}

    def show_deployments(self) -> Wire:
        return {"deployments": self.state.deployments, "next_cursor": None}

    def show_kernelspecs(self) -> Wire:
        return {
            "default": "python3",
            "kernelspecs": [
                {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python", "headrace": True}
            ],
        }

    def show_notebooks_inspect(self, _: str) -> Wire:
        base = {"annotation": None, "required": False, "choices": None, "help": None, "secret": False}
        parameters = [
            base
            | {
                "name": "counter",
                "type": "str",
                "default": "berri",
                "choices": ["berri", "rachel", "brebeuf"],
                "help": "Which counter on the cycle paths",
            },
            base | {"name": "first_month", "type": "int", "default": 4, "help": "From 1 to 12"},
            base | {"name": "rate", "type": "float", "default": 0.5},
            base | {"name": "with_weather", "type": "bool", "default": True},
            base | {"name": "columns", "type": "list", "default": ["temp", "rain"]},
        ]
        return {
            "path": self.get_query_argument("path"),
            "kernel_name": "python3",
            "kernel_known": True,
            "language": "python",
            "parameters": parameters,
            "tasks": 8,
            "cells": 11,
            "headrace_in_kernel": True,
        }

    def post(self, path: str) -> None:
        body = json.loads(self.request.body or b"{}")
        if path == "schedules/preview":
            if body.get("cron", "").count(" ") != 4 and "cron" in body:
                self.set_status(422)
                self.write(
                    {
                        "message": "The cron rule is not valid.",
                        "reason": "invalid_schedule",
                        "errors": [
                            {
                                "field": "cron",
                                "code": "invalid_schedule",
                                "message": "A cron rule has five fields: minute hour day month weekday.",
                            }
                        ],
                    }
                )
                return
            fires = [NOW + timedelta(days=d) for d in range(5)]
            self.write(
                {
                    "sentence": f"By the rule {body}"[:80],
                    "fires": [iso(f) for f in fires],
                    "wall": [f.strftime("%a %d %b %Y, %H:%M") for f in fires],
                }
            )
        else:
            self.write({"run": self.state.runs()[0], "schedule": (self.state.schedules or [None])[0]})

    def delete(self, path: str) -> None:
        self.set_status(204)


class Page(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write(PAGE)


async def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--port", type=int, default=0)
    words.add_argument("--tasks", type=int, default=10_000)
    words.add_argument("--empty", action="store_true")
    chosen = words.parse_args()
    state = State(chosen.tasks, chosen.empty)
    app = tornado.web.Application([
        (r"/headrace/?", Page),
        (r"/headrace/static/(.*)", tornado.web.StaticFileHandler, {"path": str(APP)}),
        (r"/headrace/api/stream", Stream, {"state": state}),
        (r"/headrace/api/(.*)", Api, {"state": state}),
    ])  # fmt: skip
    server = app.listen(chosen.port, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    print(f"http://127.0.0.1:{port}/headrace/", flush=True)
    await (asyncio.Event().wait() if chosen.empty else state.live_on())


if __name__ == "__main__":
    asyncio.run(main())
