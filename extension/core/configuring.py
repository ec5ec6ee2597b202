"""The settings that a person may set for good: what each means, what it is now, and how it is written down.

A variable `HEADRACE_<NAME>` wins over `headrace.toml` on Jupyter's config path, which wins over the default.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from headrace.core import settings
from headrace.core.errors import UsageError
from headrace.core.hints import did_you_mean

_YES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A setting.

    Parameters
    ----------
    kind : type
        str, bool, int or float.
    default : object
    help : str
    choices : tuple of str, default ()
    """

    kind: type
    default: object
    help: str
    choices: tuple[str, ...] = ()


KNOWN: dict[str, Known] = {
    "database_url": Known(kind=str, default="", help="The store: an SQLite file or a PostgreSQL URL."),
    "data_dir": Known(kind=str, default="", help="Folder of the store, results and keys."),
    "logging_level": Known(
        kind=str,
        default="INFO",
        help="Run logs below this level are dropped.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    ),
    "logging_log_prints": Known(
        kind=bool, default=False, help="Record prints of every run that does not say otherwise."
    ),
    "logging_to_console": Known(kind=bool, default=True, help="Show run logs on stderr."),
    "logging_extra_loggers": Known(
        kind=str, default="", help="Loggers whose lines belong to runs too: names, commas between."
    ),
    "max_depth": Known(kind=int, default=100, help="Runs inside runs, at most."),
    "retention_days": Known(
        kind=float,
        default=0.0,
        help="Workers and `headrace db vacuum` delete runs that ended so long ago; 0 keeps all.",
    ),
    "results_max_bytes": Known(
        kind=int, default=-1, help="Stored results together, at most; -1: 10 GB or a tenth of the disk."
    ),
    "max_waiting": Known(kind=int, default=10_000, help="Runs of one person that may wait at once."),
    "max_schedules": Known(kind=int, default=10_000, help="Schedules that one person may have."),
    "runs_per_minute": Known(
        kind=float, default=60.0, help="Runs that one person may start by hand, on the average; 0: any number."
    ),
    "kernel_transport": Known(
        kind=str, default="ipc", help="Where kernels of runs listen: ipc (sockets of this login, if they can) or tcp."
    ),
    "allow_insecure": Known(kind=bool, default=False, help="Join clusters of other machines without TLS."),
    "require_tls": Known(
        kind=bool, default=False, help="Refuse a PostgreSQL server on the network without sslmode=verify-full."
    ),
    "tasks_refresh_cache": Known(kind=bool, default=False, help="Compute every task anew and store its result again."),
    "debug": Known(kind=bool, default=False, help="Show tracebacks of command errors."),
}


def known(name: str) -> Known:
    """Return what a setting is.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    found = KNOWN.get(name.lower().removeprefix("headrace_"))
    if found is None:
        hint = did_you_mean(name, KNOWN, f"known: {', '.join(KNOWN)}.")
        raise UsageError(f"There is no setting {name!r}; {hint}", field="name")
    return found


def checked(name: str, value: str) -> object:
    """Return a value as its setting wants it.

    Raises
    ------
    UsageError
        The setting is unknown, or the value is none for it.
    """
    wanted = known(name)
    if wanted.kind is bool:
        found: object = _YES.get(value.strip().lower())
        if found is None:
            raise UsageError(f"{name} is yes or no; {value!r} is neither.", field="value")
        return found
    if wanted.kind is str:
        text = value.upper() if wanted.choices else value
        if wanted.choices and text not in wanted.choices:
            raise UsageError(f"{name} is one of {', '.join(wanted.choices)}; {value!r} is none.", field="value")
        return text
    try:
        return int(value) if wanted.kind is int else float(value)
    except ValueError:
        raise UsageError(f"{name} is a number; {value!r} is none.", field="value") from None


def look_up(name: str) -> tuple[object, str]:
    """Return a setting's value and where it comes from: a variable's name, a file's path, or "default"."""
    variable = f"HEADRACE_{name.upper()}"
    if variable in os.environ:
        return os.environ[variable], variable
    values, where = settings.configuration()
    if name in values:
        return values[name], where
    return KNOWN[name].default, "default"


def write(name: str, value: object | None) -> Path:
    """Write a setting into this person's `headrace.toml` (its other lines stay); None takes it out.

    Returns
    -------
    Path
        The file.
    """
    known(name)
    name = name.lower().removeprefix("headrace_")
    path = settings.config_file()
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    end = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    mine = re.compile(rf"\s*{re.escape(name)}\s*=")
    top = [line for line in lines[:end] if not mine.match(line)]
    if value is not None:
        top.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".toml.new")
    fresh.write_text("\n".join([*top, *lines[end:]]) + "\n", encoding="utf-8")
    os.replace(fresh, path)
    settings.forget_configuration()
    return path
