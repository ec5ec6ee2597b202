"""Stored results as the engine reaches them: the index in the store, and the sealed bytes behind it.

A process that runs bodies for another one has neither the store nor the key of
the seals: its shelf asks the submitter's, verb by verb.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from headrace.core.clock import SYSTEM_CLOCK
from headrace.kernel_magic.results import locks, retention, seal, storage
from headrace.store.results import StoredResult

if TYPE_CHECKING:
    from headrace.store import Store

#: What another process may ask for.
VERBS = frozenset(
    "flow_parameters find lying latest read save touch forget prepare take give_back limited take_slots".split()
)
#: How often somebody who waits for a key looks again, seconds.
LOOK_SECONDS = 0.02
#: … who waits for a slot in another process, which costs the submitter a look into its store.
SLOT_SECONDS = 0.1


class Shelf:
    """The stored results of one store.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: dict[str, Callable[[], None]] = {}

    def now_us(self) -> int:
        """Return the store's time, µs."""
        return self._store.clock.now_us()

    def flow_parameters(self, run_id: str) -> dict[str, Any]:
        """Return the parameters of a flow run that this process moves on."""
        from headrace.kernel_magic.engine.live import LIVE

        run = LIVE.get(run_id)
        return dict((run.parameters if run is not None else None) or {})

    def find(self, key: str) -> StoredResult | None:
        """Return the index's record of a key."""
        return self._store.results.find(key)

    def lying(self, key: str, result_storage: Any) -> tuple[str, int] | None:
        """Return where bytes lie at a user's own key that the index may not know, and how many."""
        place = storage.Storage(result_storage).location(key)
        try:
            with storage.opened(place) as file:
                return place, file.seek(0, os.SEEK_END)
        except OSError:
            return None

    def latest(self, definition_key: str) -> Sequence[StoredResult]:
        """Return the newest results of a task, newest first."""
        return self._store.results.latest(definition_key)

    def read(self, place: str) -> list[bytearray]:
        """Return the parts at a place (see `read_sealed`)."""
        return read_sealed(place)

    def save(self, result: StoredResult, parts: Sequence[Any], result_storage: Any) -> StoredResult:
        """Seal and store the parts of a result, and note them in the index; return the record with their place and size.

        Raises
        ------
        StoreError
        """
        pieces = [seal.head_of(parts), *parts]
        size = sum(memoryview(piece).nbytes for piece in pieces)
        place = storage.Storage(result_storage).write(result.key, pieces)
        stored = replace(result, storage=place, size_bytes=size)
        self._store.results.save(stored)
        retention.stored(self._store, stored.key, size)
        return stored

    def touch(self, key: str) -> None:
        """Note that a result was used."""
        self._store.results.touch(key)

    def forget(self, key: str) -> None:
        """Take a result out of the index."""
        self._store.results.forget([key])

    def prepare(self, result_storage: Any) -> None:
        """Refuse a place that cannot be written before the work, not after it.

        Raises
        ------
        StoreUnavailable
        """
        storage.Storage(result_storage).prepare()

    def take(self, key: str, run_id: str = "") -> bool:
        """Take a key that is to be computed once at a time, for a run; return whether it was free."""
        let_go = locks.try_key(key)
        if let_go is not None:
            self._taken[key] = let_go
        return let_go is not None

    def limited(self, names: Sequence[str]) -> set[str]:
        """Return which of the names are limits."""
        return self._store.limits.known(names)

    def take_slots(self, key: str, run_id: str, names: Sequence[str]) -> bool:
        """Take a slot of each limit for a run of another process, under a key; return whether all were free.

        Raises
        ------
        InvalidOption
            A limit has no slot at all.
        """
        from headrace.kernel_magic import concurrency
        from headrace.store import liveness

        slots, wait = self._store.limits.acquire(
            names, holder=liveness.owner_id(), run_id=run_id, lease_seconds=concurrency.LEASE_SECONDS
        )
        if wait is None:
            self._taken[key] = concurrency.holding(self._store, slots)
        return wait is None

    def give_back(self, key: str) -> None:
        """Give back what `take` or `take_slots` took."""
        let_go = self._taken.pop(key, None)
        if let_go is not None:
            let_go()


def read_sealed(place: str) -> list[bytearray]:
    """Return the parts of the result at a place, their seal checked.

    Raises
    ------
    FileNotFoundError, UntrustedResultError
    """
    with storage.opened(place) as file:
        return seal.read_parts(file, where=place)


def until_taken(shelf: Shelf, key: str, run_id: str) -> Iterator[float]:
    """Take a key for a run; yield the seconds to sleep before each further try (one brain for sync and async)."""
    while not shelf.take(key, run_id):
        yield LOOK_SECONDS


def until_slots_taken(shelf: Shelf, key: str, run_id: str, names: Sequence[str]) -> Iterator[float]:
    """Take slots for a run; yield the seconds to sleep before each further try."""
    while not shelf.take_slots(key, run_id, names):
        yield SLOT_SECONDS


class _Far:
    """Forwards each verb to the submitter's shelf."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def now_us(self) -> int:
        return SYSTEM_CLOCK.now_us()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb not in VERBS:
            raise AttributeError(verb)
        return lambda *arguments: self._ask(verb, *arguments)


def far_shelf(ask: Callable[..., Any]) -> Shelf:
    """Return a shelf whose verbs are answered elsewhere.

    Parameters
    ----------
    ask : callable(verb, *arguments)
        Returns the answer, or raises what the verb raised there.
    """
    return cast(Shelf, _Far(ask))
