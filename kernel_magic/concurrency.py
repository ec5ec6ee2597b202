"""`concurrency("db")` holds slots of a limit while a block runs; `rate_limit("api")` spaces calls.

Both work in threads, processes and async code. Limits live in the store
(`headrace limit set db 3`, the panel, or `Limits.save`); a name that is no
limit does not limit, unless `strict=True`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from headrace.core.errors import ConcurrencySlotAcquisitionError, InvalidOption, StoreError
from headrace.store import Store, get_store, liveness

#: How often a waiter looks whether something was released, seconds (PRAGMA data_version costs 3 µs).
LOOK_SECONDS = 0.025
#: How long a lease is when nothing else is asked for, seconds.
LEASE_SECONDS = 300.0
#: The shortest lease, seconds (Prefect's).
MIN_LEASE_SECONDS = 60.0


class _Renewer:
    """One thread per process that prolongs the leases of slots held for long."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Store, float, float]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, store: Store, slots: Sequence[str], lease_seconds: float) -> None:
        due = time.monotonic() + lease_seconds / 3
        with self._lock:
            self._held.update(dict.fromkeys(slots, (store, lease_seconds, due)))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="headrace-leases", daemon=True)
                self._thread.start()

    def remove(self, slots: Sequence[str]) -> None:
        with self._lock:
            for slot in slots:
                self._held.pop(slot, None)

    def _work(self) -> None:
        while self._held:
            time.sleep(1.0)
            now = time.monotonic()
            with self._lock:
                due = [(slot, *entry[:2]) for slot, entry in self._held.items() if entry[2] <= now]
            for slot, store, lease in due:
                with contextlib.suppress(StoreError):  # a store that is locked just now is asked again in time
                    store.limits.renew([slot], lease_seconds=lease)
                with self._lock:
                    if slot in self._held:
                        self._held[slot] = (store, lease, now + lease / 3)


_renewer = _Renewer()


