"""The help for users' own tests, in a pytest of theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

TESTS = """
import os
from headrace import flow, get_run_logger, task
from headrace.testing import disable_run_logger

@task
def add(x):
    get_run_logger().info("adding")
    return x + 1

@flow
def adding(x):
    return add(x)

def test_one(headrace_store):
    assert adding(1) == 2
    headrace_store.recorder.flush()
    (run,) = headrace_store.runs.page()[0]
    assert (run.definition, run.state_name) == ("adding", "Completed")

def test_two_sees_nothing_of_one(headrace_store):
    assert headrace_store.runs.page()[0] == []

def test_the_plain_function():
    with disable_run_logger():
        assert add.fn(1) == 2
"""


def test_the_fixture_gives_each_test_a_store_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from headrace.testing import headrace_store\n")
    (tmp_path / "test_flows.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:playwright", "-p", "no:schemathesis", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout
    assert not (data_dir / "headrace.db").exists()
