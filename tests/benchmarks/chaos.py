"""`make chaos`: real notebooks on real servers, workers and kernels, which are killed at random; nothing may be lost.

A run is lost when it never ends, a slot of the schedule when it has no row. A run is doubled when its work was
executed more often than it had attempts, a slot when it has two runs. What is left running is an orphan. Each of
these makes the exit code 1. The seed makes the order of the victims repeatable, not the moment at which they are hit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from headrace.core.runs import Run
    from headrace.store import Store

RETRIES = 3
#: Of the schedule, seconds.
INTERVAL = 3
#: Pauses between two kills, seconds.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 0.7
#: How long the runs may take after the last kill, seconds: a death is noticed within 10 s, and what is left has to run.
GRACE_SECONDS = 180.0
#: How long processes whose run has ended may need to leave, seconds.
LEAVE_SECONDS = 30.0
#: A process by a word of its command line.
WORDS = {
    "server": "server start",
    "worker": "headrace.server.worker",
    "runner": "headrace.server.runner",
    "kernel": "ipykernel",
}
# Each execution of the work leaves one line, in one write.
WORK = """
import os, time
ledger = os.open(@LEDGER@, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
os.write(ledger, f"{key}\\n".encode())
time.sleep(0.5)
"""


def notebook(path: Path, ledger: Path) -> None:
    """Write a notebook of three cells: a parameter, the work, the end."""
    sources = ["key = ''", WORK.replace("@LEDGER@", repr(str(ledger))).strip(), "print('done', key)"]
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{index}",
            "metadata": {"tags": ["parameters"]} if index == 0 else {},
            "outputs": [],
            "source": source,
        }
        for index, source in enumerate(sources)
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}))


class Trial:
    """Servers, workers and runs in a folder of their own.

    Parameters
    ----------
    folder : Path
    runs : int
        How many are stored at the beginning; a schedule makes more.
    seed : int
    servers, workers : int, default 1, 2
        How many are kept alive; servers start workers of their own besides.
    """

    def __init__(self, folder: Path, *, runs: int, seed: int, servers: int = 1, workers: int = 2) -> None:
        from headrace.store import get_store

        self.folder, self.ledger = folder, folder / "ledger"
        self.servers, self.workers = servers, workers
        self.chance = random.Random(seed)
        self.store: Store = get_store()
        self.killed: Counter[str] = Counter()
        self.kept: dict[str, list[subprocess.Popen[bytes]]] = {"server": [], "worker": []}
        notebook(folder / "work.ipynb", self.ledger)
        self.anchor = self._schedule(runs)

    def _schedule(self, runs: int) -> int:
        """Deploy the notebook with a schedule, store runs of it, and return the schedule's anchor, µs."""
        from headrace.core.settings import user_name
        from headrace.server.anywhere import local_services
        from headrace.store.deploying import run_deployment

        services = local_services(str(self.folder))
        self.services = services
        body = {
            "name": "work",
            "notebook": "work.ipynb",
            "retries": RETRIES,
            "overlap": "allow",
            "catch_up": "all",
            "output_path": str(self.folder / "out-{run_id}.ipynb"),
            "parameters": {"key": "{run_id}"},
            "schedules": [{"interval_seconds": INTERVAL}],
        }
        deployment = services.deployments.create(body)
        for _ in range(runs):
            run_deployment(self.store, "work", owner=user_name())
        self.deployment_id = deployment.id
        (schedule,) = self.store.schedules.of_deployments([deployment.id])[deployment.id]
        self.schedule_id = schedule.id
        assert schedule.anchor_at is not None
        return schedule.anchor_at

    def keep_alive(self) -> None:
        """Start what is not there: servers, and workers besides the ones that they start."""
        server = [sys.executable, "-m", "headrace.cli.main", "server", "start", "--port", "0", "--allow-root"]
        commands = {
            "server": (self.servers, [*server, "--root", str(self.folder)]),
            "worker": (self.workers, [sys.executable, "-m", "headrace.server.worker", "--limit", "2"]),
        }
        for kind, (count, command) in commands.items():
            self.kept[kind] = [process for process in self.kept[kind] if process.poll() is None]
            while len(self.kept[kind]) < count:
                self.kept[kind].append(
                    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
                )

    def alive(self, kind: str) -> list[psutil.Process]:
        """Return the living processes of a kind; they are told by the data folder in their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HEADRACE_DATA_DIR") != str(self.folder) or process.pid == os.getpid():
                    continue
                if WORDS[kind] in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def disturb(self, kills: int) -> None:
        """Kill one of each kind in turn, in an order by chance; a kind that is not there is waited for."""
        deadline = time.monotonic() + GRACE_SECONDS + kills * 5
        while self.killed.total() < kills and time.monotonic() < deadline:
            kinds = sorted(WORDS)
            self.chance.shuffle(kinds)
            while kinds and self.killed.total() < kills and time.monotonic() < deadline:
                self.keep_alive()
                time.sleep(self.chance.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
                victims = self.alive(kinds[0])
                if victims:
                    try:
                        self.chance.choice(victims).send_signal(signal.SIGKILL)
                    except psutil.NoSuchProcess:
                        continue
                    self.killed[kinds.pop(0)] += 1

    def settle(self) -> None:
        """Pause the schedule, let every run end, and end what was started."""
        self.services.schedules.set_active(self.schedule_id, False)
        deadline = time.monotonic() + GRACE_SECONDS
        while not all(run.is_final for run in self.runs()) and time.monotonic() < deadline:
            self.keep_alive()
            time.sleep(0.2)

    def stop(self) -> list[str]:
        """End servers and workers; return what is left of the runs' processes, and end that too."""
        for process in [one for some in self.kept.values() for one in some] + self.alive("worker"):
            process.terminate()
        deadline = time.monotonic() + LEAVE_SECONDS
        while any(self.alive(kind) for kind in WORDS) and time.monotonic() < deadline:
            for process in [one for some in self.kept.values() for one in some]:
                process.poll()
            time.sleep(0.1)
        left = [(kind, process) for kind in WORDS for process in self.alive(kind)]
        for _, process in left:
            process.kill()
        return [f"a {kind} is left (process {process.pid})" for kind, process in left]

    def runs(self) -> list[Run]:
        from headrace.core.runs import RunFilter

        return self.store.runs.page(RunFilter(deployment_id=self.deployment_id), limit=1000)[0]

    def faults(self) -> list[str]:
        """Compare what is there with what had to be."""
        runs = self.runs()
        executed = Counter(self.ledger.read_text().split() if self.ledger.exists() else [])
        faults = [f"{run.name} is {run.state_name}" for run in runs if run.state_type.value != "COMPLETED"]
        for run in runs:
            times = executed[str(run.parameters["key"])]
            if times > run.attempt:
                faults.append(f"{run.name} was executed {times} times in {run.attempt} attempts")
            if run.state_type.value == "COMPLETED" and not times:
                faults.append(f"{run.name} completed without work")
        slots = self.store.schedules.slots(self.schedule_id, limit=5000)
        found = sorted(slot.slot_at for slot in slots)
        step = INTERVAL * 1_000_000
        expected = [self.anchor + step * number for number in range(1, len(found) + 1)]
        if found != expected:
            faults.append(f"slots are missing or doubled: {sorted(set(expected) ^ set(found))[:5]}")
        fired = Counter(run.slot_at for run in runs if run.slot_at is not None)
        faults += [f"slot {slot} ran {times} times" for slot, times in fired.items() if times > 1]
        faults += [f"slot {slot.slot_at} has no run" for slot in slots if slot.run_id not in {run.id for run in runs}]
        return faults


def main() -> int:
    """Run the trial, print its verdict as one line of JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Kill things at random while runs are on, and count what was lost.")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--postgres", action="store_true", help="two servers and three workers on one PostgreSQL")
    options = parser.parse_args()
    seed = random.randrange(10_000) if options.seed is None else options.seed
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-chaos-", ignore_cleanup_errors=True)))
        os.environ["HEADRACE_DATA_DIR"] = str(folder)
        os.environ["HEADRACE_RUNTIME_DIR"] = os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
        # A kernel that waits for the next run would look like one that was left behind.
        os.environ["HEADRACE_WARM_UNITS"] = "0"
        os.environ.pop("HEADRACE_DATABASE_URL", None)
        if options.postgres:
            sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
            from private_postgres import PrivatePostgres

            os.environ["HEADRACE_DATABASE_URL"] = stack.enter_context(PrivatePostgres()).fresh_database()
        started = time.monotonic()
        many = {"servers": 2, "workers": 3} if options.postgres else {}
        trial = Trial(folder, runs=options.runs, seed=seed, **many)
        try:
            trial.disturb(options.kills)
            trial.settle()
        finally:
            left = trial.stop()
        runs = trial.runs()
        verdict = {
            "seed": seed,
            "seconds": round(time.monotonic() - started),
            "killed": dict(trial.killed),
            "runs": len(runs),
            "states": dict(Counter(run.state_name for run in runs)),
            "attempts": dict(Counter(str(run.attempt) for run in runs)),
            "faults": [*trial.faults(), *left],
        }
    print(json.dumps(verdict))
    return 1 if verdict["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
