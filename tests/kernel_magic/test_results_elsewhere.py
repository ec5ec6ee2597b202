"""Stored results mean the same where a body runs in another process: what it calls is looked up and kept, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "results_elsewhere.py"


@pytest.mark.process
@pytest.mark.parametrize("where", ["processes", "isolation", "dask"])
def test_tasks_called_in_other_processes_are_cached_and_resumed(data_dir: Path, where: str) -> None:
    if where == "dask":
        pytest.importorskip("distributed")
    tools = str(PROGRAM.parents[2] / "tools")
    environment = {
        **os.environ,
        "HEADRACE_LOGGING_TO_CONSOLE": "0",
        "PYTHONPATH": os.pathsep.join([tools, os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(PROGRAM), where]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
