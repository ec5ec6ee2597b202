"""`papermill --engine headrace`: papermill's command and API, executed and recorded by Headrace.

papermill has put the parameters in before, and points at a failed cell
afterwards; between the two everything is ours.
"""

from __future__ import annotations

import asyncio
from typing import IO, Any

from headrace.core.run_spec import NotebookSpec
from headrace.core.states import StateType


class HeadraceEngine:
    """The engine that papermill finds by its entry point.

    It has an engine's three methods and not papermill's base class: papermill loads this module while it is itself
    being imported, so importing papermill here would fail for whoever imports this module first.
    """

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the notebook's kernel, or `name`, by papermill's own rule (ValueError where there is none)."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the notebook's language, or `language`, by papermill's own rule (ValueError where there is none)."""
        from papermill.utils import nb_language

        return nb_language(nb, language)

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: float = 30,
        **kwargs: Any,
    ) -> Any:
        """Execute papermill's notebook.

        Parameters
        ----------
        nb : NotebookNode
            With the parameters in it.
        kernel_name : str
        output_path : str or None
        progress_bar : bool or dict
        log_output : bool
        autosave_cell_every : float, seconds
            Ours is never older than its own rule says; 0 saves at the end only.
        **kwargs
            papermill's `input_path`, `start_timeout`, `execution_timeout`, `stdout_file`, `stderr_file`; nbclient's traits.

        Returns
        -------
        NotebookNode

        Raises
        ------
        nbclient.exceptions.DeadKernelError, nbclient.exceptions.CellTimeoutError
            What papermill expects; a cell that raised is told by its output, as papermill wants it.
        """
        from headrace.server.notebook_errors import error_of
        from headrace.server.runner.prepare import prepare
        from headrace.server.runner.process import run_async
        from headrace.server.runner.progress import choose_observer
        from headrace.server.runner.signals import Signals

        stdout: IO[str] | None = kwargs.pop("stdout_file", None)
        stderr: IO[str] | None = kwargs.pop("stderr_file", None)
        spec = NotebookSpec(
            input_path=str(kwargs.pop("input_path", None) or ""),
            output_path=output_path,
            strict=False,
            kernel_name=kernel_name,
            start_timeout_seconds=kwargs.pop("start_timeout", 60) or 60,
            cell_timeout_seconds=kwargs.pop("execution_timeout", None) or kwargs.pop("timeout", None),
            autosave_seconds=min(2, autosave_cell_every),
            trigger="api",
        )
        prepared = prepare(spec, content=nb, by_papermill=True)
        observer = choose_observer(
            progress=bool(progress_bar) and not log_output, log=log_output, stdout=stdout, stderr=stderr
        )
        result = asyncio.run(run_async(prepared, observer=observer, traits=kwargs, signals=Signals.INTERRUPT))
        if result.ending.interrupted:
            raise KeyboardInterrupt
        failed = result.ending.state_type is StateType.FAILED and result.ending.state_name != "TimedOut"
        if result.ending.exit_code and not failed:
            raise error_of(result.ending, result.notebook, result.run.id)
        return result.notebook
