"""`headrace flow-run`, `task-run`, `flow`, `db` and `config`, as a person calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_help import until

from headrace.cli.main import run as headrace
from headrace.core.ids import new_id
from headrace.kernel_magic.origin import load
from headrace.store import forget_stores, get_store

SCRIPT = """
import sys
from pathlib import Path
from headrace import flow, get_run_logger, task

HERE = Path(__file__).parent

@task(persist_result=True)
def first(x):
    with (HERE / "first.txt").open("a") as file:
        file.write("ran\\n")
    get_run_logger().warning("first says %s", x)
    return x

@flow(tags=["nightly"])
def pipeline(x: int = 1):
    if not (HERE / "fixed").exists():
        first(x)
        raise ValueError("not [yet]")
    return first(x)
"""


@pytest.fixture
def failed(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that a script of somebody left, failed."""
    monkeypatch.setenv("HEADRACE_LOGGING_TO_CONSOLE", "0")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with pytest.raises(ValueError, match="not"):
        load(f"{script}:pipeline")(3)
    (run,) = get_store().runs.page()[0]
    return run


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = headrace(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_limits_are_set_listed_and_deleted(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "limit", "ls")[1].startswith("There are no limits.")
    assert called(capsys, "limit", "set", "db", "3") == (0, "db: 3\n", "")
    assert called(capsys, "limit", "set", "api", "1", "--per-second", "0.5") == (0, "api: 1, 0.5 per second\n", "")
    assert [each["name"] for each in as_json(capsys, "limit", "ls")] == ["api", "db"]
    assert "0.5" in called(capsys, "limit", "ls")[1]
    assert called(capsys, "limit", "set", "db", "-3")[0] == 2
    assert called(capsys, "limit", "delete", "api", "nowhere")[0] != 0
    assert [each["name"] for each in as_json(capsys, "limit", "ls")] == ["db"]


def test_old_runs_go_by_themselves_where_the_setting_says_so(failed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.store.deploying import retain

    assert retain(get_store()) == 0
    monkeypatch.setenv("HEADRACE_RETENTION_DAYS", "1")
    assert retain(get_store()) == 0
    monkeypatch.setenv("HEADRACE_RETENTION_DAYS", "1e-9")
    assert retain(get_store()) == 1
    assert get_store().runs.page()[0] == []


def test_storage_is_listed_by_flow_and_pruned(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "storage", "ls")
    (use,) = found["used_by"]
    assert (use["flow"], use["task"], use["results"]) == ("pipeline", "first", 1)
    assert found["total_bytes"] == use["size_bytes"] > 0
    code, out, _ = called(capsys, "storage", "ls")
    assert (code, "pipeline" in out, "of at most" in out) == (0, True, True)
    assert called(capsys, "storage", "prune", "--to", "0.0 kB", "--dry-run")[1].startswith("1 results would be removed")
    assert as_json(capsys, "storage", "prune")["removed"] == 0
    assert as_json(capsys, "storage", "prune", "--to", "0")["removed"] == 1
    assert called(capsys, "storage", "ls")[1].startswith("No results are stored.")
    assert called(capsys, "storage", "prune", "--to", "much")[0] == 2


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = called(capsys, *words, "-o", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_runs_are_listed_for_people_and_for_programs(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "flow-run", "ls")
    assert code == 0
    for word in (failed.id, failed.name, "pipeline", "Failed", "not [yet]"):
        assert word in out
    (found,) = as_json(capsys, "flow-run", "ls", "--state", "failed", "--tag", "nightly", "--name", "PIPE")
    assert (found["id"], found["state_type"]) == (failed.id, "FAILED")
    assert as_json(capsys, "flow-run", "ls", "--state", "completed") == []
    (task,) = as_json(capsys, "task-run", "ls", "--parent", failed.id)
    assert task["definition"] == "first"
    assert as_json(capsys, "flow", "ls")[0]["definition"] == "pipeline"
    assert "pipeline" in called(capsys, "flow", "ls")[1]


def test_a_run_is_inspected_with_its_history_error_and_source(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "flow-run", "inspect", failed.id[:30])
    assert code == 0
    for word in ("ValueError: not [yet]", "Running", "def pipeline", "first-"):
        assert word in out
    data = as_json(capsys, "flow-run", "inspect", failed.name)
    assert [item["state"] for item in data["history"]] == ["Running", "Failed"]
    assert data["children"][0]["definition"] == "first"


def test_logs_can_be_cut_turned_and_filtered(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = called(capsys, "flow-run", "logs", failed.id)[1].splitlines()
    assert "first says 3" in lines[0]
    assert called(capsys, "flow-run", "logs", failed.id, "--head", "1")[1].splitlines() == lines[:1]
    assert called(capsys, "flow-run", "logs", failed.id, "--reverse")[1].splitlines()[-1] == lines[0]
    assert called(capsys, "flow-run", "logs", failed.id, "--follow")[1].splitlines() == lines
    errors = as_json(capsys, "flow-run", "logs", failed.id, "--level", "error")
    assert all(item["level"] >= 40 for item in errors)


@pytest.mark.process
def test_a_retry_runs_here_and_uses_what_was_stored(
    failed: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fixed").touch()
    assert headrace(["flow-run", "retry", failed.id]) == 0
    assert "Completed" in capfd.readouterr().out
    (run,) = [run for run in get_store().runs.page()[0] if run.id != failed.id]
    assert (run.resumed_from_id, run.state_name, run.parameters) == (failed.id, "Completed", {"x": 3})
    assert (tmp_path / "first.txt").read_text() == "ran\n"
    assert headrace(["flow-run", "retry", run.id]) == 1
    assert "only a failed, crashed or cancelled run" in capfd.readouterr().err


def test_cancel_and_delete_say_what_they_cannot_do_and_go_on(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "flow-run", "cancel", failed.id, "no-such-run")
    assert code == 2
    assert "has ended" in err
    assert "no run 'no-such-run'" in err
    (task,) = as_json(capsys, "task-run", "ls")
    code, _, err = called(capsys, "flow-run", "delete", "-y", task["id"])
    assert (code, "is a task run: headrace task-run" in err) == (2, True)
    code, out, _ = called(capsys, "flow-run", "delete", "-y", failed.name)
    assert (code, "deleted (2 runs)" in out) == (0, True)
    assert as_json(capsys, "flow-run", "ls") == []


def test_an_unknown_state_is_a_usage_error_with_the_known_ones(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = called(capsys, "flow-run", "ls", "--state", "broken")
    assert (code, "COMPLETED" in err and "UpstreamFailed" in err) == (2, True)
    assert called(capsys, "flow-run", "ls")[1] == "No runs.\n"


def test_the_store_is_described_upgraded_and_kept_small(failed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "db", "info")
    assert (found["rows"]["runs"], found["schema"]) == (2, get_store().schema)
    assert called(capsys, "db", "upgrade")[0] == 0
    assert called(capsys, "db", "vacuum", "--older-than", "1", "--dry-run")[1] == "0 root runs would be deleted.\n"
    assert called(capsys, "db", "vacuum", "--older-than", "0")[0] == 2
    code, out, _ = called(capsys, "db", "vacuum", "--older-than", "1e-10")
    assert (code, out.startswith("2 runs deleted")) == (0, True)
    assert as_json(capsys, "db", "info")["rows"]["runs"] == 0


def test_settings_are_kept_for_every_process_of_the_person(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from headrace.core import settings

    assert called(capsys, "config", "set", "retention_days", "30")[0] == 0
    assert settings.number("RETENTION_DAYS", 0) == 30
    values = {item["name"]: (item["value"], item["source"]) for item in as_json(capsys, "config", "view")}
    assert values["retention_days"][0] == 30
    assert values["retention_days"][1].endswith("headrace.toml")
    monkeypatch.setenv("HEADRACE_RETENTION_DAYS", "7")
    values = {item["name"]: (item["value"], item["source"]) for item in as_json(capsys, "config", "view")}
    assert values["retention_days"] == ("7", "HEADRACE_RETENTION_DAYS")
    monkeypatch.delenv("HEADRACE_RETENTION_DAYS")
    assert called(capsys, "config", "unset", "retention_days")[0] == 0
    assert settings.number("RETENTION_DAYS", 0) == 0
    for words, message in (
        (("retenton_days", "3"), "did you mean 'retention_days'"),
        (("debug", "maybe"), "yes or no"),
        (("logging_level", "loud"), "one of DEBUG"),
        (("max_depth", "deep"), "is a number"),
    ):
        code, _, err = called(capsys, "config", "set", *words)
        assert (code, message in err) == (2, True)
    forget_stores()


@pytest.mark.parametrize(
    ("words", "key", "first"),
    [
        ("flow ls", "definition", "pipeline"),
        ("flow-run ls", "definition", "pipeline"),
        ("task-run ls", "definition", "first"),
        ("limit ls", "name", "db"),
        ("config view", "name", "data_dir"),
    ],
)
def test_every_list_is_json_for_programs(
    failed: Any, capsys: pytest.CaptureFixture[str], words: str, key: str, first: str
) -> None:
    assert called(capsys, "limit", "set", "db", "3")[0] == 0
    assert first in {item[key] for item in as_json(capsys, *words.split())}


SLEEPS = """
import time
from headrace import flow, task
from headrace.core.errors import CancelledRun

@task
def sleeper():
    time.sleep(3600)

@flow
def goes_on():
    try:
        sleeper()
    except CancelledRun:
        return "went on"

print(goes_on())
"""


def test_one_task_run_of_another_process_is_cancelled_and_its_flow_goes_on(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def running() -> Any:
        found = as_json(capsys, "task-run", "ls")
        return found[0] if found and found[0]["state_type"] == "RUNNING" else None

    with subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.PIPE, text=True) as process:
        try:
            run = until(running, 60)
            code, out, _ = called(capsys, "task-run", "cancel", run["id"])
            assert (code, run["name"] in out) == (0, True)
            assert process.communicate(timeout=60)[0] == "went on\n"
        finally:
            process.kill()
    assert [run["state_name"] for run in as_json(capsys, "task-run", "ls")] == ["Cancelled"]
    assert [run["state_name"] for run in as_json(capsys, "flow-run", "ls")] == ["Completed"]


def test_a_run_is_exported_as_one_file_that_is_not_written_over(
    failed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.html"
    assert called(capsys, "flow-run", "export", failed.id[:13], "-o", str(file))[0] == 0
    page = file.read_text()
    assert "not [yet]" in page
    assert "raise ValueError" in page
    code, _, err = called(capsys, "flow-run", "export", failed.id, "-o", str(file))
    assert code == 2
    assert "--force" in err
    assert called(capsys, "flow-run", "export", failed.id, "-o", str(file), "--force", "--without-code")[0] == 0
    assert "raise ValueError" not in file.read_text()


def test_a_terminal_obeys_nothing_that_a_run_wrote(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x07\u202e\x9b2J\rx"
    store = get_store()
    made = {"id": new_id(), "kind": "flow", "name": f"n{evil}", "definition": f"d{evil}", "owner": "ada"}
    state = {"state_type": "FAILED", "state_name": "Failed", "state_message": f"m{evil}", "state_at": 1}
    error = {"type": f"T{evil}", "message": f"e{evil}", "traceback": f"tb{evil}"}
    details = {"source": f"s{evil}"}
    record = store.recorder.open(
        {**made, **state, "root_id": made["id"], "created_at": 1, "error": error, "details": details}
    )
    store.recorder.log(record.id, record.id, 1, 40, "x", f"line{evil}")
    store.recorder.flush()
    for words in (
        ("flow-run", "ls"),
        ("flow-run", "ls", "-o", "json"),
        ("flow-run", "inspect", record.id),
        ("flow-run", "inspect", record.id, "-o", "json"),
        ("flow-run", "logs", record.id),
        ("flow-run", "logs", record.id, "-o", "json"),
        ("flow-run", "logs", f"gone{evil}"),
        ("flow", "ls"),
    ):
        _, out, err = called(capsys, *words)
        assert out + err, words
        shown = [
            ch for ch in out + err if ch not in "\n\t" and (ord(ch) < 32 or 0x7F <= ord(ch) < 0xA0 or ch == "\u202e")
        ]
        assert shown == [], words
