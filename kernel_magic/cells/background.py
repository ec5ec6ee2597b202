"""`--background`: the cell runs in a thread of the kernel, and whoever needs its outputs waits for exactly that.

There are no placeholder objects in the namespace: a later cell, a plain one
too, that touches a name which the background cell reads or binds waits before
it starts, and says what for. Interrupting it ends the waiting, not the cell
that is waited for.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.dataflow import CellFlow
    from headrace.kernel_magic.cells.notebook import Cell
    from headrace.kernel_magic.cells.session import CellSession


@dataclass(slots=True)
class _Running:
    """A background cell under way."""

    name: str
    writes: frozenset[str]
    reads: frozenset[str]
    imports: frozenset[str]
    opaque: bool
    done: threading.Event
    thread: threading.Thread | None = None


class Background:
    """The background cells of one shell.

    Parameters
    ----------
    session : CellSession
    """

    def __init__(self, session: CellSession) -> None:
        self._session = session
        self._running: list[_Running] = []

    @property
    def names(self) -> list[str]:
        """The cells under way."""
        return [one.name for one in self._running if not one.done.is_set()]

    def start(self, attempt: Any, key: str, cell: Cell, flow: CellFlow | None) -> None:
        """Run an attempt in a thread; its output goes where the cell's output goes."""
        writes = flow.binds | flow.mutates | flow.deletes if flow is not None else frozenset()
        reads = flow.reads if flow is not None else frozenset()
        imports = flow.imports if flow is not None else frozenset()
        one = _Running(cell.name, writes, reads, imports, bool(flow is None or flow.opaque), threading.Event())
        context = contextvars.copy_context()

        def work() -> None:
            try:
                context.run(attempt.run_sync, key)
            finally:
                one.done.set()
                self._running.remove(one)

        one.thread = threading.Thread(target=work, name=f"headrace-cell-{cell.name}", daemon=True)
        self._running.append(one)
        one.thread.start()

    def wait_for(self, flow: CellFlow | None, cell: Cell) -> None:
        """Wait for the background cells whose outputs a cell touches.

        Raises
        ------
        KeyboardInterrupt
            The waiting was interrupted; the background cell goes on.
        """
        for one in list(self._running):
            shared = self._shared(one, flow)
            if shared is None or one.done.is_set():
                continue
            what = f" ({', '.join(sorted(shared)[:5])})" if shared else ""
            sys.stderr.write(f"{cell.name} waits for the background cell {one.name}{what} …\n")
            sys.stderr.flush()
            while not one.done.wait(0.05):
                pass

    def _shared(self, one: _Running, flow: CellFlow | None) -> frozenset[str] | None:
        """The names by which a cell touches a background one; None when it does not."""
        if one.opaque or flow is None or flow.opaque:
            return frozenset()
        touched = flow.binds | flow.mutates | flow.deletes
        shared = (one.writes & (flow.reads | touched)) | (one.reads & touched)
        return frozenset(name for name in shared if not self._is_same_import(name, one, flow, touched)) or None

    def _is_same_import(self, name: str, one: _Running, flow: CellFlow, touched: frozenset[str]) -> bool:
        """Whether a name is a module already, and whichever of the two cells writes it only imports it again."""
        module = self._session.shell.user_ns.get(name)
        if not isinstance(module, ModuleType):
            return False
        imported = module.__name__
        return (name not in one.writes or imported in one.imports) and (name not in touched or imported in flow.imports)

    def end_all(self, reason: str, seconds: float) -> None:
        """Cancel every background cell, and wait so long at most until they have ended: the kernel shuts down."""
        from headrace.kernel_magic.control import cancel
        from headrace.kernel_magic.engine.live import LIVE

        deadline = time.monotonic() + seconds
        asked: set[str] = set()
        while time.monotonic() < deadline and not all(one.done.is_set() for one in self._running):
            # Looked for again and again: a cell that was just started gets its run a moment later.
            threads = {one.thread.ident for one in self._running if one.thread is not None}
            for run in list(LIVE.values()):
                root = run.kind in ("cell", "flow") and run.parent is None
                if root and run.id not in asked and run.handle in threads:
                    asked.add(run.id)
                    cancel(run, reason)
            for one in list(self._running):
                one.done.wait(0.02)

    def wait_all(self) -> None:
        """Wait for every background cell."""
        for one in list(self._running):
            while not one.done.wait(0.05):
                pass
