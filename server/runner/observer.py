"""Who watches a run from inside its process: progress bars, log files, papermill's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.runs import Run
    from headrace.server.runner.outcome import Ending
    from headrace.server.runner.recording import CellRun


class Observer:
    """Told of what happens; every method may be left as it is."""

    def started(self, run: Run, cells: Sequence[CellRun], output_path: str | None) -> None:
        """The rows are in the store; the kernel is starting."""

    def kernel_ready(self, facts: dict[str, Any]) -> None:
        """The kernel has answered."""

    def cell_started(self, cell: CellRun) -> None:
        """A cell (or a further attempt of it) runs."""

    def printed(self, cell: CellRun, stream: str, text: str) -> None:
        """A cell wrote to stdout or stderr."""

    def displayed(self, cell: CellRun, output: Any) -> None:
        """A cell showed something else."""

    def cell_retries(self, cell: CellRun, delay_seconds: float) -> None:
        """A cell's attempt failed; the next one follows."""

    def cell_ended(self, cell: CellRun) -> None:
        """A cell has ended, or was left out."""

    def warned(self, message: str) -> None:
        """Something a person should know that does not end the run."""

    def ended(self, ending: Ending, run: Run, output_path: str | None) -> None:
        """The run has ended, and the output is written."""


class Observers(Observer):
    """Several observers as one.

    Parameters
    ----------
    *observers : Observer
    """

    def __init__(self, *observers: Observer) -> None:
        self._all = observers

    def started(self, run: Run, cells: Sequence[CellRun], output_path: str | None) -> None:
        for observer in self._all:
            observer.started(run, cells, output_path)

    def kernel_ready(self, facts: dict[str, Any]) -> None:
        for observer in self._all:
            observer.kernel_ready(facts)

    def cell_started(self, cell: CellRun) -> None:
        for observer in self._all:
            observer.cell_started(cell)

    def printed(self, cell: CellRun, stream: str, text: str) -> None:
        for observer in self._all:
            observer.printed(cell, stream, text)

    def displayed(self, cell: CellRun, output: Any) -> None:
        for observer in self._all:
            observer.displayed(cell, output)

    def cell_retries(self, cell: CellRun, delay_seconds: float) -> None:
        for observer in self._all:
            observer.cell_retries(cell, delay_seconds)

    def cell_ended(self, cell: CellRun) -> None:
        for observer in self._all:
            observer.cell_ended(cell)

    def warned(self, message: str) -> None:
        for observer in self._all:
            observer.warned(message)

    def ended(self, ending: Ending, run: Run, output_path: str | None) -> None:
        for observer in self._all:
            observer.ended(ending, run, output_path)
