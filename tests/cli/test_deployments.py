"""Deployments and schedules from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from headrace.cli.main import run
from headrace.server.worker.install import Installed
from headrace.store import get_store


@pytest.fixture(autouse=True)
def folder(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a notebook; no worker is really started."""
    place = tmp_path / "work"
    place.mkdir()
    cells = [
        nbformat.v4.new_code_cell("month: int = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print(month)"),
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), place / "report.ipynb")
    monkeypatch.chdir(place)
    monkeypatch.setattr("headrace.server.worker.start.start_worker", lambda *a, **k: 0)
    return place


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command and return its code and what it printed."""
    code = run(list(arguments))
    out = capsys.readouterr()
    return code, out.out + out.err


def deployments(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shown(capsys, "deployment", "ls", "--json")[1])
    return found


def test_a_notebook_is_deployed_and_told_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["deploy", "report.ipynb", "--cron", "0 6 * * 1-5", "--timezone", "Europe/Berlin", "-p", "month", "3"]
    code, text = shown(capsys, *words)
    assert (code, "report: deployed" in text, "next " in text) == (0, True, True)
    code, text = shown(capsys, *words)
    assert "report: unchanged" in text
    one = deployments(capsys)[0]
    assert (one["parameters"], one["kernel_name"], len(one["schedules"])) == ({"month": 3}, "python3", 1)
    assert one["schedules"][0]["timezone"] == "Europe/Berlin"


def test_a_changed_deployment_says_what_changed_and_keeps_its_schedules_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown(capsys, "deploy", "report.ipynb", "--interval", "3600")
    before = deployments(capsys)[0]["schedules"][0]
    code, text = shown(capsys, "deploy", "report.ipynb", "--interval", "3600", "--retries", "2")
    assert (code, "changed (retries)" in text) == (0, True)
    after = deployments(capsys)[0]["schedules"][0]
    assert (after["id"], after["anchor_at"]) == (before["id"], before["anchor_at"])
    code, text = shown(capsys, "deploy", "report.ipynb", "--cron", "@daily")
    assert "1 schedule added" in text
    assert "1 schedule removed" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["report.ipynb", "--cron", "99 * * * *"], "minute", id="bad cron"),
        pytest.param(["report.ipynb", "--cron", "0 6 * * *", "--timezone", "Mars/X"], "Mars/X", id="bad zone"),
        pytest.param(["report.ipynb", "--interval", "0"], "interval_seconds", id="no interval"),
        pytest.param(["report.ipynb", "--rrule", "FREQ=SOMETIMES"], "rrule", id="bad rule"),
        pytest.param(["report.ipynb", "--rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], "never", id="never fires"),
        pytest.param(["report.ipynb", "--at", "2020-01-01T00:00Z"], "never", id="a time that has passed"),
        pytest.param(["report.ipynb", "-p", "mont", "3"], "month", id="unknown parameter"),
        pytest.param(["report.ipynb", "-p", "month", "x"], "month", id="wrong type"),
        pytest.param(["gone.ipynb"], "gone.ipynb", id="no notebook"),
        pytest.param(["report.ipynb", "-k", "cobol"], "cobol", id="unknown kernel"),
        pytest.param(["nothing"], "entrypoint", id="neither notebook nor flow"),
        pytest.param([], "Name a notebook", id="nothing"),
    ],
)
def test_a_deployment_that_cannot_be_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    code, text = shown(capsys, "deploy", *words)
    assert (code, message in text, len(text.strip().splitlines())) == (2, True, 1), text
    assert get_store().deployments.page() == []


def test_deployments_are_run_paused_resumed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, "deploy", "report.ipynb", "--cron", "@hourly")
    code, text = shown(capsys, "deployment", "run", "report", "-p", "month", "5")
    assert code == 0
    run_ = get_store().runs.get(text.split()[1])
    assert (run_.parameters, run_.trigger) == ({"month": 5}, "api")
    assert shown(capsys, "deployment", "pause", "report")[0] == 0
    assert get_store().schedules.next_due() is None
    assert shown(capsys, "deployment", "resume", "report")[0] == 0
    assert get_store().schedules.next_due() is not None
    assert json.loads(shown(capsys, "deployment", "inspect", "report")[1])["name"] == "report"
    assert shown(capsys, "deployment", "delete", "report")[0] == 0
    code, text = shown(capsys, "deployment", "run", "report")
    assert (code, "no deployment 'report'" in text) == (2, True)


def test_everything_is_paused_and_resumed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        shown(capsys, "deploy", "report.ipynb", "--name", name, "--cron", "@hourly")
    shown(capsys, "deployment", "pause", "two")
    assert shown(capsys, "deployment", "pause", "--all") == (0, "1 paused\n")
    assert get_store().schedules.next_due() is None
    code, text = shown(capsys, "deployment", "resume", "--all")
    assert (code, text.splitlines()[0]) == (0, "2 resumed")
    assert [one["next_fire_at"] is not None for one in deployments(capsys)] == [True, True]
    for words in (("pause",), ("resume", "one", "--all")):
        code, text = shown(capsys, "deployment", *words)
        assert (code, len(text.strip().splitlines())) == (2, 1)


def test_schedules_are_made_listed_paused_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(capsys, "schedule", "create", "report.ipynb", "--cron", "0 6 * * *")
    assert code == 0
    schedule_id = text.split()[0]
    assert schedule_id in shown(capsys, "schedule", "ls")[1]
    assert "paused" in shown(capsys, "schedule", "pause", schedule_id[-8:])[1]
    assert "next " in shown(capsys, "schedule", "resume", schedule_id)[1]
    assert shown(capsys, "schedule", "delete", schedule_id)[0] == 0
    assert shown(capsys, "schedule", "pause", schedule_id)[0] == 2


def test_a_preview_tells_five_times(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(capsys, "schedule", "preview", "--cron", "*/15 * * * *", "--timezone", "Asia/Tokyo")
    assert (code, text.count("JST")) == (0, 5)
    tokens = ["-p", "day", "{scheduled_at:%d}", "--output", "out-{day}.ipynb"]
    code, text = shown(capsys, "schedule", "preview", "--cron", "0 6 * * *", *tokens)
    lines = [line.strip() for line in text.splitlines()]
    days = [line.removeprefix("day = ") for line in lines if line.startswith("day = ")]
    assert (code, len(set(days))) == (0, 5)
    assert [line.rpartition("/")[2] for line in lines if line.endswith(".ipynb")] == [
        f"out-{day}.ipynb" for day in days
    ]
    code, text = shown(capsys, "schedule", "preview", "--cron", "0 6 * * *", "--output", "{nothing}.ipynb")
    assert (code, "nothing" in text, len(text.strip().splitlines())) == (2, True, 1)


FILE = """
deployments:
  - name: nightly
    notebook: report.ipynb
    parameters: {month: 3}
    retries: 2
    schedules:
      - {cron: "0 6 * * *", timezone: Europe/Berlin, slug: morning}
  - name: hourly
    notebook: report.ipynb
    schedules: [{interval_seconds: 3600}]
