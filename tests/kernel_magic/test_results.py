"""Results: stored, sealed, found, explained, bounded."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from engine_help import until

from headrace.core.errors import InvalidOption, UntrustedResultError
from headrace.kernel_magic.results import cache, retention, seal, storage
from headrace.kernel_magic.results.locks import try_key
from headrace.kernel_magic.results.policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
    KeyContext,
    parse_policy,
)
from headrace.kernel_magic.results.serializers import get_serializer
from headrace.kernel_magic.results.shelf import Shelf
from headrace.store import Store, get_store


@pytest.fixture
def store(data_dir: Path) -> Store:
    return get_store()


def context(**changes: Any) -> KeyContext:
    values: dict[str, Any] = {
        "definition_key": "clean",
        "function": context,
        "inputs": {"rate": 0.2, "debug": True},
        "root_id": "r1",
        "flow_parameters": {"month": 3},
        "source": {"code": "c1", "helper": "h1"},
    }
    return KeyContext(**{**values, **changes})


def put(store: Store, value: Any, policy: CachePolicy, where: KeyContext, **options: Any) -> dict[str, Any]:
    decision = cache.lookup(Shelf(store), policy, where)
    assert decision.key is not None
    options = {"definition": "clean", "run_id": "run-1", **options}
    return cache.save(
        Shelf(store), value, key=decision.key, definition_key=where.definition_key, parts=decision.parts, **options
    )


CHANGES: dict[str, dict[str, Any]] = {
    "input": {"inputs": {"rate": 0.3, "debug": True}},
    "debug": {"inputs": {"rate": 0.2, "debug": False}},
    "source": {"source": {"code": "c1", "helper": "h2"}},
    "run": {"root_id": "r2"},
    "flow": {"flow_parameters": {"month": 4}},
    "task": {"definition_key": "other"},
}


@pytest.mark.parametrize(
    ("policy", "misses"),
    [
        (INPUTS, {"input", "debug", "task"}),
        (INPUTS - "debug", {"input", "task"}),
        (TASK_SOURCE, {"source", "task"}),
        (RUN_ID, {"run", "task"}),
        (FLOW_PARAMETERS, {"flow", "task"}),
        (INPUTS + TASK_SOURCE, {"input", "debug", "source", "task"}),
        (DEFAULT, {"input", "debug", "source", "run", "task"}),
    ],
    ids=["INPUTS", "INPUTS-debug", "TASK_SOURCE", "RUN_ID", "FLOW_PARAMETERS", "INPUTS+TASK_SOURCE", "DEFAULT"],
)
def test_a_policy_misses_exactly_when_one_of_its_parts_changed(
    store: Store, policy: CachePolicy, misses: set[str]
) -> None:
    put(store, [1, 2], policy, context())
    again = cache.lookup(Shelf(store), policy, context())
    assert (again.hit, again.value, again.from_run_id) == (True, [1, 2], "run-1")
    assert {
        name for name, change in CHANGES.items() if not cache.lookup(Shelf(store), policy, context(**change)).hit
    } == misses


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("input", "missed: input rate changed"),
        ("source", "missed: helper (which its code uses) changed"),
        ("run", "missed: the flow run changed"),
        ("task", "missed: this task has no stored result"),
    ],
)
def test_a_miss_says_which_part_differs(store: Store, change: str, reason: str) -> None:
    put(store, 1, DEFAULT, context())
    assert cache.lookup(Shelf(store), DEFAULT, context(**CHANGES[change])).reason == reason


def test_no_policy_caches_nothing(store: Store) -> None:
    for policy in (None, NO_CACHE):
        decision = cache.lookup(Shelf(store), policy, context())
        assert (decision.hit, decision.key) == (False, None)


def test_a_task_without_arguments_is_cached_too(store: Store) -> None:
    put(store, 1, INPUTS, context(inputs={}))
    assert cache.lookup(Shelf(store), INPUTS, context(inputs={})).hit


def test_refreshing_misses_and_overwrites(store: Store) -> None:
    put(store, "old", INPUTS, context())
    assert not cache.lookup(Shelf(store), INPUTS, context(), refresh=True).hit
    put(store, "new", INPUTS, context())
    assert cache.lookup(Shelf(store), INPUTS, context()).value == "new"


def test_a_result_expires(store: Store) -> None:
    put(store, 1, INPUTS, context(), expiration_seconds=-1)
    decision = cache.lookup(Shelf(store), INPUTS, context())
    assert not decision.hit
    assert "expired at" in decision.reason


def test_an_input_that_cannot_be_hashed_gives_one_clear_warning(store: Store) -> None:
    decision = cache.lookup(Shelf(store), INPUTS, context(inputs={"lock": threading.Lock()}))
    assert decision.key is None
    assert decision.warning.startswith("lock is a _thread.lock")


def test_a_key_function_is_the_key_and_none_means_do_not_cache(store: Store) -> None:
    policy = CachePolicy(key_fn=lambda _context, parameters: parameters.get("day"))
    put(store, "monday", policy, context(inputs={"day": "mon", "x": 1}))
    assert cache.lookup(Shelf(store), policy, context(inputs={"day": "mon", "x": 2})).hit
    assert cache.lookup(Shelf(store), policy, context(inputs={})).key is None


def test_a_result_key_of_ones_own_is_found_even_by_another_store(store: Store, tmp_path: Path) -> None:
    place = tmp_path / "shared"
    cache.save(
        Shelf(store), {"a": 1}, key="k/1.pickle", definition="x", definition_key="x", run_id="r", result_storage=place
    )
    assert (place / "k" / "1.pickle").is_file()
    store.results.forget(["k/1.pickle"])
    found = cache.lookup(Shelf(store), None, context(), storage_key="k/1.pickle", result_storage=place)
    assert found.hit
    assert found.value == {"a": 1}


@pytest.mark.parametrize("key", ["../x", "a/../../x", "", "/", "a\\b", "a/\x00"])
def test_a_key_cannot_leave_its_place(store: Store, key: str) -> None:
    with pytest.raises(InvalidOption):
        storage.Storage().location(key)


@pytest.mark.parametrize(
    "change",
    ["flip a byte", "flip a byte of an array", "swap arrays", "cut", "cut the head", "another key", "no seal", "empty"],
)
def test_what_was_not_sealed_by_us_is_never_opened(store: Store, tmp_path: Path, change: str) -> None:
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(canary),))

    import pickle

    code, one, other = pickle.dumps(Evil()), bytes(50), bytes([1]) * 50
    head = seal.head_of([code, one, other])
    before_code = 14 + len(seal.MAGIC)
    bad = {
        "flip a byte": head + bytes([code[0] ^ 1]) + code[1:] + one + other,
        "flip a byte of an array": head + code + one + other[:-1] + b"\0",
        "swap arrays": head + code + other + one,
        "cut": head + code + one + other[:-1],
        "cut the head": head[:20],
        "another key": head[:before_code] + bytes(32) + head[before_code + 32 :] + code + one + other,
        "no seal": code,
        "empty": b"",
    }[change]
    (tmp_path / "result").write_bytes(bad)
    with pytest.raises(UntrustedResultError, match="not opened"):
        cache.open_result(str(tmp_path / "result"), "pickle")
    assert not canary.exists()


def test_the_key_file_is_private(store: Store, data_dir: Path) -> None:
    seal.key()
    assert (data_dir / "result.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["pickle", "json", "compressed/pickle", "compressed/json"])
def test_values_come_back_from_every_serializer(store: Store, name: str) -> None:
    put(store, {"a": [1, None, "ü"]}, INPUTS, context(), serializer=name)
    assert cache.lookup(Shelf(store), INPUTS, context()).value == {"a": [1, None, "ü"]}


@pytest.mark.parametrize("name", ["xml", "compressed/xml", 7])
def test_an_unknown_serializer_is_refused(name: Any) -> None:
    with pytest.raises(InvalidOption, match="result_serializer"):
        get_serializer(name)


def test_a_result_that_cannot_be_stored_says_why_and_raises_nothing(store: Store) -> None:
    record = put(store, threading.Lock(), INPUTS, context())
    assert "cannot be pickled" in record["error"]
    assert "storage" not in record
    assert not cache.lookup(Shelf(store), INPUTS, context()).hit


def test_a_place_that_cannot_be_written_says_which(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = put(store, 1, INPUTS, context(), result_storage=tmp_path / "file" / "deeper")
    assert str(tmp_path / "file") in record["error"]


def test_any_fsspec_place_works(store: Store) -> None:
    put(store, [3], INPUTS, context(), result_storage="memory://results")
    decision = cache.lookup(Shelf(store), INPUTS, context())
    assert decision.value == [3]
    with pytest.raises(InvalidOption, match="nosuch"):
        storage.Storage("nosuch://x")


def test_a_removed_file_is_a_miss_that_says_so(store: Store) -> None:
    record = put(store, 1, INPUTS, context())
    Path(record["storage"]).unlink()
    assert cache.lookup(Shelf(store), INPUTS, context()).reason == "missed: the stored result is gone"


def test_pruning_takes_the_expired_then_the_longest_unused_and_a_tasks_newest_last(store: Store) -> None:
    sizes = {}
    for n, (task, expires) in enumerate([("a", None), ("a", None), ("b", None), ("a", -1.0)]):
        record = put(
            store, b"x" * 1000, INPUTS, context(definition_key=task, inputs={"n": n}), expiration_seconds=expires
        )
        sizes[record["key"]] = (n, record["size_bytes"])
    order = [sizes[result.key][0] for result in retention.prune(store, limit_bytes=0, dry_run=True)]
    assert order[0] == 3
    assert order[1] in (0, 1)
    assert set(order) == {0, 1, 2, 3}
    removed = retention.prune(store, limit_bytes=2500)
    assert [sizes[result.key][0] for result in removed] == order[:2]
    assert not any(Path(result.storage).exists() for result in removed)
    assert retention.prune(store) == []


def test_the_cap_is_a_tenth_of_the_disk_or_ten_gigabytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < retention.max_bytes(store) <= retention.DEFAULT_MAX_BYTES
    monkeypatch.setenv("HEADRACE_RESULTS_MAX_BYTES", "5")
    assert retention.max_bytes(store) == 5


COUNT = """
import sys
from pathlib import Path
from engine_help import until
from headrace.kernel_magic.results.locks import try_key
for _ in range(25):
    let_go = until(lambda: try_key("same"), 60, 0.001)
    path = Path(sys.argv[1])
    path.write_text(str(int(path.read_text()) + 1))
    let_go()
