"""Logs of runs: `get_run_logger`, recorded prints, and other loggers' lines that belong to a run.

A line goes to the run around the code that logs, also from threads that this
code started. Lines are bounded in length; the recorder writes them in batches
and at the exit.
"""

from __future__ import annotations

import builtins
import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from headrace.core.errors import MissingContextError
from headrace.core.settings import flag, take_output_captured, text
from headrace.kernel_magic.engine.live import BACKLOG, LiveRun, current

#: Longest line that is kept, characters.
LONGEST_LINE = 100_000
#: Parent of the loggers that runs log to.
LOGGER = "headrace"

_lock = threading.Lock()
_ready = False
_muted = 0
_captured = False
_print = builtins.print


class RunLogHandler(logging.Handler):
    """Records what is logged inside a run, as a line of that run."""

    def emit(self, record: logging.LogRecord) -> None:
        run = getattr(record, "headrace_run", None) or current()
        if run is None:
            return
        try:
            message = getattr(record, "headrace_recorded", None) or self.format(record)
            write_line(run, record.levelno, record.name, message)
        except Exception:
            self.handleError(record)


class ConsoleHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Shows run logs on stderr where the program has set up no logging of its own."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(
            logging.Formatter("%(asctime)s | %(levelname)-7s | %(headrace_name)s - %(message)s", "%H:%M:%S")
        )

    def emit(self, record: logging.LogRecord) -> None:
        if logging.getLogger().handlers or not hasattr(record, "headrace_name"):
            return
        if hasattr(record, "headrace_recorded") and getattr(record.headrace_run, "kind", "") == "cell":  # type: ignore[attr-defined]
            return  # a cell shows its own failures, where they happened
        if in_kernel():
            # What a notebook keeps must not change from run to run: neither time nor made-up name.
            run: LiveRun = record.headrace_run  # type: ignore[attr-defined]
            if run.definition.key.endswith("#flow"):
                return  # `%flow run` says how it ended
            kind = f"{run.kind.capitalize()} {run.definition.name!r}"
            sys.stderr.write(f"{record.levelname:<7} | {kind} - {record.getMessage()}\n")
            return
        self.stream = sys.stderr
        super().emit(record)


def in_kernel() -> bool:
    """Return whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return hasattr(shell, "kernel")


class RunLogger(logging.LoggerAdapter):  # type: ignore[type-arg]
    """A logger whose lines belong to one run, whatever thread it is used from."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


def write_line(run: LiveRun, level: int, logger: str, message: str) -> None:
    """Record a line of a run, cut to 100,000 characters."""
    if len(message) > LONGEST_LINE:
        message = message[:LONGEST_LINE] + f"… ({len(message)} characters)"
    run.log(level, logger, message)
    recorder = run.session.recorder
    if recorder.waiting > BACKLOG:
        recorder.flush()


def prepare() -> None:
    """Attach the handlers, once per process."""
    global _ready, _captured
    if _ready:
        return
    with _lock:
        if _ready:
            return
        parent = logging.getLogger(LOGGER)
        if parent.level == logging.NOTSET:
            parent.setLevel(text("LOGGING_LEVEL", "INFO").upper())
        handler = RunLogHandler()
        for name in (LOGGER, *(part.strip() for part in text("LOGGING_EXTRA_LOGGERS").split(",") if part.strip())):
            logging.getLogger(name).addHandler(handler)
        _captured = take_output_captured()
        if flag("LOGGING_TO_CONSOLE", True) and not _captured:
            parent.addHandler(ConsoleHandler())
        _follow_threads()
        _ready = True


def _follow_threads() -> None:
    """Remember at a thread's start which run started it: contexts are not handed on to plain threads."""
    start = threading.Thread.start

    def start_within_run(self: threading.Thread) -> None:
        run = current()
        if run is not None and not hasattr(self, "_headrace_run"):
            self._headrace_run = run  # type: ignore[attr-defined]
        start(self)

    threading.Thread.start = start_within_run  # type: ignore[method-assign]


def logger_of(run: LiveRun) -> RunLogger:
    """Return the logger of a run."""
    prepare()
    name = "headrace.flow_runs" if run.kind == "flow" else "headrace.task_runs"
    kind = "Flow run" if run.kind == "flow" else f"{run.kind.capitalize()} run"
    return RunLogger(logging.getLogger(name), {"headrace_run": run, "headrace_name": f"{kind} {run.name!r}"})


def get_run_logger() -> RunLogger | logging.Logger:
    """Return a logger whose lines belong to the run around the caller.

    Returns
    -------
    logging.LoggerAdapter

    Raises
    ------
    MissingContextError
        There is no flow or task run around the caller.
    """
    run = current()
    if run is None:
        if _muted:
            return logging.getLogger("headrace.muted")
        raise MissingContextError(
            "get_run_logger() was called outside a flow or task run; call it inside one, or use logging.getLogger()."
        )
    return logger_of(run)


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Let `get_run_logger` work without a run and record nothing, for tests of `my_task.fn`."""
    global _muted
    logger = logging.getLogger(LOGGER)
    before = logger.disabled
    quiet = logging.getLogger("headrace.muted")
    quiet.disabled = True
    logger.disabled = True
    _muted += 1
    try:
        yield
    finally:
        _muted -= 1
        logger.disabled = before


def record_prints() -> None:
    """Make `print` record its text where a run with `log_prints` is around it; it prints as before."""
    if builtins.print is _print:
        prepare()
        builtins.print = _recording_print


def _recording_print(
    *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
) -> None:
    ours = file is None or file is sys.stdout
    run = current() if ours else None
    if run is None or not run.prints:
        _print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    # A worker makes lines of what its processes write, too: there each print is recorded here and shown nowhere.
    if not _captured:
        _print(*values, sep=sep, end=end, file=file, flush=flush)
    message = (" " if sep is None else sep).join(map(str, values))
    write_line(run, logging.INFO, "print", message)


def say(run: LiveRun, level: int, message: str, recorded: str | None = None) -> None:
    """Say something about a run, in its log and on the console; `recorded` is the longer text for the log."""
    logger_of(run).log(level, message, extra={"headrace_recorded": recorded or message})