"""


def test_a_file_says_which_deployments_there_are(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    path = folder / "headrace.yaml"
    path.write_text(FILE)
    code, text = shown(capsys, "deploy", "-f", str(path), "--dry-run")
    assert (code, text) == (0, "nightly: new\nhourly: new\n")
    assert get_store().deployments.page() == []
    assert shown(capsys, "deploy", "-f", str(path))[1].splitlines()[:2] == ["nightly: new", "hourly: new"]
    again = shown(capsys, "deploy", "-f", str(path))[1]
    assert again.splitlines()[:2] == ["nightly: unchanged", "hourly: unchanged"]
    path.write_text(FILE.replace("retries: 2", "retries: 3").partition("  - name: hourly")[0])
    code, text = shown(capsys, "deploy", "-f", str(path), "--prune")
    assert text.splitlines()[:2] == ["nightly: retries", "hourly: deleted"]
    assert [d.name for d in get_store().deployments.page()] == ["nightly"]


def test_an_export_is_a_file_that_changes_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "headrace.yaml").write_text(FILE)
    shown(capsys, "deploy", "-f", "headrace.yaml")
    (folder / "again.yaml").write_text(shown(capsys, "deployment", "export")[1])
    code, text = shown(capsys, "deploy", "-f", "again.yaml", "--dry-run")
    assert (code, sorted(text.splitlines())) == (0, ["hourly: unchanged", "nightly: unchanged"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("deployments: [{name: a, notebok: x}]", "notebok", id="unknown field"),
        pytest.param("deployments: [{name: a, notebook: gone.ipynb}]", "gone.ipynb", id="missing notebook"),
        pytest.param("deployments: {a: 1}", "list", id="no list"),
        pytest.param("a: [", "YAML", id="no YAML"),
        pytest.param("deployments: [{name: a, notebook: report.ipynb, schedules: [{cron: x}]}]", "cron", id="cron"),
    ],
)
def test_a_file_that_cannot_be_changes_nothing(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str, message: str
) -> None:
    (folder / "bad.yaml").write_text(text)
    code, said = shown(capsys, "deploy", "-f", "bad.yaml")
    assert (code, message in said, len(said.strip().splitlines())) == (2, True, 1), said
    assert get_store().deployments.page() == []


def test_a_backfill_runs_each_past_slot_once(capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, "deploy", "report.ipynb", "--cron", "0 6 * * *")
    words = ["deployment", "backfill", "report", "--from", "2026-11-01T00:00Z", "--to", "2026-11-05T23:00Z"]
    assert shown(capsys, *words) == (0, "report: 5 runs\n")
    assert shown(capsys, *words) == (0, "report: 0 runs\n")
    runs = get_store().runs.page()[0]
    assert [r.trigger for r in runs] == ["backfill"] * 5
    assert len({r.slot_at for r in runs}) == 5
    code, text = shown(
        capsys, "deployment", "backfill", "report", "--from", "2026-11-05T00:00Z", "--to", "2030-01-01T00:00Z"
    )
    assert (code, "past" in text) == (2, True)


FULL = """
deployments:
  - name: everything
    notebook: report.ipynb
    parameters: {month: 3}
    description: words
    tags: [a, b]
    priority: 3
    retries: 2
    retry_delay_seconds: [1.0, 5.0]
    timeout_seconds: 1.0
    cell_timeout_seconds: 1.0
    concurrency_limit: 1
    overlap: queue
    catch_up: all
    catch_up_limit: 7
    grace_seconds: 1.0
    output_path: out-{scheduled_at:%d}.ipynb
    env_file: .env
    paused: true
    retention: {runs: 5}
    notify: [{events: [failed], to: "https://example.org/hook"}]
    schedules:
      - {interval_seconds: 1.0, jitter_seconds: 1.0, slug: often, active: false, parameters: {month: 4}}
      - {cron: "0 6 1 * 1", day_or: false, timezone: Europe/Berlin, start_at: "2030-01-01T00:00Z"}
