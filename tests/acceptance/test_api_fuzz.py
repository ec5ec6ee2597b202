"""Thousands of requests made from the API's own description: none answers 5xx or what is not described (T-14)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import TOKEN, Server, end_all, write

from headrace import flow, task
from headrace.artifacts import create_markdown_artifact
from headrace.server.routes import all_routes
from headrace.store import get_store

pytestmark = pytest.mark.process
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


@pytest.fixture
def server(data_dir: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that starts no worker by itself; those that were asked for are ended with it."""
    root = tmp_path / "root"
    root.mkdir()
    found = Server(root, tmp_path / "server.log", "--HeadraceApp.start_workers=False")
    yield found
    end_all(found, data_dir)


def deployed(server: Server, name: str) -> dict[str, str]:
    """Return the ids of a deployment with a schedule and somebody to tell."""
    told = [{"events": ["failed"], "to": "https://hooks.example/x"}]
    body = {"name": name, "notebook": "r.ipynb", "schedules": [{"cron": "0 6 1 1 *"}], "notify": told}
    made = server.ask("POST", "/deployments", body)["deployment"]
    return {"deployment_id": made["id"], "schedule_id": made["schedules"][0]["id"]}


def run_with_everything() -> str:
    """Record a run with a task, lines, outputs and an artifact, and return its id."""

    @task
    def step() -> int:
        print("a line")
        create_markdown_artifact("# told", key="report")
        return 1

    @flow
    def everything() -> int:
        return step()

    everything()
    store = get_store()
    (run,), _ = store.runs.page(limit=1)
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    store.recorder.output(run.id, run.id, 0, store.clock.now_us(), output)
    store.recorder.flush()
    return run.id


def test_no_request_is_answered_with_a_fault(server: Server, tmp_path: Path) -> None:
    write(server.root, "print(n)")
    (kept, goes) = ({"run_id": run_with_everything(), **deployed(server, name)} for name in ("kept", "goes"))
    lines = ["[parameters]", 'path = "r.ipynb"', *(f'{name} = "{value}"' for name, value in kept.items())]
    # What is deleted is another one: the other requests must find what they ask for.
    for name, value in goes.items():
        path = f"/{name.removesuffix('_id')}s/{{{name}}}"
        lines += ["[[operations]]", f'include-name = "DELETE {path}"', f'parameters = {{ {name} = "{value}" }}']
    lines += ["[[operations]]", 'include-name = "GET /kernelspecs/{name}"', 'parameters = { name = "python3" }']
    config = tmp_path / "schemathesis.toml"
    config.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
            *(f"{server.url}headrace/api/openapi.json", "--url", f"{server.url}headrace/api"),
            *("-H", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(CHECKS), "--max-examples", "4"),
            *("--phases", "coverage,fuzzing", "--no-color", "--request-timeout", "20", "--seed", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    # All but the description itself, which schemathesis has fetched already.
    assert f"Tested: {len(all_routes()) - 1}\n" in done.stdout
    assert "fault" not in server.log.read_text()
