"""Flows and tasks, called in the ways that people call them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine_help import Book

from headrace import ThreadPoolTaskRunner, flow, get_run_logger, stop, task, wait
from headrace.core.errors import (
    InvalidOption,
    InvalidParameter,
    MissingContextError,
    ParameterTypeError,
    UpstreamFailed,
    UsageError,
)
from headrace.core.states import State, StateType
from headrace.kernel_magic.definition import Definition
from headrace.kernel_magic.engine.asynchronous import execute_async
from headrace.kernel_magic.engine.sync import execute_sync
from headrace.kernel_magic.options import TaskOptions


@task
def add(a: int, b: int = 1) -> int:
    return a + b


def test_a_flow_returns_its_value_and_leaves_a_record(book: Book) -> None:
    @flow
    def greet(name: str) -> str:
        """Say hello."""
        return f"hello {name}"

    assert greet("Ada") == "hello Ada"
    run = book.one("greet")
    assert (run.kind.value, run.state_type, run.parameters) == ("flow", StateType.COMPLETED, {"name": "Ada"})
    assert book.states(run) == ["Running", "Completed"]
    assert run.result == {"type": "str", "preview": "hello Ada"}
    assert run.ended_at is not None
    assert run.started_at is not None
    assert run.ended_at >= run.started_at
    assert "def greet" in run.details["source"]
    assert run.version
    assert "-" in run.name


def test_the_flow_row_is_there_before_the_body_and_the_end_before_the_call_returns(book: Book) -> None:
    seen: list[str] = []

    @flow
    def look() -> None:
        from headrace.store import get_store

        (run,) = get_store().runs.page()[0]
        seen.append(run.state_name)

    look()
    from headrace.store import get_store

    (run,) = get_store().runs.page()[0]
    assert (seen, run.state_name) == (["Running"], "Completed")


def test_tasks_called_in_sequence_are_runs_with_an_edge_where_a_result_was_passed_on(book: Book) -> None:
    @task
    def load() -> list[int]:
        return [1, 2]

    @task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @flow
    def sums() -> int:
        return total(load())

    assert sums() == 3
    parent, first, second = book.all()
    assert (first.parent_id, second.root_id) == (parent.id, parent.id)
    (edge,) = book.edges(second)
    assert (edge.upstream_id, edge.kind.value, edge.name) == (first.id, "data", "numbers")
    assert book.states(second) == ["Running", "Completed"]


def test_parameters_are_coerced_by_their_annotations(book: Book) -> None:
    @flow
    def double(x: int) -> int:
        return 2 * x

    assert double("5") == 10  # type: ignore[arg-type]
    with pytest.raises(ParameterTypeError, match=r"x: .*valid integer.*given str 'abc'"):
        double("abc")  # type: ignore[arg-type]
    good, bad = book.of("double")
    assert good.parameters == {"x": 5}
    assert (bad.state_name, book.states(bad), bad.started_at) == ("Failed", ["Failed"], None)


def test_retries_run_the_body_again_and_never_pass_through_a_terminal_state(book: Book) -> None:
    calls = []

    @task(retries=2, retry_delay_seconds=[0.01, 0.02])
    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError(f"try {len(calls)}")
        return "done"

    @flow
    def patient() -> str:
        return flaky()

    assert patient() == "done"
    run = book.one("flaky")
    assert book.states(run) == ["Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
    assert (run.attempt, run.max_attempts) == (3, 3)


def test_a_retry_that_waits_leaves_its_place_to_others(book: Book) -> None:
    order: list[str] = []

    @task(retries=1, retry_delay_seconds=1)
    def flaky() -> None:
        order.append("flaky")
        if len(order) == 1:
            raise ValueError("once")

    @task
    def other() -> None:
        order.append("other")

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def narrow() -> None:
        wait([flaky.submit(), other.submit()])

    narrow()
    assert order == ["flaky", "other", "flaky"]


def test_a_flow_is_retried_too(book: Book) -> None:
    calls = []

    @flow(retries=3)
    def flaky_flow() -> int:
        calls.append(add(1))
        if len(calls) < 3:
            raise ValueError("no")
        return len(calls)

    assert flaky_flow() == 3
    assert book.one("flaky-flow").attempt == 3


def test_submitted_tasks_resolve_futures_and_record_edges(book: Book) -> None:
    @flow
    def chain() -> int:
        first = add.submit(1)
        second = add.submit(first, b=add.submit(2))
        third = add.submit(5, wait_for=[second])
        return second.result() + third.result()

    assert chain() == 11
    first, second, third, fourth = (run for run in book.all() if run.definition == "add")
    assert {(e.upstream_id, e.name, e.kind.value) for e in book.edges(third)} == {
        (first.id, "a", "data"),
        (second.id, "b", "data"),
    }
    assert [(e.upstream_id, e.kind.value) for e in book.edges(fourth)] == [(third.id, "order")]
    assert book.states(third) == ["Pending", "Running", "Completed"]
    assert third.parameters == {"a": 2, "b": 3}


def test_an_error_reaches_the_caller_as_it_was_raised(book: Book) -> None:
    @task
    def bad() -> None:
        raise LookupError("not here")

    @flow
    def outer() -> None:
        bad()

    with pytest.raises(LookupError, match="not here"):
        outer()
    task_run, flow_run = book.one("bad"), book.one("outer")
    assert task_run.error is not None
    assert (task_run.state_name, flow_run.state_name, task_run.error["type"]) == ("Failed", "Failed", "LookupError")
    assert "raise LookupError" in task_run.error["traceback"]
    assert "headrace/kernel_magic" not in task_run.error["traceback"]


def test_what_depends_on_a_failed_run_ends_upstream_failed(book: Book) -> None:
    @task
    def bad() -> int:
        raise ValueError("x")

    @flow
    def outer() -> State:
        after = add.submit(bad.submit())
        after.wait()
        return after.state

    with pytest.raises(UpstreamFailed, match="which it depends on, ended Failed"):
        outer()
    run = book.one("add")
    assert (run.state_type, run.state_name) == (StateType.FAILED, "UpstreamFailed")
    assert book.one("outer").state_name == "UpstreamFailed"


def test_a_failed_run_that_nothing_looked_at_fails_its_flow(book: Book) -> None:
    @task
    def bad() -> None:
        raise ValueError("lost")

    @flow
    def careless() -> int:
        bad.submit()
        return 1

    state: Any = careless(return_state=True)  # type: ignore[call-arg]
    assert state.is_failed()
    assert "nothing looked at" in state.message
    assert "lost" in state.message


def test_stop_skips_a_run_and_what_depends_on_it(book: Book) -> None:
    @task
    def nothing_to_do() -> int:
        stop("no new files")

    @flow
    def outer() -> bool:
        value = nothing_to_do()
        after = add(value)
        later = add.submit(nothing_to_do.submit())
        later.wait()
        return bool(value) or bool(after)

    assert outer() is False
    assert [run.state_name for run in book.of("add")] == ["Skipped", "Skipped"]
    assert book.of("nothing_to_do")[0].state_message == "no new files"


def test_prints_and_log_lines_belong_to_the_run_around_them(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def noisy() -> None:
        print("from", "the task")
        get_run_logger().warning("careful: %s", 3)

    @task(log_prints=False)
    def quiet() -> None:
        print("not recorded")

    @flow(log_prints=True)
    def talk() -> None:
        print("from the flow")
        noisy()
        quiet()

    talk()
    assert book.lines(book.one("talk")) == ["from the flow"]
    assert book.lines(book.one("noisy")) == ["from the task", "careful: 3"]
    assert book.lines(book.one("quiet")) == []
    assert capsys.readouterr().out == "from the flow\nfrom the task\nnot recorded\n"


def test_a_run_logger_needs_a_run(book: Book) -> None:
    with pytest.raises(MissingContextError, match="outside a flow or task run"):
        get_run_logger()


def test_async_flows_await_async_tasks(book: Book) -> None:
    @task
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @flow
    async def gathering() -> list[int]:
        return list(await asyncio.gather(*[later(i) for i in range(4)]))

    assert asyncio.run(gathering()) == [0, 1, 2, 3]
    assert [run.state_name for run in book.of("later")] == ["Completed"] * 4
    parent = book.one("gathering")
    assert {run.parent_id for run in book.of("later")} == {parent.id}


def test_a_sync_flow_submits_an_async_task(book: Book) -> None:
    @task
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @flow
    def waiting() -> int:
        return later.submit(7).result()

    assert waiting() == 7


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_cell_runs_on_the_same_engine(book: Book, kind: str) -> None:
    calls = []
    definition = Definition("cell", "load", "cell-1", TaskOptions(retries=1), source="x = load()")

    def body() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("flaky")
        return 5

    async def async_body() -> int:
        return body()

    if kind == "sync":
        state = execute_sync(definition, body, fields={"cell_id": "c1", "trigger": "cell"}, details={"kept": True})
    else:
        state = asyncio.run(execute_async(definition, async_body, fields={"cell_id": "c1", "trigger": "cell"}))
    assert (state.type, state.data, state.attempt) == (StateType.COMPLETED, 5, 2)
    run = book.one("load")
    assert (run.kind.value, run.cell_id, run.trigger) == ("cell", "c1", "cell")
    assert run.details["source"] == "x = load()"
    assert state.run_id == run.id


def test_an_adopted_record_goes_on_where_it_stands(book: Book) -> None:
    from headrace.core.clock import SYSTEM_CLOCK
    from headrace.core.ids import new_id
    from headrace.core.runs import Run, RunKind

    now, run_id = SYSTEM_CLOCK.now_us(), new_id()
    book.store.runs.create(Run(id=run_id, root_id=run_id, kind=RunKind.CELL, created_at=now, state_at=now))
    record = book.store.recorder.adopt(run_id, run_id, 1)
    state = execute_sync(Definition("cell", "c", "c", TaskOptions()), lambda: 1, record=record)
    assert state.is_completed()
    assert book.states(book.store.runs.get(run_id)) == ["Pending", "Running", "Completed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retires": 3}, "did you mean 'retries'"),
        ({"retries": -1}, "0 or more"),
        ({"retries": "3"}, "0 or more"),
        ({"retry_delay_seconds": [1] * 51}, "at most 50"),
        ({"timeout_seconds": 0}, "more than 0"),
        ({"tags": "one"}, "list or set of texts"),
        ({"log_prints": "yes"}, "True, False or None"),
        ({"retry_condition_fn": 3}, "can be called"),
        ({"on_failure": print}, "list of callables"),
        ({"task_run_name": "x-{nope}"}, "which is no parameter"),
        ({"name": "a<b>"}, "has '<' and '>' in it"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_option_is_refused_when_the_decorator_is_read(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        task(**options)(lambda x: x)


def test_a_call_that_does_not_fit_is_refused_before_anything_is_recorded(book: Book) -> None:
    with pytest.raises(InvalidParameter, match=r"Its signature is add\(a: 'int', b: 'int' = 1\)"):
        add(1, 2, 3)  # type: ignore[call-arg]
    with pytest.raises(InvalidOption, match="options by name"):
        task("name")  # type: ignore[call-overload]
    assert book.all() == []


def test_two_functions_of_a_module_may_not_be_given_one_name() -> None:
    import types

    module = types.ModuleType("twins")
    module.__file__ = "twins.py"
    import sys

    sys.modules["twins"] = module
    source = "from headrace import flow\n@flow(name='same')\ndef first(): ...\n@flow(name='{}')\ndef second(): ...\n"
    try:
        exec(source.format("other"), module.__dict__)
        with pytest.raises(UsageError, match="are named 'same': first and second"):
            exec(source.format("same"), module.__dict__)
    finally:
        del sys.modules["twins"]
