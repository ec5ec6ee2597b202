"""A cell as a function of its inputs: run in a namespace of its own, in a thread, a process or on a cluster.

What it shows travels as records of its run (see `headrace.kernel_magic.runners.relay`),
so that it is seen live wherever it runs; what it leaves behind comes back with
the outcome.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import io
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.dataflow import CellFlow
from headrace.kernel_magic.cells.figures import show_figures
from headrace.kernel_magic.cells.frames import own_traceback
from headrace.kernel_magic.cells.last_value import LastValue, ends_quietly
from headrace.kernel_magic.cells.values import CellValues, collect

Show = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class CellCall:
    """A cell on its way to where it runs.

    Attributes
    ----------
    python : str
        Its plain Python.
    filename : str
        What its lines are called in tracebacks.
    inputs : dict of str to object
    flow : CellFlow
    mutates : tuple of str
        Names that it changes beyond what its code shows.
    number : int
        The execution count under which it is shown in tracebacks.
    """

    python: str
    filename: str
    inputs: dict[str, Any]
    flow: CellFlow
    mutates: tuple[str, ...] = ()
    number: int = 0


@dataclass(slots=True)
class Returned:
    """What came of it.

    Attributes
    ----------
    values : CellValues
    outputs : list of dict
        All that was shown: what has not come by record is shown from here.
    last : LastValue or None
    """

    values: CellValues
    outputs: list[dict[str, Any]] = field(default_factory=list)
    last: LastValue | None = None


def compute(call: CellCall, show: Show | None = None) -> Returned:
    """Run a cell.

    Parameters
    ----------
    call : CellCall
    show : callable(output) or None
        Gets what the last expression shows in this process's own kernel; None in another process: all that the cell
        shows is recorded there as outputs of the run.
    """
    namespace: dict[str, Any] = {"__builtins__": builtins, "__name__": "__main__", **call.inputs}
    if show is not None:
        return _compute(call, namespace, show)
    linecache.cache[call.filename] = (
        len(call.python),
        None,
        call.python.splitlines(True),
        call.filename,
    )
    shown = _Recorded()
    with shown.capturing(namespace):
        try:
            returned = _compute(call, namespace, shown)
        except BaseException as error:
            _keep_traceback(error, call)
            raise
    returned.outputs = shown.outputs
    return returned


def _compute(call: CellCall, namespace: dict[str, Any], show: Show) -> Returned:
    tree = ast.parse(call.python, call.filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)
    body = compile(tree, call.filename, "exec", flags=flags, dont_inherit=True)
    final = None
    if isinstance(last, ast.Expr):
        final = compile(ast.Expression(last.value), call.filename, "eval", flags=flags, dont_inherit=True)
    if any(code is not None and code.co_flags & inspect.CO_COROUTINE for code in (body, final)):
        value = asyncio.run(_awaited(body, final, namespace))
    else:
        exec(body, namespace)  # noqa: S102
        value = eval(final, namespace) if final is not None else None  # noqa: S307
    returned = Returned(CellValues())
    if value is not None and not ends_quietly(call.python):
        data, metadata = _formatted(value)
        show({"output_type": "execute_result", "data": data, "metadata": metadata})
        returned.last = LastValue(value)
    show_figures(everything=not _in_a_kernel())
    returned.values = collect(call.flow, call.python, namespace, [], 0, call.mutates)
    return returned


async def _awaited(body: Any, final: Any, namespace: dict[str, Any]) -> Any:
    value = None
    for code, is_last in ((body, False), (final, True)):
        if code is None:
            continue
        found = eval(code, namespace)  # noqa: S307
        if inspect.isawaitable(found) and code.co_flags & inspect.CO_COROUTINE:
            found = await found
        value = found if is_last else None
    return value


def _formatted(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        from IPython.core.interactiveshell import InteractiveShell
    except ImportError:  # a worker of a cluster
        return {"text/plain": repr(value)}, {}
    formatter: Any = InteractiveShell.instance().display_formatter
    data, metadata = formatter.format(value)
    return data, metadata


def _keep_traceback(error: BaseException, call: CellCall) -> None:
    """Keep the lines that the person is to see with an error that is about to travel."""
    own = own_traceback(error.__traceback__)
    try:
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        shell.compile._filename_map[call.filename] = call.number
        lines = shell.InteractiveTB.structured_traceback(type(error), error, own, tb_offset=0)
    except Exception:
        lines = [text.rstrip("\n") for text in traceback.format_exception(type(error), error, own)]
    try:
        error.headrace_lines = lines  # type: ignore[attr-defined]
    except AttributeError:
        return


class _Recorded:
    """What a cell shows in another process, recorded as outputs of its run."""

    def __init__(self) -> None:
        from headrace.kernel_magic.engine.live import current

        self._run = current()
        self.outputs: list[dict[str, Any]] = []

    def __call__(self, output: dict[str, Any]) -> None:
        run = self._run
        if run is not None:
            run.session.recorder.output(run.id, run.root_id, len(self.outputs), SYSTEM_CLOCK.now_us(), output)
        self.outputs.append(output)

    def publish(self, data: Mapping[str, Any], metadata: Any = None, **more: Any) -> None:
        """Take a display."""
        kind = "update_display_data" if more.get("update") else "display_data"
        self(
            {
                "output_type": kind,
                "data": dict(data),
                "metadata": dict(metadata or {}),
                "transient": dict(more.get("transient") or {}),
            }
        )

    def clear_output(self, wait: bool = False) -> None:
        """Take a `clear_output()`."""
        self({"output_type": "clear_output", "wait": wait})

    @contextmanager
    def capturing(self, namespace: dict[str, Any]) -> Iterator[None]:
        """Listen while the block runs."""
        if _in_a_kernel():  # a cluster inside the kernel's own process: its streams are the person's
            yield
            return
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream("stdout", self), _Stream("stderr", self)
        shell = _quiet_shell()
        held = None
        if shell is not None:
            held = shell.display_pub.publish, shell.display_pub.clear_output, shell.user_ns
            shell.display_pub.publish, shell.display_pub.clear_output = self.publish, self.clear_output
            shell.user_ns = namespace
            from IPython.display import display

            namespace.setdefault("get_ipython", shell.get_ipython)
            namespace.setdefault("display", display)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            if shell is not None and held is not None:
                shell.display_pub.publish, shell.display_pub.clear_output, shell.user_ns = held


def _in_a_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _quiet_shell() -> Any:
    """Return IPython's shell in a process that has no kernel: it formats, displays and knows magics. None without it."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
    except ImportError:
        return None
    if not InteractiveShell.initialized():
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        before = sys.displayhook, sys.excepthook
        InteractiveShell.instance(config=config, colors="Linux")
        sys.displayhook, sys.excepthook = before
    return InteractiveShell.instance()


class _Stream(io.TextIOBase):
    """A text stream whose text is recorded."""

    def __init__(self, name: str, shown: _Recorded) -> None:
        self._name, self._shown = name, shown

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self._shown({"output_type": "stream", "name": self._name, "text": text})
        return len(text)
