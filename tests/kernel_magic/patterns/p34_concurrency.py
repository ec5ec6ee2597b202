"""34, 35. Slots: never more than the limit, from many tasks; tag limits; rates; what is no limit, strictly and not."""

import asyncio
import threading
import time

import pytest

from headrace import ConcurrencySlotAcquisitionError, concurrency, flow, rate_limit, task
from headrace.store import get_store

limits = get_store().limits
limits.save("p34-db", 2)
limits.save("tag:p34-tag", 2)
limits.save("p34-rate", 1, slot_decay_per_second=10.0)
lock = threading.Lock()
inside = {"slots": 0, "tag": 0}
most = {"slots": 0, "tag": 0}


def work(kind: str) -> None:
    with lock:
        inside[kind] += 1
        most[kind] = max(most[kind], inside[kind])
    time.sleep(0.02)
    with lock:
        inside[kind] -= 1


@task
def p34_query(n: int) -> int:
    with concurrency("p34-db", occupy=1):
        work("slots")
    return n


@task(tags=["p34-tag"])
def p34_tagged(n: int) -> int:
    work("tag")
    return n


@flow
def p34_flow() -> tuple:
    return p34_query.map(range(10)).result(), p34_tagged.map(range(10)).result()


async def main() -> None:
    assert p34_flow() == (list(range(10)), list(range(10)))
    assert most == {"slots": 2, "tag": 2}, most
    assert not any(limit.active for limit in limits.all() if limit.name in ("p34-db", "tag:p34-tag"))
    began = time.monotonic()
    for _ in range(4):
        rate_limit("p34-rate")
    assert time.monotonic() - began >= 0.25
    with concurrency("p34-nowhere"):
        pass
    with pytest.raises(ConcurrencySlotAcquisitionError, match="p34-nowhere"):
        concurrency("p34-nowhere", strict=True).__enter__()
    async with concurrency("p34-db"):
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencySlotAcquisitionError):
            concurrency("p34-db", occupy=2, timeout_seconds=0.05).__enter__()
