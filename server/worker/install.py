"""Make a worker start with the machine: systemd's user services, launchd, or cron's `@reboot`, whichever is there.

Only files of this person are written, and `uninstall` removes them again.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.core.deployments import DEFAULT_POOL
from headrace.core.errors import HeadraceError, UsageError
from headrace.core.settings import OWNER, StorePlace, masked_url
from headrace.server.worker.environment import store_variables

#: Marks our line in a crontab.
_MARK = "# headrace worker"
_LABEL = "org.headrace.worker"
#: How long a tool of the system is given, seconds.
_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """How a worker starts with the machine.

    Parameters
    ----------
    way : str
        "systemd", "launchd" or "cron".
    where : str
        The file, or "crontab".
    note : str, default ""
        What is still to be done.
    """

    way: str
    where: str
    note: str = ""


def command(pool: str) -> list[str]:
    """Return the worker's command line."""
    return [sys.executable, "-m", "headrace.server.worker", "--pool", pool]


def _run(words: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False)


def way_here() -> str:
    """Return how this machine starts things for a person.

    Raises
    ------
    UsageError
        There is neither systemd for users, nor launchd, nor cron.
    """
    if sys.platform == "darwin":
        return "launchd"
    if shutil.which("systemctl") and _run(["systemctl", "--user", "show-environment"]).returncode == 0:
        return "systemd"
    if shutil.which("crontab"):
        return "cron"
    raise UsageError(
        "This machine has neither systemd user services nor cron; start `headrace worker` by its own means.",
        field="way",
    )


def _unit(pool: str) -> Path:
    return Path.home() / ".config" / "systemd" / "user" / f"headrace-worker-{_plain(pool)}.service"


def _plist(pool: str) -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.{_plain(pool)}.plist"


def _plain(pool: str) -> str:
    return "".join(ch if ch.isalnum() or ch in "-_" else "_" for ch in pool)


def install(place: StorePlace, *, pool: str) -> Installed:
    """Make a worker of a pool start with the machine, and start it now.

    Raises
    ------
    UsageError, HeadraceError
        The machine cannot, or its tool refused; the message has what it said.
    """
    way = way_here()
    variables = {**store_variables(place), "PATH": os.environ.get("PATH", os.defpath)}
    if masked_url(place.url) != place.url:
        # A password must not stand in a unit file: the worker finds the store as every other process does.
        variables = {name: variables[name] for name in ("PATH", OWNER)}
    if way == "systemd":
        return _install_systemd(pool, variables)
    if way == "launchd":
        return _install_launchd(pool, variables)
    return _install_cron(pool, variables)


def _install_systemd(pool: str, variables: dict[str, str]) -> Installed:
    unit = _unit(pool)
    unit.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'Environment="{name}={_escaped(value)}"' for name, value in variables.items()]
    words = " ".join(f'"{_escaped(word)}"' for word in command(pool))
    unit.write_text(
        f"[Unit]\nDescription=Headrace worker of pool {_plain(pool)}\n\n[Service]\nExecStart={words}\n"
        # Runs are in sessions of their own and outlive the worker; only its own process is stopped.
        "KillMode=process\nRestart=on-failure\nRestartSec=5\n"
        + "\n".join(lines)
        + "\n\n[Install]\nWantedBy=default.target\n",
        encoding="utf-8",
    )
    unit.chmod(0o600)
    for step in (["daemon-reload"], ["enable", "--now", unit.name]):
        done = _run(["systemctl", "--user", *step])
        if done.returncode:
            raise HeadraceError(f"systemctl --user {' '.join(step)} failed: {done.stderr.strip()}")
    lingers = _run(["loginctl", "show-user", str(os.getuid()), "--property=Linger"]).stdout.strip() == "Linger=yes"
    note = "" if lingers else "It starts at your first login; `loginctl enable-linger` lets it start with the machine."
    return Installed(way="systemd", where=str(unit), note=note)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _install_launchd(pool: str, variables: dict[str, str]) -> Installed:
    path = _plist(pool)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "Label": path.stem,
        "ProgramArguments": command(pool),
        "EnvironmentVariables": variables,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "AbandonProcessGroup": True,
    }
    path.write_bytes(plistlib.dumps(content))
    path.chmod(0o600)
    done = _run(["launchctl", "load", "-w", str(path)])
    if done.returncode:
        raise HeadraceError(f"launchctl load failed: {done.stderr.strip()}")
    return Installed(way="launchd", where=str(path), note="It starts at your login.")


def _crontab() -> list[str]:
    done = _run(["crontab", "-l"])
    return done.stdout.splitlines() if done.returncode == 0 else []


def _write_crontab(lines: Sequence[str]) -> None:
    done = _run(["crontab", "-"], "".join(f"{line}\n" for line in lines))
    if done.returncode:
        raise HeadraceError(f"crontab failed: {done.stderr.strip()}")


def _install_cron(pool: str, variables: dict[str, str]) -> Installed:
    import shlex

    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    words = " ".join(shlex.quote(word) for word in command(pool))
    # In a crontab a percent sign ends the command.
    line = f"@reboot {settings} {words} >/dev/null 2>&1 {_MARK} {_plain(pool)}".replace("%", "\\%")
    _write_crontab([*(held for held in _crontab() if not held.endswith(f"{_MARK} {_plain(pool)}")), line])
    return Installed(way="cron", where="crontab", note="It starts with the next start of the machine.")


def installed(*, pool: str) -> Installed | None:
    """Return how a worker of a pool starts with the machine, None when it does not."""
    if _unit(pool).exists():
        return Installed(way="systemd", where=str(_unit(pool)))
    if _plist(pool).exists():
        return Installed(way="launchd", where=str(_plist(pool)))
    if shutil.which("crontab") and any(line.endswith(f"{_MARK} {_plain(pool)}") for line in _crontab()):
        return Installed(way="cron", where="crontab")
    return None


def starts_with_machine() -> str:
    """Return in a sentence whether a worker starts with this machine, and how to have it so."""
    found = installed(pool=DEFAULT_POOL)
    if found is not None:
        return f"One starts with this computer ({found.way})."
    return "To let one start with this computer: headrace worker install"


def uninstall(*, pool: str) -> Installed | None:
    """Undo `install`; a worker that is running goes on until it is stopped.

    Returns
    -------
    Installed or None
        What was removed; None: there was nothing.
    """
    found = installed(pool=pool)
    if found is None:
        return None
    if found.way == "systemd":
        _run(["systemctl", "--user", "disable", _unit(pool).name])
        _unit(pool).unlink(missing_ok=True)
        _run(["systemctl", "--user", "daemon-reload"])
    elif found.way == "launchd":
        _run(["launchctl", "unload", "-w", str(_plist(pool))])
        _plist(pool).unlink(missing_ok=True)
    else:
        _write_crontab([line for line in _crontab() if not line.endswith(f"{_MARK} {_plain(pool)}")])
    return found
