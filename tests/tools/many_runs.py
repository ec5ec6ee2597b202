"""A long history of runs that is hard for lists: values that few runs have, and such as lie far back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from headrace.core.ids import first_id

US = 1_000_000
#: One run in so many has parts (tasks).
WITH_PARTS, PARTS = 10, 3
_COLUMNS = (
    *("id", "root_id", "parent_id", "kind", "name", "definition", "owner", "state_type", "state_name", "state_at"),
    *("created_at", "started_at", "ended_at", "tags", "trigger", "pool", "deployment_id"),
)


def fill(store: Any, roots: int) -> None:
    """Store so many ended root runs, one a second, the newest now.

    A fiftieth FAILED, evenly; CRASHED are the oldest hundredth, which also took the longest. One in ten has a tag, one
    in a thousand is bob's. There are 200 deployments, and the deployment `rare` has three runs.
    """
    from headrace.store.writing import insert

    rows = _rows(roots, int(store.clock.now_us()))
    with store.database.write() as connection:
        while batch := list(itertools.islice(rows, 10_000)):
            insert(store.database, connection, "runs", _COLUMNS, batch)
        if store.database.dialect == "postgresql":
            connection.exec_driver_sql("ANALYZE runs")


def _rows(roots: int, now: int) -> Iterator[tuple[Any, ...]]:
    for i in range(roots):
        made = now - (roots - i) * US
        old = i < roots // 100
        took = 3600 * US + i if old else i * 7919 % (60 * US)
        state = "CRASHED" if old else "COMPLETED" if i % 50 else "FAILED"
        root_id = _id(made, i)
        deployment = "rare" if i in (5, 50, 500) else f"d{i % 200}"
        yield (
            *(root_id, root_id, None, "notebook" if i % 2 else "flow", f"report {i}", "report"),
            *("ada" if i % 1000 else "bob", state, state.title(), made, made, made, made + took),
            *("[]" if i % 10 else '["daily"]', "schedule" if i % 3 else "api", "default", deployment),
        )
        for part in range(PARTS if i % WITH_PARTS == 0 else 0):
            yield (
                *(_id(made, i, part + 1), root_id, root_id, "task", f"load {part}", "load", "ada", state),
                *(state.title(), made, made, made, made + took // PARTS, "[]", "user", None, None),
            )


def _id(made: int, number: int, part: int = 0) -> str:
    return f"{first_id(made)}-700{part}-8000-{number:012d}"
