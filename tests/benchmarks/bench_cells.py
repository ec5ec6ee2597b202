"""What `%%task` costs a cell, and what keeping and restoring outputs costs, in real kernels."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import start_new_kernel
from run import Row, tell

BLOCKS, REPEATS = 5, 20
MEGABYTE, GIGABYTE = 1 << 20, 1 << 30


class Kernel:
    """A kernel whose cells are timed from request to idle, and by the processor time that the kernel spent."""

    def __init__(self, folder: str, **environment: str) -> None:
        self.manager, self.client = start_new_kernel(cwd=folder, env={**os.environ, **environment})

    def run(self, code: str, cell_id: str = "") -> tuple[float, str]:
        """Run a cell and return how long it took, seconds, and what it printed or returned."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell_id})
        shown = []
        began = time.perf_counter()
        self.client.shell_channel.send(message)
        while True:
            heard: dict[str, Any] = self.client.get_iopub_msg(timeout=300)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, said = heard["msg_type"], heard["content"]
            if kind == "status" and said["execution_state"] == "idle":
                break
            if kind == "error":
                raise SystemExit(f"{code[:200]}\n{said['ename']}: {said['evalue']}")
            shown.append(said.get("text") or said.get("data", {}).get("text/plain", ""))
        took = time.perf_counter() - began
        self.client.get_shell_msg(timeout=60)
        return took, "".join(shown)

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def beside(kernel: Kernel, plain: str, task: str) -> str:
    """Return what one cell takes over another, in time and in the kernel's processor time; {n} changes each time."""
    process = psutil.Process(int(kernel.run("import os\nprint(os.getpid())")[1]))
    times: tuple[list[float], list[float]] = ([], [])
    spent = [0.0, 0.0]
    for block in range(BLOCKS):
        for side, code in ((0, plain), (1, task)):
            before = sum(process.cpu_times()[:2])
            for n in range(REPEATS):
                times[side].append(kernel.run(code.replace("{n}", str(REPEATS * block + n)), f"cell-{side}")[0])
            spent[side] += sum(process.cpu_times()[:2]) - before
    took = statistics.median(times[1]) - statistics.median(times[0])
    return f"+{took * 1e3:.1f} ms, processor time +{(spent[1] - spent[0]) / BLOCKS / REPEATS * 1e3:.1f} ms"


def overhead(folder: str) -> list[Row]:
    """Measure what the magic line adds."""
    kernel = Kernel(folder)
    kernel.run("%load_ext headrace")
    kernel.run("%%task warm --cache-policy inputs\nwarm = 1")
    rows = [
        Row(
            "%%task, no caching",
            beside(kernel, "x = {n}\nx + 1", "%%task bench\nx = {n}\nx + 1"),
            "a plain cell",
            None,
            "≤ 3 ms",
        )
    ]
    kept = "%%task kept --cache-policy inputs\nx = {n}\nx + 1"
    rows.append(
        Row("%%task with caching, run and stored", beside(kernel, "x = {n}\nx + 1", kept), "a plain cell", None, "")
    )
    hit = "%%task hit --cache-policy inputs\ny = 1"
    kernel.run(hit)
    rows.append(
        Row(
            "%%task with caching, a hit",
            beside(kernel, "y = 1", hit),
            "a plain cell",
            None,
            "≤ 3 ms + ≤ 1 ms and hashing",
        )
    )
    kernel.close()
    return rows


HASHING = """
import json, time, sys
import numpy, pandas
from headrace.kernel_magic.results.hashing import digest
def rate(value, size):
    best = 1e9
    for _ in range(3):
        began = time.perf_counter(); digest(value); best = min(best, time.perf_counter() - began)
    return size / best
numbers = pandas.DataFrame(numpy.random.default_rng(1).random((8, 1 << 24)).T)
text = pandas.DataFrame({"t": [f"row number {n} of the table" for n in range(2_000_000)]}, dtype=object)
print(json.dumps([rate(numbers, 8 * 8 * (1 << 24)), rate(text, sum(map(len, text["t"])))]))
"""


def hashing() -> list[Row]:
    """Measure how fast values are hashed."""
    found = json.loads(
        subprocess.run([sys.executable, "-c", HASHING], capture_output=True, check=True, text=True).stdout
    )
    return [
        Row("digest of a 1 GB numeric frame", f"{found[0] / 1e9:.1f} GB/s", "", None, "≥ 2 GB/s"),
        Row("digest of a text column", f"{found[1] / 1e6:.0f} MB/s", "", None, "≥ 100 MB/s"),
    ]


def loading(folder: str) -> Row:
    """Measure `%load_ext headrace` in a kernel that has just started."""
    times, spent = [], []
    for _ in range(5):
        kernel = Kernel(folder)
        kernel.run("import time")
        times.append(
            float(kernel.run("_a = time.perf_counter()\n%load_ext headrace\nprint(time.perf_counter() - _a)")[1])
        )
        kernel.close()
        kernel = Kernel(folder)
        kernel.run("import time")
        spent.append(
            float(kernel.run("_a = time.process_time()\n%load_ext headrace\nprint(time.process_time() - _a)")[1])
        )
        kernel.close()
    return Row(
        "%load_ext headrace",
        f"{statistics.median(times) * 1e3:.0f} ms",
        f"processor time {statistics.median(spent) * 1e3:.0f} ms",
        None,
        "≤ 150 ms",
    )


FRAME = {
    "make": "%%task make --cache-policy inputs\nimport numpy, pandas\n"
    "frame = pandas.DataFrame(numpy.arange(1 << 27, dtype='f8').reshape(8, -1).T)",
}


def restoring(folder: str) -> Row:
    """Measure `%flow restore` of a numeric frame of 1 GB and the cell that first uses it, verification included."""
    path = Path(folder, "frame.ipynb")
    cells = [
        {"id": i, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in FRAME.items()
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    first = Kernel(folder, JPY_SESSION_NAME=str(path))
    first.run("%load_ext headrace")
    first.run(FRAME["make"], "make")
    first.close()
    second = Kernel(folder, JPY_SESSION_NAME=str(path))
    second.run("%load_ext headrace\nimport numpy, pandas")
    used_before = float(second.run("import time\nprint(time.process_time())")[1])
    restored, said = second.run("%flow restore")
    if "restored" not in said or "not restored" in said:
        raise SystemExit(said)
    used, value = second.run("float(frame.iloc[-1, -1])")
    if float(value.splitlines()[-1]) != (1 << 27) - 1:
        raise SystemExit(value)
    spent = float(second.run("print(time.process_time())")[1]) - used_before
    second.close()
    return Row(
        "%flow restore of a 1 GB numeric frame, with its first use",
        f"{GIGABYTE / MEGABYTE / (restored + used):,.0f} MB/s",
        f"restore {restored:.2f} s, use {used:.2f} s, processor time {spent:.2f} s",
        None,
        "≥ 300 MB/s",
    )


def measure() -> list[Row]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        return [*overhead(folder), *hashing(), loading(folder), restoring(folder)]


if __name__ == "__main__":
    tell(measure())
