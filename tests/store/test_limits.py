"""The contract of limits and of the results' index, on every database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.core.errors import InvalidOption
from headrace.store import Store, liveness
from headrace.store.results import StoredResult


def test_of_many_holders_exactly_as_many_as_the_limit_get_a_slot(store: Store) -> None:
    store.limits.save("db", 3)
    start = threading.Barrier(8)

    def take(n: int) -> int:
        start.wait()
        return len(store.limits.acquire(["db"], holder=liveness.owner_id(), run_id=str(n))[0])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 3
    (limit,) = store.limits.all()
    assert (limit.active, limit.limit, len(limit.holders)) == (3, 3, 3)


def test_released_slots_are_free_again_and_a_changed_limit_counts_at_once(store: Store) -> None:
    store.limits.save("db", 1)
    taken, wait = store.limits.acquire(["db"], holder=liveness.owner_id())
    assert wait is None
    assert store.limits.acquire(["db"], holder=liveness.owner_id())[0] == []
    store.limits.release(taken)
    assert store.limits.acquire(["db"], holder=liveness.owner_id())[1] is None
    store.limits.save("db", 2)
    assert store.limits.acquire(["db"], holder=liveness.owner_id())[1] is None


def test_a_holder_of_another_host_keeps_its_slot_until_its_lease_ends(store: Store) -> None:
    store.limits.save("db", 1)
    store.limits.acquire(["db"], holder="000000000000.1.abc", lease_seconds=60)
    assert store.limits.acquire(["db"], holder=liveness.owner_id())[0] == []
    store.limits.save("gone", 1)
    store.limits.acquire(["gone"], holder="000000000000.1.abc", lease_seconds=-1)
    assert len(store.limits.acquire(["gone"], holder=liveness.owner_id())[0]) == 1


def test_more_than_a_limit_has_is_refused(store: Store) -> None:
    store.limits.save("db", 1)
    with pytest.raises(InvalidOption, match="2 were asked for"):
        store.limits.acquire(["db"], occupy=2, holder=liveness.owner_id())


def result(key: str, **values: object) -> StoredResult:
    defaults: dict[str, object] = {
        "storage": f"/x/{key}",
        "serializer": "pickle",
        "size_bytes": 10,
        "definition": "t",
        "definition_key": "t",
        "created_at": 1,
        "used_at": 1,
    }
    return StoredResult(key=key, **{**defaults, **values})  # type: ignore[arg-type]


def test_results_are_found_replaced_and_forgotten(store: Store) -> None:
    store.results.save(result("k", parts={"a": "1"}))
    store.results.save(result("k", size_bytes=20))
    found = store.results.find("k")
    assert found is not None
    assert found.size_bytes == 20
    assert store.results.total_bytes() == 20
    store.results.touch("k")
    again = store.results.find("k")
    assert again is not None
    assert again.used_at > 1
    store.results.forget(["k"])
    assert store.results.find("k") is None
    assert store.results.total_bytes() == 0


def test_what_goes_first_is_expired_then_longest_unused_and_a_tasks_newest_last(store: Store) -> None:
    store.results.save(result("old", used_at=1, created_at=1))
    store.results.save(result("newest", used_at=0, created_at=5))
    store.results.save(result("expired", used_at=9, created_at=2, expires_at=3))
    assert [r.key for r in store.results.oldest(excess_bytes=25)] == ["expired", "old", "newest"]
    assert [r.key for r in store.results.oldest(excess_bytes=10)] == ["expired"]
    assert [r.key for r in store.results.oldest(excess_bytes=0)] == ["expired"]
    assert [tuple(use) for use in store.results.usage()] == [("", None, "t", 3, 30, 9)]
    assert [r.key for r in store.results.latest("t", limit=1)] == ["newest"]
