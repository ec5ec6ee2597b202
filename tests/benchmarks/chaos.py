"""`make chaos`: notebook runs on two workers, while workers, runners and kernels are killed at random; nothing may be lost.

A run is lost when it never ends. It is doubled when its work was executed more
often than it had attempts. Either makes the exit code 1. The seed makes the choice of
victims repeatable, not the moment at which they are hit.
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
from pathlib import Path

import psutil

RETRIES = 3
WORKERS = 2
#: Pauses between two kills, seconds.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.3, 1.5
#: How long the runs may take after the last kill, seconds: a death is noticed within 10 s, and what is left has to run.
GRACE_SECONDS = 180.0
# Each execution of the work leaves one line, in one write.
WORK = """
import os, time
ledger = os.open(@LEDGER@, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
os.write(ledger, f"{number}\\n".encode())
time.sleep(0.5)
"""


def notebook(path: Path, ledger: Path) -> None:
    """Write a notebook of three cells: a parameter, the work, the end."""
    sources = ["number = 0", WORK.replace("@LEDGER@", repr(str(ledger))).strip(), "print('done', number)"]
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


def start_worker() -> subprocess.Popen[bytes]:
    """Start a worker of the store that the environment names."""
    command = [sys.executable, "-m", "headrace.server.worker", "--limit", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ours(folder: Path) -> dict[str, list[psutil.Process]]:
    """Return the living processes of this trial by kind; they are told by the data folder in their environment."""
    found: dict[str, list[psutil.Process]] = {"worker": [], "runner": [], "kernel": []}
    for process in psutil.process_iter():
        try:
            if process.environ().get("HEADRACE_DATA_DIR") != str(folder) or process.pid == os.getpid():
                continue
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        for kind, word in (
            ("worker", "headrace.server.worker"),
            ("runner", "headrace.server.runner"),
            ("kernel", "ipykernel"),
        ):
            if word in words:
                found[kind].append(process)
                break
    return found


def submit(folder: Path, ledger: Path, count: int) -> list[str]:
    """Store runs that wait for a worker, and return their ids."""
    from headrace.core.launching import new_run
    from headrace.core.runs import RunKind
    from headrace.core.settings import user_name
    from headrace.store import get_store

    path = folder / "work.ipynb"
    notebook(path, ledger)
    store = get_store()
    ids = []
    for number in range(count):
        run = new_run(
            owner=user_name(),
            now=store.clock.now_us(),
            kind=RunKind.NOTEBOOK,
            definition=str(path),
            launch={"cwd": str(folder), "output_path": str(folder / f"out-{number}.ipynb")},
            parameters={"number": number},
            retries=RETRIES,
            notebook_path=str(path),
        )
        ids.append(store.runs.create(run).id)
    return ids


def disturb(folder: Path, ids: list[str], kills: int, chance: random.Random) -> Counter[str]:
    """Kill processes at random until enough died or every run has ended; killed workers are started again."""
    from headrace.store import get_store

    store = get_store()
    workers = [start_worker() for _ in range(WORKERS)]
    killed: Counter[str] = Counter()
    deadline = time.monotonic() + GRACE_SECONDS + kills * LONGEST_PAUSE
    try:
        while not all(store.runs.get(run_id).is_final for run_id in ids) and time.monotonic() < deadline:
            time.sleep(chance.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
            if killed.total() < kills:
                alive = ours(folder)
                kind = chance.choice(sorted(alive))
                if alive[kind]:
                    chance.choice(alive[kind]).send_signal(signal.SIGKILL)
                    killed[kind] += 1
            workers = [worker if worker.poll() is None else start_worker() for worker in workers]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=60)
        for process in [one for some in ours(folder).values() for one in some]:
            process.kill()
    return killed


def judge(ids: list[str], ledger: Path) -> int:
    """Print what became of the runs.

    Returns
    -------
    int
        How many were lost or doubled.
    """
    from headrace.store import get_store

    store = get_store()
    runs = [store.runs.get(run_id) for run_id in ids]
    executed = Counter(ledger.read_text().split() if ledger.exists() else [])
    lost = [run for run in runs if not run.is_final]
    doubled = [number for number, run in enumerate(runs) if executed[str(number)] > run.attempt]
    unproved = [n for n, run in enumerate(runs) if run.state_type.value == "COMPLETED" and not executed[str(n)]]
    print("ended as:", dict(Counter(run.state_name for run in runs)))
    print("attempts:", dict(sorted(Counter(run.attempt for run in runs).items())))
    for text, some in (
        ("lost", [run.name for run in lost]),
        ("doubled", doubled),
        ("completed without work", unproved),
    ):
        print(f"{text}: {len(some)}{f' {some}' if some else ''}")
    return len(lost) + len(doubled) + len(unproved)


def main() -> int:
    """Run the trial and return the exit code."""
    parser = argparse.ArgumentParser(description="Kill things at random while runs are on, and count what was lost.")
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(10_000) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="hr-chaos-") as name:
        folder = Path(name)
        os.environ["HEADRACE_DATA_DIR"] = str(folder)
        os.environ["HEADRACE_RUNTIME_DIR"] = str(folder / "runtime")
        os.environ.pop("HEADRACE_DATABASE_URL", None)
        ledger = folder / "ledger"
        started = time.monotonic()
        ids = submit(folder, ledger, options.runs)
        killed = disturb(folder, ids, options.kills, random.Random(seed))
        print(f"seed {seed}: {options.runs} runs, killed {dict(killed)}, {time.monotonic() - started:.0f} s")
        return 1 if judge(ids, ledger) else 0


if __name__ == "__main__":
    sys.exit(main())
