"""A store on a (pretended) network file system: server, worker and three kernels write at once, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_process import Server, ours, wait_for, write

pytestmark = [pytest.mark.process, pytest.mark.kernel]


def test_notebooks_run_and_are_recorded_by_journals(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_FILE_SYSTEM", "nfs4")
    root = tmp_path / "root"
    root.mkdir()
    write(
        root,
        "for i in range(30):\n    print(i, flush=True)",
        "%load_ext headrace",
        "%%task square\nx = n * n",
        "print(x)",
    )
    server = Server(root, tmp_path / "server.log")
    try:
        assert "network file system" in server.health()["message"]
        ids = [
            server.ask("POST", "/runs", {"notebook": "r.ipynb", "parameters": {"n": n}})["run"]["id"] for n in range(3)
        ]
        for run_id in ids:
            run = wait_for(lambda run_id=run_id: r if (r := server.run(run_id))["state_type"] in FINAL else None, 120)
            assert run["state_type"] == "COMPLETED", run
            assert server.ask("GET", f"/runs/{run_id}/logs")["total"] == 31
            nodes = server.ask("GET", f"/runs/{run_id}/graph")["nodes"]
            assert {node["state_type"] for node in nodes} == {"COMPLETED"}
        assert not list(data_dir.glob("*-wal"))
        said = server.log.read_text() + "".join(path.read_text() for path in (data_dir / "logs").glob("*.log"))
        assert "Traceback" not in said, said
        assert "locked" not in said
    finally:
        server.process.terminate()
        for process in ours(data_dir):
            process.kill()
        server.process.wait(timeout=30)


FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