"""


def test_of_processes_and_threads_that_hold_one_key_each_waits_for_the_other(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")

    def count() -> None:
        for _ in range(25):
            let_go = until(lambda: try_key("same"), 60, 0.001)
            path.write_text(str(int(path.read_text()) + 1))
            let_go()

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)], env=environment) for _ in range(2)]
    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for worker in (*threads, *processes):
        worker.join() if isinstance(worker, threading.Thread) else worker.wait()
    assert path.read_text() == "125"


def test_a_key_that_is_let_go_leaves_the_others_held(store: Store) -> None:
    one, two = try_key("one"), try_key("two")
    assert one is not None
    assert two is not None
    two()
    ask = "from headrace.kernel_magic.results.locks import try_key; print([bool(try_key(k)) for k in ('one', 'two')])"
    assert subprocess.check_output([sys.executable, "-c", ask], text=True) == "[False, True]\n"
    one()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("INPUTS", INPUTS),
        ("INPUTS + TASK_SOURCE", INPUTS + TASK_SOURCE),
        ('INPUTS - "debug"', INPUTS - "debug"),
        ("DEFAULT", DEFAULT),
        ("NO_CACHE", NO_CACHE),
    ],
)
def test_a_policy_is_read_from_text(text: str, policy: CachePolicy) -> None:
    assert parse_policy(text) == policy


def test_wrong_policies_are_refused() -> None:
    with pytest.raises(InvalidOption, match="another policy"):
        INPUTS + "x"  # type: ignore[operator]
    with pytest.raises(InvalidOption, match="by its name"):
        INPUTS - 3  # type: ignore[operator]
    with pytest.raises(InvalidOption, match="SERIALIZABLE"):
        INPUTS.configure(isolation_level="loose")
