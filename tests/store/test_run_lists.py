"""A page looks at few runs, whatever the filter and the order: counted, not timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import many_runs
import pytest
import sqlalchemy as sa

from headrace.core.errors import UsageError
from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.store import Store, run_lists

ROOTS = 6_000
FEW, SEARCHED = 80, 300
#: What a page may cost: SQLite's instructions (a run that a test looks at takes about 25), PostgreSQL's rows.
MOST = {"sqlite": 20_000, "postgresql": 1_500}
US = 1_000_000

FILTERS = {
    "none": {},
    "a state": {"state_types": ("FAILED",)},
    "states": {"state_types": ("FAILED", "CANCELLED", "CRASHED")},
    "a state of the oldest": {"state_types": ("CRASHED",)},
    "a state that none has": {"state_types": ("PAUSED",)},
    "a kind": {"kinds": ("flow",)},
    "kinds": {"kinds": ("flow", "cell")},
    "a kind that no root has": {"kinds": ("task",)},
    "a tag": {"tags": ("daily",)},
    "a tag that none has": {"tags": ("daily", "weekly")},
    "a deployment": {"deployment_id": "d7"},
    "a deployment of few": {"deployment_id": "rare"},
    "text": {"text": "report 59"},
    "text that none has": {"text": "nowhere"},
    "lately": {"since": -1_000},
    "long ago": {"until": -ROOTS + 100},
    "a document": {"document_id": "none"},
    "a cell": {"document_id": "none", "cell_id": "none"},
    "a trigger": {"trigger": "api"},
}
ORDERS = [sign + key for key in run_lists.SORTS for sign in ("-", "")]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a long history, filled once."""
    url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'headrace.db'}"
    if request.param == "postgresql":
        # What a planner does with a million rows, on fewer.
        url = request.getfixturevalue("postgres_server").fresh_database() + "%20-cenable_seqscan%3Doff"
    store = Store(find_store(url))
    many_runs.fill(store, ROOTS)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lists, "FEW", FEW)
    monkeypatch.setattr(run_lists, "SEARCHED", SEARCHED)


class Looked:
    """Counts what a database does for a page: SQLite's instructions, PostgreSQL's rows.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.count = 0

    def __enter__(self) -> Looked:
        sa.event.listen(self._store.database.engine, "before_cursor_execute", self._before)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self._store.database.engine, "before_cursor_execute", self._before)

    def _before(self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if self._store.database.dialect == "sqlite":
            connection.connection.driver_connection.set_progress_handler(self._step, 100)
        elif statement.startswith("SELECT"):
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            self.count += _rows_read(cursor.fetchone()[0][0]["Plan"])

    def _step(self) -> None:
        self.count += 100


def _rows_read(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
    return int(own * plan["Actual Loops"]) + sum(map(_rows_read, plan.get("Plans", ())))


def _filter(store: Store, values: dict[str, Any]) -> RunFilter:
    """Make a filter; times are seconds from the newest run's."""
    newest = store.runs.page(limit=1)[0][0].created_at
    times = {name: newest + values[name] * US for name in ("since", "until") if name in values}
    return RunFilter(**{**values, **times})


@pytest.mark.parametrize("roots", [True, False], ids=["roots", "parts, too"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_looks_at_few_runs(history: Store, name: str, roots: bool) -> None:
    where = _filter(history, {**FILTERS[name], "roots_only": roots})
    for sort in ORDERS if roots else ("-created_at", "created_at"):
        cursor = None
        for _ in range(3):
            with Looked(history) as looked:
                _, cursor = history.runs.page(where, sort=sort, limit=20, cursor=cursor)
            assert looked.count <= MOST[history.database.dialect], (sort, looked.count)
            if cursor is None:
                break


def test_a_look_at_everything_is_counted(history: Store) -> None:
    """Else the test above would say nothing."""
    with Looked(history) as looked:
        history.runs.page(RunFilter(roots_only=False), sort="name", limit=20)
    assert looked.count > 2 * MOST[history.database.dialect]


@pytest.mark.parametrize("name", FILTERS)
def test_the_pages_of_a_filter_have_its_runs_once_each_and_in_order(history: Store, name: str) -> None:
    where = _filter(history, FILTERS[name])
    fitting = [row for row in _all(history, RunFilter()) if _fits(row, where)]
    for sort, key in (("-created_at", _made), ("duration", _took), ("-name", _named)):
        wanted = sorted(fitting, key=key, reverse=sort.startswith("-"))
        assert [row.id for row in _all(history, where, sort)] == [row.id for row in wanted], sort


def test_parts_of_runs_are_listed_in_the_order_in_which_they_were_made(history: Store) -> None:
    where = RunFilter(roots_only=False, kinds=("task",), state_types=("CRASHED",))
    found = [row.id for row in _all(history, where, "-created_at")]
    assert found == sorted(found, reverse=True)
    assert len(found) == ROOTS // 100 // many_runs.WITH_PARTS * many_runs.PARTS
    parent = history.runs.get(found[0]).parent_id
    children, _ = history.runs.page(RunFilter(parent_id=parent), sort="created_at")
    assert [run.id for run in children] == sorted(run_id for run_id in found if run_id[:13] == found[0][:13])


def test_the_first_runs_of_a_list_are_found_however_far_back_they_lie(history: Store) -> None:
    where = RunFilter(text="report 12")
    assert history.runs.page(where, limit=2)[0] == []
    assert [run.name for run in history.runs.first(where, limit=2)] == ["report 1299", "report 1298"]


def test_the_mark_of_a_list_in_another_order_is_refused(history: Store) -> None:
    _, cursor = history.runs.page(sort="name", limit=1)
    with pytest.raises(UsageError, match="another order"):
        history.runs.page(sort="-created_at", cursor=cursor)


def _all(store: Store, where: RunFilter, sort: str = "created_at") -> list[Any]:
    """Return the rows of every page."""
    found: list[Any] = []
    cursor = None
    with store.database.read() as connection:
        while True:
            rows, cursor = run_lists.read_page(connection, where, sort=sort, limit=1_000, cursor=cursor)
            found += rows
            if cursor is None:
                return found


def _made(row: Any) -> tuple[int, str]:
    return row.created_at, row.id


def _took(row: Any) -> tuple[int, str]:
    return row.ended_at - row.started_at, row.id


def _named(row: Any) -> tuple[str, str]:
    return row.name, row.id


def _fits(row: Any, where: RunFilter) -> bool:
    equal = ("deployment_id", "document_id", "cell_id", "trigger")
    return (
        (not where.state_types or row.state_type in where.state_types)
        and (not where.kinds or row.kind in where.kinds)
        and set(where.tags) <= set(json.loads(row.tags))
        and all(getattr(where, name) in (None, getattr(row, name)) for name in equal)
        and where.text in row.name
        and (where.since is None or row.created_at >= where.since)
        and (where.until is None or row.created_at < where.until)
    )
