"""Running a notebook again whenever it is saved: `headrace run --watch`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from headrace.core.errors import HeadraceError, UsageError, one_line
from headrace.core.run_spec import STANDARD, NotebookSpec
from headrace.server.notebook_file import is_url
from headrace.server.runner.outcome import EXIT_INTERRUPTED

#: How often the file is looked at, seconds.
LOOK_SECONDS = 0.3


def watch(spec: NotebookSpec, run: Callable[[NotebookSpec], int]) -> int:
    """Run, and run again after each change of the file; what did not change is restored.

    Parameters
    ----------
    spec : NotebookSpec
    run : callable (spec) → exit code

    Returns
    -------
    int
        The last run's exit code, when the person has interrupted the waiting.

    Raises
    ------
    UsageError
        The notebook is no file that could be watched.
    """
    if spec.input_path == STANDARD or is_url(spec.input_path):
        raise UsageError("Only a file can be watched.", field="watch")
    spec = replace(spec, cache=True, checkpoint="always" if spec.checkpoint == "auto" else spec.checkpoint)
    while True:
        seen = _mark(spec.input_path)
        try:
            code = run(spec)
        except HeadraceError as error:
            # A notebook that was saved half-way: it is run when it is right again.
            import click

            click.echo(f"headrace run: {one_line(error)}", err=True)
            code = error.exit_code
        if code == EXIT_INTERRUPTED:
            return code
        try:
            while _mark(spec.input_path) in (seen, None):
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            return code


def _mark(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
