"""What a failed cell shows: at once, as IPython shows it; folded, where it is tried again; in our words, where we ended it."""

from __future__ import annotations

import asyncio
import html
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from headrace.core.errors import CancelSignal, StopSignal, SuspendSignal, one_line
from headrace.core.states import State
from headrace.kernel_magic.cells.frames import hide_own_frames
from headrace.kernel_magic.engine.call import TimeoutSignal

#: Raised inside a cell that is to end: what is shown then is the end that it came to.
_SIGNALS = (CancelSignal, StopSignal, SuspendSignal, TimeoutSignal, asyncio.CancelledError)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Tracebacks:
    """Stands in front of a shell's `showtraceback`.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._show: Callable[..., Any] = shell.showtraceback
        shell.showtraceback = self
        #: thread → the failures of the cell that runs in it.
        self._held: dict[int, Failures] = {}

    def close(self) -> None:
        """Give the shell its own method back."""
        del self._shell.showtraceback

    @contextmanager
    def held_by(self, failures: Failures) -> Iterator[None]:
        """Ask the failures of the cell that runs in this thread before its own error is shown."""
        thread = threading.get_ident()
        self._held[thread] = failures
        try:
            yield
        finally:
            self._held.pop(thread, None)

    def __call__(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show an error without our own frames (see IPython's method of this name)."""
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        hide_own_frames(error)
        if error is not None and exc_tuple is None:
            exc_tuple = type(error), error, error.__traceback__
        failures = self._held.get(threading.get_ident())
        if failures is None or error is None or not failures.takes(error, kwargs):
            self._show(exc_tuple, *args, **kwargs)


class Failures:
    """The errors of one cell run.

    Parameters
    ----------
    shell : InteractiveShell
    result : ExecutionResult
        IPython's, of the cell.
    retries : int
        So many failed attempts may be tried again.
    """

    def __init__(self, shell: Any, result: Any, retries: int) -> None:
        self._shell, self._result, self._retries = shell, result, retries
        self._attempts = 0
        self._held: BaseException | None = None
        self._trace: types.TracebackType | None = None
        self._how: dict[str, Any] = {}
        self._folded: list[dict[str, str]] = []

    @property
    def error(self) -> BaseException | None:
        """What the newest attempt raised."""
        found: BaseException | None = self._result.error_in_exec or self._result.error_before_exec
        return found

    def begin_attempt(self) -> None:
        """Fold the error before this attempt."""
        if self._held is not None:
            self._fold(self._held)
        self._held = None
        self._attempts += 1
        self._result.error_in_exec = self._result.error_before_exec = None

    def takes(self, error: BaseException, how: dict[str, Any]) -> bool:
        """Return whether an error is not to be shown yet: it is the cell's own, and its end may be another one.

        Parameters
        ----------
        error : BaseException
        how : dict
            IPython's keywords for showing it.
        """
        if error is not self.error or not (isinstance(error, _SIGNALS) or self._attempts <= self._retries):
            return False
        self.hold(error, error.__traceback__, how)
        return True

    def hold(self, error: BaseException, trace: types.TracebackType | None, how: dict[str, Any] | None = None) -> None:
        """Keep an error until it is known whether it is the last one."""
        self._held, self._trace, self._how = error, trace, how or {}
        if self.error is None:
            self._result.error_in_exec = error

    def _fold(self, error: BaseException) -> None:
        text = f"attempt {self._attempts} failed: {type(error).__name__}: {one_line(error)}; trying again"
        # What a failed attempt showed goes; its error stays, folded.
        self._shell.display_pub.clear_output(wait=True)
        lines = getattr(error, "headrace_lines", None) or self._shell.InteractiveTB.structured_traceback(
            type(error), error, self._trace, tb_offset=self._how.get("tb_offset", 1)
        )
        plain = _ANSI.sub("", "\n".join(lines))
        page = f"<details><summary>{html.escape(text)}</summary><pre>{html.escape(plain)}</pre></details>"
        self._folded.append({"text/plain": text, "text/html": page})
        for bundle in self._folded:
            self._shell.display_pub.publish(bundle)

    def end(self, state: State) -> None:
        """Show the error that stands at the end where IPython has not done so, or why the cell was skipped."""
        if state.is_completed():
            self._result.error_in_exec = self._result.error_before_exec = None
            if state.name == "Skipped":
                words = f"skipped: {state.message}" if state.message else "skipped"
                self._shell.display_pub.publish({"text/plain": words})
            return
        if self._held is None and self.error is not None:
            return
        error = state.data if isinstance(state.data, BaseException) else self._held
        if error is None:
            return
        if self._result.error_before_exec is None:
            self._result.error_in_exec = error
        lines = getattr(error, "headrace_lines", None)
        if lines is not None:  # it was raised elsewhere, where its frames were
            self._shell._showtraceback(type(error), error, lines)
            return
        trace = self._trace if self._held is not None else error.__traceback__
        try:
            raise error  # IPython looks at the error under way, too
        except BaseException:
            self._shell.showtraceback((type(error), error, trace), **self._how)
