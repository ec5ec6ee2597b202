"""The command line, the folder and the environment of a run's process.

A notebook run gets `python -m headrace.server.runner SPEC.json`, a flow run
`python -m headrace.kernel_magic.process RUN_ID`, by the interpreter that its
deployment was made with. Both read the run from the store, take its attempt
over (PENDING → RUNNING by compare-and-set, setting `owner_id` to their own
owner id), end it themselves, and leave `details["launch"]` as it is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core import settings
from headrace.core.errors import NotFound, UsageError
from headrace.core.launching import LAUNCH
from headrace.core.runs import DAMAGED, Run, RunKind
from headrace.core.settings import OUTPUT_CAPTURED
from headrace.server.notebook_file import is_url
from headrace.server.worker.environment import (
    ATTEMPT,
    ATTEMPT_DIR,
    RUN_ID,
    clean_environment,
    read_env_file,
    store_variables,
)

if TYPE_CHECKING:
    from headrace.store import Store

#: The folder of every attempt's own folder, below the store's.
ATTEMPTS = "attempts"
#: Exit code of a process that found its attempt taken over by another one: no crash.
SUPERSEDED = 75
#: The kernel of a run that failed is kept so long (DESIGN.md, "Continuing a run"), seconds.
KEEP_KERNEL_SECONDS = 600.0
#: Launch values that a notebook's spec takes as they are.
_SPEC = (
    *("output_path", "kernel_name", "cwd", "env_file", "cell_timeout_seconds", "timeout_seconds"),
    *("interval_start_at", "interval_end_at", "from_cell", "keep_kernel_seconds", "checkpoint", "on_crash"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start for an attempt.

    Parameters
    ----------
    arguments : list of str
    cwd : str
    environment : mapping
    folder : Path
        The attempt's own folder: facts, spec, output files.
    """

    arguments: list[str]
    cwd: str
    environment: Mapping[str, str] = field(repr=False)
    folder: Path


def attempt_folder(data_dir: Path, run: Run) -> Path:
    """Return the folder of a run's present attempt."""
    return data_dir / ATTEMPTS / run.id / str(run.attempt)


def build(store: Store, run: Run) -> Command:
    """Prepare what an attempt needs and return its command.

    Raises
    ------
    UsageError, NotFound
        The run's definition is at fault: the interpreter, the notebook or the snapshot is gone.
    """
    if run.details.get(DAMAGED):
        raise UsageError(f"The record of this run is damaged ({', '.join(run.details[DAMAGED])}); start it anew.")
    launch = dict(run.details.get(LAUNCH) or {})
    folder = attempt_folder(store.place.data_dir, run)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    interpreter = launch.get("interpreter") or sys.executable
    if not os.access(interpreter, os.X_OK):
        raise NotFound(
            f"The Python that this deployment was made with is gone: {interpreter}. Deploy it again.",
            field="interpreter",
        )
    environment = {
        **clean_environment(),
        **(read_env_file(launch["env_file"]) if launch.get("env_file") else {}),
        **store_variables(store.place),
        RUN_ID: run.id,
        ATTEMPT: str(run.attempt),
        ATTEMPT_DIR: str(folder),
        "PYTHONUNBUFFERED": "1",
    }
    if run.kind is RunKind.NOTEBOOK:
        source = _notebook(store, run, launch, folder)
        if launch.get("kernel_spec"):
            environment["JUPYTER_PATH"] = _keep_kernel_spec(launch, folder, environment.get("JUPYTER_PATH"))
        spec = folder / "spec.json"
        write_private(spec, json.dumps(notebook_spec(run, launch, source)))
        arguments = [sys.executable, "-m", "headrace.server.runner", str(spec)]
        cwd = launch.get("cwd") or os.path.dirname(run.notebook_path or "") or str(Path.home())
    else:
        script = str(launch.get("entrypoint") or "").rpartition(":")[0]
        if script.endswith(".py") and not os.path.isfile(script):
            raise NotFound(f"The script {script} is not there any more.", field="entrypoint")
        arguments = [interpreter, "-m", "headrace.kernel_magic.process", run.id]
        environment[OUTPUT_CAPTURED] = "1"
        cwd = launch.get("cwd") or str(Path.home())
    if not os.path.isdir(cwd):
        raise NotFound(f"The working directory {cwd} is gone.", field="cwd")
    return Command(arguments=arguments, cwd=cwd, environment=environment, folder=folder)


