"""Notebook runs through Headrace beside plain nbclient and papermill, in one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from run import Row, tell

REPEATS = 3

NBCLIENT = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
NotebookClient(book, kernel_name="python3").execute()
nbformat.write(book, sys.argv[2])
"""
SMALL: Callable[[int], str] = "x{0} = {0}\nprint(x{0})".format


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took: seconds from start to exit, and its peak memory in MB (its children's apart)."""

    seconds: float
    memory: float


def write(path: Path, sources: Sequence[str]) -> Path:
    """Write a notebook."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
    return path


def once(command: Sequence[str]) -> Spent:
    """Run a command to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:4]} ended with {process.returncode}")
    return Spent(time.perf_counter() - began, usage.ru_maxrss / 1024)


def beside(commands: dict[str, Sequence[str]], repeats: int = REPEATS) -> dict[str, Spent]:
    """Run commands in turn, so that all have the same neighbours; return each one's median."""
    found: dict[str, list[Spent]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            found[name].append(once(command))
    return {
        name: Spent(statistics.median(s.seconds for s in spent), max(s.memory for s in spent))
        for name, spent in found.items()
    }


def headrace(book: Path, out: Path, *options: str) -> list[str]:
    """Return our command."""
    return [sys.executable, "-m", "headrace.cli.main", "run", str(book), str(out), *options]


def plain(book: Path, out: Path) -> list[str]:
    """Return a plain nbclient script."""
    return [sys.executable, "-c", NBCLIENT, str(book), str(out)]


def papermill(book: Path, out: Path) -> list[str]:
    """Return papermill's command."""
    return [sys.executable, "-m", "papermill", str(book), str(out)]


def small_cells(folder: Path) -> list[Row]:
    """500 small cells, 5,000 of them, and one."""
    rows, out = [], folder / "out.ipynb"
    times: dict[int, Spent] = {}
    for count, what in (
        (1, "one cell, cold, process start to exit"),
        (500, "500 small cells"),
        (5000, "5,000 small cells"),
    ):
        book = write(folder / f"{count}.ipynb", [SMALL(n) for n in range(count)])
        commands: dict[str, Sequence[str]] = {"ours": headrace(book, out), "nbclient": plain(book, out)}
        found = beside(commands, 1 if count > 500 else REPEATS)
        if count <= 500:
            found["papermill"] = once(papermill(book, out))
        ours, other = found["ours"], found["nbclient"]
        times[count] = ours
        goal = "≤ 1.15 ×"
        rows.append(
            Row(what, f"{ours.seconds:.2f} s", f"nbclient {other.seconds:.2f} s", ours.seconds / other.seconds, goal)
        )
        if "papermill" in found:
            mill = found["papermill"]
            rows.append(
                Row(what, f"{ours.seconds:.2f} s", f"papermill {mill.seconds:.2f} s", ours.seconds / mill.seconds, "")
            )
        if count > 500:
            more = ours.memory - other.memory
            rows.append(
                Row(
                    f"{what}: memory",
                    f"{ours.memory:.0f} MB",
                    f"nbclient {other.memory:.0f} MB",
                    None,
                    f"{more:+.0f} MB, ≤ +100",
                )
            )
    each, many = times[500].seconds / 500, times[5000].seconds / 5000
    rows.append(
        Row(
            "a cell of 5,000 beside one of 500", f"{many * 1000:.1f} ms", f"{each * 1000:.1f} ms", many / each, "linear"
        )
    )
    return rows


def large_outputs(folder: Path) -> list[Row]:
    """200 MB of outputs."""
    out = folder / "out.ipynb"
    book = write(folder / "large.ipynb", ['for _ in range(10): print("y" * 100_000)'] * 200)
    found = beside({"ours": headrace(book, out), "nbclient": plain(book, out)}, 1)
    ours, other = found["ours"], found["nbclient"]
    more = ours.memory - other.memory
    return [
        Row(
            "200 MB of outputs",
            f"{ours.seconds:.2f} s",
            f"nbclient {other.seconds:.2f} s",
            ours.seconds / other.seconds,
            "",
        ),
        Row(
            "200 MB of outputs: memory",
            f"{ours.memory:.0f} MB",
            f"nbclient {other.memory:.0f} MB",
            None,
            f"{more:+.0f} MB, ≤ +100",
        ),
    ]


def warm_unit(folder: Path) -> list[Row]:
    """From handing a run to a warm unit to its first cell's start."""
    from headrace.store import get_store

    book, out = write(folder / "warm.ipynb", ["1", "2"]), folder / "out.ipynb"
    found = []
    for number in range(5):
        words = [sys.executable, "-m", "headrace.server.runner", "--warm", '{"kernel_name": "python3"}']
        process = subprocess.Popen(words, stdin=subprocess.PIPE, cwd=folder)
        assert process.stdin is not None
        time.sleep(3)  # a unit waits for hours; here until it is surely ready
        spec = folder / f"spec{number}.json"
        spec.write_text(json.dumps({"input_path": str(book), "output_path": str(out), "name": f"warm-{number}"}))
        began = time.time_ns() // 1000
        process.stdin.write(json.dumps({"spec": str(spec)}).encode() + b"\n")
        process.stdin.close()
        process.wait()
        store = get_store()
        run = store.runs.by_prefix(f"warm-{number}")
        first = min(cell.started_at or 0 for cell in store.runs.tree(run.id) if cell.parent_id == run.id)
        found.append((first - began) / 1000)
    middle = statistics.median(found)
    return [Row("hand-over to first cell, warm unit", f"{middle:.0f} ms", "limit 150 ms", middle / 150, "≤ 1")]


def continuing(folder: Path) -> list[Row]:
    """36 cells that fail in cell 30, continued in a new kernel; and what checkpoints cost a run that does not fail."""
    from headrace.store import get_store

    def cells(failing: bool) -> list[str]:
        made = ["import time\nfrom pathlib import Path\nimport numpy as np"]
        made += [f"time.sleep(0.3)\ntable{n} = np.arange(100_000) + {n}" for n in range(2, 37)]
        if failing:
            made[29] += "\nif not Path('ok').exists(): raise ValueError('not yet')"
        return made

    out = folder / "out.ipynb"
    book = write(folder / "fails.ipynb", cells(True))
    subprocess.run(headrace(book, out, "--name", "fails"), cwd=folder, stderr=subprocess.DEVNULL, check=False)
    (folder / "ok").touch()
    words = [sys.executable, "-m", "headrace.cli.main", "run", "--resume", "fails", "--name", "continued"]
    subprocess.run(words, cwd=folder, stderr=subprocess.DEVNULL, check=True)
    store = get_store()
    run = store.runs.by_prefix("continued")
    ran = [c for c in store.runs.tree(run.id) if c.parent_id == run.id and c.state_name == "Completed"]
    rows = [
        Row("36 cells that failed in cell 30: cells run again", f"{len(ran)}", "7 have to", len(ran) / 7, "30–36 only")
    ]
    book = write(folder / "whole.ipynb", cells(False))
    found = beside({"with": headrace(book, out), "without": headrace(book, out, "--checkpoint", "never")}, REPEATS)
    with_, without = found["with"].seconds, found["without"].seconds
    rows.append(
        Row("36 cells with checkpoints", f"{with_:.2f} s", f"without {without:.2f} s", with_ / without, "≤ 1.05")
    )
    return rows


def measure() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*small_cells(folder), *large_outputs(folder), *warm_unit(folder), *continuing(folder)]


if __name__ == "__main__":
    tell(measure())
