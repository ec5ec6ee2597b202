"""The notebook that a kernel belongs to: its cells in document order, from the best source there is.

What the panel or a runner stored (with unsaved and never-run cells), else the
saved file that `JPY_SESSION_NAME` names, else the cells run so far; which one
it was is always said.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.cells import CellTask, find_task
from headrace.core.errors import HeadraceError
from headrace.core.settings import user_name

if TYPE_CHECKING:
    from headrace.store import Store
    from headrace.store.documents import Document

#: Ids of cells in notebook files (nbformat 4.5).
_ID = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A code cell.

    Parameters
    ----------
    id : str
        Its id in the document; "" where the client sends none.
    index : int
        Its place among all cells, from 0.
    source : str
    metadata : mapping
    task : CellTask or None
    error : str
        Why its options cannot be read; "" where they can.
    """

    id: str
    index: int
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    task: CellTask | None = None
    error: str = ""

    @property
    def name(self) -> str:
        """The task's name, else "cell N" (N from 1, as people count)."""
        if self.task is not None and self.task.options.name:
            return self.task.options.name
        return f"cell {self.index + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook's code cells.

    Parameters
    ----------
    cells : sequence of Cell
        In document order.
    origin : str
        Where they come from, in words.
    path : str
        The file's path, "" where there is none.
    document_id : str or None
    is_file : bool, default False
        The cells are the saved file's.
    """

    cells: Sequence[Cell]
    origin: str
    path: str = ""
    document_id: str | None = None
    is_file: bool = False


def read_cells(cells: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Return the code cells that have code, with what makes them tasks."""
    found: list[Cell] = []
    for index, cell in enumerate(cells):
        source = cell.get("source") or ""
        source = source if isinstance(source, str) else "".join(source)
        if cell.get("cell_type") != "code" or not source.strip():
            continue
        metadata = cell.get("metadata") or {}
        task, error = None, ""
        try:
            task = find_task(source, metadata)
        except HeadraceError as problem:
            error = str(problem)
        found.append(
            Cell(id=str(cell.get("id") or ""), index=index, source=source, metadata=metadata, task=task, error=error)
        )
    return found


def session_path(namespace: Mapping[str, Any]) -> str:
    """Return the path of the notebook that this kernel was started for, "" when it is not known.

    Parameters
    ----------
    namespace : mapping
        The user's: VS Code says the path there, Jupyter in the environment.
    """
    name = os.environ.get("HEADRACE_NOTEBOOK_PATH") or os.environ.get("JPY_SESSION_NAME") or ""
    name = name or str(namespace.get("__vsc_ipynb_file__", ""))
    if not name.endswith(".ipynb"):
        return ""
    path = Path(name)
    return str(path if path.is_absolute() else Path.cwd() / path)


def id_in_file(path: str, sent: str, name: str, source: str) -> str:
    """Return the id that the saved file has for a cell whose client names it otherwise: VS Code sends an address.

    Parameters
    ----------
    path : str
        The file's; "" where it is not known.
    sent : str
        What the client sent: it stays where it is an id, and where the file has no such cell.
    name, source : str
        The task's name, "" for none, and the cell's code, by which it is found.
    """
    if _ID.fullmatch(sent) or not path:
        return sent
    cells = read_cells(read_file(path) or [])
    same = [cell.id for cell in cells if (cell.name == name if name else cell.source.strip() == source.strip())]
    return same[0] if len(same) == 1 else sent


def find_notebook(
    store: Store | None,
    kernel_id: str | None,
    path: str,
    ran: Sequence[Cell],
    live: Sequence[Mapping[str, Any]] | None = None,
) -> Notebook:
    """Return the notebook of this kernel.

    Parameters
    ----------
    store : Store or None
    kernel_id : str or None
    path : str
        Its file's; "" where it is not known.
    ran : sequence of Cell
        The cells run so far, in the order in which they first ran: the last resort.
    live : sequence of cells or None
        What the client said with the request under way.
    """
    document: Document | None = None
    if store is not None:
        owner = user_name()
        document = store.documents.of_kernel(kernel_id, owner=owner) if kernel_id else None
        if document is None and path:
            document = store.documents.at_path(path, owner=owner)
    known = document.id if document is not None else None
    if live is not None:
        return Notebook(cells=read_cells(live), origin="JupyterLab", path=path, document_id=known)
    spoken = {"panel": "JupyterLab", "runner": "the run"}
    words = spoken.get(document.source, "") if document is not None else ""
    if document is not None and words and document.cells and not _file_is_newer(document, path):
        return Notebook(cells=read_cells(document.cells), origin=words, path=document.path, document_id=known)
    found = read_file(path) if path else None
    if found is not None:
        return Notebook(
            cells=read_cells(found), origin=f"the file {Path(path).name}", path=path, document_id=known, is_file=True
        )
    return Notebook(cells=list(ran), origin="the cells run so far", path=path, document_id=known)


def _file_is_newer(document: Document, path: str) -> bool:
    """A saved file beats what an earlier run stored, never what the panel sends as it is typed."""
    if document.source == "panel" or not path or document.path != path:
        return False
    try:
        return Path(path).stat().st_mtime_ns // 1000 > document.updated_at
    except OSError:
        return False


def read_file(path: str) -> list[Mapping[str, Any]] | None:
    """Return the cells of a notebook file as its JSON has them, None where there is none that can be read."""
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8")).get("cells")
    except (OSError, ValueError, AttributeError):
        return None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else None
