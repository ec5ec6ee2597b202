"""A worker that starts with the machine: what is written for systemd, launchd and cron, and that it goes again."""

from __future__ import annotations

import plistlib
import stat
from pathlib import Path

import pytest

from headrace.core.errors import UsageError
from headrace.core.settings import StorePlace
from headrace.server.worker import install as installing

TOOL = """#!/bin/sh
echo "$0 $*" >> "{log}"
{body}
"""
CRONTAB = """
if [ "$1" = "-l" ]; then cat "{file}" 2>/dev/null || exit 1; else cat > "{file}"; fi
"""


@pytest.fixture
def place(data_dir: Path) -> StorePlace:
    return StorePlace(url=f"sqlite:///{data_dir}/100%/headrace.db", data_dir=data_dir, source="x")


@pytest.fixture
def tools(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(installing.shutil, "which", lambda name: str(p) if (p := folder / name).exists() else None)
    return folder


def add(tools: Path, name: str, body: str = "exit 0") -> None:
    path = tools / name
    path.write_text(TOOL.format(log=tools.parent / "log", body=body))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def told(tools: Path) -> str:
    return (tools.parent / "log").read_text()


def test_systemd_gets_a_private_unit_that_lets_runs_live(tools: Path, place: StorePlace) -> None:
    add(tools, "systemctl")
    add(tools, "loginctl", "echo Linger=no")
    found = installing.install(place, pool="gpu")
    unit = Path(found.where)
    text = unit.read_text()
    assert (found.way, unit.name, stat.S_IMODE(unit.stat().st_mode)) == (
        "systemd",
        "headrace-worker-gpu.service",
        0o600,
    )
    assert "KillMode=process" in text
    assert "100%%" in text
    assert "enable-linger" in found.note
    assert "enable --now headrace-worker-gpu.service" in told(tools)
    assert installing.installed(pool="gpu") is not None
    assert installing.installed(pool="default") is None
    assert installing.uninstall(pool="gpu") is not None
    assert not unit.exists()
    assert installing.uninstall(pool="gpu") is None


def test_cron_gets_one_line_among_others(tools: Path, place: StorePlace, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("0 5 * * * mine\n")
    add(tools, "crontab", CRONTAB.format(file=table))
    for _ in range(2):
        assert installing.install(place, pool="default").way == "cron"
    lines = table.read_text().splitlines()
    assert lines[0] == "0 5 * * * mine"
    assert len(lines) == 2
    assert lines[1].startswith("@reboot ")
    assert "100\\%" in lines[1]
    assert installing.uninstall(pool="default") is not None
    assert table.read_text() == "0 5 * * * mine\n"


def test_launchd_gets_an_agent(tools: Path, place: StorePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing.sys, "platform", "darwin")
    add(tools, "launchctl")
    found = installing.install(place, pool="default")
    content = plistlib.loads(Path(found.where).read_bytes())
    assert content["ProgramArguments"][1:3] == ["-m", "headrace.server.worker"]
    assert content["AbandonProcessGroup"] is True
    assert installing.uninstall(pool="default") is not None


def test_a_machine_without_any_of_them_says_so(tools: Path, place: StorePlace) -> None:
    with pytest.raises(UsageError, match="headrace worker"):
        installing.install(place, pool="default")


@pytest.mark.parametrize("url", ["postgresql+psycopg://ada:hunter2@db/x", "postgresql+psycopg://db/x?password=hunter2"])
def test_a_password_is_not_written_down(tools: Path, data_dir: Path, url: str) -> None:
    add(tools, "systemctl")
    add(tools, "loginctl")
    secret = StorePlace(url=url, data_dir=data_dir, source="x")
    assert "hunter2" not in Path(installing.install(secret, pool="default").where).read_text()
