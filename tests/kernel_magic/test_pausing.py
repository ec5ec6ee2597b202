"""Runs that wait for a person: paused with their process, suspended without one; typed answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from engine_help import Book, until
from pydantic import BaseModel

from headrace import RunInput, flow, pause_flow_run, suspend_flow_run, task
from headrace.cli.main import run as cli
from headrace.core.errors import CancelledRun, MissingContextError, PausedRun, UsageError
from headrace.core.runs import Run
from headrace.core.states import StateType


class Approval(BaseModel):
    approved: bool
    note: str = ""


class Started:
    """A flow that runs in a thread of its own."""

    def __init__(self, subject: Any, book: Book, *arguments: Any) -> None:
        self.got: Any = None
        self.error: BaseException | None = None

        def work() -> None:
            try:
                self.got = subject(*arguments)
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def end(self) -> Any:
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.got


def paused(book: Book, name: str) -> Run:
    def look() -> Run | None:
        return next((run for run in book.of(name) if run.state_type is StateType.PAUSED), None)

    found: Run = until(look, 20)
    return found


def test_a_paused_run_goes_on_with_the_typed_answer(book: Book) -> None:
    @flow
    def approves() -> Any:
        return pause_flow_run(wait_for_input=Approval, poll_interval=0.02)

    started = Started(approves, book)
    run = paused(book, "approves")
    (question,) = book.store.pauses.open(run.id)
    assert set(question.schema["properties"]) == {"approved", "note"}
    book.store.pauses.answer(run, {"approved": "yes", "note": "fine"})
    assert started.end() == Approval(approved=True, note="fine")
    assert book.states(book.one("approves")) == ["Running", "Paused", "Running", "Completed"]


def test_an_answer_that_does_not_fit_is_asked_for_again(book: Book) -> None:
    @flow
    def counts() -> Any:
        return pause_flow_run(int, poll_interval=0.02)

    started = Started(counts, book)
    run = paused(book, "counts")
    book.store.pauses.answer(run, {"value": "many"})
    until(lambda: [q for q in book.store.pauses.open(run.id) if q.key.endswith("#2")], 20)
    book.store.pauses.answer(book.one("counts"), {"value": 3})
    assert started.end() == 3
    assert any("does not fit" in line for line in book.lines(run))


def test_nobody_who_answers_in_time_fails_the_run(book: Book) -> None:
    @flow
    def waits() -> None:
        pause_flow_run(timeout=0.05, poll_interval=0.01)

    with pytest.raises(TimeoutError, match="nobody unpaused the run within"):
        waits()
    assert book.one("waits").state_type is StateType.FAILED


def test_a_paused_run_can_be_cancelled(book: Book) -> None:
    @flow
    def waits() -> None:
        pause_flow_run()

    started = Started(waits, book)
    run = paused(book, "waits")
    assert cli(["flow-run", "cancel", run.id]) == 0
    with pytest.raises(CancelledRun):
        started.end()
    assert book.one("waits").state_type is StateType.CANCELLED


async def _asks() -> Any:
    return await pause_flow_run(str, poll_interval=0.02, key="name")  # type: ignore[misc]


def test_an_async_flow_awaits_its_answer(book: Book) -> None:
    import asyncio

    asks = flow(name="asks")(_asks)
    started = Started(lambda: asyncio.run(asks()), book)
    run = paused(book, "asks")
    assert [q.key for q in book.store.pauses.open(run.id)] == ["name"]
    book.store.pauses.answer(run, {"value": "Ada"})
    assert started.end() == "Ada"


def test_the_command_line_answers(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    @flow
    def approves() -> Any:
        return pause_flow_run(Approval, poll_interval=0.02)

    started = Started(approves, book)
    run = paused(book, "approves")
    assert cli(["flow-run", "unpause", run.id]) == 2
    assert "asks for approved (boolean), note (string, default" in capsys.readouterr().err
    assert cli(["flow-run", "answer", run.id, "-v", "approve", "true"]) == 2
    assert "approve is not asked for" in capsys.readouterr().err
    assert cli(["flow-run", "answer", run.id, "-v", "approved", "true", "-v", "note", "12"]) == 0
    assert started.end() == Approval(approved=True, note="12")
    assert cli(["flow-run", "unpause", run.id]) == 1
    assert "not paused" in capsys.readouterr().err


def test_a_run_input_has_defaults_and_a_description_of_the_moment() -> None:
    class Choice(RunInput):  # type: ignore[valid-type, misc]
        """Which one?"""

        number: int

    made = Choice.with_initial_data("Which of three?", number=2)
    schema = made.model_json_schema()
    assert (schema["description"], schema["properties"]["number"]["default"]) == ("Which of three?", 2)
    assert made().number == 2
    with pytest.raises(UsageError, match="no field 'letter'"):
        Choice.with_initial_data(letter="a")


def test_only_flows_wait_for_a_person(book: Book) -> None:
    @task
    def asks() -> None:
        pause_flow_run()

    with pytest.raises(UsageError, match="only a flow"):
        asks()
    with pytest.raises(MissingContextError):
        pause_flow_run()
    with pytest.raises(MissingContextError):
        suspend_flow_run()


SCRIPT = """
from headrace import flow, suspend_flow_run, task

@task(persist_result=True)
def costly():
    with open(__file__ + ".log", "a") as file:
        file.write("x")
    return 20

@flow
def suspends():
    value = costly()
    more = suspend_flow_run(wait_for_input=int)
    return value + more

if __name__ == "__main__":
    suspends()
"""


@pytest.mark.process
def test_a_suspended_run_is_started_again_from_the_top_with_its_results_and_its_answer(
    book: Book, tmp_path: Path
) -> None:
    script = tmp_path / "suspends.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert "PausedRun" in done.stderr
    run = book.one("suspends")
    assert (run.state_type, run.state_name, run.owner_id) == (StateType.PAUSED, "Suspended", None)
    from headrace.store.reaping import reap

    assert run.id not in {ended.id for ended in reap(book.store)}
    assert cli(["flow-run", "answer", run.id, "-v", "value", "22"]) == 0
    assert book.one("suspends").state_name == "Resuming"
    again = subprocess.run(
        [sys.executable, "-m", "headrace.kernel_magic.process", run.id], timeout=60, env=dict(os.environ)
    )
    assert again.returncode == 0
    ended = book.one("suspends")
    assert (ended.state_type, ended.result["preview"]) == (StateType.COMPLETED, 42)  # type: ignore[index]
    assert Path(f"{script}.log").read_text() == "x"
    assert [task_run.state_name for task_run in book.of("costly")] == ["Completed", "Cached"]


def test_a_flow_inside_another_one_cannot_be_suspended(book: Book) -> None:
    @flow
    def inner() -> None:
        suspend_flow_run()

    @flow
    def outer() -> None:
        inner()

    with pytest.raises(UsageError, match="outermost"):
        outer()


def test_a_flow_of_the_interactive_session_is_kept_with_its_function(book: Book) -> None:
    @flow
    def suspends() -> Any:
        return suspend_flow_run(int)

    with pytest.raises(PausedRun, match="suspended"):
        suspends()
    run = book.one("suspends")
    assert run.details["launch"]["snapshot_id"]
