"""Notebooks for tests: written from a few words, run in this process, looked up in the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Cell = str | dict[str, Any]


def code(source: str, *tags: str, cell_id: str | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a code cell."""
    return {
        "id": cell_id,
        "cell_type": "code",
        "metadata": {**({"tags": list(tags)} if tags else {}), **metadata},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def markdown(source: str, cell_id: str | None = None) -> dict[str, Any]:
    """Return a Markdown cell."""
    return {"id": cell_id, "cell_type": "markdown", "metadata": {}, "source": source}


def notebook(*cells: Cell, kernel: str | None = "python3", language: str = "python") -> dict[str, Any]:
    """Return a notebook; a text is a code cell, ids are c1, c2, … where none is given."""
    made = [code(cell) if isinstance(cell, str) else dict(cell) for cell in cells]
    for number, cell in enumerate(made, 1):
        cell["id"] = cell["id"] or f"c{number}"
    metadata: dict[str, Any] = {}
    if kernel is not None:
        metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}


def write(path: Path, *cells: Cell, **options: Any) -> Path:
    """Write a notebook file and return its path."""
    path.write_text(json.dumps(notebook(*cells, **options)), encoding="utf-8")
    return path


def run(path: Path | str, output: Path | str | None = None, **spec: Any) -> Any:
    """Run a notebook in this process; return the runner's result."""
    from headrace.core.run_spec import BESIDE, NotebookSpec
    from headrace.server.runner.prepare import prepare
    from headrace.server.runner.process import run_here

    target = BESIDE if output is None else str(output)
    return run_here(prepare(NotebookSpec(input_path=str(path), output_path=target, **spec)), own_process=False)


def states(run_id: str) -> list[tuple[str, str]]:
    """Return (state type, state name) of the cell runs of a notebook run, in their order."""
    return [(run.state_type.value, run.state_name) for run in cell_runs(run_id)]


def cell_runs(run_id: str) -> list[Any]:
    """Return the cell runs of a notebook run, in their order."""
    from headrace.store import get_store

    return [run for run in get_store().runs.tree(run_id) if run.parent_id == run_id]


def stored(run_id: str) -> Any:
    """Return a run from the store."""
    from headrace.store import get_store

    return get_store().runs.get(run_id)


def texts(outputs: Sequence[dict[str, Any]]) -> str:
    """Return everything that outputs printed."""
    return "".join("".join(out.get("text", "")) for out in outputs if out["output_type"] == "stream")


def read(path: Path | str) -> dict[str, Any]:
    """Return a notebook file's content."""
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def without_headrace(folder: Path) -> dict[str, str]:
    """Return the environment of a kernel that cannot import Headrace, though its interpreter has it.

    Parameters
    ----------
    folder : Path
        Where a `sitecustomize.py` may be written.
    """
    place = folder / "no-headrace"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'headrace':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    return {"PYTHONPATH": str(place)}


#: A cell that later ones need to note that they ran.
SETUP = "import time\nfrom pathlib import Path\ndef note(n):\n    with open('ran', 'a') as file: file.write(f'{n} ')"


def slow(number: int, *lines: str) -> str:
    """Return a cell that notes that it ran and takes long enough to be worth a checkpoint."""
    return "\n".join([f"note({number})", "time.sleep(0.25)", *lines])


def fails_once(number: int, *lines: str) -> str:
    return "\n".join([f"note({number})", "if not Path('ok').exists(): raise ValueError('not yet')", *lines])


def take_ran(folder: Path) -> list[str]:
    """Return which cells noted that they ran, and forget it."""
    found = (folder / "ran").read_text().split()
    (folder / "ran").unlink()
    return found


def go_on(result_or_id: Any, output: Path | None = None, **changes: Any) -> Any:
    """Continue a run in this process."""
    from headrace.core.run_spec import NotebookSpec
    from headrace.server.runner.continuing import spec_to_continue
    from headrace.server.runner.prepare import prepare
    from headrace.server.runner.process import run_here

    run_id = result_or_id if isinstance(result_or_id, str) else result_or_id.run.id
    values = spec_to_continue(stored(run_id))
    parameters = {**values.pop("parameters"), **changes.pop("parameters", {})}
    if output is not None:
        values["output_path"] = str(output)
    return run_here(prepare(NotebookSpec(**{**values, "parameters": parameters, **changes})), own_process=False)
