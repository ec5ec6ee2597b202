"""Caching of function tasks: hits, misses that say why, one computation at a time, limits by tag."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from engine_help import until

from headrace.core.errors import InvalidOption, StoreUnavailable
from headrace.core.runs import RunFilter
from headrace.kernel_magic.flows import flow
from headrace.kernel_magic.results.keeper import explain_cache
from headrace.kernel_magic.results.locks import try_key
from headrace.kernel_magic.results.policies import DEFAULT, INPUTS, TASK_SOURCE
from headrace.kernel_magic.tasks import task
from headrace.store import Store, get_store


@pytest.fixture
def store(data_dir: Path) -> Store:
    return get_store()


class Counter:
    """Counts calls without being an input."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls

    def __headrace_digest__(self) -> str:
        return "counter"


def runs_of(store: Store, name: str) -> list[Any]:
    store.recorder.flush()
    page, _ = store.runs.page(RunFilter(names=(name,), kinds=("task",), roots_only=False), sort="created_at")
    return page


def test_the_same_inputs_are_computed_once_across_flow_runs(store: Store) -> None:
    count = Counter()

    @task(cache_policy=INPUTS)
    def compute(x: int) -> int:
        count()
        return x * 2

    @flow
    def whole(x: int) -> int:
        return compute(x)

    assert [whole(1), whole(1), whole(2)] == [2, 2, 4]
    assert count.calls == 2
    first, second, third = runs_of(store, "compute")
    assert [r.state_name for r in (first, second, third)] == ["Completed", "Cached", "Completed"]
    assert second.cache is not None
    assert second.cache["from_run_id"] == first.id
    assert third.cache is not None
    assert third.cache["reason"] == "missed: input x changed"


def test_the_default_policy_holds_within_one_flow_run(store: Store) -> None:
    count = Counter()

    @task(persist_result=True)
    def compute(x: int) -> int:
        return count()

    @flow
    def whole() -> tuple[int, int]:
        return compute(1), compute(1)

    assert whole() == (1, 1)
    assert whole() == (2, 2)


def test_two_tasks_with_equal_inputs_never_share_a_result(store: Store) -> None:
    @task(cache_policy=INPUTS)
    def one(x: int) -> str:
        return "one"

    @task(cache_policy=INPUTS)
    def other(x: int) -> str:
        return "other"

    assert (one(1), other(1)) == ("one", "other")


def test_a_result_that_cannot_be_stored_is_one_warning_and_the_run_completes(store: Store) -> None:
    @task(cache_policy=INPUTS)
    def make() -> Any:
        return threading.Lock()

    assert make() is not None
    (run,) = runs_of(store, "make")
    assert run.state_name == "Completed"
    assert run.details["resumable"] is False
    warnings = [line.message for line in store.logs.lines(run.root_id) if line.level == 30]
    assert len(warnings) == 1
    assert "cannot be pickled" in warnings[0]


def test_an_input_that_cannot_be_hashed_is_one_warning_and_the_run_completes(store: Store) -> None:
    @task(cache_policy=INPUTS)
    def use(lock: Any) -> int:
        return 1

    assert use(threading.Lock()) == 1
    (run,) = runs_of(store, "use")
    assert run.details["resumable"] is False
    assert "lock is a _thread.lock" in run.details["warnings"][0]


def test_a_result_expires_and_a_refresh_overwrites(store: Store) -> None:
    count = Counter()

    @task(cache_policy=INPUTS, cache_expiration=datetime.timedelta(days=1))
    def compute() -> int:
        return count()

    assert [compute(), compute()] == [1, 1]
    assert compute.with_options(refresh_cache=True)() == 2
    assert compute() == 2
    short = compute.with_options(cache_expiration=datetime.timedelta(microseconds=1))
    assert short.with_options(refresh_cache=True)() == 3
    assert short() == 4


def test_a_key_function_and_a_storage_key_decide(store: Store, tmp_path: Path) -> None:
    count = Counter()

    @task(cache_key_fn=lambda context, parameters: parameters["day"])
    def by_day(day: str, noise: int) -> int:
        return count()

    assert [by_day("mon", 1), by_day("mon", 2), by_day("tue", 3)] == [1, 1, 2]

    @task(result_storage=tmp_path, result_storage_key="k-{parameters[n]}.pickle")
    def stored(n: int) -> int:
        return count()

    assert [stored(7), stored(7)] == [3, 3]
    assert (tmp_path / "k-7.pickle").is_file()

    @task(result_storage_key="{parameters[zz]}")
    def wrong(n: int) -> int:
        return 0

    with pytest.raises(InvalidOption, match=r"known: \{parameters\[n\]\}"):
        wrong(1)


def test_failures_are_never_cached(store: Store) -> None:
    count = Counter()

    @task(cache_policy=INPUTS)
    def sometimes() -> int:
        if count() == 1:
            raise ValueError("first time")
        return 5

    with pytest.raises(ValueError, match="first time"):
        sometimes()
    assert sometimes() == 5


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cache_policy", "EVERYTHING"),
        ("cache_policy", 3),
        ("result_serializer", "xml"),
        ("result_storage", 5),
        ("result_storage", "nothing://bucket"),
    ],
)
def test_a_wrong_option_of_results_is_refused_when_the_decorator_is_read(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=option) as refused:
        task(**{option: value})
    assert refused.value.field == option


