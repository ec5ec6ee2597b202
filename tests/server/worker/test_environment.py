"""The files of variables that deployments name, and what belongs to a run alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.errors import UsageError
from headrace.server.worker.environment import outside_of_runs, read_env_file


def test_a_variable_file_is_read_and_a_bad_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# words\nA=1\nexport B='two words'\n\n")
    assert read_env_file(str(path)) == {"A": "1", "B": "two words"}
    path.write_text("nonsense\n")
    with pytest.raises(UsageError, match="Line 1"):
        read_env_file(str(path))


def test_a_worker_that_is_started_within_a_run_is_none_of_its_processes() -> None:
    marks = {"HEADRACE_RUN_ID": "r", "HEADRACE_RUN_ATTEMPT": "1", "HEADRACE_ATTEMPT_DIR": "/a"}
    assert outside_of_runs({**marks, "HEADRACE_DATA_DIR": "/d"}) == {"HEADRACE_DATA_DIR": "/d"}
