"""The flow of a notebook before and beside its runs: analysed cells, the newest run of each, what is stale and why."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.core.cells import find_task, options_dict
from headrace.core.dataflow import CellGraph, CellInput, analyse, build_graph, normalise_source, sparing
from headrace.core.errors import HeadraceError, one_line
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.store.documents import Document

if TYPE_CHECKING:
    from headrace.server.services import Services

#: Characters of a cell's source that the graph shows.
PREVIEW = 400
#: Document sources that are the panel's, not a runner's copy.
_PANEL = "panel"


class NotebookGraphs:
    """Reads a notebook's flow.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def graph(self, path: str) -> dict[str, Any]:
        """Return the analysed flow of a notebook.

        Raises
        ------
        NotFound, InvalidNotebook
        """
        full = self._services.root.notebook(path, field="path")
        document, cells = self._cells(full)
        code = [(index, cell) for index, cell in enumerate(cells) if cell.get("cell_type") == "code"]
        inputs, faults, tasks = _inputs(code)
        graph, fault = _build(inputs)
        latest = self._services.store.runs.latest_of_cells(
            document_id=document.id if document else None, notebook_path=full, owner=self._services.seen_owner
        )
        reasons = _reasons(code, graph, latest, frozenset(tasks))
        nodes = []
        for index, cell in code:
            cell_id = str(cell.get("id") or f"#{index}")
            task = tasks.get(cell_id)
            links = graph.links.get(cell_id) if graph else None
            error = faults.get(cell_id) or (graph and graph.syntax_errors.get(cell_id))
            run = latest.get(cell_id)
            source = _source(cell)
            nodes.append(
                {
                    "cell_id": cell_id,
                    "index": index,
                    "name": (task.options.name if task else "") or _first_line(source),
                    "is_task": task is not None,
                    "source_preview": source[:PREVIEW],
                    "options": options_dict(task.options) if task else {},
                    "reads": sorted(links.inputs) if links else [],
                    "binds": sorted(links.outputs) if links else [],
                    "mutates": sorted(links.mutates) if links else [],
                    "undefined": sorted(graph.undefined.get(cell_id, ())) if graph else [],
                    "error": one_line(error) if isinstance(error, Exception) else (error or fault or None),
                    "latest_run": self._services.runs.to_wire(run) if run else None,
                    "stale": cell_id in reasons,
                    "stale_reasons": reasons.get(cell_id, []),
                }
            )
        return {
            "document_id": document.id if document else "",
            "revision": document.revision if document else 0,
            "cells": nodes,
            "edges": _edges(graph),
        }

    def _cells(self, path: str) -> tuple[Document | None, Sequence[Mapping[str, Any]]]:
        """Return the notebook as the panel has it open, if that is newer than the file; else as the file is."""
        document = self._services.store.documents.at_path(path, owner=self._services.owner)
        changed = int(os.stat(path).st_mtime * 1_000_000)
        if document is not None and document.source == _PANEL and document.updated_at >= changed:
            return document, document.cells
        return document, self._services.notebooks.cells(path)


def _inputs(code: Sequence[tuple[int, Mapping[str, Any]]]) -> tuple[list[CellInput], dict[str, str], dict[str, Any]]:
    """Return the cells for the analysis, the faults of cells that cannot be analysed, and the tasks by cell id."""
    from IPython.core.inputtransformer2 import TransformerManager

    transform = sparing(TransformerManager().transform_cell)
    inputs: list[CellInput] = []
    faults: dict[str, str] = {}
    tasks: dict[str, Any] = {}
    for index, cell in code:
        cell_id, source = str(cell.get("id") or f"#{index}"), _source(cell)
        try:
            task = find_task(source, cell.get("metadata") if isinstance(cell.get("metadata"), dict) else None)
            if task is not None:
                tasks[cell_id] = task
            flow = analyse(source if task is None else task.body, transform=transform)
        except (HeadraceError, SyntaxError) as error:
            faults[cell_id] = one_line(error)
            continue
        inputs.append(
            CellInput(
                id=cell_id,
                flow=flow,
                name=(task.options.name or None) if task else None,
                is_task=task is not None,
                after=task.options.after if task else (),
                mutates=frozenset(task.options.mutates) if task else frozenset(),
            )
        )
    return inputs, faults, tasks


def _build(inputs: list[CellInput]) -> tuple[CellGraph | None, str]:
    try:
        return build_graph(inputs, keep_going=True), ""
    except HeadraceError as error:
        return None, one_line(error)


def _edges(graph: CellGraph | None) -> list[dict[str, Any]]:
    if graph is None:
        return []
    found = []
    for edge in graph.edges:
        if edge.kind == "order":
            continue
        kind = "data" if edge.kind == "data" else "order"
        found += [
            {"source": edge.upstream, "target": edge.downstream, "kind": kind, "name": name}
            for name in edge.names or ("",)
        ]
    return found


def _reasons(
    code: Sequence[tuple[int, Mapping[str, Any]]],
    graph: CellGraph | None,
    latest: Mapping[str, Run],
    tasks: frozenset[str],
) -> dict[str, list[str]]:
    """Return why cells are stale: of themselves, or because of what they depend on."""
    found: dict[str, list[str]] = {}
    for index, cell in code:
        cell_id = str(cell.get("id") or f"#{index}")
        run = latest.get(cell_id)
        if run is None:
            # A plain cell that is run by hand leaves no record: nothing is known of it.
            if cell_id in tasks:
                found[cell_id] = ["never ran"]
        elif run.state_type is StateType.COMPLETED and not _same_code(run, _source(cell)):
            found[cell_id] = ["its code changed"]
        elif run.is_final and run.state_type is not StateType.COMPLETED:
            found[cell_id] = [f"ended {run.state_name}"]
    if graph is None:
        return found
    for edge in graph.edges:
        upstream, run = latest.get(edge.upstream), latest.get(edge.downstream)
        if edge.kind != "data" or upstream is None or run is None or run.started_at is None:
            continue
        if (upstream.ended_at or 0) > run.started_at and edge.downstream not in found:
            found[edge.downstream] = [f"{graph.labels[edge.upstream]} ran again"]
    for cell_id in graph.stale_closure([i for i in graph.ids if i in found]):
        if cell_id not in found:
            causes = [e.upstream for e in graph.upstream.get(cell_id, ()) if e.upstream in found]
            found[cell_id] = [f"{graph.labels[cause]} is stale" for cause in causes] or ["what it uses is stale"]
    return found


def _same_code(run: Run, source: str) -> bool:
    """Return whether a run executed this source; one whose source is not known counts as the same."""
    ran = run.details.get("source")
    if isinstance(ran, str):
        if ran.strip() == source.strip():
            return True
        try:
            return normalise_source(ran) == normalise_source(source)
        except (HeadraceError, SyntaxError):
            return False
    if run.version is None or len(run.version) != 64:
        return True
    return run.version == hashlib.sha256(source.encode(errors="replace")).hexdigest()


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return lines[0][:80] if lines else ""
