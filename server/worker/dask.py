"""A pool on a Dask cluster: the worker claims its runs, and workers of the cluster start their processes.

What the worker starts itself is a small process that submits the run and waits
(`python -m headrace.server.worker.dask ADDRESS JOB.json`): cancels, time
limits, lines and exit codes are then what they are for local runs. The run's
process takes its attempt over in the store, so that a task which Dask starts
again elsewhere ends without having run user code twice.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.core import settings
from headrace.core.addresses import check_cluster, is_this_machine
from headrace.core.errors import MissingDependency, StoreError, UsageError
from headrace.core.runs import Run
from headrace.server.worker import command, facts
from headrace.server.worker.environment import ATTEMPT, ATTEMPT_DIR, RUN_ID, store_variables
from headrace.store import Store, get_store

#: How often the process on the cluster and the wish to stop it are looked at, seconds.
LOOK_SECONDS = 0.1
#: Lines that are still on their way when a run has ended are waited for so long, seconds.
LINES_SECONDS = 5.0
#: How often the store is asked whether the run has ended, seconds.
OVER_LOOK_SECONDS = 2.0
#: So long after that the cluster may say so itself, seconds.
OVER_SECONDS = 6.0
#: What is sent along of an attempt's folder at most, bytes.
FILES_BYTES = 64 * 1024 * 1024
JOB = "dask.json"
#: In a worker of the cluster: the processes of runs that are on, by task key.
_running: dict[str, subprocess.Popen[bytes]] = {}


def builder(
    address: str,
    store: Store,
    inner: Callable[[Store, Run], command.Command] = command.build,
    *,
    allow_insecure: bool = False,
) -> Callable[[Store, Run], command.Command]:
    """Return what makes the commands of a pool on a cluster.

    Parameters
    ----------
    address : str
        The cluster's scheduler, e.g. "tls://10.0.0.5:8786".
    store : Store
    inner : callable, default command.build
        Makes the command that a worker of the cluster starts.
    allow_insecure : bool, default False
        The cluster may be on another machine, without TLS.

    Raises
    ------
    UsageError
        There is no address, it is another machine's without TLS, or the cluster's hosts could not reach this store.
    MissingDependency
        `distributed` is not installed.
    """
    if not address:
        raise UsageError("A Dask pool needs the address of its scheduler: --address tls://host:8786.", field="address")
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise MissingDependency('Dask is not installed: pip install "headrace[dask]".') from error
    check_cluster(address, allow_insecure=allow_insecure)
    if store.place.sqlite_path is not None and not is_this_machine(urlsplit(address).hostname or ""):
        raise UsageError(
            "Other hosts cannot use this store: it is an SQLite file. Set HEADRACE_DATABASE_URL to a PostgreSQL server.",
            field="address",
        )

    def build(opened: Store, run: Run) -> command.Command:
        made = inner(opened, run)
        given = {name: made.environment[name] for name in (RUN_ID, ATTEMPT) if name in made.environment}
        extra = {
            name: made.environment[name]
            for name in ("JUPYTER_PATH", settings.OUTPUT_CAPTURED)
            if name in made.environment
        }
        job = {
            "key": f"headrace-{run.id}-{run.attempt}-{os.urandom(4).hex()}",
            "arguments": made.arguments,
            "cwd": made.cwd,
            "environment": {**store_variables(opened.place), **given, **extra},
            "folder": str(made.folder),
            "interpreter": sys.executable,
        }
        path = made.folder / JOB
        command.write_private(path, json.dumps(job))
        arguments = [sys.executable, "-m", "headrace.server.worker.dask", address, str(path)]
        return command.Command(arguments=arguments, cwd=made.cwd, environment=made.environment, folder=made.folder)

    return build


def files_of(folder: Path) -> dict[str, str]:
    """Return what an attempt's folder holds for its process (spec, pinned notebook, kernelspec), base64.

    Raises
    ------
    UsageError
        It is more than may be sent along.
    """
    skipped = {JOB, "stdout.log", "stderr.log", facts.PROCESS_FILE, facts.KERNEL_FILE}
    found, size = {}, 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in skipped:
            data = path.read_bytes()
            size += len(data)
            found[str(path.relative_to(folder))] = base64.b64encode(data).decode()
    if size > FILES_BYTES:
        raise UsageError(f"This run would send {size:,} bytes to the cluster; at most {FILES_BYTES:,} are sent.")
    return found


def execute(job: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, int]:
    """Be the task on the cluster: start the run's process, send its lines, return how it ended.

    Returns
    -------
    dict
        `code` (negative: the signal that ended it) and `lines`, the number of lines that were sent.
    """
    from distributed import get_worker

    worker, key = get_worker(), str(job["key"])
    sent = 0
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="headrace-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part, text in files.items():
            path = folder / part
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            data = base64.b64decode(text)
            if path.name == "spec.json":
                data = data.replace(str(job["folder"]).encode(), name.encode())
            path.write_bytes(data)
        arguments = [str(word).replace(str(job["folder"]), name) for word in job["arguments"]]
        if arguments[0] == job["interpreter"]:
            arguments[0] = sys.executable
        given = {key: str(value).replace(str(job["folder"]), name) for key, value in job["environment"].items()}
        environment = {**os.environ, **given, ATTEMPT_DIR: name, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            arguments,
            cwd=job["cwd"] if os.path.isdir(job["cwd"]) else name,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _running[key] = process

        def forward(stream: Any, kind: str) -> None:
            nonlocal sent
            for line in iter(stream.readline, b""):
                with lock:
                    sent += 1
                    worker.log_event(key, {"stream": kind, "text": line.decode("utf-8", "replace")})

        threads = [
            threading.Thread(target=forward, args=(stream, kind), daemon=True)
            for stream, kind in ((process.stdout, "out"), (process.stderr, "err"))
        ]
        for thread in threads:
            thread.start()
        try:
            while process.poll() is None:
                task = worker.state.tasks.get(key)
                if task is None or task.state in ("cancelled", "released", "forgotten"):
                    # Whoever submitted it is gone for good: nobody would hear of its end.
                    facts.signal_group(process.pid, signal.SIGKILL)
                time.sleep(LOOK_SECONDS)
        finally:
            facts.signal_group(process.pid, signal.SIGKILL)
            facts.kill_attempt(folder)
            _running.pop(key, None)
        for thread in threads:
            thread.join(LINES_SECONDS)
        return {"code": int(process.returncode), "lines": sent}


def send_signal(key: str, number: int) -> bool:
    """On every worker of the cluster: pass a signal on to a run's process; return whether it was here."""
    process = _running.get(key)
    if process is None:
        return False
    facts.signal_group(process.pid, number)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Submit a run to a cluster and wait for it; signals are passed on.

    Returns
    -------
    int
        The exit code of the run's process; 128 and the signal's number where a signal ended it.
    """
    from distributed import Client

    address, path = arguments if arguments is not None else sys.argv[1:]
    job: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    wanted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: wanted.append(number))
    came = 0

    def on_line(event: Any) -> None:
        nonlocal came
        message = event[1] if isinstance(event, tuple | list) else event
        came += 1
        stream = sys.stderr if message["stream"] == "err" else sys.stdout
        stream.write(message["text"])
        stream.flush()

    with Client(address, timeout="30s", set_as_default=False) as client:
        client.subscribe_topic(job["key"], on_line)
        files = files_of(Path(job["folder"]))
        future = client.submit(execute, job, files, key=job["key"], pure=False, retries=0)
        unheard: list[int] = []

        def pass_on(number: int) -> None:
            if not any(client.run(send_signal, job["key"], number).values()):
                unheard.append(number)

        over = _Over(job)
        while not future.done():
            while wanted:
                # A worker of the cluster that is frozen never answers; nothing else may wait for it.
                threading.Thread(target=pass_on, args=(wanted.pop(0),), daemon=True).start()
            if unheard:
                future.cancel()
                return 128 + unheard[0]
            if over.is_certain():
                return over.code
            time.sleep(LOOK_SECONDS)
        done: dict[str, int] = future.result()
        deadline = time.monotonic() + LINES_SECONDS
        while came < done["lines"] and time.monotonic() < deadline:
            time.sleep(0.02)
    return done["code"] if done["code"] >= 0 else 128 - done["code"]


class _Over:
    """Looks whether the store says that an attempt is over of which the cluster does not: its worker is lost or frozen.

    Parameters
    ----------
    job : mapping
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        environment = job["environment"]
        self._run_id, self._attempt = environment[RUN_ID], int(environment[ATTEMPT])
        self._looked = self._since = 0.0
        #: The exit code that says so.
        self.code = 0

    def is_certain(self) -> bool:
        """Return whether it has been over for so long that no word of the cluster is to be waited for."""
        now = time.monotonic()
        if now - self._looked < OVER_LOOK_SECONDS:
            return False
        self._looked = now
        try:
            run = get_store().runs.find(self._run_id)
        except StoreError:
            return False
        if run is not None and run.attempt == self._attempt and not run.is_final:
            self._since = 0.0
            return False
        self.code = 0 if run is not None and run.is_final else command.SUPERSEDED
        self._since = self._since or now
        return now - self._since >= OVER_SECONDS


if __name__ == "__main__":
    sys.exit(main())
