"""Stored results mean the same where a body runs in another process: what it calls is looked up and kept, too."""

from __future__ import annotations

import pytest
from engine_help import run_program


@pytest.mark.process
@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("where", ["processes", "isolation", "dask"])
def test_tasks_called_in_other_processes_are_cached_and_resumed(where: str) -> None:
    if where == "dask":
        pytest.importorskip("distributed")
    run_program("results_elsewhere.py", where)
