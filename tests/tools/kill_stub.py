"""A run's process for the kill rig: standard library and core only, so that it starts in 50 ms.

It does what real ones do at the edges: owner file, take-over by compare-and-set of its attempt, one line of effect,
a fenced end. `python kill_stub.py DATABASE RUN_ID ATTEMPT EFFECTS`.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

from headrace.store import liveness

#: So long waits a process that its worker has not noted for its double, seconds: it is started when the rig settles.
GATE_SECONDS = 120.0
FINAL = "('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')"


def changed(database: str, statement: str, values: tuple[object, ...]) -> int:
    """Change rows of the store, on either database; the fence makes asking again harmless."""
    if not database.startswith("postgresql"):
        connection = sqlite3.connect(database, timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        count = connection.execute(statement, values).rowcount
        connection.execute("COMMIT")
        connection.close()
        return count
    import psycopg

    with psycopg.connect(database.replace("+psycopg", "")) as server:
        return server.execute(statement.replace("?", "%s").encode(), values).rowcount


def wait_at_the_gate(folder: Path) -> None:
    """Wait until the worker has noted this process, or, where it died before, until another has started the attempt once more.

    That is what a slow import comes to, without its luck.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(os.getpid())).touch()
    noted = Path(os.environ["KILL_STUB_FOLDER"]) / "process.json"
    deadline = time.monotonic() + GATE_SECONDS
    while not noted.exists() and len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)


def main(database: str, run_id: str, attempt: str, effects: str) -> int:
    me = liveness.owner_id()
    if os.environ.get("KILL_STUB_GATE"):
        wait_at_the_gate(Path(f"{effects}.gate") / f"{run_id}-{attempt}")

    def change(statement: str, *values: object) -> int:
        """Change rows in a transaction of its own; a server that is away for a moment is asked again."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return changed(database, statement, values)
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    # Its own earlier try counts as success: an answer may be lost on the way from a server that was killed.
    taken = change(
        "UPDATE runs SET state_type = 'RUNNING', state_name = 'Running', owner_id = ?, pid = ?, started_at = ?"
        " WHERE id = ? AND attempt = ? AND (state_type IN ('PENDING', 'SCHEDULED') OR owner_id = ?)",
        *(me, os.getpid(), time.time_ns() // 1000, run_id, int(attempt), me),
    )
    if not taken and not os.environ.get("KILL_STUB_UNFENCED"):
        return 75
    handle = os.open(effects, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(handle, f"{run_id} {attempt}\n".encode())
    os.close(handle)
    print("worked", flush=True)
    time.sleep(0.05)
    change(
        "UPDATE runs SET state_type = 'COMPLETED', state_name = 'Completed', ended_at = ?"
        f" WHERE id = ? AND attempt = ? AND owner_id = ? AND state_type NOT IN {FINAL}",
        *(time.time_ns() // 1000, run_id, int(attempt), me),
    )
    liveness.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
