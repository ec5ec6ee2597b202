"""How a cell, and with it the notebook, ended: the kernel's words turned into states."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.states import StateType
from headrace.server.runner.plan import CellPlan

#: Exit codes of `headrace run`; 138 is papermill's for a dead kernel.
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_KERNEL_DIED = 0, 1, 2, 130, 138
#: A traceback is kept up to here, characters.
TRACEBACK_LENGTH = 20_000

_QUOTED = re.compile(r"'([^']+)'$")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: What `sys.exit()` with no code, 0 or None looks like in an error reply.
_CLEAN_EXITS = frozenset({"", "0", "None", "False"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How something ended.

    Parameters
    ----------
    state_type, state_name : StateType, str
    message : str, default ""
    error : mapping or None
        `{type, message, traceback, cell_id?, cell_index?}`.
    rest : str, default ""
        What becomes of the cells behind: "" they run, "NotRun" or "Skipped".
    retry : bool, default False
        Whether another attempt may follow.
    kernel_died : bool, default False
    interrupted : bool, default False
        By a person at the terminal.
    """

    state_type: StateType
    state_name: str
    message: str = ""
    error: Mapping[str, Any] | None = None
    rest: str = ""
    retry: bool = False
    kernel_died: bool = False
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """What a process that ran only this exits with."""
        if self.state_type is StateType.COMPLETED:
            return EXIT_OK
        if self.kernel_died:
            return EXIT_KERNEL_DIED
        return EXIT_INTERRUPTED if self.interrupted else EXIT_FAILED


COMPLETED = Ending(state_type=StateType.COMPLETED, state_name="Completed")


def plain(text: str) -> str:
    """Return text without terminal colours."""
    return _ANSI.sub("", text)


def where(plan: CellPlan) -> str:
    """Return a cell's place and name for a sentence."""
    return f"Cell {plan.number} ({plan.name})"


def of_reply(plan: CellPlan, reply: Mapping[str, Any], *, folder: str = "", cwd: str = "") -> Ending:
    """Return how a cell ended that the kernel answered.

    Parameters
    ----------
    plan : CellPlan
    reply : mapping
        The content of the execute reply.
    folder, cwd : str, default ""
        The notebook's folder and the kernel's, for the hint about a missing file.
    """
    if reply.get("status") == "ok":
        if any(item.get("source") == "ask_exit" for item in reply.get("payload") or ()):
            return _exit(plan, "0")
        return COMPLETED
    if reply.get("status") == "abort" or reply.get("status") == "aborted":
        return Ending(
            state_type=StateType.CANCELLED, state_name="Cancelled", message="The kernel skipped it.", rest="NotRun"
        )
    name, value = str(reply.get("ename") or "Error"), plain(str(reply.get("evalue") or ""))
    if name == "SystemExit":
        return _exit(plan, value)
    if name == "StopSignal":
        return Ending(state_type=StateType.COMPLETED, state_name="Skipped", message=value or "stop() was called")
    error = error_of(plan, name, value, reply.get("traceback") or ())
    message = f"{name}: {first_line(value)}" if value else name
    if name == "KeyboardInterrupt":
        return Ending(
            state_type=StateType.CANCELLED,
            state_name="Cancelled",
            message="It was interrupted.",
            error=error,
            rest="NotRun",
        )
    if name == "StdinNotImplementedError":
        message = (
            "It asks for input(), and nobody can answer in a notebook run. "
            "Make the value a parameter: tag its cell `parameters` and give -p NAME VALUE."
        )
        error = {**error, "message": message}
    if name == "FileNotFoundError":
        message += hint_cwd(value, folder, cwd)
    if plan.may_raise:
        return Ending(
            state_type=StateType.COMPLETED,
            state_name="Completed",
            message=f"It raised, as it may: {message}",
            error=error,
        )
    return Ending(
        state_type=StateType.FAILED, state_name="Failed", message=message, error=error, rest="NotRun", retry=True
    )


def _exit(plan: CellPlan, value: str) -> Ending:
    if value in _CLEAN_EXITS:
        return Ending(
            state_type=StateType.COMPLETED,
            state_name="Completed",
            message="It ended the notebook: exit code 0.",
            rest="Skipped",
        )
    error = error_of(plan, "SystemExit", value, ())
    return Ending(
        state_type=StateType.FAILED,
        state_name="Failed",
        message=f"It left with exit code {value}.",
        error=error,
        rest="NotRun",
    )


def error_of(plan: CellPlan, name: str, value: str, traceback: Any) -> dict[str, Any]:
    """Return an error as the store keeps it: text only, bounded."""
    text = plain("\n".join(str(line) for line in traceback))
    if len(text) > TRACEBACK_LENGTH:
        text = f"{text[: TRACEBACK_LENGTH // 2]}\n…\n{text[-TRACEBACK_LENGTH // 2 :]}"
    return {
        "type": name,
        "message": value[:4000],
        "traceback": text,
        "cell_id": plan.cell_id,
        "cell_index": plan.index,
    }


def first_line(text: str) -> str:
    """Return the first line of a message, at most 300 characters of it."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 300 else line[:299] + "…"


def hint_cwd(message: str, folder: str, cwd: str) -> str:
    """Return what to do about a file that is missing here and stands beside the notebook; "" where it does not."""
    found = _QUOTED.search(message)
    if found is None or not folder or os.path.isabs(found[1]):
        return ""
    if os.path.exists(os.path.join(folder, found[1])) and not os.path.exists(os.path.join(cwd, found[1])):
        return f" It stands beside the notebook: run with --cwd {folder}"
    return ""


def of_notebook(plan: CellPlan, cell: Ending) -> Ending:
    """Return how the notebook ends when this cell ended it."""
    if cell.state_type is StateType.COMPLETED:
        return Ending(
            state_type=StateType.COMPLETED,
            state_name="Completed",
            message=f"{where(plan)} ended it with exit code 0; the cells behind were skipped.",
        )
    return Ending(
        state_type=cell.state_type,
        state_name=cell.state_name,
        message=f"{where(plan)}: {cell.message}",
        error=cell.error,
        retry=cell.retry,
        kernel_died=cell.kernel_died,
        interrupted=cell.interrupted,
    )


def cancelled(message: str, *, interrupted: bool = False) -> Ending:
    """Return how a run ends that somebody cancelled."""
    return Ending(
        state_type=StateType.CANCELLED,
        state_name="Cancelled",
        message=message,
        rest="NotRun",
        interrupted=interrupted,
    )
