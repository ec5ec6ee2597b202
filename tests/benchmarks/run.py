"""`make bench`: measure side by side in one run, as ratios; print the table and write it to docs/benchmarks.md.

Each `bench_*.py` beside this file has `measure() -> list[Row]`. Names on the
command line pick some: `python tests/benchmarks/run.py tasks notebooks`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("sqlalchemy", "ipykernel", "nbclient", "papermill", "distributed", "prefect")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    Attributes
    ----------
    what : str
    value, beside : str
        Ours, and the thing it is compared with, each with its unit.
    ratio : float or None
        Ours divided by the other.
    goal : str
        What the issue asks for.
    """

    what: str
    value: str
    beside: str
    ratio: float | None
    goal: str


def machine() -> str:
    """Return the machine and the versions, in a line."""
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, {', '.join(versions)}"


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | Headrace | beside | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(f"| {row.what} | {row.value} | {row.beside} | {ratio} | {row.goal} |")
    return "\n".join(lines)


def bench(name: str) -> list[Row]:
    """Measure one file in a process and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        keep = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV", "LANG")
        environment = {k: os.environ[k] for k in keep if k in os.environ}
        environment |= {"HOME": home, "HEADRACE_DATA_DIR": f"{home}/headrace", "HEADRACE_RUNTIME_DIR": f"{home}/run"}
        # The folder of a script is not searched where PYTHONSAFEPATH is set, as `make` does.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), environment.get("PYTHONPATH")]))
        command = [sys.executable, str(HERE / f"bench_{name}.py")]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench_{name}.py failed:\n{done.stderr[-3000:]}")
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 4]
    return [
        Row(what, value, beside, float(ratio) if ratio else None, goal) for what, value, beside, ratio, goal in rows
    ]


def tell(rows: list[Row]) -> None:
    """Print rows for the process that asked (called by each bench file)."""
    for row in rows:
        print("\t".join([row.what, row.value, row.beside, "" if row.ratio is None else str(row.ratio), row.goal]))


def main() -> None:
    """Measure, print, write."""
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*known, []], help="which to measure; all when none is named")
    names = parser.parse_args().names or known
    sections = []
    for name in names:
        print(f"measuring {name} …", flush=True)
        text = table(bench(name))
        print(text, flush=True)
        sections.append(f"## {name.capitalize()}\n\n{text}")
    if names == known:
        head = f"# Benchmarks\n\nMeasured by `make bench` on {date.today().isoformat()}: {machine()}. Medians; both sides in one run."
        TARGET.write_text("\n\n".join([head, *sections]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
