"""A notebook is its path with its cell ids: it keeps its history when it moves, and a copy or a namesake begins anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Kernel
from .test_flow_magic import ran, write

pytestmark = pytest.mark.kernel

CELLS = {
    "load": "%%task load --cache-policy inputs\nprint('ran load')\nx = [1, 2]",
    "double": "%%task double --cache-policy inputs\nprint('ran double')\ny = [2 * n for n in x]",
}


def opened(start: Callable[..., Kernel], path: Path) -> Kernel:
    one = start(HEADRACE_DATA_DIR=str(path.parent / "headrace"), JPY_SESSION_NAME=str(path))
    one.run("%load_ext headrace")
    return one


def test_a_renamed_notebook_keeps_its_stored_outputs_and_a_copy_or_a_namesake_does_not(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    path = tmp_path / "Untitled.ipynb"
    write(path, CELLS)
    assert ran(opened(start_kernel, path).run("%flow run")) == ["load", "double"]

    copy = tmp_path / "copy.ipynb"
    shutil.copy(path, copy)
    assert "not restored" in opened(start_kernel, copy).run("%flow restore").result

    moved = tmp_path / "renamed.ipynb"
    path.rename(moved)
    said = opened(start_kernel, moved).run("%flow restore")
    assert [line.split()[-1] for line in said.result.splitlines()[1:]] == ["restored", "restored"]

    write(path, {f"{name}2": source for name, source in CELLS.items()})
    assert "not restored" in opened(start_kernel, path).run("%flow restore").result


def test_a_file_that_differs_from_what_ran_is_refused_in_one_line(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    write(path, CELLS)
    one = opened(start_kernel, path)
    one.run("%%task load\nx = ['typed, not saved']", cell_id="load")
    said = one.run("%flow run")
    assert said.text == (
        "UsageError: load ran with other code than the file book.ipynb has: save the notebook first.\n"
    )
    write(path, {**CELLS, "load": "%%task load\nx = ['typed, not saved']"})
    assert one.run("%flow run").status == "ok"


def test_vs_code_names_the_file_and_its_cells_in_its_own_way(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    write(path, {"plain": "base = 1", **CELLS})
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "headrace"))
    one.run(f"__vsc_ipynb_file__ = {str(path)!r}")
    one.run("%load_ext headrace", cell_id="vscode-notebook-cell:/book.ipynb#W0sZmlsZQ%3D%3D")
    one.run("base = 1", cell_id="vscode-notebook-cell:/book.ipynb#W1sZmlsZQ%3D%3D")
    one.run(CELLS["load"], cell_id="vscode-notebook-cell:/book.ipynb#W2sZmlsZQ%3D%3D")
    status = one.run("%flow status", cell_id="vscode-notebook-cell:/book.ipynb#W3sZmlsZQ%3D%3D").result.splitlines()
    assert [line.split()[:3] for line in status[1:3]] == [["load", "✔", "Completed"], ["double", "○", "not"]]
    assert status[-1] == "Cells and their order: from the file book.ipynb."
    assert ran(one.run("%flow run")) == ["double"]


def test_a_client_without_cell_ids_is_told_so(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    write(path, CELLS)
    one = opened(start_kernel, path)
    one.run(CELLS["load"])
    said = one.run("%flow status")
    assert said.status == "error"
    assert said.text.startswith("UsageError: load was run by a client that sends no cell ids")
    assert said.text.count("\n") == 1
