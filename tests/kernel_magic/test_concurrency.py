"""Limits hold across threads and processes; a dead holder's slot is free at once; waiters wake at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headrace.core.errors import ConcurrencySlotAcquisitionError, InvalidOption, NotFound
from headrace.kernel_magic.concurrency import concurrency, rate_limit, rate_limit_async
from headrace.store import Store, get_store

HOLD = """
import sys
from headrace.kernel_magic.concurrency import concurrency
with concurrency("db"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(data_dir: Path) -> Store:
    return get_store()


def test_never_more_than_the_limit_hold_slots(store: Store) -> None:
    store.limits.save("db", 2)
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(4):
            with concurrency("db"):
                with lock:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.002)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    assert store.limits.all()[0].active == 0


def test_a_name_that_is_no_limit_does_not_limit_unless_strict(store: Store) -> None:
    with concurrency("nothing"):
        pass
    with (
        pytest.raises(ConcurrencySlotAcquisitionError, match="headrace limit set nothing"),
        concurrency("nothing", strict=True),
    ):
        pass


def test_several_limits_are_taken_together_or_not_at_all(store: Store) -> None:
    store.limits.save("a", 1)
    store.limits.save("b", 0)
    with pytest.raises(InvalidOption, match="has 0 slots"), concurrency(["a", "b"]):
        pass
    store.limits.save("b", 1)
    with (
        concurrency("b"),
        pytest.raises(ConcurrencySlotAcquisitionError),
        concurrency(["a", "b"], timeout_seconds=0.05),
    ):
        pass
    assert [limit.active for limit in store.limits.all()] == [0, 0]


def test_waiting_ends_after_its_time_or_its_tries(store: Store) -> None:
    store.limits.save("db", 1)
    with concurrency("db"):
        began = time.monotonic()
        with pytest.raises(ConcurrencySlotAcquisitionError, match="time limit"), concurrency("db", timeout_seconds=0.1):
            pass
        assert time.monotonic() - began < 2
        with pytest.raises(ConcurrencySlotAcquisitionError, match="2 tries"), concurrency("db", max_retries=1):
            pass


def test_a_waiter_wakes_when_another_process_releases(store: Store) -> None:
    store.limits.save("db", 1)
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    threading.Timer(0.3, process.stdin.close).start()
    began = time.monotonic()
    with concurrency("db"):
        assert time.monotonic() - began < 5
    process.stdout.close()
    process.wait()


def test_the_slot_of_a_killed_process_is_free_at_once(store: Store) -> None:
    store.limits.save("db", 1)
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with concurrency("db", timeout_seconds=2):
        pass


def test_async_code_waits_without_stopping_the_loop(store: Store) -> None:
    store.limits.save("db", 1)

    async def main() -> list[str]:
        seen: list[str] = []

        async def hold(name: str) -> None:
            async with concurrency("db"):
                seen.append(f"{name} in")
                await asyncio.sleep(0.05)
                seen.append(f"{name} out")

        await asyncio.gather(hold("a"), hold("b"))
        return seen

    assert asyncio.run(main()) in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


def test_a_rate_limit_allows_a_burst_and_then_spaces_calls(store: Store) -> None:
    store.limits.save("api", 2, slot_decay_per_second=10)
    began = time.monotonic()
    for _ in range(5):
        rate_limit("api")
    assert 0.25 <= time.monotonic() - began < 2
    asyncio.run(rate_limit_async("api"))


def test_a_rate_limit_without_decay_is_an_error_only_when_strict(store: Store) -> None:
    store.limits.save("api", 1)
    rate_limit("api")
    with pytest.raises(ConcurrencySlotAcquisitionError, match="slot_decay_per_second"):
        rate_limit("api", strict=True)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda s: s.limits.save("", 1), "name"),
        (lambda s: s.limits.save("x", -1), "limit"),
        (lambda s: s.limits.save("x", 1, slot_decay_per_second=-1), "slot_decay_per_second"),
        (lambda s: concurrency("x", occupy=0), "occupy"),
        (lambda s: concurrency("x", lease_duration=1), "lease_duration"),
        (lambda s: concurrency([1]), "names"),  # type: ignore[list-item]
    ],
    ids=["name", "limit", "decay", "occupy", "lease", "names"],
)
def test_wrong_arguments_are_named(store: Store, call: object, field: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        call(store)  # type: ignore[operator]
    assert caught.value.field == field


def test_deleting_an_unknown_limit_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.limits.delete("x")
