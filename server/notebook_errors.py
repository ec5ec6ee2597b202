"""What `execute_notebook` raises: Headrace's errors, which are papermill's and nbclient's too.

Code that was written for papermill catches what it always caught. Imported
when a run has failed, for papermill is slow to import.
"""

from __future__ import annotations

from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from headrace.core.errors import CancelledRun, CrashedRun, FailedRun, RunError, TaskTimeout
from headrace.core.states import State, StateType
from headrace.server.runner.outcome import Ending


class NotebookFailed(FailedRun, PapermillExecutionError):
    """A cell raised.

    Attributes
    ----------
    cell_index : int or None
        The cell's place in the executed notebook, from 0.
    exec_count : int or None
    source, ename, evalue : str
    traceback : list of str
    """

    cell_index: int | None
    exec_count: int | None
    source: str
    ename: str
    evalue: str
    traceback: list[str]

    def __init__(self, message: str = "", *, state: Any = None, run_id: str | None = None) -> None:
        # Neither parent's constructor calls the other's: papermill's wants six values, ours one.
        Exception.__init__(self, message)
        self.message, self.field, self.state, self.run_id = message, None, state, run_id

    def __str__(self) -> str:
        lines = "\n".join(self.traceback)
        return f"{lines}\n{self.message}" if lines else self.message


class NotebookTimedOut(TaskTimeout, CellTimeoutError):
    """A cell, or the run, passed its limit."""


class KernelDied(CrashedRun, DeadKernelError):
    """The kernel died, or never answered."""


def error_of(ending: Ending, notebook: Any, run_id: str) -> RunError:
    """Return the error to raise for a run that did not complete.

    Parameters
    ----------
    ending : Ending
    notebook : nbformat notebook
        As it was executed.
    run_id : str
    """
    state = State(type=ending.state_type, name=ending.state_name, message=ending.message)
    facts: dict[str, Any] = {"state": state, "run_id": run_id}
    message = ending.message or ending.state_name
    if ending.state_name == "TimedOut":
        return NotebookTimedOut(message, **facts)
    if ending.state_type is StateType.CRASHED:
        return KernelDied(message, **facts)
    if ending.state_type is StateType.CANCELLED:
        return CancelledRun(message, **facts)
    failed = NotebookFailed(message, **facts)
    noted = ending.error or {}
    failed.cell_index = noted.get("cell_index")
    cell = _culprit(notebook, str(noted.get("cell_id", "")))
    failed.exec_count = cell.get("execution_count")
    failed.source = cell.get("source", "")
    failed.ename, failed.evalue = str(noted.get("type", "")), str(noted.get("message", ""))
    failed.traceback = str(noted.get("traceback", "")).splitlines()
    return failed


def _culprit(notebook: Any, cell_id: str) -> Any:
    for cell in notebook["cells"]:
        if cell.get("id") == cell_id:
            return cell
    return {}
