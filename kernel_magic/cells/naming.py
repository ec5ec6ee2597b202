"""Names of cell tasks: each is one cell's, and `--after` names cells that there are; and what Tab offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.core.cells import FLAGS, READERS, RUNNERS
from headrace.core.errors import InvalidName, InvalidOption
from headrace.core.hints import did_you_mean

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.notebook import Cell
    from headrace.kernel_magic.cells.session import CellSession


def check_names(session: CellSession, cell: Cell) -> None:
    """Refuse a name that another cell has, and an `--after` that names no cell.

    Raises
    ------
    InvalidName, InvalidOption
        One line that names the cell and the remedy.
    """
    if cell.task is None:
        return
    options = cell.task.options
    if options.name and cell.id:
        _check_own(session, cell, options.name)
    missing = [name for name in options.after if name not in session.tasks]
    if missing:
        _check_after(session, cell, missing)


def _check_own(session: CellSession, cell: Cell, name: str) -> None:
    others = [
        key
        for key, other in session.ran.items()
        if other.id and other.id != cell.id and other.task is not None and other.task.options.name == name
    ]
    if not others:
        return
    notebook = session.notebook()
    there = {one.id: one for one in notebook.cells}
    for key in others:
        other = there.get(session.ran[key].id)
        if other is None or other.name != name:
            del session.ran[key]  # it was deleted or renamed since it ran
            continue
        raise InvalidName(
            f"The name {name!r} is taken: cell {other.index + 1} is called so. Rename one of the two.", field="name"
        )


def _check_after(session: CellSession, cell: Cell, missing: list[str]) -> None:
    known = {one.name for one in session.notebook().cells if one.task is not None} | session.tasks.keys()
    for name in missing:
        if name in known:
            continue
        hint = did_you_mean(name, known, f"there are: {', '.join(sorted(known)) or 'none yet'}.")
        raise InvalidOption(
            f"{cell.name}: --after names {name!r}, but no task cell is called so; {hint}", field="after"
        )


def check_all_names(cells: Sequence[Cell]) -> None:
    """Refuse two cells of one name.

    Raises
    ------
    InvalidName
    """
    named: dict[str, Cell] = {}
    for cell in cells:
        if cell.task is None or not cell.task.options.name:
            continue
        other = named.setdefault(cell.name, cell)
        if other is not cell:
            raise InvalidName(
                f"Cells {other.index + 1} and {cell.index + 1} are both named {cell.name!r}; rename one of them.",
                field="name",
            )


def complete_task(_shell: Any, event: Any) -> list[str]:
    """Complete the options of `%%task`, and the values of those that have a few."""
    words = event.line.split()
    before = words[-2] if event.symbol and len(words) > 1 else words[-1] if words else ""
    found = {
        "--runner": list(RUNNERS),
        "--cache-policy": ["inputs", "task_source", "run_id", "none"],
    }.get(before)
    if found is None:
        found = ["--" + name.replace("_", "-") for name in READERS]
        found += ["--no-" + name.replace("_", "-") for name in sorted(FLAGS)]
    return [word for word in found if word.startswith(event.symbol or "")]


def complete_flow(session: CellSession, event: Any) -> list[str]:
    """Complete the words of `%flow`: commands, options, names of cells."""
    from headrace.kernel_magic.cells.flow_magic import FLOW_OPTIONS, FlowMagic

    words = event.line.split()
    before = words[-2] if event.symbol and len(words) > 1 else words[-1] if words else ""
    if before == "%flow":
        found = list(FlowMagic.commands)
    elif before in ("--only", "--from", "cancel"):
        found = sorted(session.tasks)
    elif before == "--runner":
        found = list(RUNNERS)
    else:
        found = [f"--{name}" for name in FLOW_OPTIONS.get(words[1] if len(words) > 1 else "", ())]
    return [word for word in found if word.startswith(event.symbol or "")]
