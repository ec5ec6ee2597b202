"""30. Cache policies across runs: inputs, inputs without one, source and inputs, expiry, refresh, own keys, none."""

from datetime import timedelta

from engine_help import Book

from headrace import INPUTS, NO_CACHE, TASK_SOURCE, explain_cache, flow, task, task_input_hash

calls = []


def cached(name, **options):
    @task(name=name, **options)
    def p30_body(x, debug=False):
        calls.append(name)
        return x * 2

    return p30_body


by_inputs = cached("p30-inputs", cache_policy=INPUTS)
but_one = cached("p30-but-one", cache_policy=INPUTS - "debug")
expiring = cached("p30-expiring", cache_policy=INPUTS, cache_expiration=timedelta(microseconds=1))
refreshed = cached("p30-refreshed", cache_policy=INPUTS, refresh_cache=True)
keyed = cached("p30-keyed", cache_key_fn=lambda _context, parameters: f"key-{parameters['x'] % 2}")
hashed = cached("p30-hashed", cache_key_fn=task_input_hash)
uncached = cached("p30-uncached", cache_policy=NO_CACHE)


@flow
def p30_flow(which, *args):
    return which(*args)


def ran(which, *calls_of_it) -> int:
    before = len(calls)
    for args in calls_of_it:
        p30_flow(which, *args)  # each in a run of its own
    return len(calls) - before


assert ran(by_inputs, (1,), (1,), (2,), (1.0,), (True,)) == 4
assert ran(but_one, (1, False), (1, True), (2, True)) == 2
assert ran(expiring, (1,), (1,)) == 2
assert ran(refreshed, (1,), (1,)) == 2
assert ran(keyed, (1,), (3,), (2,)) == 2
assert ran(hashed, (1,), (1,), ([1],), ([1],)) == 2
assert ran(uncached, (1,), (1,)) == 2
assert [run.state_name for run in Book().of("p30-inputs")] == [
    "Completed",
    "Cached",
    "Completed",
    "Completed",
    "Completed",
]

FACTOR = 2


def p30_helper(x):
    return x * FACTOR


@task(cache_policy=TASK_SOURCE + INPUTS)
def p30_sourced(x):
    return p30_helper(x)


assert (p30_sourced(1), p30_sourced(1)) == (2, 2)
FACTOR = 3
assert explain_cache(p30_sourced, 1).reason == "missed: FACTOR (which its code uses) changed"
assert p30_sourced(1) == 3


def p30_helper(x):  # noqa: F811
    return x * FACTOR + 1


assert p30_sourced(1) == 4
runs = Book().of("p30_sourced")
assert [run.state_name for run in runs] == ["Completed", "Cached", "Completed", "Completed"]
assert "p30_helper" in runs[-1].cache["reason"]
