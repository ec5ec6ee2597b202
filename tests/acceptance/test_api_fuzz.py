"""Thousands of requests made from the API's own description: none answers 5xx or what is not described (T-14)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import TOKEN, Server, write

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
    """A server without a worker: nothing that is asked for is really run."""
    root = tmp_path / "root"
    root.mkdir()
    found = Server(root, tmp_path / "server.log", "--HeadraceApp.start_workers=False")
    yield found
    found.process.terminate()
    found.process.wait(timeout=30)


def test_no_request_is_answered_with_a_fault(server: Server, tmp_path: Path) -> None:
    write(server.root, "print(n)")
    run = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]["id"]
    made = server.ask("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 1 1 *"})["schedule"]
    known = {"run_id": run, "schedule_id": made["id"], "deployment_id": made["deployment_id"], "path": "r.ipynb"}
    lines = ["[parameters]", *(f'{name} = "{value}"' for name, value in known.items())]
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
    assert "fault" not in server.log.read_text()
