"""What a run will do with each code cell, decided before the first one runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.cells import CellOptions, CellTask, find_task
from headrace.core.errors import InvalidNotebook, UsageError
from headrace.core.ids import new_id

#: Tags that leave a cell out: nbclient's, and ours.
SKIP_TAGS = ("skip-execution", "skip")
#: The tag (nbclient's) whose cells may raise without ending the run.
RAISES_TAG = "raises-exception"
INJECTED_TAG = "injected-parameters"

_DESCRIPTION = re.compile(r"papermill_description=(\S+)")
_LOAD = re.compile(r"^([ \t]*)(%(?:re)?load_ext[ \t]+headrace\b.*)$", re.MULTILINE)
_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """A code cell of the notebook that runs.

    Parameters
    ----------
    run_id : str
        The cell's run.
    index : int
        Its place among all cells of the executed notebook, from 0.
    number : int
        Its place among the code cells, from 1, for people.
    cell_id : str
    name : str
        What it is called for people.
    source : str
        As it stands in the notebook.
    task : CellTask or None
        What makes it a task.
    skip : str
        Why it is left out; "" where it runs.
    may_raise : bool
        An exception does not end the run.
    injected : bool
        It sets the run's parameters.
    """

    run_id: str
    index: int
    number: int
    cell_id: str
    name: str
    source: str
    task: CellTask | None = None
    skip: str = ""
    may_raise: bool = False
    injected: bool = False

    @property
    def body(self) -> str:
        """The code without the magic line, line numbers kept."""
        return self.source if self.task is None else self.task.body

    @property
    def options(self) -> CellOptions:
        """The task's options; the defaults for a plain cell."""
        return CellOptions() if self.task is None else self.task.options

    def plain_code(self) -> str:
        """Return the code for a kernel without Headrace: the magic line blank, `%load_ext headrace` a comment."""
        return _LOAD.sub(r"\1# \2", self.body)


def plan_cells(cells: Sequence[Mapping[str, Any]], *, allow_errors: bool = False) -> list[CellPlan]:
    """Return what is to be done with each code cell that has code.

    Parameters
    ----------
    cells : sequence of nbformat cells
    allow_errors : bool, default False
        Every cell may raise.

    Raises
    ------
    InvalidNotebook
        A task's options are wrong; the message names the cell.
    """
    plans: list[CellPlan] = []
    names: set[str] = set()
    for index, cell in enumerate(cells):
        source = cell["source"]
        if cell["cell_type"] != "code" or not source.strip():
            continue
        metadata = cell["metadata"]
        tags = metadata.get("tags") or ()
        try:
            task = find_task(source, metadata)
        except UsageError as error:
            raise InvalidNotebook(f"Cell {index + 1}: {error}", field=error.field) from error
        name = "parameters" if task is None and "parameters" in tags else cell_name(source, task, index)
        if task is not None and task.options.name:
            if name in names:
                raise InvalidNotebook(
                    f"Cell {index + 1}: there is another task called {name!r}; give it a name of its own."
                )
            names.add(name)
        plans.append(
            CellPlan(
                run_id=new_id(),
                index=index,
                number=len(plans) + 1,
                cell_id=cell["id"],
                name=name,
                source=source,
                task=task,
                skip=_why_skipped(metadata, tags),
                may_raise=allow_errors or RAISES_TAG in tags,
                injected=INJECTED_TAG in tags,
            )
        )
    return plans


def _why_skipped(metadata: Mapping[str, Any], tags: Sequence[str]) -> str:
    for tag in SKIP_TAGS:
        if tag in tags:
            return f"tagged {tag}"
    ours = metadata.get("headrace")
    return "skip stands in its metadata" if isinstance(ours, Mapping) and ours.get("skip") else ""


def cell_name(source: str, task: CellTask | None, index: int) -> str:
    """Return what a cell is called for people.

    The task's name, else papermill's `papermill_description=`, else "imports" for a cell that begins with them, else
    the first line that says something.

    Parameters
    ----------
    source : str
    task : CellTask or None
    index : int
        The cell's place in the notebook, from 0.
    """
    if task is not None and task.options.name:
        return task.options.name
    described = _DESCRIPTION.search(source)
    if described:
        return described[1]
    body = source if task is None else task.body
    imports = False
    for line in body.splitlines():
        text = line.strip().lstrip("#").strip()
        if line.lstrip().startswith(("import ", "from ")):
            imports = True
        elif text and not line.lstrip().startswith("%"):
            if imports:
                return "imports"
            return text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 1] + "…"
    if imports:
        return "imports"
    return f"cell {index + 1}"
