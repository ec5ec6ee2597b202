"""Prefect and Dask on the same machine in the same run, each in an environment of its own under `.cache/`.

Versions are fixed: newer FastAPI and SQLAlchemy break this Prefect's server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "rivals"
PREFECT = ("prefect==3.8.8", "fastapi==0.140.0", "sqlalchemy==2.0.58")
DASK = ("distributed>=2024.1",)
Figures = Callable[[str, float], "tuple[str, float | None]"]

PREFECT_SCRIPT = """
import json, time
began = time.perf_counter()
from prefect import flow, task
imported = time.perf_counter() - began
@task
def noop(n): return n
@flow
def many(count):
    began = time.perf_counter()
    for n in range(count): noop(n)
    return time.perf_counter() - began  # inside: each of its sync flow runs ends by waiting up to a second
@flow
def empty(): pass
began = time.perf_counter(); empty(); first = imported + time.perf_counter() - began
took = []
for _ in range(5):
    began = time.perf_counter(); empty(); took.append(time.perf_counter() - began)
run = sorted(took)[2]
each = many(200) / 200
print("FIGURES" + json.dumps({"import": imported, "first": first, "flow": run, "task": each}))
"""
DASK_SCRIPT = """
import json, time
from distributed import Client
if __name__ == "__main__":
    with Client(n_workers=1, threads_per_worker=4, processes=False, dashboard_address=None) as client:
        client.gather(client.map(lambda n: n, range(100)))
        began = time.perf_counter()
        client.gather(client.map(lambda n: n + 1, range(10_000), pure=False))
        print("FIGURES" + json.dumps({"map": time.perf_counter() - began}))
"""


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with these packages, made at the first call."""
    folder = CACHE / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    mark = folder / "packages.json"
    if not mark.is_file() or json.loads(mark.read_text()) != list(packages):
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
        mark.write_text(json.dumps(list(packages)))
    return python


def figures(python: Path, code: str) -> dict[str, float]:
    """Return what a script measured, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        script = Path(home) / "measure.py"
        script.write_text(code)
        variables = {"HOME": home, "PATH": os.environ.get("PATH", ""), "PREFECT_HOME": f"{home}/prefect"}
        done = subprocess.run(
            [str(python), str(script)],
            env=variables,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES")]
    if not lines:
        raise RuntimeError(f"the rival's script failed:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(lines[-1].removeprefix("FIGURES"))
    return found


def teller(name: str, found: dict[str, float]) -> Figures:
    """Return what says a figure beside ours, with the ratio ours divided by theirs."""

    def tell(what: str, ours: float) -> tuple[str, float | None]:
        theirs = found[what]
        if what == "map":
            return f"{name} {10_000 / theirs:,.0f} tasks/s", theirs / ours
        text = f"{theirs * 1e6:,.0f} µs" if what == "task" else f"{theirs * 1e3:,.0f} ms"
        return f"{name} {text}", ours / theirs

    return tell


def prefect_figures() -> Figures:
    """Measure Prefect 3."""
    return teller("Prefect 3.8.8", figures(environment("prefect", PREFECT), PREFECT_SCRIPT))


def dask_figures() -> Figures:
    """Measure Dask: threads of one process, nothing recorded."""
    return teller("Dask", figures(environment("dask", DASK), DASK_SCRIPT))