"""


def test_an_export_makes_the_same_deployments_in_an_empty_store(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (folder / "headrace.yaml").write_text(FULL)
    (folder / ".env").write_text("A=1\n")
    assert shown(capsys, "deploy", "-f", "headrace.yaml")[0] == 0
    exported = shown(capsys, "deployment", "export")[1]
    (folder / "again.yaml").write_text(exported)
    unlike = {"id", "deployment_id", "created_at", "updated_at", "anchor_at"}

    def described() -> Any:
        found = deployments(capsys)
        schedules = [{k: v for k, v in row.items() if k not in unlike} for row in found[0]["schedules"]]
        return [{k: v for k, v in one.items() if k not in unlike} | {"schedules": schedules} for one in found]

    before = described()
    monkeypatch.setenv("HEADRACE_DATA_DIR", str(tmp_path / "other"))
    assert deployments(capsys) == []
    assert shown(capsys, "deploy", "-f", "again.yaml") == (0, "everything: new\n")
    assert described() == before
    assert shown(capsys, "deployment", "export")[1] == exported


def test_a_file_that_has_none_any_more_prunes_all_it_made(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    path = folder / "headrace.yaml"
    path.write_text(FILE)
    shown(capsys, "deploy", "-f", str(path))
    shown(capsys, "deploy", "report.ipynb", "--name", "by hand")
    path.write_text("deployments: []\n")
    told = (0, "hourly: deleted\nnightly: deleted\n")
    assert shown(capsys, "deploy", "-f", str(path), "--prune", "--dry-run") == told
    assert len(deployments(capsys)) == 3
    assert shown(capsys, "deploy", "-f", str(path), "--prune") == told
    assert [one["name"] for one in deployments(capsys)] == ["by hand"]


def test_who_is_told_stays_until_it_is_said_otherwise(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    path = folder / "headrace.yaml"
    path.write_text(FULL)
    (folder / ".env").write_text("A=1\n")
    shown(capsys, "deploy", "-f", str(path))
    revision = deployments(capsys)[0]["revision"]
    assert shown(capsys, "deploy", "-f", str(path))[1] == "everything: unchanged\n"
    assert deployments(capsys)[0]["revision"] == revision
    path.write_text(FULL.replace('    notify: [{events: [failed], to: "https://example.org/hook"}]\n', ""))
    shown(capsys, "deploy", "-f", str(path))
    assert [rule["to"] for rule in deployments(capsys)[0]["notify"]] == ["https://example.org/hook"]
    path.write_text(FULL.replace("events: [failed]", "events: [late]"))
    assert shown(capsys, "deploy", "-f", str(path))[1] == "everything: who is told\n"


def test_the_first_schedule_starts_a_worker_and_offers_one_that_starts_with_the_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = "headrace worker install"
    assert offer in shown(capsys, "deploy", "report.ipynb", "--cron", "@hourly")[1]
    (schedule,) = deployments(capsys)[0]["schedules"]
    assert offer not in shown(capsys, "schedule", "pause", schedule["id"])[1]
    assert offer in shown(capsys, "schedule", "resume", schedule["id"])[1]
    assert offer in shown(capsys, "schedule", "create", "report", "--interval", "60")[1]
    monkeypatch.setattr("headrace.server.worker.install.installed", lambda **_: Installed(way="systemd", where="/unit"))
    text = shown(capsys, "deploy", "report.ipynb", "--cron", "@daily")[1]
    assert (offer in text, "starts with this computer (systemd)" in text) == (False, True)
