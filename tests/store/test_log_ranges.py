"""Long logs: any range, from whichever end it is read, and a count that follows what comes."""

from __future__ import annotations

from headrace.core.ids import new_id
from headrace.store import Store
from headrace.store import logs as module


def write(store: Store, root: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        store.recorder.log(root, root, number, 20, "flow", f"line {number}")
    store.recorder.flush()


def test_ranges_near_the_end_are_read_from_behind_and_are_the_same(store: Store) -> None:
    root, other = new_id(), new_id()
    far = module.FAR
    module.FAR = 10
    try:
        write(store, root, 0, 60)
        write(store, other, 0, 5)
        assert store.logs.count(root) == 60
        write(store, root, 60, 40)
        assert [store.logs.count(root), store.logs.count(other), store.logs.count(root, tree=False)] == [100, 5, 100]
        for offset, limit in [(0, 7), (20, 7), (60, 7), (90, 7), (95, 7), (100, 7), (150, 7)]:
            lines = store.logs.lines(root, offset=offset, limit=limit)
            expected = [f"line {n}" for n in range(offset, min(100, offset + limit))]
            assert [line.message for line in lines] == expected
        found = store.logs.lines(root, offset=15, limit=3, search="line 9")
        assert [line.message for line in found] == []
        assert store.logs.count(root, search="line 9") == 11
    finally:
        module.FAR = far