def _notebook(store: Store, run: Run, launch: Mapping[str, Any], folder: Path) -> str:
    """Return the path of the notebook that runs: the live file, or the pinned one written out."""
    if launch.get("snapshot_id"):
        path = folder / (os.path.basename(run.notebook_path or "") or "notebook.ipynb")
        path.write_bytes(store.deployments.snapshot(launch["snapshot_id"]))
        return str(path)
    if not run.notebook_path or not os.path.isfile(run.notebook_path):
        raise NotFound(f"The notebook {run.notebook_path} is not there any more.", field="notebook")
    return run.notebook_path


def _keep_kernel_spec(launch: Mapping[str, Any], folder: Path, path: str | None) -> str:
    """Lay the kernelspec that the deployment was made with where the runner looks first; return its JUPYTER_PATH.

    Raises
    ------
    NotFound
        The kernel's program is gone.
    """
    spec = dict(launch["kernel_spec"])
    program = str((spec.get("argv") or [""])[0])
    if os.path.isabs(program) and not os.access(program, os.X_OK):
        raise NotFound(
            f"The kernel that this deployment was made with is gone: {program}. Deploy it again.", field="kernel_name"
        )
    place = folder / "jupyter" / "kernels" / str(launch.get("kernel_name") or "python3")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(place / "kernel.json", json.dumps(spec))
    return os.pathsep.join([str(folder / "jupyter"), *([path] if path else [])])


def notebook_spec(run: Run, launch: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the runner's spec (headrace.core.run_spec) of a notebook run, absent values left out."""
    delay = launch.get("retry_delay_seconds")
    spec: dict[str, Any] = {
        "input_path": source,
        "parameters": typed(run, launch, source),
        "retries": run.max_attempts - 1,
        "retry_delay_seconds": delay if isinstance(delay, int | float) else None,
        "name": run.name,
        "tags": list(run.tags),
        "run_id": run.id,
        "root_id": run.root_id,
        "parent_id": run.parent_id,
        "deployment_id": run.deployment_id,
        "schedule_id": run.schedule_id,
        "scheduled_at": run.slot_at or run.scheduled_at,
        "resume_from": run.resumed_from_id,
        "trigger": run.trigger,
        **{name: launch.get(name) for name in _SPEC},
    }
    if spec["keep_kernel_seconds"] is None:
        spec["keep_kernel_seconds"] = settings.number("KEEP_KERNEL_SECONDS", KEEP_KERNEL_SECONDS)
    if source != run.notebook_path and not spec["output_path"] and run.notebook_path:
        stem = run.notebook_path.removesuffix(".ipynb")
        spec["output_path"] = f"{stem}-runs/{run.id}.ipynb"
    if spec["output_path"] and not is_url(spec["output_path"]):
        # Tokens may name a new folder with each month; where it cannot be made the runner refuses it in its words.
        with suppress(OSError):
            os.makedirs(os.path.dirname(spec["output_path"]), exist_ok=True)
    return {name: value for name, value in spec.items() if value not in (None, (), [], {})}


def typed(run: Run, launch: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a run's parameters; those that tokens filled are text, and are read as the notebook declares them."""
    names = set(launch.get("templated") or ()) & run.parameters.keys()
    if not names:
        return dict(run.parameters)
    from headrace.core.parameters import coerce
    from headrace.server.inspection import inspect_notebook_file

    declared = [p for p in inspect_notebook_file(source).parameters or () if p.name in names]
    filled = {name: run.parameters[name] for name in names}
    return {**run.parameters, **coerce(declared, filled, source=dict.fromkeys(names, "cli"))}


def write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
