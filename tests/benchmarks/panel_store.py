"""The store of the panel's benchmark: one run of 10,000 tasks, 1,000,000 log lines, 1,000,000 runs; and who writes on."""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from headrace.core.ids import new_id
from headrace.core.settings import find_store, user_name
from headrace.store import Store

LAYERS, WIDE = 100, 100
LINES = 1_000_000
RUNS = 1_000_000


def fill(store: Store) -> str:
    """Fill an empty store and return the id of the large run."""
    now = store.clock.now_us()
    root = new_id()
    base = {"owner": user_name(), "state_type": "RUNNING", "state_name": "Running", "state_at": now, "created_at": now}
    store.recorder.open({**base, "id": root, "root_id": root, "kind": "flow", "name": "large", "started_at": now})
    rows: list[list[str]] = []
    chance = random.Random(7)
    for layer in range(LAYERS):
        rows.append([])
        for place in range(WIDE):
            task, name = new_id(), f"step_{layer:03d}_{place:03d}"
            own = {"id": task, "root_id": root, "parent_id": root, "kind": "task", "name": name}
            store.recorder.open({**base, **own, "definition": name, "definition_key": name, "started_at": now})
            if layer:
                # The task straight above, so that each layer is one, and another one.
                for source in {rows[layer - 1][place], rows[layer - 1][(place + chance.randrange(1, WIDE)) % WIDE]}:
                    store.recorder.edge(task, source)
            rows[layer].append(task)
    store.recorder.flush()
    with store.database.write() as connection:
        connection.exec_driver_sql(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LINES})
            INSERT INTO logs (seq, run_id, root_id, at, level, logger, message)
            SELECT i, ?, ?, ? + i, 20, 'flow', 'line ' || i || ' of a log that is long' FROM n""",
            (root, root, now),
        )
        connection.exec_driver_sql(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS})
            INSERT INTO runs (id, root_id, kind, name, definition, owner, state_type, state_name, state_at, created_at,
                started_at, ended_at)
            SELECT printf('01890000-0000-7000-8000-%012d', i), printf('01890000-0000-7000-8000-%012d', i), 'flow',
                'report ' || i, 'report', ?, CASE WHEN i % 50 THEN 'COMPLETED' ELSE 'FAILED' END,
                CASE WHEN i % 50 THEN 'Completed' ELSE 'Failed' END, ?1 - i, ?1 - i * 1000000, ?1 - i * 1000000,
                ?1 - i * 1000000 + 500000 FROM n""".replace("?1", str(now)),
            (user_name(),),
        )
    return root


def tasks(store: Store, root: str) -> list[tuple[str, str]]:
    """Return the ids and names of the large run's tasks."""
    return [(run.id, run.name) for run in store.runs.tree(root) if run.id != root]


def write_changes(store: Store, root: str, per_second: int, seconds: float) -> int:
    """Change tasks' states as a kernel does, so many a second; return how many were changed."""
    records = [store.recorder.adopt(run_id, root, 1) for run_id, _ in tasks(store, root)]
    began = time.monotonic()
    done = 0
    while (spent := time.monotonic() - began) < seconds:
        due = int(spent * per_second)
        for at in range(done, due):
            state = ("RUNNING", "Running") if at // len(records) % 2 else ("PENDING", "Pending")
            store.recorder.change(records[at % len(records)], *state, at=store.clock.now_us())
        done = max(done, due)
        time.sleep(0.01)
    store.recorder.flush()
    return done


def write_marked(store: Store, root: str, names: list[str]) -> dict[str, float]:
    """Change some tasks one by one and return when each was in the store, seconds since 1970."""
    ids = {name: run_id for run_id, name in tasks(store, root)}
    found = {}
    for name in names:
        record = store.recorder.adopt(ids[name], root, 1)
        store.recorder.change(record, "PENDING", "Seen", at=store.clock.now_us())
        store.recorder.flush()
        found[name] = time.time()
        time.sleep(0.35)
    return found


def main() -> None:
    """`fill`, or `changes ROOT PER_SECOND SECONDS`, or `marked ROOT NAME…`; the answer is a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fill", "changes", "marked"])
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    store = Store(find_store())
    if arguments.what == "fill":
        print(json.dumps(fill(store)))
    elif arguments.what == "changes":
        root, rate, seconds = arguments.words
        print(json.dumps(write_changes(store, root, int(rate), float(seconds))))
    else:
        print(json.dumps(write_marked(store, arguments.words[0], arguments.words[1:])))
    store.close()


PROGRAM = Path(__file__)

if __name__ == "__main__":
    main()
