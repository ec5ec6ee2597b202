"""The contract of runs, on every database the store supports."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from headrace.core.errors import Conflict, InvalidTransition, NotFound, UsageError
from headrace.core.ids import new_id
from headrace.core.runs import Edge, EdgeKind, RunFilter, RunKind
from headrace.core.states import TERMINAL, StateType
from headrace.store import Store

from .conftest import make_run

S = StateType


def test_a_run_comes_back_as_it_was_stored(store: Store) -> None:
    run = make_run(
        tags=("a", "ü"),
        parameters={"x": [1, {"y": None}]},
        error={"type": "E"},
        details={"n": 1},
        slot_at=7,
        priority=3,
    )
    store.runs.create(run)
    assert store.runs.get(run.id) == run


def test_creating_a_run_writes_its_first_state_into_the_journal(store: Store) -> None:
    run = store.runs.create(make_run())
    assert [(e.state_type, e.attempt) for e in store.runs.history(run.id)] == [("RUNNING", 1)]


def test_an_unknown_run_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="headrace flow-run ls"):
        store.runs.get(new_id())
    assert store.runs.find(new_id()) is None


def test_an_idempotency_key_makes_one_run_per_owner(store: Store) -> None:
    store.runs.create(make_run(idempotency_key="k"))
    store.runs.create(make_run(idempotency_key="k", owner="grace"))
    with pytest.raises(Conflict, match="idempotency key 'k'"):
        store.runs.create(make_run(idempotency_key="k"))


def test_advancing_moves_state_and_columns_and_keeps_history(store: Store) -> None:
    run = store.runs.create(make_run(state=S.PENDING))
    store.runs.advance(run.id, S.RUNNING, "Running", attempt=1, patch={"started_at": 5})
    ended = store.runs.advance(run.id, S.COMPLETED, "Completed", attempt=1, patch={"ended_at": 9}, message="done")
    assert (ended.started_at, ended.ended_at, ended.state_message) == (5, 9, "done")
    assert [e.state_name for e in store.runs.history(run.id)] == ["Pending", "Running", "Completed"]


def test_advancing_looks_at_the_expected_state(store: Store) -> None:
    run = store.runs.create(make_run(state=S.RUNNING))
    with pytest.raises(InvalidTransition):
        store.runs.advance(run.id, S.RUNNING, "Running", attempt=1, expected=[S.PENDING])


def test_an_older_attempt_cannot_overwrite_a_newer_one(store: Store) -> None:
    run = store.runs.create(make_run())
    store.runs.advance(run.id, S.SCHEDULED, "AwaitingRetry", attempt=1)
    store.runs.advance(run.id, S.RUNNING, "Retrying", attempt=2)
    with pytest.raises(InvalidTransition):
        store.runs.advance(run.id, S.COMPLETED, "Completed", attempt=1)
    assert store.runs.get(run.id).state_name == "Retrying"


@pytest.mark.parametrize("final", sorted(TERMINAL), ids=lambda s: s.value)
def test_a_final_state_is_final_even_for_plain_sql(store: Store, final: StateType) -> None:
    run = store.runs.create(make_run(state=final))
    other = next(s for s in TERMINAL if s is not final)
    with pytest.raises(InvalidTransition):
        store.runs.advance(run.id, S.RUNNING, "Running", attempt=9)
    with pytest.raises(sa.exc.DBAPIError, match="finished run is final"), store.database.write() as connection:
        connection.execute(sa.text("UPDATE runs SET state_type = :s WHERE id = :i"), {"s": other.value, "i": run.id})
    assert store.runs.get(run.id).state_type is final


def test_only_a_completed_run_can_be_renamed_and_only_to_rolled_back(store: Store) -> None:
    run = store.runs.create(make_run(state=S.COMPLETED))
    assert store.runs.advance(run.id, S.COMPLETED, "RolledBack", attempt=1).state_name == "RolledBack"
    failed = store.runs.create(make_run(state=S.FAILED))
    with pytest.raises(InvalidTransition):
        store.runs.advance(failed.id, S.FAILED, "RolledBack", attempt=1)


def test_of_many_threads_that_claim_a_run_exactly_one_wins(store: Store) -> None:
    run = store.runs.create(make_run(state=S.SCHEDULED))
    start = threading.Barrier(6)

    def claim(n: int) -> bool:
        start.wait()
        try:
            store.runs.advance(
                run.id, S.PENDING, "Pending", attempt=1, expected=[S.SCHEDULED], patch={"lease_owner": str(n)}
            )
        except InvalidTransition:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(claim, range(6))) == 1


def test_cancelling_what_nobody_runs_ends_it_at_once(store: Store) -> None:
    run = store.runs.create(make_run(state=S.SCHEDULED))
    assert store.runs.request_cancel(run.id).state_type is S.CANCELLED


def test_cancelling_what_runs_asks_its_owner(store: Store) -> None:
    run = store.runs.create(make_run(owner_id="h.1.x"))
    assert store.runs.request_cancel(run.id).state_type is S.CANCELLING
    assert "run.cancel_requested" in [e.kind for e in store.journal.after(0)]


def test_cancelling_what_has_ended_is_a_conflict(store: Store) -> None:
    run = store.runs.create(make_run(state=S.FAILED))
    with pytest.raises(Conflict, match="has ended"):
        store.runs.request_cancel(run.id)


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "name", "-name", "started_at", "-duration"])
def test_pages_give_every_run_once_in_order(store: Store, sort: str) -> None:
    for n in range(25):
        store.runs.create(
            make_run(created_at=n // 2, name=f"n{n % 7}", started_at=n, ended_at=n * 2, state=S.COMPLETED)
        )
    seen, cursor, pages = [], None, 0
    while True:
        page, cursor = store.runs.page(sort=sort, limit=10, cursor=cursor)
        seen += page
        pages += 1
        if cursor is None:
            break
    key = {"created_at": lambda r: r.created_at, "name": lambda r: r.name, "started_at": lambda r: r.started_at}.get(
        sort.lstrip("-"), lambda r: r.duration_seconds
    )
    assert (len(seen), len({r.id for r in seen}), pages) == (25, 25, 3)
    assert [key(r) for r in seen] == sorted((key(r) for r in seen), reverse=sort.startswith("-"))


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "W10", "WzEsMl0"])
def test_a_cursor_that_is_not_ours_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        store.runs.page(cursor=cursor)


def test_an_unknown_sort_key_is_refused_with_the_known_ones(store: Store) -> None:
    with pytest.raises(UsageError, match="created_at"):
        store.runs.page(sort="evil; DROP TABLE runs")


def seed(store: Store) -> dict[str, str]:
    parent = store.runs.create(make_run(name="night", definition="etl", tags=("prod", "x"), created_at=10))
    child = make_run(root_id=parent.id, parent_id=parent.id, kind=RunKind.TASK, name="load-1", definition="load")
    store.runs.create(child)
    other = make_run(
        name="100%_day", definition="report", kind=RunKind.NOTEBOOK, state=S.FAILED, created_at=20, owner="bob"
    )
    store.runs.create(other)
    return {"parent": parent.id, "child": child.id, "other": other.id}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (RunFilter(), {"parent", "other"}),
        (RunFilter(roots_only=False), {"parent", "child", "other"}),
        (RunFilter(state_types=("FAILED",)), {"other"}),
        (RunFilter(kinds=("flow",)), {"parent"}),
        (RunFilter(tags=("prod",)), {"parent"}),
        (RunFilter(tags=("prod", "y")), set()),
        (RunFilter(text="NIGHT"), {"parent"}),
        (RunFilter(text="rep"), {"other"}),
        (RunFilter(text="100%_"), {"other"}),
        (RunFilter(text="%"), {"other"}),
        (RunFilter(since=11), {"other"}),
        (RunFilter(until=11), {"parent"}),
        (RunFilter(owner="bob"), {"other"}),
        (RunFilter(text="'; --"), set()),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_filter_lists_what_it_says(store: Store, where: RunFilter, expected: set[str]) -> None:
    ids = seed(store)
    page, _ = store.runs.page(where)
    assert {run.id for run in page} == {ids[name] for name in expected}


def test_children_are_listed_by_their_parent(store: Store) -> None:
    ids = seed(store)
    page, _ = store.runs.page(RunFilter(parent_id=ids["parent"]))
    assert [run.id for run in page] == [ids["child"]]


def test_deleting_a_run_takes_its_whole_tree_and_leaves_others(store: Store) -> None:
    ids = seed(store)
    with pytest.raises(Conflict, match="cancel it"):
        store.runs.delete(ids["parent"])
    store.runs.advance(ids["parent"], S.COMPLETED, "Completed", attempt=1)
    recorder = store.recorder
    recorder.log(ids["child"], ids["parent"], 1, 20, "print", "line")
    recorder.flush()
    assert store.runs.delete(ids["parent"]) == 2
    assert store.runs.find(ids["child"]) is None
    assert store.logs.count(ids["parent"]) == 0
    assert store.runs.find(ids["other"]) is not None


def test_the_edges_of_a_tree_are_returned_once_each(store: Store) -> None:
    ids = seed(store)
    store.recorder.edge(ids["child"], ids["parent"], "data", "x")
    store.recorder.edge(ids["child"], ids["parent"], "data", "x")
    store.recorder.flush()
    assert store.runs.edges(ids["parent"]) == [
        Edge(run_id=ids["child"], upstream_id=ids["parent"], kind=EdgeKind.DATA, name="x")
    ]


def test_a_run_is_found_by_the_beginning_of_its_id_or_by_its_name(store: Store) -> None:
    ids = seed(store)
    assert store.runs.by_prefix("night").id == ids["parent"]
    assert store.runs.by_prefix(ids["other"]).id == ids["other"]
    with pytest.raises(UsageError, match="more"):
        store.runs.by_prefix("0")
    with pytest.raises(NotFound):
        store.runs.by_prefix("%")


def test_counts_are_by_state_of_roots(store: Store) -> None:
    seed(store)
    assert store.runs.counts(since=0) == {"RUNNING": 1, "FAILED": 1}
    assert store.runs.counts(since=100) == {"RUNNING": 1}
    assert store.runs.counts(since=0, owner="bob") == {"FAILED": 1}


def test_a_search_goes_back_a_stretch_at_a_time_and_misses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.store.run_lists.SEARCHED", 10)
    wanted = [store.runs.create(make_run(name="needle", created_at=at)).id for at in (5, 31, 32)]
    for at in range(40):
        store.runs.create(make_run(name="hay", created_at=at))
    found: list[str] = []
    pages, cursor = 0, None
    while True:
        page, cursor = store.runs.page(RunFilter(text="needle"), limit=1, cursor=cursor)
        found += [run.id for run in page]
        pages += 1
        if cursor is None:
            break
    assert found == wanted[::-1]
    assert pages > 3
