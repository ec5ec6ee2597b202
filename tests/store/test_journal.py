"""The journal: strictly increasing, equal to commit order, and waiters wake at once."""

from __future__ import annotations

import threading
import time

from headrace.core.settings import find_store
from headrace.store import Store


def test_events_come_back_in_order_after_a_number(store: Store) -> None:
    for n in range(5):
        store.journal.append("deployment.changed", subject_id=str(n), payload={"n": n})
    events = store.journal.after(0)
    assert [e.payload["n"] for e in events] == list(range(5))
    assert [e.subject_id for e in store.journal.after(events[2].seq)] == ["3", "4"]
    assert [e.seq for e in store.journal.after(0, kinds=["nothing"])] == []
    assert store.journal.last_seq() == events[-1].seq


def test_a_waiter_wakes_when_another_connection_commits(store: Store) -> None:
    seq = store.journal.last_seq()
    other = Store(find_store(store.place.url))
    timer = threading.Timer(0.2, lambda: other.journal.append("worker.changed"))
    timer.start()
    began = time.monotonic()
    assert store.journal.wait(seq, timeout_seconds=10)
    assert time.monotonic() - began < 5
    timer.join()
    other.close()


def test_a_waiter_gives_up_after_its_time(store: Store) -> None:
    assert not store.journal.wait(store.journal.last_seq(), timeout_seconds=0.05)


def test_a_reader_that_follows_never_sees_a_smaller_number_appear_later(store: Store) -> None:
    """Four writers commit at once; a reader that asks for what is new sees every event exactly once, in order."""
    stores = [Store(find_store(store.place.url)) for _ in range(4)]

    def write(one: Store) -> None:
        for _ in range(50):
            one.journal.append("limit.changed")

    threads = [threading.Thread(target=write, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while any(thread.is_alive() for thread in threads) or store.journal.wait(
        seen[-1] if seen else 0, timeout_seconds=0
    ):
        seen += [e.seq for e in store.journal.after(seen[-1] if seen else 0)]
    assert len(seen) == 200
    assert seen == sorted(seen)
    for one in stores:
        one.close()
