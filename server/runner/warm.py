"""A warm unit: a runner with its kernel that waits for a run, is given one, and ends with it.

Started by a worker in the folder and with the environment that the run will
have; the worker writes one line to its standard input when there is a run, or
closes it when there is none any more.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from headrace.core.settings import find_store
from headrace.server import kernels
from headrace.server.kernels import Kernel, KernelStartError

#: How often a waiting unit looks whether its kernel lives, seconds.
LOOK_SECONDS = 1.0
START_SECONDS = 60.0


def main(text: str) -> int:
    """Serve `python -m headrace.server.runner --warm JSON`, with `{"kernel_name": …}`.

    Returns
    -------
    int
        The run's exit code; 0 where there was none.
    """
    return asyncio.run(_serve(json.loads(text)))


async def _serve(options: Mapping[str, Any]) -> int:
    from headrace.server.runner.process import execute
    from headrace.server.runner.runner import without_iri_grammar

    place = find_store()
    try:
        # Independent: a kernel that may be kept must not die with its runner; the keeper ends it otherwise.
        env = kernels.kernel_environment(place, "", {})
        kernel = await kernels.launch(str(options["kernel_name"]), env=env, independent=True)
    except Exception as error:
        print(f"headrace runner: the warm unit has no kernel: {error}", file=sys.stderr)
        return 1
    try:
        from headrace.server.runner.keeping import watch_over

        watch_over(kernel, place.data_dir, f"unit-{os.getpid()}")
        with without_iri_grammar():
            _rehearse(kernel.name)
        await kernel.ready(START_SECONDS)
        await kernel.set_variable("JPY_SESSION_NAME", "")
        request = await _wait_for_run(kernel)
    except KernelStartError as error:
        print(f"headrace runner: {error}", file=sys.stderr)
        request = None
    if request is None:
        await kernel.stop(now=True)
        return 0
    _become(request)
    return await execute(str(request["spec"]), kernel=kernel)


def _rehearse(kernel_name: str) -> None:
    """Do once what every run does before its first cell: what is imported or compiled at first use is there then."""
    import psutil
    from nbformat.v4 import new_output

    from headrace.core.run_spec import NotebookSpec
    from headrace.server.runner.attempt import prepared_notebook
    from headrace.server.runner.edges import analyse_cells
    from headrace.server.runner.plan import plan_cells
    from headrace.server.runner.prepare import prepare
    from headrace.store import get_store, liveness

    cell = {"id": "a", "cell_type": "code", "metadata": {}, "source": "%time x = 1", "outputs": []}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    spec = NotebookSpec(input_path="", output_path=None, kernel_name=kernel_name, parameters={"a": 1}, strict=False)
    notebook = prepared_notebook(prepare(spec, content=content))
    analyse_cells(plan_cells(notebook["cells"]), "python")
    new_output("stream", name="stdout", text="")
    psutil.Process().create_time()
    get_store().runs.find(liveness.owner_id())


async def _wait_for_run(kernel: Kernel) -> dict[str, Any] | None:
    """Return the worker's request; None when there will be none, or the kernel has died."""
    reader = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    line = asyncio.ensure_future(reader.readline())
    try:
        while not line.done():
            await asyncio.wait({line}, timeout=LOOK_SECONDS)
            if not await kernel.alive():
                return None
        text = line.result()
        return json.loads(text) if text.endswith(b"\n") else None
    finally:
        line.cancel()
        transport.close()


def _become(request: Mapping[str, Any]) -> None:
    """Take the attempt's variables and output files for our own."""
    os.environ.update(request.get("environment") or {})
    for name, number in (("stdout", 1), ("stderr", 2)):
        path = request.get(name)
        if path:
            handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            os.dup2(handle, number)
            os.close(handle)
