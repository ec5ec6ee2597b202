"""The output notebook of a run whose runner died: brought up to what the store knows.

The file that stands there is valid and a few seconds old, and says that the run
is running. What the cells had shown since, and how they ended, is in the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.errors import HeadraceError
from headrace.core.run_spec import STANDARD
from headrace.core.runs import Run
from headrace.server.notebook_file import read_notebook
from headrace.server.output_file import OutputFile
from headrace.server.runner import metadata
from headrace.server.runner.plan import CellPlan
from headrace.server.runner.recording import CellRun
from headrace.store.recorder import RunRecord

if TYPE_CHECKING:
    from headrace.store import Store


def recover_output(store: Store, run_id: str) -> str | None:
    """Write the output of a notebook run that has ended without its runner.

    Parameters
    ----------
    store : Store
    run_id : str

    Returns
    -------
    str or None
        The path that was written; None where the run has none, or has not ended.

    Raises
    ------
    NotFound, OutputUnwritable
    """
    run = store.runs.get(run_id)
    path = run.details.get("output_path")
    document = store.documents.find(run_id)
    if not run.is_final or document is None or path in (None, STANDARD):
        return None
    written = _written(str(path), run_id)
    notebook: dict[str, Any] = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": dict(document.metadata),
        "cells": [dict(cell) for cell in document.cells],
    }
    metadata.clean(notebook)
    metadata.begin(notebook, parameters=run.parameters, input_path=str(run.notebook_path or ""), output_path=str(path))
    stored = store.logs.outputs_of_tree(run.root_id)
    cells = {cell.cell_id: cell for cell in store.runs.tree(run.root_id) if cell.parent_id == run_id}
    for node in notebook["cells"]:
        cell = cells.get(node["id"])
        if node["cell_type"] != "code" or cell is None:
            continue
        node["outputs"], node["execution_count"] = _shown(cell, stored.get(cell.id, []), written.get(node["id"]))
        metadata.cell_ended(node, _as_recorded(cell, node["source"]))
    metadata.notebook_ended(
        notebook,
        run_id,
        started_at=run.started_at,
        ended_at=run.ended_at or run.state_at,
        state=run.state_type,
        name=run.state_name,
        message=run.state_message,
    )
    file = OutputFile(str(path))
    file.save(notebook, final=True)
    file.close()
    return str(path)


def _written(path: str, run_id: str) -> dict[str, Any]:
    """Return the cells of the file that stands there, where it is this run's."""
    try:
        content = read_notebook(path).content
    except HeadraceError:
        return {}
    ours = content["metadata"].get("headrace", {}).get("run", {})
    return {cell["id"]: cell for cell in content["cells"]} if ours.get("id") == run_id else {}


def _shown(cell: Run, stored: list[Any], written: Any) -> tuple[list[Any], Any]:
    """Return a cell's outputs and its count: the file's where it had been saved after the cell's end, else the store's."""
    count = cell.details.get("execution_count")
    if written is None:
        return stored, count
    ended = written["metadata"].get("headrace", {}).get("run", {}).get("state")
    if ended == cell.state_type.value or (cell.details.get("truncated") and len(written["outputs"]) >= len(stored)):
        return written["outputs"], written.get("execution_count")
    return stored, count if count is not None else written.get("execution_count")


def _as_recorded(cell: Run, source: str) -> CellRun:
    plan = CellPlan(
        run_id=cell.id,
        index=cell.cell_index or 0,
        number=int(cell.details.get("number") or 0),
        cell_id=str(cell.cell_id),
        name=cell.name,
        source=source,
    )
    record = RunRecord({"id": cell.id, "root_id": cell.root_id, "attempt": cell.attempt})
    return CellRun(
        plan=plan,
        record=record,
        state_type=cell.state_type,
        state_name=cell.state_name,
        message=cell.state_message,
        attempt=cell.attempt,
        started_at=cell.started_at,
        ended_at=cell.ended_at,
        error=cell.error,
    )
