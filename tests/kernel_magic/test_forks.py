"""Forked children, and processes that end in odd ways: nothing is lost, nothing is written twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from engine_help import Book, until

from headrace import flow, task
from headrace.store import housekeeping

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@task
def work(n: int) -> int:
    return n


def in_child() -> None:
    work(2)


def test_a_forked_child_records_its_tasks_and_not_the_parents_again(book: Book) -> None:
    @flow
    def parent() -> int:
        work(1)
        child = multiprocessing.get_context("fork").Process(target=in_child)
        child.start()
        child.join()
        assert child.exitcode == 0
        return work(3)

    assert parent() == 3
    runs = book.of("work")
    assert sorted(run.parameters["n"] for run in runs) == [1, 2, 3]
    assert {run.parent_id for run in runs} == {book.one("parent").id}
    assert [book.states(run) for run in runs] == [["Running", "Completed"]] * 3


@pytest.mark.parametrize(
    ("ending", "code"),
    [("", 0), ("sys.exit(3)", 3), ("raise SystemExit('bye')", 1), ("raise RuntimeError('x')", 1)],
)
def test_what_was_submitted_and_logged_is_there_when_the_process_has_ended(
    book: Book, tmp_path: Path, ending: str, code: int
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "from headrace import get_run_logger, task\n"
        "@task\n"
        "def slowly(n):\n"
        "    time.sleep(0.3)\n"
        "    get_run_logger().info('done %s', n)\n"
        "    return n\n"
        "slowly.submit(1)\n"
        f"slowly.map([2, 3])\n{ending}\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    runs = book.of("slowly")
    assert [run.state_name for run in runs] == ["Completed"] * 3
    assert sorted(line for run in runs for line in book.lines(run)) == ["done 1", "done 2", "done 3"]


def test_sys_exit_in_a_flow_fails_it_and_still_ends_the_process(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom headrace import flow\n@flow\ndef leaves():\n    sys.exit(4)\nleaves()\nprint('not reached')\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert book.one("leaves").state_name == "Failed"


def test_flows_in_many_threads_at_once_are_all_recorded(book: Book) -> None:
    @flow
    def small(n: int) -> int:
        return work(n)

    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(small(n))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(12))
    assert [run.state_name for run in book.of("small")] == ["Completed"] * 12
    assert len({run.parent_id for run in book.of("work")}) == 12


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_a_script_whose_tasks_cannot_be_interrupted(book: Book, tmp_path: Path, presses: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from headrace import flow, task\n"
        "@task\n"
        "def stuck():\n"
        "    (Path(__file__).parent / 'ready').touch()\n"
        "    time.sleep(60)\n"
        "@flow\n"
        "def parent():\n"
        "    stuck.submit().wait()\n"
        "parent()\n"
    )
    running = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    until((tmp_path / "ready").exists, 30)
    pressed = time.monotonic()
    running.send_signal(signal.SIGINT)
    if presses == 2:
        until(lambda: time.monotonic() - pressed > 0.5)
        running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert time.monotonic() - pressed < (6 if presses == 1 else 4)
    assert "KeyboardInterrupt" in said
    assert book.one("parent").state_name == "Cancelled"
    assert book.one("stuck").state_name == "Cancelled"


def test_other_loggers_lines_belong_to_runs_where_a_setting_names_them(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import logging\n"
        "from headrace import flow, get_run_logger, task\n"
        "@task\n"
        "def talks():\n"
        "    logging.getLogger('library.part').warning('from the library')\n"
        "    logging.getLogger('stranger').warning('not recorded')\n"
        "    get_run_logger().debug('at debug')\n"
        "@flow\n"
        "def parent(): talks()\n"
        "parent()\n"
    )
    settings = {"HEADRACE_LOGGING_EXTRA_LOGGERS": "library, other", "HEADRACE_LOGGING_LEVEL": "DEBUG"}
    subprocess.run([sys.executable, str(script)], check=True, timeout=60, env={**os.environ, **settings})
    assert book.lines(book.one("talks")) == ["from the library", "at debug"]


WRITER = """
from headrace import flow, task

@task
def note(n): return n

@flow
def writing(count): return [note(n) for n in range(count)]

for _ in range(25): writing(20)
"""


def test_eight_processes_write_to_one_store_at_once_and_nothing_is_lost(book: Book, tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    command = [sys.executable, "-W", "error", str(script)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    assert [writer.communicate(timeout=120)[1] for writer in writers] == [""] * 8
    assert [writer.returncode for writer in writers] == [0] * 8
    assert book.store.runs.counts(since=0) == {"COMPLETED": 8 * 25}
    assert housekeeping.info(book.store)["rows"]["runs"] == 8 * 25 * 21
