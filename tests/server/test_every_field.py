"""Every field of a deployment and of a schedule can be changed afterwards, by the API and by a file of deployments.

The forms say which fields there are: a new one without a line here fails.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from server_help import Api

from headrace.cli.main import run
from headrace.server.handlers.forms import CHANGED_DEPLOYMENT, CHANGED_SCHEDULE, NEW_DEPLOYMENT, SCHEDULE
from headrace.server.services import Services

#: What each field is changed to.
DEPLOYMENT: dict[str, Any] = {
    "name": "renamed",
    "notebook": "other.ipynb",
    "entrypoint": "flows.py:work",
    "parameters": {"month": 9},
    "description": "words",
    "tags": ["a", "b"],
    "kernel_name": "other",
    "pool": "gpu",
    "priority": -3,
    "retries": 4,
    "retry_delay_seconds": [1.0, 5.0],
    "timeout_seconds": 60.0,
    "cell_timeout_seconds": 6.0,
    "concurrency_limit": 2,
    "overlap": "cancel_running",
    "catch_up": "all",
    "catch_up_limit": 7,
    "grace_seconds": 30.0,
    "output_path": "out-{scheduled_at:%d}.ipynb",
    "cwd": "sub",
    "env_file": "values.env",
    "source": "pinned",
    "paused": True,
    "retention": {"runs": 5},
    "notify": [{"events": ["failed", "late"], "to": "https://example.org/hook"}],
}
TIMINGS: dict[str, Any] = {
    "cron": "0 7 * * *",
    "day_or": False,
    "interval_seconds": 90.0,
    "anchor_at": "2026-01-01T00:00:07.000000Z",
    "rrule": "FREQ=DAILY;BYHOUR=3",
    "at": "2099-01-01T00:00:00.000000Z",
    "timezone": "Asia/Tokyo",
    "start_at": "2098-01-01T00:00:00.000000Z",
    "end_at": "2099-01-01T00:00:00.000000Z",
    "jitter_seconds": 5.0,
    "parameters": {"month": 8},
    "active": False,
    "slug": "morning",
}


@pytest.fixture
def files(jp_environ: None, write_notebook: Any, jp_root_dir: Path) -> Path:
    """What the changed fields name: another notebook, a flow, a kernel, a folder, a file of variables."""
    write_notebook("r.ipynb")
    write_notebook("other.ipynb")
    (jp_root_dir / "flows.py").write_text("")
    (jp_root_dir / "values.env").write_text("A=1\n")
    (jp_root_dir / "sub").mkdir()
    kernel = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "other"
    kernel.mkdir(parents=True)
    spec = {"argv": ["/usr/bin/env", "{connection_file}"], "display_name": "Other", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return jp_root_dir


def shown(wire: dict[str, Any], name: str, root: Path) -> Any:
    """Return a field as it is shown, paths relative to the root."""
    value = wire["notebook_path" if name == "notebook" else name]
    return value.removeprefix(f"{root}/") if isinstance(value, str) else value


def test_no_field_is_left_out() -> None:
    # What one saw and what one agrees to are said of a request; schedules have forms of their own.
    said = {"revision", "agreed", "schedules"}
    assert CHANGED_DEPLOYMENT.by_name.keys() - said == DEPLOYMENT.keys()
    assert NEW_DEPLOYMENT.by_name.keys() - said == DEPLOYMENT.keys()
    assert CHANGED_SCHEDULE.by_name.keys() - said == SCHEDULE.by_name.keys() - said == TIMINGS.keys()


async def test_the_api_changes_every_field_of_a_deployment(api: Api, services: Services, files: Path) -> None:
    made = (await api("POST", "/deployments", {"name": "n", "notebook": "r.ipynb"}))[1]["deployment"]
    for name, value in sorted(DEPLOYMENT.items(), key=lambda item: item[0] == "entrypoint"):
        before = (await api("GET", f"/deployments/{made['id']}"))[1]["deployment"]
        assert shown(before, name, files) != value, name
        code, answer = await api("PATCH", f"/deployments/{made['id']}", {name: value, "revision": before["revision"]})
        assert (code, shown(answer["deployment"], name, files)) == (200, value), answer
    refused = await api("PATCH", f"/deployments/{made['id']}", {"source": "pinned"})
    assert (refused[0], refused[1]["errors"][0]["field"]) == (422, "source"), "a flow has no copy to keep"


def test_a_file_changes_every_field_of_a_deployment(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setattr("headrace.server.worker.start.start_worker", lambda *a, **k: 0)

    def deploy(**values: Any) -> dict[str, Any]:
        Path("d.yaml").write_text(yaml.safe_dump({"deployments": [values]}))
        assert run(["deploy", "-f", "d.yaml"]) == 0, capsys.readouterr()
        capsys.readouterr()
        assert run(["deployment", "inspect", values["name"]]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    for number, (name, value) in enumerate(DEPLOYMENT.items()):
        plain = {"name": f"n{number}", "notebook": "r.ipynb"}
        if name in ("name", "paused"):
            # The name is what a deployment is known by here; `paused` is changed by pause and resume.
            continue
        assert shown(deploy(**plain), name, files) != value
        wanted = {"name": plain["name"], name: value} if name == "entrypoint" else {**plain, name: value}
        assert shown(deploy(**wanted), name, files) == value
    assert run(["deployment", "pause", "n1"]) == 0
    capsys.readouterr()
    assert run(["deployment", "inspect", "n1"]) == 0
    assert json.loads(capsys.readouterr().out)["paused"] is True


async def test_the_api_changes_every_field_of_a_schedule(api: Api, services: Services, files: Path) -> None:
    timing = {"day_or": {"cron": "0 6 1 * 1"}, "anchor_at": {"interval_seconds": 60}}
    for name, value in TIMINGS.items():
        body = {"notebook": "r.ipynb", **timing.get(name, {"cron": "0 6 * * *"})}
        made = (await api("POST", "/schedules", body))[1]["schedule"]
        assert made[name] != value
        code, answer = await api("PATCH", f"/schedules/{made['id']}", {name: value, "revision": made["revision"]})
        assert (code, answer.get("schedule", answer).get(name)) == (200, value), answer
