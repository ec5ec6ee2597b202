"""Ctrl-C (and the kernel's interrupt): heard once wherever it lands, and no run is left without its end."""

from __future__ import annotations

import gc
import signal
import sys
import time
import types
from typing import Any

import pytest
from engine_help import Book, run_program

from headrace import flow
from headrace.kernel_magic.cells.frames import hide_own_frames
from headrace.kernel_magic.engine import interrupt


@pytest.mark.process
@pytest.mark.usefixtures("data_dir")
def test_it_is_heard_wherever_it_lands_and_every_run_ends() -> None:
    run_program("interrupted_everywhere.py")


def test_it_is_heard_at_once_in_a_body_and_between_attempts(book: Book) -> None:
    @flow(retries=1, retry_delay_seconds=3600)
    def fails() -> None:
        raise LookupError

    @flow
    def sleeps() -> None:
        time.sleep(3600)

    for each in (sleeps, fails):
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            each()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        assert book.one(each.name).state_name == "Cancelled"


def test_it_is_heard_after_a_while_even_where_the_store_keeps_us(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "at_work", lambda _frame: True)
    monkeypatch.setattr(interrupt, "_LONGEST", 0.05)

    @flow
    def sleeps() -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(3600)

    with pytest.raises(KeyboardInterrupt):
        sleeps()
    assert book.one("sleeps").state_name == "Cancelled"


def test_a_handler_of_ones_own_is_left_alone(book: Book) -> None:
    heard: list[int] = []

    @flow
    def tells() -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        tells()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    assert book.one("tells").state_name == "Completed"


def test_a_traceback_whose_instruction_belongs_to_no_line_is_shown() -> None:
    """An interrupt may land on such an instruction; Python has None as its line then."""

    def guarded() -> types.FrameType:
        try:
            return sys._getframe()
        finally:
            gc.isenabled()

    frame = guarded()
    lineless = next(start for start, _, line in guarded.__code__.co_lines() if line is None)
    trace = types.TracebackType(None, frame, lineless, -1)
    assert trace.tb_lineno is None
    space: dict[str, Any] = {}
    exec(compile("import sys; frame = sys._getframe()", interrupt.__file__, "exec"), space)
    error = KeyboardInterrupt()
    error.__traceback__ = types.TracebackType(trace, space["frame"], 0, 1)
    hide_own_frames(error)
    shown = error.__traceback__
    assert (shown.tb_frame, shown.tb_next) == (frame, None)
