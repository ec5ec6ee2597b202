"""The kill rig: schedulers, workers and runs' processes are killed at random or at every commit edge; then what is left is judged.

The oracle is computed apart from what is tested: each schedule's slots are its anchor plus whole intervals. Every slot
must have one row, every run one end, no run more executions than attempts, and nothing may be left running.

`python tests/tools/kill_rig.py --kills 1000 [--seed N]` prints the figures and leaves with 1 where something was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder out
from kill_judge import INTERVAL, Verdict, judge, patiently
from link_types import link

STUB = Path(__file__).parent / "kill_stub.py"
WORKERS = 2
#: After the last kill everything must have ended within so many seconds.
SETTLE_SECONDS = 60.0
#: A worker that a failpoint does not kill within so many seconds (where it would) is killed from outside.
EDGE_SECONDS = 1.5
KILLED_SECONDS = 60.0


class Rig:
    """One trial.

    Parameters
    ----------
    folder : Path
        Holds the store and everything else.
    schedules : int
    seed : int
    workers : int, default 2
    broken : bool, default False
        The runs' processes do not look whether they got their attempt, so that the rig can show that it would see it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        schedules: int = 8,
        seed: int = 0,
        broken: bool = False,
        workers: int = WORKERS,
        postgres: str = "",
    ) -> None:
        self.folder = folder
        self.broken = broken
        self.workers = workers
        self.effects = folder / "effects"
        self.chance = random.Random(seed)
        self.count = schedules
        self.children: list[int] = []
        self.kills = 0
        os.environ["HEADRACE_DATA_DIR"] = str(folder)
        os.environ["HEADRACE_RUNTIME_DIR"] = str(folder / "runtime")
        os.environ.pop("HEADRACE_DATABASE_URL", None)
        # The stub runs without `site`, so where Headrace is installed it would not be found.
        os.environ["PYTHONPATH"] = str(link(into=folder / "code"))
        self.postgres = postgres
        if postgres:
            # What is acknowledged survives the death of the server: the tests' own setting gives that up for speed.
            os.environ["HEADRACE_DATABASE_URL"] = f"{postgres}%20-csynchronous_commit%3Don"

    def prepare(self) -> int:
        """Make the store and its schedules; return their common anchor, µs."""
        from headrace.core.deployments import Deployment, ScheduleRow
        from headrace.core.ids import new_id
        from headrace.core.settings import find_store, user_name
        from headrace.store import Store, timetable

        store = Store(find_store())
        now = store.clock.now_us()
        policies = [
            {"overlap": "allow", "retries": 3},
            {"overlap": "skip", "retries": 0},
            {"overlap": "queue", "retries": 2, "catch_up": "all"},
            {"overlap": "allow", "retries": 1, "catch_up": "all"},
        ]
        for number in range(self.count):
            deployment = store.deployments.create(
                Deployment(
                    id=new_id(),
                    name=f"d{number}",
                    owner=user_name(),
                    kind="flow",
                    entrypoint="rig:work",
                    **policies[number % len(policies)],
                )
            )
            row = ScheduleRow(
                id=new_id(),
                deployment_id=deployment.id,
                owner=user_name(),
                kind="interval",
                interval_seconds=INTERVAL,
                anchor_at=now,
            )
            store.schedules.create(timetable.with_next(row, now))
        store.close()
        return now

    def fork(self, failpoints: str = "") -> int:
        """Start a process that is a worker with a scheduler in it; its imports are done already."""
        pid = os.fork()
        if pid:
            self.children.append(pid)
            return pid
        try:
            _work(self.effects, failpoints, self.broken)
        finally:
            os._exit(0)

    def kill_one(self) -> None:
        """Kill one of the workers or one of the runs' processes."""
        victims = [pid for pid in self.children if _lives(pid)]
        if self.postgres and self.chance.random() < 0.25:
            self._hurt_server()
            return
        if self.chance.random() < 0.3:
            victims = self.runs_processes() or victims
        if victims:
            pid = self.chance.choice(victims)
            try:
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass

    def _hurt_server(self) -> None:
        """End one of PostgreSQL's backends: politely, or so that the whole server recovers from its log."""
        import psycopg

        try:
            with psycopg.connect(self.postgres.replace("+psycopg", ""), autocommit=True) as server:
                query = (
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                pids = [row[0] for row in server.execute(query)]
                if not pids:
                    return
                pid = self.chance.choice(pids)
                if self.chance.random() < 0.5:
                    server.execute("SELECT pg_terminate_backend(%s)", (pid,))
                else:
                    os.kill(pid, signal.SIGKILL)
                self.kills += 1
        except (psycopg.OperationalError, ProcessLookupError):
            return

    def runs_processes(self) -> list[int]:
        """Return the ids of living processes of runs."""
        import psutil

        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if str(STUB) in words and str(self.effects) in words:
                found.append(process.pid)
        return found

    def reap(self) -> None:
        """Take note of children that ended."""
        for pid in list(self.children):
            if not _lives(pid):
                self.children.remove(pid)

    def stop(self) -> None:
        """End every worker."""
        for pid in self.children:
            if _lives(pid):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        while any(_lives(pid) for pid in self.children) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in self.children:
            if _lives(pid):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def disturb(self, kills: int, *, pause: tuple[float, float] = (0.03, 0.2)) -> None:
        """Keep workers going and kill at random."""
        while self.kills < kills:
            self.reap()
            while len(self.children) < self.workers:
                self.fork()
            time.sleep(self.chance.uniform(*pause))
            self.kill_one()

    def work(self, runs: int) -> None:
        """Kill nothing until so many runs have been executed.

        It looks at their effects: a process that holds an SQLite file open must not fork others that use it.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self.reap()
            while len(self.children) < self.workers:
                self.fork()
            if self.effects.exists() and len(self.effects.read_text().splitlines()) >= runs:
                break
            time.sleep(0.05)

    def settle(self) -> float:
        """Pause the schedules, let everything end, and return how long that took, seconds."""
        from headrace.core.errors import StoreError
        from headrace.core.settings import find_store
        from headrace.store import Store

        store = patiently(lambda: Store(find_store()))
        for row in patiently(lambda: store.schedules.page(limit=1000)):
            patiently(partial(store.schedules.update, row.id, active=False, next_fire_at=None))
        begun = time.monotonic()
        query = "SELECT count(*) FROM runs WHERE state_type NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')"
        while time.monotonic() - begun < SETTLE_SECONDS:
            self.reap()
            while len(self.children) < self.workers:
                self.fork()
            with suppress(StoreError), store.database.read() as connection:
                if not connection.exec_driver_sql(query).scalar():
                    break
            time.sleep(0.1)
        store.close()
        return time.monotonic() - begun


def _lives(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _work(effects: Path, points: str, broken: bool = False) -> None:
    """Be a worker with a scheduler in it, as `python -m headrace.server.worker` is, with the stub for runs."""
    import threading

    from headrace.core import failpoints
    from headrace.core.settings import user_name
    from headrace.server.scheduler import Scheduler
    from headrace.server.worker import command
    from headrace.server.worker.worker import Worker
    from headrace.store import get_store

    failpoints._points = failpoints._parse(points)
    if broken:
        os.environ["KILL_STUB_UNFENCED"] = "1"
    store = get_store()

    def build(opened: Any, run: Any) -> command.Command:
        folder = command.attempt_folder(opened.place.data_dir, run)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = str(opened.place.sqlite_path or opened.place.url)
        words = [
            sys.executable,
            *([] if "://" in path else ["-S"]),
            str(STUB),
            path,
            run.id,
            str(run.attempt),
            str(effects),
        ]
        environment = {**os.environ, "KILL_STUB_WORKER": str(os.getpid()), "KILL_STUB_FOLDER": str(folder)}
        return command.Command(arguments=words, cwd="/", environment=environment, folder=folder)

    worker = Worker(store, pool="default", owner=user_name(), limit=4, build=build)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop_event.set())
    scheduler = Scheduler(store)
    threading.Thread(target=scheduler.run, daemon=True).start()
    worker.run()
    scheduler.stop()


def preload() -> None:
    """Import what children need, so that a fork starts in milliseconds."""
    import psutil  # noqa: F401
    import sqlalchemy  # noqa: F401

    import headrace.server.scheduler
    import headrace.server.worker.worker
    import headrace.store.deployments
    import headrace.store.firing
    import headrace.store.schedules
    import headrace.store.workers  # noqa: F401


def trial(
    folder: Path,
    *,
    kills: int,
    seed: int,
    schedules: int = 8,
    broken: bool = False,
    workers: int = WORKERS,
    postgres: str = "",
) -> Verdict:
    """Kill at random `kills` times and return the verdict."""
    preload()
    rig = Rig(folder, schedules=schedules, seed=seed, broken=broken, workers=workers, postgres=postgres)
    begun = time.monotonic()
    anchor = rig.prepare()
    try:
        rig.disturb(kills)
        rig.settle()
    finally:
        rig.stop()
    verdict = judge(rig, anchor)
    return replace(verdict, seconds=round(time.monotonic() - begun, 1))


def edges(folder: Path, points: str, *, rounds: int = 4, broken: bool = False) -> Verdict:
    """Let workers die at a failpoint, one after another, and return the verdict."""
    preload()
    rig = Rig(folder, schedules=4, broken=broken)
    begun = time.monotonic()
    anchor = rig.prepare()
    try:
        for number in range(rounds):
            pid = rig.fork(points.format(n=number + 1))
            deadline = time.monotonic() + (KILLED_SECONDS if "=kill" in points else EDGE_SECONDS)
            while _lives(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _lives(pid):
                os.kill(pid, signal.SIGKILL)
            rig.kills += 1
        rig.work(rig.count)
        rig.settle()
    finally:
        rig.stop()
    verdict = judge(rig, anchor)
    return replace(verdict, seconds=round(time.monotonic() - begun, 1))


def main() -> int:
    """Run a trial in a folder of its own and print its verdict as JSON."""
    parser = argparse.ArgumentParser(description="Kill schedulers, workers and runs, and count what was lost.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--schedules", type=int, default=8)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--points", default="", help="failpoints instead of random kills, e.g. before_commit=kill@{n}")
    parser.add_argument("--broken", action="store_true", help="take the fence of attempts out")
    parser.add_argument("--gate", action="store_true", help="a run's process whose worker died waits for a second one")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server, which is hurt too")
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    os.environ["KILL_STUB_GATE"] = "1" if options.gate else ""
    seed = random.randrange(10_000) if options.seed is None else options.seed
    url = ""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="hr-rig-", ignore_cleanup_errors=True))
        if options.postgres:
            from private_postgres import PrivatePostgres

            url = stack.enter_context(PrivatePostgres()).fresh_database()
        folder = Path(options.folder or name)
        if options.points:
            verdict = edges(folder, options.points, broken=options.broken)
        else:
            verdict = trial(
                folder,
                kills=options.kills,
                seed=seed,
                schedules=options.schedules,
                broken=options.broken,
                workers=options.workers,
                postgres=url,
            )
    print(json.dumps({"seed": seed, **verdict.__dict__}))
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
