"""`--runner threads|processes|dask|ray`: where a cell runs as a function of its inputs, and how its outputs come back."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.core.errors import HeadraceError, InvalidOption, InvalidParameter
from headrace.kernel_magic.cells.elsewhere import CellCall, Returned, compute
from headrace.kernel_magic.cells.frames import one_line_error
from headrace.kernel_magic.cells.last_value import LastValue
from headrace.kernel_magic.cells.values import put_back
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised
from headrace.kernel_magic.runners.relay import SHOWN_BY

if TYPE_CHECKING:
    from headrace.core.dataflow import CellFlow
    from headrace.kernel_magic.cells.notebook import Cell
    from headrace.kernel_magic.cells.session import CellSession


class CellRunners:
    """The runners of one shell's cells, opened when the first cell asks for them and kept for the next.

    Parameters
    ----------
    session : CellSession
    """

    def __init__(self, session: CellSession) -> None:
        self._session = session
        self._opened: dict[str, Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let processes and clusters go."""
        opened, self._opened = self._opened, {}
        for runner in opened.values():
            runner.close()

    def _open(self, name: str) -> Any:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = _make(name)
            return self._opened[name]

    def run(
        self, name: str, run: LiveRun, cell: Cell, flow: CellFlow, publish: Callable[[dict[str, Any]], None]
    ) -> LastValue | None:
        """Run a cell in a runner, put what it made into the namespace, and return its last value if that came back.

        Parameters
        ----------
        name : str
            "threads", "processes", "dask" or "ray".
        run : LiveRun
            The cell's run, RUNNING.
        cell : Cell
        flow : CellFlow
        publish : callable(output)
            Shows an output where the cell's outputs go.

        Raises
        ------
        Exception
            What the cell raised.
        """
        call = self._call(cell, flow)
        if name == "threads":
            outcome = _in_thread(run, call, publish)
        else:
            outcome = self._elsewhere(name, run, call, publish)
        if outcome.error is not None:
            raise outcome.error
        returned: Returned = outcome.value
        put_back(returned.values, self._session.shell)
        return returned.last if returned.last is not None and returned.last.there else None

    def _call(self, cell: Cell, flow: CellFlow) -> CellCall:
        shell, task = self._session.shell, cell.task
        python = self._session.plain_python(cell.source)
        wanted = flow.reads | flow.mutates | flow.augments | flow.deletes
        extra = frozenset(task.options.mutates) if task is not None else frozenset()
        space = shell.user_ns
        if flow.opaque:
            inputs = {n: v for n, v in space.items() if not n.startswith("_") and n not in self._session.known_names()}
        else:
            inputs = {n: space[n] for n in sorted(wanted | extra) if n in space}
        number = shell.displayhook.prompt_count
        filename = shell.compile.cache(python, number, raw_code=cell.source)
        return CellCall(python, filename, inputs, flow, tuple(sorted(extra)), number)

    def _elsewhere(self, name: str, run: LiveRun, call: CellCall, publish: Callable[[dict[str, Any]], None]) -> Outcome:
        seen: set[int] = set()

        def show(position: int, output: str) -> None:
            if position not in seen:
                seen.add(position)
                publish(json.loads(output))

        SHOWN_BY[run.id] = show
        body = _Compute(call)
        try:
            runner = self._open(name)
            outcome = _by_process(runner, run, body) if name == "processes" else _by_cluster(runner, run, body)
        finally:
            SHOWN_BY.pop(run.id, None)
        if isinstance(outcome.error, InvalidParameter):
            raise _does_not_travel(run, call, name) from None
        if isinstance(outcome.value, Returned):
            for position, output in enumerate(outcome.value.outputs):
                show(position, json.dumps(output))
        return outcome


def _does_not_travel(run: LiveRun, call: CellCall, where: str) -> Exception:
    """Return an error of one line that names the inputs which cannot be pickled."""
    import cloudpickle

    found = []
    for name, value in call.inputs.items():
        try:
            cloudpickle.dumps(value)
        except Exception:
            found.append(f"{name} (a {type(value).__name__})")
    return one_line_error(
        InvalidParameter(
            f"{run.name}: {', '.join(found) or 'an input'} cannot be sent to another process; "
            f"make it in the cell itself, or use --runner threads instead of {where}."
        )
    )


class _Compute:
    """The call that is sent (see `wire.pack_call`)."""

    def __init__(self, call: CellCall) -> None:
        self.fn, self.args, self.kwargs = compute, (call,), dict[str, Any]()

    def __call__(self) -> Returned:
        return self.fn(*self.args)


def _make(name: str) -> Any:
    if name == "processes":
        from headrace.kernel_magic.runners.processes import ProcessPoolTaskRunner

        return ProcessPoolTaskRunner().open()
    if name == "dask":
        from headrace.kernel_magic.runners.dask import DaskTaskRunner

        # The notebook has joined that cluster already.
        return DaskTaskRunner(_dask_address(), allow_insecure=True).open()
    if name == "ray":
        from headrace.kernel_magic.runners.ray import RayTaskRunner

        return RayTaskRunner().open()
    raise InvalidOption(f"There is no runner {name!r}; there are threads, processes, dask and ray.", field="runner")


def _dask_address() -> str | None:
    """Return the cluster of a `distributed.Client` that the notebook has opened, None where there is none."""
    import sys

    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return str(distributed.get_client().scheduler.address)
    except ValueError:
        return None


def _in_thread(run: LiveRun, call: CellCall, publish: Callable[[dict[str, Any]], None]) -> Outcome:
    """Run a cell in a thread of its own; whoever waits can be interrupted, and then it is."""
    import contextvars

    found: list[Outcome] = []
    done = threading.Event()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            found.append(Outcome(Kind.VALUE, context.run(compute, call, publish)))
        except BaseException as error:
            found.append(raised(error))
        finally:
            done.set()

    thread = threading.Thread(target=work, name=f"headrace-cell-{run.name}", daemon=True)
    thread.start()
    try:
        while not done.wait(0.05):
            pass
    except BaseException as error:
        if thread.ident is not None:
            kind = ctypes.py_object(type(error) if isinstance(error, KeyboardInterrupt) else KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), kind)
        raise
    return found[0]


def _by_process(runner: Any, run: LiveRun, body: Any) -> Outcome:
    child = runner._take(run)
    waiting = run.handle
    try:
        outcome: Outcome = child.call(run, body, None)
    except BaseException:
        child.kill()
        raise
    finally:
        run.handle = waiting
        runner._give_back(child)
    return outcome


def _by_cluster(runner: Any, run: LiveRun, body: Any) -> Outcome:
    """Hand a body to a cluster and wait; the run's states are this process's."""
    from headrace.kernel_magic.runners.cluster import RemoteCall
    from headrace.kernel_magic.runners.wire import pack_call

    class Waited(RemoteCall):
        def begun(self) -> None:
            self.is_begun = True

    try:
        data = pack_call(run, body)
        with runner._lock:
            runner.connect(run)
    except HeadraceError as error:
        return raised(error)
    found: list[Outcome] = []
    done = threading.Event()

    def came(outcome: Outcome) -> None:
        found.append(outcome)
        done.set()

    call = Waited(runner, run, came)
    call.is_begun = True
    runner._calls[call.token] = call
    waiting, run.handle = run.handle, call
    try:
        runner.hand_over(call, data)
        while not done.wait(0.05):
            pass
    except BaseException as error:
        call.interrupt(run, str(error) or type(error).__name__)
        raise
    finally:
        run.handle = waiting
    return found[0]