class concurrency:
    """Hold slots of one or more limits while a block runs; usable with `with` and `async with`.

    Parameters
    ----------
    names : str or sequence of str
        The limits; all of them are taken, or none.
    occupy : int, default 1
        Slots to take of each.
    timeout_seconds : float or None, default None
        How long to wait; None waits as long as it takes.
    max_retries : int or None, default None
        How often to try again at most.
    lease_duration : float, default 300
        Seconds after which slots of a holder on another host are free if it stopped renewing; at least 60.
    strict : bool, default False
        A name that is no limit is an error.

    Raises
    ------
    ConcurrencySlotAcquisitionError
        No slot in time, or `strict` and no such limit.
    InvalidOption
        A wrong argument.
    """

    def __init__(
        self,
        names: str | Sequence[str],
        occupy: int = 1,
        timeout_seconds: float | None = None,
        max_retries: int | None = None,
        lease_duration: float = LEASE_SECONDS,
        strict: bool = False,
        raise_on_lease_renewal_failure: bool | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        self.names = _names(names)
        if occupy < 1:
            raise InvalidOption(f"occupy is {occupy}; it is 1 or more.", field="occupy")
        if lease_duration < MIN_LEASE_SECONDS:
            raise InvalidOption(
                f"lease_duration is {lease_duration}; it is 60 seconds or more.", field="lease_duration"
            )
        self._occupy, self._timeout, self._tries, self._lease = occupy, timeout_seconds, max_retries, lease_duration
        self._strict = strict
        self._store = store
        self._slots: list[str] = []

    def __enter__(self) -> concurrency:
        for pause in self._attempts():
            time.sleep(pause)
        return self

    async def __aenter__(self) -> concurrency:
        for pause in self._attempts():
            await asyncio.sleep(pause)
        return self

    def __exit__(self, *_exception: object) -> None:
        _renewer.remove(self._slots)
        self._opened().limits.release(self._slots)
        self._slots = []

    async def __aexit__(self, *exception: object) -> None:
        self.__exit__(*exception)

    def _opened(self) -> Store:
        self._store = self._store or get_store()
        return self._store

    def _attempts(self) -> Iterator[float]:
        """Try until the slots are taken; yield how long to sleep in between."""
        yield from acquire(
            self._opened(),
            self.names,
            self._occupy,
            self._timeout,
            self._tries,
            self._lease,
            self._strict,
            self._slots,
        )
        if self._slots:
            _renewer.add(self._opened(), self._slots, self._lease)


def holding(store: Store, slots: Sequence[str], lease_seconds: float = LEASE_SECONDS) -> Callable[[], None]:
    """Renew the leases of slots until the returned function is called, which gives them back."""
    _renewer.add(store, slots, lease_seconds)

    def let_go() -> None:
        _renewer.remove(slots)
        store.limits.release(slots)

    return let_go


def acquire(
    store: Store,
    names: Sequence[str],
    occupy: int,
    timeout_seconds: float | None,
    max_retries: int | None,
    lease_seconds: float,
    strict: bool,
    slots: list[str],
    *,
    run_id: str | None = None,
) -> Iterator[float]:
    """Take slots into `slots`; yield the seconds to sleep before each further try (one brain for sync and async)."""
    if strict:
        missing = set(names) - store.limits.known(names)
        if missing:
            raise ConcurrencySlotAcquisitionError(
                f"There is no limit {sorted(missing)[0]!r}; make it with `headrace limit set {sorted(missing)[0]} N`."
            )
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    tries = 0
    while True:
        taken, wait = store.limits.acquire(
            names,
            occupy=occupy,
            holder=liveness.owner_id(),
            run_id=run_id,
            lease_seconds=lease_seconds,
        )
        if wait is None:
            slots.extend(taken)
            return
        tries += 1
        if max_retries is not None and tries > max_retries:
            raise ConcurrencySlotAcquisitionError(f"No free slot of {', '.join(names)} after {tries} tries.")
        yield from _until_changed(store, time.monotonic() + max(wait, LOOK_SECONDS), deadline, names)


def _until_changed(store: Store, until: float, deadline: float | None, names: Sequence[str]) -> Iterator[float]:
    """Sleep in small steps until something was committed, the pause is over, or time is up."""
    watch = store.database.dialect == "sqlite"
    before = store.database.data_version() if watch else 0
    while time.monotonic() < until:
        if deadline is not None and time.monotonic() >= deadline:
            raise ConcurrencySlotAcquisitionError(f"No free slot of {', '.join(names)} within the time limit.")
        yield min(LOOK_SECONDS, max(0.001, until - time.monotonic()))
        if watch and store.database.data_version() != before:
            return


def rate_limit(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
    *,
    store: Store | None = None,
) -> None:
    """Wait until a rate limit lets one more call through (the slot frees itself by the limit's decay).

    Parameters
    ----------
    names : str or sequence of str
    occupy : int, default 1
    timeout_seconds : float or None, default None
    strict : bool, default False
        A name that is no limit, or a limit without decay, is an error.

    Raises
    ------
    ConcurrencySlotAcquisitionError
    """
    opened = store or get_store()
    for pause in _rate(opened, _names(names), occupy, timeout_seconds, strict):
        time.sleep(pause)


async def rate_limit_async(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
    *,
    store: Store | None = None,
) -> None:
    """As `rate_limit`, for async code: other coroutines go on meanwhile."""
    opened = store or get_store()
    for pause in _rate(opened, _names(names), occupy, timeout_seconds, strict):
        await asyncio.sleep(pause)


def _rate(store: Store, names: Sequence[str], occupy: int, timeout: float | None, strict: bool) -> Iterator[float]:
    decaying = {limit.name for limit in store.limits.all() if limit.slot_decay_per_second > 0}
    wrong = [name for name in names if name not in decaying]
    if strict and wrong:
        raise ConcurrencySlotAcquisitionError(f"{wrong[0]!r} is no rate limit: give it a slot_decay_per_second.")
    yield from acquire(store, [n for n in names if n in decaying], occupy, timeout, None, LEASE_SECONDS, False, [])


def _names(names: Any) -> list[str]:
    found = [names] if isinstance(names, str) else list(names)
    if not all(isinstance(name, str) for name in found):
        raise InvalidOption(f"Limits are named by text, not {names!r}.", field="names")
    return found
