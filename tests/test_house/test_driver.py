"""The driver of `make test` counts truly: what failed, what hung, what ran nothing."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from pathlib import Path

import lanes as lanes_module
import pytest
import run_tests
from lanes import Lane, Step, lanes
from source_tree import ROOT


def python_step(code: str) -> Step:
    return Step(name="python", command=(sys.executable, "-c", textwrap.dedent(code)))


def lane(*steps: Step, budget_seconds: float = 30) -> Lane:
    return Lane(name="sample", budget_seconds=budget_seconds, steps=steps)


def pytest_step(folder: Path) -> Step:
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
    )
    return Step(name="pytest", command=(*command, "--junitxml={junit}", str(folder)))


@pytest.fixture(autouse=True)
def _reports_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "OUTPUT", tmp_path / "reports")
    (tmp_path / "reports").mkdir()


def test_every_test_file_is_in_exactly_one_lane() -> None:
    counted: dict[str, int] = {path.relative_to(ROOT).as_posix(): 0 for path in (ROOT / "tests").rglob("test_*.py")}
    for path in [path for lane in lanes() for path in lane.files]:
        counted[path.relative_to(ROOT).as_posix()] += 1
    assert {name: times for name, times in counted.items() if times != 1} == {}


def test_every_lane_has_a_budget_and_together_they_fit() -> None:
    assert all(lane.budget_seconds > 0 for lane in lanes())
    side_by_side = sum(lane.budget_seconds for lane in lanes() if not lane.alone) / run_tests.SIDE_BY_SIDE
    alone = sum(lane.budget_seconds for lane in lanes() if lane.alone)
    assert side_by_side + alone <= run_tests.BUDGET_SECONDS


@pytest.mark.parametrize(
    ("code", "passed", "failed"), [pytest.param("pass", 1, 0, id="ends well"), pytest.param("1 / 0", 0, 1, id="raises")]
)
def test_a_plain_step_counts_as_one(code: str, passed: int, failed: int) -> None:
    outcome = run_tests.run_lane(lane(python_step(code)), os.environ)
    assert (outcome.passed, outcome.failed) == (passed, failed)


def test_tests_are_counted_one_by_one(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_sample.py").write_text("def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n")
    outcome = run_tests.run_lane(lane(pytest_step(suite)), os.environ)
    assert (outcome.passed, outcome.failed, len(outcome.tests)) == (2, 1, 3)


@pytest.mark.parametrize(
    "content", [pytest.param("", id="no test"), pytest.param("import no_such_thing", id="broken file")]
)
def test_a_suite_that_runs_no_test_fails(tmp_path: Path, content: str) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_sample.py").write_text(content)
    outcome = run_tests.run_lane(lane(pytest_step(suite)), os.environ)
    assert (outcome.passed, outcome.failed) == (0, 1)


def test_a_missing_program_fails_the_lane() -> None:
    step = Step(name="missing", command=("no-such-program-here",))
    assert run_tests.run_lane(lane(step), os.environ).failed == 1


def test_a_step_that_hangs_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "HANGS_PLUS_SECONDS", 0)
    monkeypatch.setattr(run_tests, "HANGS_TIMES", 1)
    pid = tmp_path / "pid"
    hangs = python_step(
        f"""
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        pathlib.Path({str(pid)!r}).write_text(str(child.pid))
        child.wait()
        """
    )
    outcome = run_tests.run_lane(lane(hangs, budget_seconds=1.5), os.environ)
    assert (outcome.failed, outcome.over) == (1, True)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}/stat").exists():
        state = Path(f"/proc/{pid.read_text()}/stat").read_text().split()[2]
        if state == "Z":
            break
        assert time.monotonic() < deadline, "the child of a hanging step lives on"


def test_the_last_line_is_the_count_and_failing_lanes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = lane(python_step("pass")), Lane(name="other", budget_seconds=0.001, steps=(python_step("1 / 0"),))
    code = run_tests.close([run_tests.run_lane(one, os.environ) for one in (good, bad)], 1.0)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "1 passed, 1 failed"
    assert any(line.startswith("OVER BUDGET: other took") for line in said)
    assert any(line.startswith("failed: other ") for line in said)
    assert code == 1


def test_nothing_run_at_all_is_a_failure() -> None:
    assert run_tests.close([], 0.0) == 1


def test_an_unknown_lane_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main(["nonsense"]) == 2
    assert "no such lane: nonsense" in capsys.readouterr().out


def test_a_lane_is_left_out_where_its_suite_does_not_exist() -> None:
    assert not lanes_module.pytest_lane("absent", 5, "no_such_folder").present