def test_a_place_for_results_that_cannot_be_written_fails_the_run_before_its_body(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    count = Counter()

    @task(persist_result=True, result_storage=tmp_path / "file" / "results")
    def compute() -> int:
        return count()

    with pytest.raises(StoreUnavailable, match="Name a folder that can be written"):
        compute()
    assert count.calls == 0


def test_stored_results_keep_to_their_cap_and_no_run_fails_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(cache_policy=INPUTS)
    def large(n: int) -> bytes:
        return bytes([n]) * 40_000

    @task(cache_policy=INPUTS)
    def small() -> int:
        return 1

    small()
    monkeypatch.setenv("HEADRACE_RESULTS_MAX_BYTES", "100000")
    for n in range(10):
        large(n)
    assert store.results.total_bytes() <= 100_000
    assert explain_cache(large, 9).hit
    assert explain_cache(small).hit, "a task's last result goes last"
    assert not explain_cache(large, 0).hit
    monkeypatch.setenv("HEADRACE_RESULTS_MAX_BYTES", "1")
    assert large(11) == bytes([11]) * 40_000
    assert [use.definition for use in store.results.usage()] == ["large"]


def test_explaining_says_what_a_call_would_do_and_runs_nothing(store: Store) -> None:
    count = Counter()

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def compute(x: int) -> int:
        return count()

    assert explain_cache(compute, 1).reason == "missed: this task has no stored result"
    compute(1)
    assert explain_cache(compute, 1).hit
    assert explain_cache(compute, 2).changed == ("input:x",)
    assert count.calls == 1

    @task
    def plain() -> int:
        return 1

    assert "no cache policy" in explain_cache(plain).reason

    @flow(persist_result=True)
    def keeping() -> tuple[bool, bool]:
        before = explain_cache(plain).hit
        plain()
        return before, explain_cache(plain).hit

    assert keeping() == (False, True)


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @task(cache_policy=INPUTS)
    def times(self, x: int) -> int:
        return self.factor * x

    @task(cache_policy=INPUTS)
    @classmethod
    def named(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


class Other(Scale):
    pass


def test_the_object_that_a_method_is_called_on_is_an_input(store: Store) -> None:
    assert (Scale(2).times(5), Scale(3).times(5), Scale(2).times(5)) == (10, 15, 10)
    assert (Scale.named(1), Other.named(1)) == ("Scale 1", "Other 1")
    assert explain_cache(Scale(2).times, 5).hit
    assert explain_cache(Scale(4).times, 5).changed == ("input:self",)


def test_a_name_of_its_own_tells_tasks_of_one_function_apart(store: Store) -> None:
    def scaled(factor: int) -> Any:
        @task(name=f"times-{factor}", cache_policy=INPUTS)
        def scale(x: int) -> int:
            return x * factor

        return scale

    assert (scaled(2)(1), scaled(3)(1), scaled(2)(1)) == (2, 3, 2)


def test_async_tasks_are_cached_too(store: Store) -> None:
    import asyncio

    count = Counter()

    @task(cache_policy=INPUTS)
    async def compute(x: int) -> int:
        return count()

    async def main() -> list[int]:
        return [await compute(1), await compute(1)]

    assert asyncio.run(main()) == [1, 1]


SAME = """
import sys
from pathlib import Path
from engine_help import until
from headrace import INPUTS, task

level, here = sys.argv[1], Path(sys.argv[2])

def note(name):
    with (here / name).open("a") as file:
        file.write("x")

def both(name):
    return (here / name).exists() and (here / name).read_text() == "xx"

@task(cache_policy=INPUTS.configure(isolation_level=level))
def compute(x):
    note("called")
    # The other process asks for the key meanwhile, or computes, too.
    until(lambda: both("came" if level == "SERIALIZABLE" else "called"), 60)
    return x

note("came")
print(compute(3))
"""


@pytest.mark.parametrize(("level", "calls"), [("SERIALIZABLE", "x"), ("READ_COMMITTED", "xx")])
def test_of_two_processes_with_one_key_one_waits_or_both_compute(
    store: Store, tmp_path: Path, level: str, calls: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    command = [sys.executable, "-c", SAME, level, str(tmp_path)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["3", "3"]
    assert (tmp_path / "called").read_text() == calls
    assert {run.state_name for run in runs_of(store, "compute")} == (
        {"Completed", "Cached"} if level == "SERIALIZABLE" else {"Completed"}
    )


def test_a_run_that_waits_for_a_key_is_cancelled_at_once(store: Store) -> None:
    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def compute(x: int) -> int:
        return x

    key = explain_cache(compute, 1).key
    assert key is not None
    let_go = try_key(key)
    assert let_go is not None
    future = compute.submit(1)
    until(lambda: runs_of(store, "compute"))
    future.cancel()
    assert future.wait(60) is None
    assert future.state.name == "Cancelled"
    let_go()
    assert compute(1) == 1


def test_a_tag_limit_is_never_exceeded_and_waiters_start_promptly(store: Store) -> None:
    store.limits.save("tag:db", 2)
    inside, most, lock = 0, 0, threading.Lock()

    @task(tags=["db"])
    def query(n: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.01)
        with lock:
            inside -= 1
        return n

    @flow
    def many() -> list[int]:
        return [future.result() for future in [query.submit(n) for n in range(8)]]

    assert many() == list(range(8))
    assert most == 2
    assert store.limits.all()[0].active == 0
    names = {e.state_name for run in runs_of(store, "query") for e in store.runs.history(run.id)}
    assert "AwaitingConcurrencySlot" in names


def test_the_default_policy_is_inputs_source_and_run() -> None:
    assert DEFAULT.parts == {"INPUTS", "TASK_SOURCE", "RUN_ID"}
