"""8, 9. Delays as a list (the last repeats), as exponential backoff, with jitter that works."""

import itertools

from engine_help import Book

from headrace import exponential_backoff, task


def waits(definition: str) -> list[float]:
    book = Book()
    run = book.of(definition)[-1]
    events = book.store.runs.history(run.id)
    return [
        (after.at - before.at) / 1e6
        for before, after in itertools.pairwise(events)
        if before.state_name == "AwaitingRetry"
    ]


@task(retries=3, retry_delay_seconds=[0.05, 0.1])
def p08_listed() -> None:
    raise ValueError


@task(retries=3, retry_delay_seconds=exponential_backoff(0.02))
def p08_doubling() -> None:
    raise ValueError


@task(retries=3, retry_delay_seconds=0.05, retry_jitter_factor=1.0)
def p08_jittered() -> None:
    raise ValueError


for which in (p08_listed, p08_doubling, p08_jittered):
    assert which(return_state=True).is_failed()
listed, doubling, jittered = waits("p08_listed"), waits("p08_doubling"), waits("p08_jittered")
for found, least in ((listed, [0.05, 0.1, 0.1]), (doubling, [0.02, 0.04, 0.08]), (jittered, [0.05] * 3)):
    assert all(low <= took < low * 3 + 2 for took, low in zip(found, least, strict=True)), (found, least)
assert len(set(jittered)) == 3, jittered
