"""`%load_ext headrace`: what IPython learns from us, and how it forgets it again."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import HeadraceError, UsageError
from headrace.kernel_magic.cells.execution import CellRunner
from headrace.kernel_magic.cells.naming import complete_flow, complete_task
from headrace.kernel_magic.cells.session import CellSession
from headrace.kernel_magic.cells.transformer import TaskTransformer

_ATTRIBUTE = "_headrace"

TASK_HELP = """Run this cell as a task: recorded, retried, timed, shown in the flow graph.

%%task [name] [options]

  --retries N                    try a failed cell again, N times at most
  --retry-delay-seconds S[,S…]   wait before each retry; the last number repeats
  --retry-jitter-factor F        stretch each wait by a random factor from 1 to 1 + F
  --timeout-seconds S            end an attempt after so long (also 90s, 5m, 2h)
  --after a,b                    come after these tasks though no name connects them
  --tags a,b                     tags of the run; a tag may have a concurrency limit
  --cache-policy POLICY          inputs, task_source, …; joined by +, or - "name"
  --cache-expiration S           a stored result is used for so long
  --refresh-cache                run even though a result is stored
  --persist-result               store the result
  --no-log-prints                do not keep printed lines as log lines
  --background                   return at once; later readers of its outputs wait
  --runner NAME                  threads, processes, dask or ray
  --mutates a,b                  names that it changes beyond what its code shows
  --reads GLOB                   files that it reads beyond what its code shows
  --skip-if EXPR                 skip the cell when the expression is true
  --description TEXT             shown with the run

The same options can stand in the cell's metadata (headrace.task), or the cell
can carry the tag `task`. Dependencies follow from the names that cells read and bind.
"""


class Loaded:
    """What is registered in one shell.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        from headrace.kernel_magic.cells.flow_magic import FlowMagic, HeadraceMagic
        from headrace.kernel_magic.cells.flow_progress import FlowProgress
        from headrace.kernel_magic.engine import common

        self.shell = shell
        self.session = CellSession(shell)
        self.runner = CellRunner(self.session)
        self._progress = FlowProgress(self.session)
        common.WATCHERS.append(self._progress)
        self._transformer = TaskTransformer(shell)
        shell.input_transformers_cleanup.append(self._transformer)
        shell.register_magic_function(self._cell_magic("task"), "cell", "task")
        shell.register_magic_function(self._cell_magic("flow"), "cell", "flow")
        shell.register_magic_function(FlowMagic(self.session).as_magic(), "line", "flow")
        shell.register_magic_function(HeadraceMagic(self.session).as_magic(), "line", "headrace")
        for key in ("%%task", "%%flow"):
            shell.set_hook("complete_command", complete_task, str_key=key)
        shell.set_hook("complete_command", lambda _shell, event: complete_flow(self.session, event), str_key="%flow")
        shell.set_hook("complete_command", _complete_headrace, str_key="%headrace")

    def _cell_magic(self, kind: str) -> Any:
        shell = self.shell

        def magic(line: str, cell: str = "") -> None:
            shell.run_cell(f"%%{kind} {line}\n{cell}").raise_error()

        magic.__doc__ = (
            TASK_HELP if kind == "task" else "Run this cell as a flow: the tasks that it calls are its children."
        )
        magic.__name__ = kind
        return magic

    def close(self) -> None:
        """Undo everything."""
        from headrace.kernel_magic.engine import common

        self.shell.input_transformers_cleanup.remove(self._transformer)
        common.WATCHERS.remove(self._progress)
        for kind, name in (("cell", "task"), ("cell", "flow"), ("line", "flow"), ("line", "headrace")):
            self.shell.magics_manager.magics[kind].pop(name, None)
        self.runner.close()
        self.session.close()


def _complete_headrace(_shell: Any, event: Any) -> list[str]:
    from headrace.kernel_magic.cells.flow_magic import HeadraceMagic

    return [word for word in HeadraceMagic.commands if word.startswith(event.symbol or "")]


def load(shell: Any) -> None:
    """Register the magics in a shell; a second time does nothing.

    Parameters
    ----------
    shell : InteractiveShell

    Raises
    ------
    UsageError
        There is no IPython.
    """
    if shell is None:
        raise UsageError("Headrace's magics need IPython or a notebook; in a script use @flow and @task.")
    if getattr(shell, _ATTRIBUTE, None) is None:
        setattr(shell, _ATTRIBUTE, Loaded(shell))


def attach() -> None:
    """Load into this kernel, and note that the client which says so shows each cell's outputs in their own place.

    JupyterLab's extension has every Python kernel of a notebook call it, silently, if Headrace is installed there.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    load(shell)
    session = current_session(shell)
    session.fronts.add(str((session.request.get("header") or {}).get("session", "")))


def take_document(text: str) -> None:
    """Take the open notebook's cells, as JSON text: JupyterLab's extension says them before it executes a `%flow`."""
    import json

    from IPython.core.getipython import get_ipython

    loaded = getattr(get_ipython(), _ATTRIBUTE, None)
    if loaded is not None:
        loaded.session.live = json.loads(text)


def unload(shell: Any) -> None:
    """Take the magics out of a shell."""
    loaded = getattr(shell, _ATTRIBUTE, None)
    if loaded is not None:
        loaded.close()
        delattr(shell, _ATTRIBUTE)


def current_session(shell: Any) -> CellSession:
    """Return the cell session of a shell.

    Raises
    ------
    HeadraceError
        The extension is not loaded in it.
    """
    loaded = getattr(shell, _ATTRIBUTE, None)
    if loaded is None:
        raise HeadraceError("Headrace is not loaded in this kernel: say %load_ext headrace.")
    session: CellSession = loaded.session
    return session
