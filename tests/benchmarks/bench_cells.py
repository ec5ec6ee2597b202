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

from jupyter_client.manager import start_new_kernel
from run import Row, tell

BLOCKS, REPEATS = 10, 20
MEGABYTE, GIGABYTE = 1 << 20, 1 << 30


class Kernel:
    """A kernel whose cells are timed from request to idle, and by the processor time that the kernel spent."""

    def __init__(self, folder: str, **environment: str) -> None:
        # An installed package has its bytecode.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        #: The processor time that it had spent when the last cell ended, seconds.
        self.spent = 0.0
        self.manager, self.client = start_new_kernel(cwd=folder, env={**env, **environment})

    def run(self, code: str, cell_id: str = "") -> tuple[float, str]:
        """Run a cell and return how long it took, seconds, and what it printed or returned."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        content["user_expressions"] = {"spent": "__import__('time').process_time()"}
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
        reply: dict[str, Any] = {"parent_header": {}}
        while reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            reply = self.client.get_shell_msg(timeout=60)
        self.spent = float(reply["content"]["user_expressions"]["spent"]["data"]["text/plain"])
        return took, "".join(shown)

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def written(path: Path, sources: dict[str, str]) -> Path:
    """Write a notebook with these cells by their ids."""
    cells = [
        {"id": i, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in sources.items()
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def added(kernel: Kernel, *codes: str, blocks: int = BLOCKS, repeats: int = REPEATS) -> list[tuple[float, float]]:
    """Return what each cell takes more than the first one, ms, and the kernel's processor time for it, ms; {n} changes."""
    took: list[list[float]] = [[] for _ in codes]
    spent: list[list[float]] = [[] for _ in codes]
    for block in range(blocks):
        for side, code in enumerate(codes):
            for n in range(repeats):
                before = kernel.spent
                seconds = kernel.run(code.replace("{n}", str(repeats * block + n)), f"cell-{side}")[0]
                if n:  # what a cell leaves to be done after its end is spent with the next one of its kind
                    took[side].append(seconds * 1e3)
                    spent[side].append((kernel.spent - before) * 1e3)
    medians = [(statistics.median(t), statistics.median(s)) for t, s in zip(took, spent, strict=True)]
    return [(wall - medians[0][0], processor - medians[0][1]) for wall, processor in medians[1:]]


def overhead(folder: str) -> list[Row]:
    """Measure what the magic line adds, with and without caching, in a notebook with a file as in JupyterLab."""
    path = written(Path(folder, "cells.ipynb"), {f"cell-{n}": "" for n in range(3)})
    kernel = Kernel(folder, JPY_SESSION_NAME=str(path))
    kernel.run("%load_ext headrace")
    changing, fixed = "x = {n}\nx + 1", "y = 1"
    plain, miss = added(kernel, changing, f"%%task\n{changing}", f"%%task --cache-policy inputs\n{changing}")
    asked, hit = added(kernel, fixed, f"%%task\n{fixed}", f"%%task --cache-policy inputs\n{fixed}")
    kernel.run("import numpy, pandas\nframe = pandas.DataFrame(numpy.ones((8, 1 << 24)).T)")
    (large,) = added(kernel, "len(frame)", "%%task\nlen(frame)")
    use, caching = "{n} + len(frame)", "%%task --cache-policy inputs"
    (large_miss,) = added(kernel, use, f"{caching}\n{use}", blocks=1, repeats=6)
    (large_hit,) = added(kernel, "len(frame)", f"{caching}\nlen(frame)", blocks=1, repeats=6)
    kernel.close()

    def row(what: str, took: tuple[float, float], goal: str, without: tuple[float, float] | None = None) -> Row:
        more = f" (over %%task without caching {took[1] - without[1]:+.1f} ms)" if without else ""
        return Row(what, f"{took[0]:+.1f} ms, processor time {took[1]:+.1f} ms{more}", "the plain cell", None, goal)

    return [
        row("%%task, no caching", plain, "≤ 3 ms"),
        row("%%task, no caching, of a cell that reads a frame of 1 GB", large, "≤ 3 ms"),
        row("%%task with caching, run and stored", miss, "≤ 1 ms and hashing, with caching", plain),
        row("%%task with caching, a hit", hit, "≤ 1 ms and hashing, with caching", asked),
        row("the same of a cell that reads 1 GB, run and stored: hashed before and after it", large_miss, ""),
        row("the same of a cell that reads 1 GB, a hit", large_hit, "≥ 2 GB/s"),
    ]


HASHING = """
import hashlib, json, time
import numpy, pandas
from headrace.kernel_magic.results.hashing import digest
def best(work, clock):
    spent = []
    for _ in range(5):
        began = clock(); work(); spent.append(clock() - began)
    return min(spent)
drawn = numpy.random.default_rng(1)
numbers = pandas.DataFrame(drawn.random((8, 1 << 24)).T)
size, one = numbers.size * 8, numbers[0].to_numpy()
print(json.dumps([
    size / best(lambda: digest(numbers), time.perf_counter),
    size / best(lambda: digest(numbers), time.process_time),
    one.nbytes / best(lambda: hashlib.sha256(one).digest(), time.process_time),
]))
count = 1_000_000
long = [f"row number {n} of the table" for n in range(count)]
short = [f"{n:08}" for n in range(count)]
for name, texts in {
    "long": long,
    "of 8 characters": short,
    "of 8 characters, shuffled": [short[n] for n in drawn.permutation(count)],
    "every seventh missing": [None if n % 7 == 0 else text for n, text in enumerate(long)],
    "with accents": [f"Montr\u00e9al n\u00ba {n}" for n in range(count)],
}.items():
    column = pandas.Series(texts, dtype=object)
    size = sum(len(text.encode()) for text in texts if text)
    ours = size / best(lambda: digest(column), time.process_time)
    theirs = size / best(lambda: pandas.util.hash_pandas_object(column, index=False), time.process_time)
    print(json.dumps([name, ours, theirs]))
"""


def hashing() -> list[Row]:
    """Measure how fast values are hashed; text by processor time, for it is hashed by one thread."""
    said = subprocess.run([sys.executable, "-c", HASHING], capture_output=True, check=True, text=True).stdout
    (wall, processor, plain), *texts = map(json.loads, said.splitlines())
    name, ours, theirs = min(texts, key=lambda text: text[1])
    every = ", ".join(f"{text[0]} {text[1] / 1e6:.0f}" for text in texts)
    return [
        Row(
            "digest of a 1 GB numeric frame",
            f"{wall / 1e9:.1f} GB/s, {processor / 1e9:.1f} GB a second of processor time",
            f"SHA-256 in one thread {plain / 1e9:.1f} GB/s",
            round(wall / plain, 2),
            "≥ 2 GB/s",
        ),
        Row(
            f"digest of the slowest of {len(texts)} text columns (MB/s: {every})",
            f"{ours / 1e6:.0f} MB/s ({name})",
            f"pandas.util.hash_pandas_object {theirs / 1e6:.0f} MB/s",
            round(ours / theirs, 2),
            "≥ 100 MB/s",
        ),
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
    path = written(Path(folder, "frame.ipynb"), FRAME)
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
