"""Transactions: what is nested in what, modes, errors, and one key among processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from engine_help import Book

from headrace import flow, get_transaction, task, transaction
from headrace.core.errors import InvalidOption, MissingContextError, UsageError
from headrace.kernel_magic.transactions import TransactionState

told: list[str] = []


@pytest.fixture(autouse=True)
def _clear() -> None:
    told.clear()


def noting(word: str) -> dict[str, object]:
    return {
        "on_commit": [lambda _: told.append(f"commit {word}")],
        "on_rollback": [lambda _: told.append(f"undo {word}")],
    }


@task(**noting("one"))
def one() -> int:
    return 1


def test_a_task_alone_commits_when_it_completes(book: Book) -> None:
    @flow
    def alone() -> None:
        one()

    alone()
    assert told == ["commit one"]


def test_a_task_that_fails_undoes_the_tasks_inside_it(book: Book) -> None:
    @task
    def outer() -> None:
        one()
        raise ValueError("no")

    @flow
    def parent() -> None:
        outer(return_state=True)
        one()

    parent()
    assert told == ["undo one", "commit one"]
    assert [run.state_name for run in book.of("one")] == ["RolledBack", "Completed"]


def test_a_task_in_a_block_is_undone_with_what_is_inside_it(book: Book) -> None:
    @task(**noting("outer"))
    def outer() -> None:
        one()

    @flow
    def parent() -> None:
        with transaction():
            outer()
            assert told == []
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        parent()
    assert told == ["undo one", "undo outer"]


def test_an_eager_block_stays_committed_when_the_one_around_it_is_undone(book: Book) -> None:
    @flow
    def parent() -> None:
        with transaction():
            with transaction(commit_mode="EAGER"):
                one()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        parent()
    assert told[0] == "commit one"


def test_a_block_that_is_off_is_undone_unless_it_was_committed(book: Book) -> None:
    @flow
    def parent(commit: bool) -> None:
        with transaction(commit_mode="OFF") as txn:
            one()
            if commit:
                assert txn.commit()
                assert not txn.rollback()

    parent(False)
    parent(True)
    assert told == ["undo one", "commit one"]


def test_an_error_in_an_undoing_hook_does_not_keep_the_others_from_running(book: Book) -> None:
    @task(on_rollback=[lambda _: 1 / 0])
    def bad() -> None: ...

    @flow
    def parent() -> None:
        with transaction():
            one()
            bad()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        parent()
    assert told == ["undo one"]
    assert any("ZeroDivisionError" in line for line in book.lines(book.one("bad")))


def test_submitted_tasks_belong_to_the_block_they_were_submitted_in(book: Book) -> None:
    @flow
    def parent() -> None:
        with transaction():
            futures = [one.submit() for _ in range(3)]
        assert [future.result() for future in futures] == [1, 1, 1]

    parent()
    assert told == ["commit one"] * 3


def test_a_block_needs_no_run_around_it(book: Book) -> None:
    with transaction() as txn:
        one()
    assert txn.state is TransactionState.COMMITTED
    assert told == ["commit one"]


@pytest.mark.parametrize(
    ("options", "field"),
    [({"key": ""}, "key"), ({"isolation_level": "READ"}, "isolation_level"), ({"commit_mode": 3}, "commit_mode")],
)
def test_bad_options_are_told(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        transaction(**options)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_what_was_never_set_is_told_with_what_was(book: Book) -> None:
    with transaction() as txn:
        txn.set("place", 1)
        assert txn.get("other", None) is None
        with pytest.raises(UsageError, match="no value 'other'; known: place"):
            txn.get("other")


def test_outside_there_is_no_transaction() -> None:
    with pytest.raises(MissingContextError):
        get_transaction()


@pytest.mark.process
def test_of_processes_with_one_key_only_one_does_the_work(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        "import sys\n"
        "from headrace import flow, transaction\n"
        "@flow\n"
        "def work():\n"
        "    with transaction(key='only-once', isolation_level='SERIALIZABLE') as txn:\n"
        "        if not txn.is_committed():\n"
        "            with open(sys.argv[1], 'a') as file: file.write('x')\n"
        "work()\n"
    )
    done = tmp_path / "done"
    started = [subprocess.Popen([sys.executable, str(script), str(done)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert done.read_text() == "x"
