"""A server that is started and stopped again and again, and asked for days, leaves nothing and holds no more (T-25, F-53)."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from server_process import Server, ours, write

from headrace.core.settings import runtime_dir

pytestmark = pytest.mark.process
#: Requests of a panel that is opened.
LOOKS = (
    "/health",
    "/overview",
    "/counts",
    "/runs",
    "/deployments",
    "/schedules",
    "/workers",
    "/limits",
    "/kernelspecs",
)


def left(data_dir: Path) -> set[str]:
    """Return what is there only while a server runs: files of both runtime folders, and processes."""
    folders = (Path(os.environ["JUPYTER_RUNTIME_DIR"]), runtime_dir())
    # Jupyter keeps its cookie's secret for the next time; this test's process has an owner file of its own.
    kept = ("jupyter_cookie_secret", f".{os.getpid()}.")
    files = [str(path) for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
    return {*(path for path in files if not any(name in path for name in kept)), *map(str, ours(data_dir))}


def test_servers_that_come_and_go_leave_nothing(data_dir: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write(root, "print(n)")
    before = left(data_dir)
    for _ in range(3):
        server = Server(root, tmp_path / "server.log")
        assert server.ask("GET", "/counts")["running"] == 0
        server.process.terminate()
        assert server.process.wait(timeout=30) == 0
        assert left(data_dir) - before == set()


def test_a_server_that_is_asked_often_holds_no_more(data_dir: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    server = Server(root, tmp_path / "server.log", "--HeadraceApp.start_workers=False")
    process = psutil.Process(server.process.pid)

    def held_after(rounds: int) -> tuple[int, int]:
        for _ in range(rounds):
            for path in LOOKS:
                server.ask("GET", path)
        return process.num_fds(), process.num_threads()

    try:
        first, later = held_after(5), held_after(30)
    finally:
        process.terminate()
        server.process.wait(timeout=30)
    assert all(now <= before + 3 for before, now in zip(first, later, strict=True)), (first, later)
