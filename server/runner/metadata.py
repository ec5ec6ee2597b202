"""What a run writes into the output notebook's metadata: papermill's words, so that its readers work, and ours.

`metadata.papermill` has papermill's keys with honest values: a cell that never
ran stays `pending`. Ours stands in `metadata.headrace.run`, of the notebook and
of each code cell; what an author wrote in `metadata.headrace` stays beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from headrace.core.clock import instant
from headrace.core.states import StateType
from headrace.server.runner.plan import CellPlan
from headrace.server.runner.recording import CellRun

#: The tag (papermill's) of the cells that point at an error; they are removed at the next run.
ERROR_TAG = "papermill-error-cell-tag"
_ANCHOR = "papermill-error-cell"
_STATUS = {StateType.COMPLETED: "completed", StateType.RUNNING: "running"}


def papermill_version() -> str:
    """Return the version of papermill that is installed, ours where there is none."""
    try:
        return metadata.version("papermill")
    except metadata.PackageNotFoundError:
        from headrace import __version__

        return f"headrace {__version__}"


def clean(notebook: Any) -> None:
    """Take out what earlier runs left: error cells, outputs, run metadata."""
    notebook["cells"] = [c for c in notebook["cells"] if ERROR_TAG not in (c["metadata"].get("tags") or ())]
    _forget(notebook["metadata"])
    for cell in notebook["cells"]:
        _forget(cell["metadata"])
        cell["metadata"].setdefault("tags", [])
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
            cell["metadata"].pop("execution", None)


def _forget(found: Any) -> None:
    ours = found.get("headrace")
    if isinstance(ours, Mapping) and "run" in ours:
        rest = {k: v for k, v in ours.items() if k != "run"}
        if rest:
            found["headrace"] = rest
        else:
            del found["headrace"]


def begin(
    notebook: Any,
    *,
    parameters: Mapping[str, Any] | None,
    input_path: str,
    output_path: str | None,
    report_mode: bool = False,
) -> None:
    """Write what is known before the run starts; `parameters` None leaves papermill's own note of them."""
    noted = notebook["metadata"].setdefault("papermill", {})
    if parameters is None:
        parameters = noted.get("parameters") or {}
    noted.update(
        {
            "default_parameters": {},
            "environment_variables": {},
            "parameters": dict(parameters),
            "version": papermill_version(),
            "input_path": input_path,
            "output_path": output_path,
            "start_time": None,
            "end_time": None,
            "duration": None,
            "exception": None,
        }
    )
    for cell in notebook["cells"]:
        cell["metadata"]["papermill"] = {
            "exception": None,
            "start_time": None,
            "end_time": None,
            "duration": None,
            "status": "pending",
        }
        if report_mode and cell["cell_type"] == "code":
            cell["metadata"].setdefault("jupyter", {})["source_hidden"] = True


def write_ours(found: Any, values: Mapping[str, Any]) -> None:
    """Set `headrace.run` in a metadata object, absent values left out."""
    ours = dict(found.get("headrace") or {})
    ours["run"] = {k: v for k, v in values.items() if v is not None and v != ""}
    found["headrace"] = ours


def cell_started(node: Any, cell: CellRun) -> None:
    """Note that a cell runs."""
    noted = node["metadata"].setdefault("papermill", {})
    noted.update(status="running", exception=False, start_time=_iso(cell.started_at), end_time=None, duration=None)
    _cell_ours(node, cell)


def cell_ended(node: Any, cell: CellRun) -> None:
    """Note how a cell ended; one that never ran stays pending."""
    noted = node["metadata"].setdefault("papermill", {})
    if cell.state_name == "Cached" and cell.started_at is None:
        noted.update(status="completed", exception=False)
    elif cell.started_at is not None and cell.state_name != "Skipped":
        failed = cell.state_type is not StateType.COMPLETED
        end = cell.ended_at or cell.started_at
        noted.update(
            status="failed" if failed else "completed",
            exception=failed,
            start_time=_iso(cell.started_at),
            end_time=_iso(end),
            duration=round((end - cell.started_at) / 1_000_000, 6),
        )
    _cell_ours(node, cell)


def _cell_ours(node: Any, cell: CellRun) -> None:
    write_ours(
        node["metadata"],
        {
            "id": cell.plan.run_id,
            "name": cell.plan.name if cell.plan.task is not None else None,
            "state": cell.state_type.value,
            "state_name": cell.state_name,
            "message": cell.message,
            "attempt": cell.attempt if cell.attempt > 1 else None,
            "started_at": _iso(cell.started_at),
            "ended_at": _iso(cell.ended_at),
        },
    )


def notebook_started(notebook: Any, run_id: str, at: int) -> None:
    """Note that the notebook runs."""
    notebook["metadata"]["papermill"]["start_time"] = _iso(at)
    write_ours(
        notebook["metadata"], {"id": run_id, "state": "RUNNING", "state_name": "Running", "started_at": _iso(at)}
    )


def notebook_ended(
    notebook: Any, run_id: str, *, started_at: int | None, ended_at: int, state: StateType, name: str, message: str
) -> None:
    """Note how the notebook ended."""
    noted = notebook["metadata"]["papermill"]
    noted["end_time"] = _iso(ended_at)
    if started_at is not None:
        noted["duration"] = round((ended_at - started_at) / 1_000_000, 6)
    noted["exception"] = None if state is StateType.COMPLETED else True
    write_ours(
        notebook["metadata"],
        {
            "id": run_id,
            "state": state.value,
            "state_name": name,
            "message": message,
            "started_at": _iso(started_at),
            "ended_at": _iso(ended_at),
        },
    )


def mark_error(notebook: Any, plan: CellPlan, node: Any) -> None:
    """Point at the cell that ended the run: a line at the top with a link, an anchor before the cell (papermill's)."""
    count = node.get("execution_count")
    label = f"In [{count}]" if count is not None else f"cell {plan.number}"
    style = 'style="color:red; font-family:Helvetica Neue, Helvetica, Arial, sans-serif; font-size:2em;"'
    top = f'<span {style}>The run stopped at <a href="#{_ANCHOR}">{label}</a>.</span>'
    anchor = f'<span id="{_ANCHOR}" {style}>The run stopped at the cell below:</span>'
    position = next(i for i, cell in enumerate(notebook["cells"]) if cell is node)
    notebook["cells"].insert(position, _markdown(f"{_ANCHOR}-anchor", anchor))
    notebook["cells"].insert(0, _markdown(f"{_ANCHOR}-top", top))


def _markdown(cell_id: str, source: str) -> Any:
    from nbformat import from_dict

    return from_dict({"id": cell_id, "cell_type": "markdown", "metadata": {"tags": [ERROR_TAG]}, "source": source})


def _iso(at: int | None) -> str | None:
    return None if at is None else instant(at).isoformat()
