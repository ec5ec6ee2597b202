"""How `headrace run` shows a run: a live line on a terminal, plain lines elsewhere; all of it on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from headrace.server.runner.observer import Observer, Observers

if TYPE_CHECKING:
    from headrace.core.runs import Run
    from headrace.server.runner.outcome import Ending
    from headrace.server.runner.recording import CellRun


def seconds(us: int | None) -> str:
    """Return a duration in µs for people."""
    value = (us or 0) / 1_000_000
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


class Lines(Observer):
    """A line for each cell that ended: for log files and pipes."""

    def __init__(self) -> None:
        self._total = 0
        self._began = time.monotonic()

    def started(self, run: Run, cells: Sequence[CellRun], output_path: str | None) -> None:
        self._total = len(cells)
        click.echo(f"{run.name}: {self._total} cells ({run.notebook_path})", err=True)

    def cell_retries(self, cell: CellRun, delay_seconds: float) -> None:
        click.echo(f"{self._head(cell)} tried again in {delay_seconds:g} s: {cell.message}", err=True)

    def cell_ended(self, cell: CellRun) -> None:
        if cell.state_name == "NotRun":
            return
        took = f" {seconds(cell.ended_at - cell.started_at)}" if cell.started_at and cell.ended_at else ""
        state = "" if cell.state_name == "Completed" else f" {cell.state_name}"
        click.echo(f"{self._head(cell)}{state}{took}", err=True)

    def _head(self, cell: CellRun) -> str:
        width = len(str(self._total))
        return f"[{cell.plan.number:>{width}}/{self._total}] {cell.plan.name}"

    def warned(self, message: str) -> None:
        click.echo(f"headrace run: {message}", err=True)

    def ended(self, ending: Ending, run: Run, output_path: str | None) -> None:
        took = seconds(int((time.monotonic() - self._began) * 1_000_000))
        place = f" → {output_path}" if output_path not in (None, "-") else ""
        click.echo(f"{ending.state_name} in {took}{place}", err=True)


class Quiet(Observer):
    """Only what a person should know."""

    def warned(self, message: str) -> None:
        click.echo(f"headrace run: {message}", err=True)


class Bar(Observer):
    """A live line on a terminal: cell n of N, its name, the time, the last line that was printed."""

    def __init__(self) -> None:
        self._live: Any = None
        self._progress: Any = None
        self._task: Any = None
        self._lines = Lines()
        self._failed: list[str] = []

    def started(self, run: Run, cells: Sequence[CellRun], output_path: str | None) -> None:
        # rich is imported here, while the kernel's process starts.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._lines._total = len(cells)
        self._progress = Progress(
            TextColumn("[bold]{task.fields[notebook]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[cell]}", markup=False),
            TextColumn("[dim]{task.fields[line]}", markup=True),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(
            "", total=len(cells), notebook=run.name, cell="starting the kernel", line=""
        )
        self._progress.start()

    def kernel_ready(self, facts: dict[str, Any]) -> None:
        self._set(cell=f"{facts.get('display_name')} is ready")

    def cell_started(self, cell: CellRun) -> None:
        again = f", attempt {cell.attempt}" if cell.attempt > 1 else ""
        self._set(cell=f"{cell.plan.name}{again}", line="")

    def printed(self, cell: CellRun, stream: str, text: str) -> None:
        from rich.markup import escape

        last = text.rstrip("\r\n").rpartition("\n")[2].rpartition("\r")[2].strip()
        if last:
            self._set(line=escape(last[:80]))

    def cell_ended(self, cell: CellRun) -> None:
        if self._progress is not None:
            self._progress.update(self._task, advance=1)

    def warned(self, message: str) -> None:
        if self._progress is not None:
            self._progress.console.print(f"headrace run: {message}", markup=False, highlight=False)

    def ended(self, ending: Ending, run: Run, output_path: str | None) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._lines.ended(ending, run, output_path)

    def _set(self, **fields: str) -> None:
        if self._progress is not None:
            self._progress.update(self._task, **fields)


class Echo(Observer):
    """What cells print, into files or onto standard error: papermill's `--log-output`, `--stdout-file`, `--stderr-file`.

    Parameters
    ----------
    log : bool
        Write everything to standard error.
    stdout, stderr : text files or None
    """

    def __init__(self, *, log: bool = False, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self._log = log
        self._files = {"stdout": stdout, "stderr": stderr}

    def printed(self, cell: CellRun, stream: str, text: str) -> None:
        file = self._files.get(stream)
        if file is not None:
            file.write(text)
            file.flush()
        if self._log:
            sys.stderr.write(text)
            sys.stderr.flush()

    def displayed(self, cell: CellRun, output: Any) -> None:
        text = output.get("data", {}).get("text/plain") if self._log else None
        if text:
            click.echo(text, err=True)

    def cell_started(self, cell: CellRun) -> None:
        if self._log:
            click.echo(f"--- cell {cell.plan.number}: {cell.plan.name}", err=True)


def choose_observer(
    *, progress: bool, log: bool = False, stdout: IO[str] | None = None, stderr: IO[str] | None = None
) -> Observer:
    """Return what shows a run: a live line on a terminal, plain lines elsewhere, or only warnings.

    Parameters
    ----------
    progress : bool
        Show how far it is.
    log : bool, default False
        Write what cells print to standard error.
    stdout, stderr : text file or None, default None
        Write the cells' streams there.
    """
    shown: Observer = Quiet() if not progress else Bar() if sys.stderr.isatty() else Lines()
    if not log and stdout is None and stderr is None:
        return shown
    return Observers(shown, Echo(log=log, stdout=stdout, stderr=stderr))
