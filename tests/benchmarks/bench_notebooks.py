"""A notebook of 500 small cells through Headrace, plain nbclient and papermill, in one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from run import Row, tell

CELLS = 500
REPEATS = 3

NBCLIENT = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
NotebookClient(book, kernel_name="python3").execute()
nbformat.write(book, sys.argv[2])
"""


def write(path: Path, cells: int) -> None:
    """Write a notebook of small cells."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(f"x{n} = {n}\nprint(x{n})") for n in range(cells)]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)


def seconds(command: list[str]) -> float:
    """Return the median time of a command, start to exit, seconds."""
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def measure() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for cells, what in ((CELLS, f"{CELLS} small cells"), (1, "one cell, cold, process start to exit")):
            book, out = folder / f"{cells}.ipynb", folder / "out.ipynb"
            write(book, cells)
            ours = seconds([sys.executable, "-m", "headrace.cli.main", "run", str(book), str(out)])
            plain = seconds([sys.executable, "-c", NBCLIENT, str(book), str(out)])
            mill = seconds([sys.executable, "-m", "papermill", str(book), str(out)])
            rows.append(Row(what, f"{ours:.2f} s", f"nbclient {plain:.2f} s", ours / plain, "≤ 1.15 ×"))
            rows.append(Row(what, f"{ours:.2f} s", f"papermill {mill:.2f} s", ours / mill, ""))
        return rows


if __name__ == "__main__":
    tell(measure())
