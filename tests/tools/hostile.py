"""What the tests of parameters share: kernel names, hostile text, one assignment, a kernel to try it in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from headrace.server.languages import translate

NAMES = {
    "R": "ir",
    "julia": "julia-1.10",
    "scala": "scala",
    "matlab": "matlab",
    "octave": "octave",
    "C#": ".net-csharp",
    "F#": ".net-fsharp",
    "PowerShell": ".net-powershell",
    "bash": "bash",
}
"""Language → kernel name."""

HOSTILE = [
    "",
    "plain",
    "it's",
    'say "hi"',
    "'; touch canary; '",
    '"; system("touch canary"); "',
    "\\",
    "\\\\",
    "\\'",
    '\\"',
    '\\"); system("touch canary"); ("',
    "a\\",
    "a\\u0041",
    "\\u0022 + touch",
    "\\u{41}",
    "\\x41\\101\\n",
    "$(touch canary)",
    "${HOME}",
    "$HOME $a @a %a #a",
    "#{`touch canary`}",
    "`touch canary`",
    "!!; !touch; !-1",
    "a\nb\r\nc",
    "\n%%bash\ntouch canary",
    "\ttab\tcompletion\t\t",
    "\x01\x03\x04\x15\x1a\x1b[A\x7f",
    "é 😀 漢 \u202e \u2028 \ufeff",
    "\u2018; touch canary; \u2019\u201a\u201b\u201c\u201d",
    "é1 😀2 \n3 '4",
    "%d %s {0} {x} {{",
    "/* */ // -- (* *) <# #> ''' \"\"\"",
    "*)",
    "; && || & | > canary",
    "x" * 5000 + "'",
    "é" * 3000,
    "😀" * 2000 + "\\'",
]
"""Values that end, escape, interpolate, comment, recall, complete or interrupt somewhere."""


def statement(language: str, value: Any) -> str:
    """The assignment of `x` without the comment line."""
    source = translate({"x": value}, NAMES[language], language)
    comment, _, rest = source.partition("\n")
    assert comment in ("# Parameters", "// Parameters", "% Parameters", "(* Parameters *)")
    return rest.rstrip("\n")


@contextmanager
def running_kernel(folder: Path, module: str, language: str) -> Iterator[tuple[Any, Path]]:
    """Run a kernel that needs no installed kernelspec, in an empty folder.

    Parameters
    ----------
    folder : Path
        A temporary folder.
    module : str
        What `python -m` starts: "ipykernel_launcher", "bash_kernel".
    language : str
        The kernelspec's language.

    Yields
    ------
    tuple of (BlockingKernelClient, Path)
        The client, and the kernel's empty working directory.
    """
    spec = folder / "kernels" / "of-test"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": language, "language": language}))
    work = folder / "work"
    work.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        manager = KernelManager(kernel_name="of-test")
        manager.start_kernel(cwd=str(work))
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            yield client, work
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
