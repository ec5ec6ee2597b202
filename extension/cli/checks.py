"""What `headrace doctor` looks at: each check returns findings, and none of them changes anything."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from headrace.core import settings
from headrace.core.addresses import TLS_REMEDY, database_is_verified
from headrace.core.errors import HeadraceError, one_line

#: A kernel's Python that does not answer in this time is said to be unusable, seconds.
PROBE_SECONDS = 20.0
#: A schedule that is due this long with nobody to fire it is late, seconds.
LATE_SECONDS = 60.0
PROBE = "import headrace; print('headrace', headrace.__version__)"
SHOWN_PACKAGES = ("sqlalchemy", "ipykernel", "jupyter_server", "jupyterlab", "nbclient", "papermill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's report.

    Parameters
    ----------
    topic : str
        What was looked at, one or two words.
    text : str
        What was found.
    level : {"ok", "note", "wrong"}, default "ok"
        A note is worth knowing and breaks nothing; something wrong makes the exit code 1.
    remedy : str, default ""
        What to do.
    """

    topic: str
    text: str
    level: Literal["ok", "note", "wrong"] = "ok"
    remedy: str = ""


def masked(url: str) -> str:
    """Return a database URL without its password."""
    return settings.masked_url(url)


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> Iterator[Finding]:
    """Say which Headrace and Python this is, and what stands beside it."""
    from headrace import __version__

    yield Finding(topic="headrace", text=f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding(topic="python", text=f"{platform.python_version()} at {sys.executable}")
    found = {name: _version_of(name) for name in SHOWN_PACKAGES}
    yield Finding(topic="packages", text=", ".join(f"{name} {version}" for name, version in found.items() if version))
    missing = [name for name in ("jupyter_server", "nbclient", "papermill") if not found[name]]
    if missing:
        yield Finding(
            topic="server side",
            text=f"not installed ({', '.join(missing)} missing): flows and cells work, the panel and notebook runs do not",
            level="note",
            remedy='pip install "headrace[lab]"',
        )


def store() -> Iterator[Finding]:
    """Say which store is used and why, and whether it opens."""
    try:
        place = settings.find_store()
    except (HeadraceError, ValueError, OSError) as error:
        yield Finding(
            topic="store", text=one_line(error), level="wrong", remedy="mend headrace.toml or the HEADRACE_* variable"
        )
        return
    why = {"default": "the default", "argument": "an argument"}.get(place.source, place.source)
    yield Finding(topic="store", text=f"{masked(place.url)} (chosen by {why}; data in {place.data_dir})")
    path = place.sqlite_path
    if not database_is_verified(place.url):
        yield Finding(
            topic="store",
            text="whether it is the right server is not verified: somebody in between could read passwords and records",
            level="note",
            remedy=TLS_REMEDY,
        )
    if path is not None and not path.exists():
        yield _can_be_made(path)
        return
    from headrace.store import Store
    from headrace.store.database import Database
    from headrace.store.upgrade import schema_revision

    try:
        if path is None and schema_revision(Database(place)) is None:
            yield Finding(topic="schema", text="the database is empty: the first run makes the tables")
            return
        opened = Store(place, upgrade=False)
    except HeadraceError as error:
        yield Finding(topic="schema", text=one_line(error), level="wrong", remedy=_newest_backup(path))
        return
    except Exception as error:
        yield Finding(topic="schema", text=f"{type(error).__name__}: {one_line(error)}", level="wrong")
        return
    try:
        yield from _open_store(opened)
    finally:
        opened.close()


def _can_be_made(path: Path) -> Finding:
    """Tell whether a store that is not there yet can be."""
    folder = next(parent for parent in path.parents if parent.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(topic="schema", text="not made yet: the first run makes it")
    return Finding(
        topic="schema",
        text=f"not there, and {folder} cannot be written",
        level="wrong",
        remedy="set HEADRACE_DATA_DIR to a folder you may write to",
    )


def _newest_backup(path: Path | None) -> str:
    copies = sorted(path.parent.glob(f"{path.stem}.backup-*{path.suffix}")) if path is not None else []
    return f"the newest backup is {copies[-1]}" if copies else ""


def _open_store(opened: Any) -> Iterator[Finding]:
    """Say what an open store holds."""
    from headrace.store.schema import SCHEMA_REVISION

    newer = opened.schema > SCHEMA_REVISION
    yield Finding(
        topic="schema",
        text=f"revision {opened.schema}, this Headrace knows {SCHEMA_REVISION}; {opened.database.dialect}",
        level="note" if newer else "ok",
        remedy="pip install -U headrace" if newer else "",
    )
    yield from _workers(opened)


def _workers(opened: Any) -> Iterator[Finding]:
    """Say who executes scheduled and requested runs."""
    from headrace import __version__

    for worker in opened.workers.alive():
        other = worker.version not in ("", __version__)
        yield Finding(
            topic="worker",
            text=f"{worker.name or worker.id} is alive: pool {worker.pool}, process {worker.pid} on {worker.host}"
            + (f", but of Headrace {worker.version}" if other else ""),
            level="note" if other else "ok",
            remedy="start it again after the upgrade" if other else "",
        )
    if opened.workers.alive():
        return
    due = opened.schedules.next_due()
    late = due is not None and opened.clock.now_us() - due > LATE_SECONDS * 1_000_000
    yield Finding(
        topic="worker",
        text="none is alive" + (", and a schedule is due" if late else ": schedules do not fire"),
        level="wrong" if late else "note",
        remedy="open JupyterLab, or run `headrace server start` or `headrace worker`",
    )


def kernels() -> Iterator[Finding]:
    """Say of every kernelspec whether it starts and whether `%%task` works in it."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError:
        return
    specs = KernelSpecManager().get_all_specs()
    if not specs:
        yield Finding(
            topic="kernels", text="none is installed", level="wrong", remedy="python -m ipykernel install --user"
        )
    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(_kernel, sorted(specs), [specs[name]["spec"] for name in sorted(specs)])


def _kernel(name: str, spec: dict[str, Any]) -> Finding:
    topic, program = f"kernel {name}", str(spec["argv"][0])
    if program in {"python", "python3"}:
        program = sys.executable
    if shutil.which(program) is None:
        return Finding(
            topic=topic, text=f"{program} does not exist", level="wrong", remedy=f"jupyter kernelspec remove {name}"
        )
    language = str(spec.get("language", ""))
    if language.lower() != "python":
        return Finding(topic=topic, text=f"{language}: its notebooks can be run; %%task is for Python kernels")
    try:
        done = subprocess.run(
            [program, "-c", PROBE],
            env={**os.environ, **spec.get("env", {})},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(topic=topic, text=f"{program} does not answer: {one_line(error)}", level="wrong")
    if done.returncode == 0:
        return Finding(topic=topic, text=f"{done.stdout.strip()} at {program}")
    return Finding(
        topic=topic,
        text=f"no Headrace at {program}: its notebooks can be run, %%task is not there",
        level="note",
        remedy=f"{program} -m pip install headrace",
    )


def server_extension() -> Iterator[Finding]:
    """Say whether Jupyter Server loads Headrace."""
    try:
        from jupyter_core.paths import jupyter_config_path
        from jupyter_server.extension.config import ExtensionConfigManager
    except ImportError:
        return
    known = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
    if known.get("headrace"):
        yield Finding(topic="server", text="the server extension is enabled")
    else:
        off = "is disabled" if "headrace" in known else "is not known to Jupyter"
        yield Finding(
            topic="server",
            text=f"the server extension {off}",
            level="wrong",
            remedy="jupyter server extension enable headrace",
        )
    lab = shutil.which("jupyter-lab")
    if lab and Path(lab).parent.resolve() != Path(sys.executable).parent.resolve():
        yield Finding(
            topic="server",
            text=f"`jupyter lab` on PATH is {lab}, of another environment than this headrace",
            level="note",
            remedy=f"{sys.executable} -m jupyter lab",
        )


def panel() -> Iterator[Finding]:
    """Say whether JupyterLab shows the panel."""
    try:
        from jupyter_core.paths import jupyter_path
        from jupyterlab_server.config import get_page_config
    except ImportError:
        return
    folders = jupyter_path("labextensions")
    installed = next((folder for folder in folders if (Path(folder) / "headrace" / "package.json").exists()), None)
    if installed is None:
        yield Finding(
            topic="panel",
            text="the JupyterLab panel is not installed",
            level="wrong",
            remedy='pip install --force-reinstall --no-deps "headrace[lab]"',
        )
    elif "headrace" in get_page_config(folders).get("disabledExtensions", []):
        yield Finding(
            topic="panel", text="the panel is disabled", level="wrong", remedy="jupyter labextension enable headrace"
        )
    else:
        yield Finding(topic="panel", text=f"enabled, in {installed}")


#: In the order of the report.
CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (versions, store, kernels, server_extension, panel)
