"""A standalone server in a process of its own, its worker and its runs, for tests that kill them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil

TOKEN = "a-token-for-tests"


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


class Server:
    """A standalone server in a process of its own."""

    def __init__(self, root: Path, log: Path, *options: str) -> None:
        self.root, self.log, self.options = root, log, options
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["server", "start", "--port", "0", "--root", str(self.root), "--allow-root"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headrace.cli.main", *words, *self.options, f"--IdentityProvider.token={TOKEN}"],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
        info = wait_for(lambda: next(iter(runtime.glob(f"jpserver-{self.process.pid}.json")), None))
        self.url = wait_for(lambda: _url(info))
        wait_for(lambda: self.health()["status"] == "ok" if self.answers() else None)

    def answers(self) -> bool:
        try:
            return self.health() is not None
        except OSError:
            return False

    def health(self) -> Any:
        return self.ask("GET", "/health")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return the answer's JSON."""
        request = urllib.request.Request(f"{self.url}headrace/api{path}", method=method)
        request.add_header("Authorization", f"token {TOKEN}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, data, timeout=20) as answer:
            text = answer.read().decode()
        return json.loads(text) if text else None

    def run(self, run_id: str) -> Any:
        return self.ask("GET", f"/runs/{run_id}")["run"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


def _url(info: Path) -> str | None:
    try:
        return str(json.loads(info.read_text())["url"])
    except (OSError, ValueError, KeyError):
        return None


def ours(data_dir: Path) -> list[psutil.Process]:
    """Return every process that works with this test's store, but this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("HEADRACE_DATA_DIR") == str(data_dir):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_all(server: Server, data_dir: Path) -> None:
    """End a server, and whatever works with its store: workers, runs, kernels."""
    server.process.terminate()
    for process in ours(data_dir):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    server.process.wait(timeout=30)


def of_kind(data_dir: Path, word: str) -> list[psutil.Process]:
    """Return the living processes among them whose command line holds a word; any may end while it is looked at."""
    found = []
    for process in ours(data_dir):
        try:
            if word in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def write(root: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell("n = 0", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), root / "r.ipynb")
