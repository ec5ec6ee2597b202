"""The patterns of Prefect's documentation as programs (reference/prefect.md, section 3), in a script and in a kernel.

Each file in `patterns/` is one program that checks itself. All run in one
script process, one after the other, each as `__main__`; then each as a cell of
one kernel, where an event loop runs already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "patterns"
PATTERNS = sorted(path.stem for path in HERE.glob("p*.py"))
TOOLS = Path(__file__).parents[1] / "tools"
SCRIPT = """
import asyncio, json, runpy, sys, traceback, warnings
warnings.simplefilter("error")
for path in sys.argv[1:]:
    try:
        main = runpy.run_path(path, run_name="__main__").get("main")
        if main is not None:
            asyncio.run(main())
        said = ""
    except BaseException:
        said = traceback.format_exc()
    print("\\x00" + json.dumps([path, said]), flush=True)
"""


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HEADRACE_DATA_DIR": str(folder),
        "HEADRACE_LOGGING_TO_CONSOLE": "0",
        "PYTHONPATH": os.pathsep.join([str(TOOLS), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each pattern said as a script: "" when it was content."""
    paths = [str(HERE / f"{name}.py") for name in PATTERNS]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *paths],
        env=environment(tmp_path_factory.mktemp("script")),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line.partition("\x00")[2] for line in done.stdout.splitlines() if "\x00" in line]
    found = {Path(path).stem: said for path, said in map(json.loads, lines)}
    return {name: found.get(name, f"did not run: {done.stderr[-2000:]}") for name in PATTERNS}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One kernel for all patterns."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(
        kernel_name="python3", env=environment(tmp_path_factory.mktemp("kernel")), startup_timeout=120
    )
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.process
@pytest.mark.parametrize("name", PATTERNS)
def test_in_a_script(script: dict[str, str], name: str) -> None:
    assert script[name] == ""


@pytest.mark.kernel
@pytest.mark.parametrize("name", PATTERNS)
def test_in_a_kernel(kernel: Any, name: str) -> None:
    source = (HERE / f"{name}.py").read_text()
    if "async def main(" in source:
        source += "\n\nawait main()\n"
    said: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            said.extend(message["content"]["traceback"])

    reply = kernel.execute_interactive(source, timeout=60, output_hook=listen, allow_stdin=False)
    assert reply["content"]["status"] == "ok", "\n".join(said)
