"""A real JupyterLab with the panel, in a home of its own, behind a real token."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "labextension" / "dist" / "lab"
TOKEN = "browser-tests"
OUTPUT = Path(__file__).parent / "output"
#: How long a view may take on a machine that is busy with other lanes.
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition is true and return its value."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A JupyterLab process that can be killed and started again on the same home and port.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "work"
        self.root.mkdir()
        (self.root / "about.txt").write_text("The file browser has something to show.")
        self.data = folder / "headrace"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        config = folder / "config"
        (config / "jupyter_server_config.d").mkdir(parents=True)
        (config / "labconfig").mkdir()
        enabled = {"ServerApp": {"jpserver_extensions": {"headrace": True}}}
        (config / "jupyter_server_config.d" / "headrace.json").write_text(json.dumps(enabled))
        quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        (config / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "HEADRACE_DATA_DIR": str(self.data),
            # Hooks of the tests' own web server are called.
            "HEADRACE_NOTIFY_PRIVATE": "1",
        }
        if DIST.exists():
            place = folder / "path" / "labextensions"
            place.mkdir(parents=True)
            (place / "headrace").symlink_to(DIST)
            self.environment["JUPYTER_PATH"] = str(folder / "path")

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--port={self.port}"]
        command += [
            "--ServerApp.port_retries=0",
            "--LabApp.expose_app_in_browser=True",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={self.root}",
        ]
        with (self.folder / "lab.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: self.get("/headrace/api/health"), 60, "JupyterLab")

    def get(self, path: str) -> Any:
        """Return what the API answers, None while it does not."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"token {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def runs(self) -> list[dict[str, Any]]:
        """Return the newest root runs."""
        answer = self.get("/headrace/api/runs?limit=50")
        return list(answer["runs"]) if answer else []

    def run_named(self, part: str, state: str = "") -> dict[str, Any] | None:
        """Return the newest run whose name has a part, and which is in a state."""
        found = [run for run in self.runs() if part in run["name"] and (not state or run["state_name"] == state)]
        return found[0] if found else None

    def kill(self) -> None:
        """Kill the server, and only it, at once."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the server, its kernels, and the worker that it started."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for pid in worker_pids(str(self.data)):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not worker_pids(str(self.data)), 30, "the worker's end")


def worker_pids(data: str) -> list[int]:
    """Return the processes of this store's workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if (
                b"headrace.server.worker" in words
                and f"HEADRACE_DATA_DIR={data}".encode() in environment
                and state != "Z"
            ):
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, running."""
    opened = Lab(tmp_path_factory.mktemp("lab"))
    opened.start()
    yield opened
    opened.stop()


@pytest.fixture
def opened(lab: Lab, page: Any) -> Iterator[Any]:
    """JupyterLab in the browser; the test fails if the page complained about us."""
    complaints: list[str] = []

    def hear(message: Any) -> None:
        gone = "net::ERR" in message.text or "WebSocket connection" in message.text  # while the server is killed
        # The browser itself reports each 422, a form's usual answer while one types, and each 409, a refusal with words.
        gone = gone or "status of 422" in message.text or "status of 409" in message.text
        if (
            message.type in ("error", "warning")
            and not gone
            and "headrace" in f"{message.text} {message.location}".lower()
        ):
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.set_default_timeout(WAIT_MS)
    page.goto(f"http://127.0.0.1:{lab.port}/lab?token={TOKEN}&reset")
    page.wait_for_selector(".jp-DirListing-item", timeout=60_000)
    yield page
    OUTPUT.mkdir(exist_ok=True)
    assert not complaints, "\n".join(complaints)
