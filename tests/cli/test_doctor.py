"""`headrace doctor` tells what is where, and exits with 1 where something is wrong."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from headrace.cli import checks, doctor, main
from headrace.core.deployments import Deployment, ScheduleRow, Worker
from headrace.core.ids import new_id
from headrace.store import get_store, liveness
from headrace.store.schema import SCHEMA_REVISION


def found(topic: str) -> checks.Finding:
    (finding,) = [item for item in doctor.findings() if item.topic == topic]
    return finding


def add_kernel(name: str, **spec: object) -> None:
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / name
    folder.mkdir(parents=True)
    whole = {"argv": [sys.executable], "display_name": name, "language": "python", **spec}
    (folder / "kernel.json").write_text(json.dumps(whole))


def test_a_store_that_is_not_there_yet_is_no_fault(data_dir: Path) -> None:
    assert found("schema").level == "ok"
    assert "not made yet" in found("schema").text
    assert not data_dir.exists(), "a doctor changes nothing"


def test_it_names_the_store_why_it_was_chosen_and_its_schema(database_url: str) -> None:
    get_store()
    assert "chosen by HEADRACE_DATABASE_URL" in found("store").text
    schema = found("schema")
    assert (schema.level, schema.text.split(",")[0]) == ("ok", f"revision {SCHEMA_REVISION}")


def test_it_says_whether_a_worker_is_alive(database_url: str) -> None:
    store = get_store()
    assert (found("worker").level, found("worker").text) == ("note", "none is alive: schedules do not fire")
    mine = Worker(id=new_id(), name="mine", owner_id=liveness.owner_id(), host="here", pid=os.getpid(), slots=1)
    store.workers.register(mine)
    assert found("worker").text == f"mine is alive: pool {mine.pool}, process {os.getpid()} on here"
    store.workers.set_state(mine.id, "ended")
    assert found("worker").level == "note"


@pytest.mark.parametrize(("ago_seconds", "level"), [(3600, "wrong"), (-3600, "note")], ids=["is due", "comes later"])
def test_a_schedule_that_is_due_needs_a_worker(sqlite_url: str, ago_seconds: int, level: str) -> None:
    store = get_store()
    deployment = store.deployments.create(
        Deployment(id=new_id(), name="nightly", kind="flow", entrypoint="flow.py:nightly")
    )
    due = store.clock.now_us() - ago_seconds * 1_000_000
    row = ScheduleRow(id=new_id(), deployment_id=deployment.id, cron="0 6 * * *", next_fire_at=due)
    store.schedules.create(row)
    assert found("worker").level == level


@pytest.mark.postgres
def test_an_empty_postgres_database_stays_empty(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", postgres_url)
    assert "is empty" in found("schema").text
    assert "is empty" in found("schema").text


def test_a_file_that_is_no_database_is_wrong_and_stays_as_it_is(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "headrace.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    assert found("schema").level == "wrong"
    assert (data_dir / "headrace.db").read_bytes().startswith(b"not a database")


def test_a_database_that_cannot_be_reached_is_wrong(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", f"postgresql://someone:secret@/nothing?host={data_dir}")
    assert found("schema").level == "wrong"
    assert "secret" not in "\n".join(doctor.lines(doctor.findings()))


def test_a_python_kernel_with_headrace_is_fine(data_dir: Path) -> None:
    add_kernel("here")
    assert found("kernel here").text.startswith("headrace ")


@pytest.mark.parametrize(
    ("spec", "level", "said"),
    [
        pytest.param({"argv": ["/no/such/python"]}, "wrong", "does not exist", id="interpreter is gone"),
        pytest.param(
            {"argv": [sys.executable], "env": {"PYTHONPATH": "/nowhere"}}, "note", "no Headrace", id="without headrace"
        ),
        pytest.param({"argv": ["/bin/sh"], "language": "R"}, "ok", "its notebooks can be run", id="other language"),
    ],
)
def test_each_kernel_is_looked_at(
    data_dir: Path, spec: dict[str, object], level: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "PROBE", "import os, headrace; assert os.environ['PYTHONPATH'] != '/nowhere'")
    add_kernel("other", **spec)
    finding = found("kernel other")
    assert finding.level == level
    assert said in finding.text


def test_an_extension_that_was_disabled_is_wrong(data_dir: Path) -> None:
    config = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.d"
    config.mkdir(parents=True)
    (config / "headrace.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"headrace": False}}}))
    finding = next(item for item in checks.server_extension() if item.level == "wrong")
    assert "is disabled" in finding.text
    assert finding.remedy == "jupyter server extension enable headrace"


def test_an_extension_that_is_enabled_is_fine(data_dir: Path) -> None:
    config = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.d"
    config.mkdir(parents=True)
    (config / "headrace.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"headrace": True}}}))
    assert [item.level for item in checks.server_extension() if "extension" in item.text] == ["ok"]


def test_the_panel_is_found_where_jupyter_keeps_it_and_a_disabled_one_is_said(data_dir: Path) -> None:
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "labextensions" / "headrace"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "headrace", "version": "0.1.0", "jupyterlab": {}}))
    assert [item.level for item in checks.panel()] == ["ok"]
    config = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text(json.dumps({"disabledExtensions": {"headrace": True}}))
    assert [item.remedy for item in checks.panel()] == ["jupyter labextension enable headrace"]


@pytest.mark.parametrize(
    ("levels", "code", "said"),
    [(["ok", "note"], 0, "all is well"), (["ok", "wrong"], 1, "1 thing wrong"), (["wrong"] * 2, 1, "2 things wrong")],
)
def test_the_exit_code_is_1_where_something_is_wrong(
    levels: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check() -> list[checks.Finding]:
        return [checks.Finding(topic="sample", text="…", level=level) for level in levels]  # type: ignore[arg-type]

    monkeypatch.setattr(doctor, "CHECKS", (check,))
    assert main.run(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_a_check_that_breaks_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> list[checks.Finding]:
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "CHECKS", (breaks, checks.versions))
    first, *others = doctor.findings()
    assert (first.topic, first.level) == ("breaks", "wrong")
    assert others


def test_the_report_can_be_read_by_programs(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["doctor", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert {"topic", "text", "level", "remedy"} == set(said[0])
