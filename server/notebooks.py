"""Notebook runs from Python: `headrace.execute_notebook`, papermill's signature with what papermill lacks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from headrace.core.errors import InvalidOption
from headrace.core.event_loops import loop_runs
from headrace.core.run_spec import NotebookSpec
from headrace.server.inspection import inspect_notebook_file
from headrace.server.parameters import inspect_notebook, refuse_secrets
from headrace.server.runner.prepare import Prepared, prepare
from headrace.server.runner.signals import Signals

#: papermill's names → ours.
_PAPERMILL = {
    "autosave_cell_every": "autosave_seconds",
    "execution_timeout": "cell_timeout_seconds",
    "start_timeout": "start_timeout_seconds",
    "request_save_on_cell_execute": "save_on_cell",
}
#: Options that are no part of a spec a caller writes.
_INNER = frozenset({"input_path", "output_path", "parameters", "prepare_only", "root_id"})
_OURS = frozenset(f.name for f in fields(NotebookSpec)) - _INNER


def execute_notebook(
    input_path: Any,
    output_path: str | Path | None,
    parameters: Mapping[str, Any] | None = None,
    engine_name: str | None = None,
    request_save_on_cell_execute: bool = True,
    prepare_only: bool = False,
    kernel_name: str | None = None,
    language: str | None = None,
    progress_bar: bool | dict[str, Any] = True,
    log_output: bool = False,
    stdout_file: IO[str] | None = None,
    stderr_file: IO[str] | None = None,
    start_timeout: float = 60,
    report_mode: bool = False,
    cwd: str | Path | None = None,
    *,
    strict: bool = False,
    **options: Any,
) -> Any:
    """Run a notebook and return it, executed; every cell is recorded.

    Safe in threads: the working directory is the kernel's alone. May be called where an event loop runs.

    >>> import headrace
    >>> nb = headrace.execute_notebook("report.ipynb", "out.ipynb", {"month": 3})

    Parameters
    ----------
    input_path : str, Path or NotebookNode
        A path, an fsspec URL, or the notebook itself.
    output_path : str, Path or None
        A path or URL; "" is `<stem>-runs/<time>.ipynb` beside the notebook, None is nowhere.
    parameters : mapping or None, default None
    engine_name : str or None, default None
        None, "headrace" or "nbclient" is this engine; another one is papermill's of that name, and not recorded.
    request_save_on_cell_execute : bool, default True
        Save the output while the notebook runs.
    prepare_only : bool, default False
        Only put the parameters in.
    kernel_name, language : str or None, default None
    progress_bar : bool or dict, default True
    log_output : bool, default False
        Write what cells print to standard error.
    stdout_file, stderr_file : text file or None, default None
    start_timeout : float, seconds, default 60
    report_mode : bool, default False
        Hide the code in the output.
    cwd : str, Path or None, default None
        The kernel's working directory; None is this process's.
    strict : bool, default False
        Refuse unknown, missing and mistyped parameters; papermill's warning otherwise.
    **options
        papermill's `autosave_cell_every` and `execution_timeout`, any other field of
        `headrace.core.run_spec.NotebookSpec` (`timeout_seconds`, `retries`, `env`, `name`, `tags` …), and any trait
        of nbclient's NotebookClient.

    Returns
    -------
    NotebookNode

    Raises
    ------
    UsageError
        Wrong parameters, paths or options: nothing was begun.
    FailedRun, CrashedRun, CancelledRun
        How the run ended; the output has been written. They are papermill's PapermillExecutionError, and nbclient's
        CellTimeoutError and DeadKernelError, as well.
    KeyboardInterrupt
        The run was interrupted; it is recorded as cancelled.
    """
    call = _Call(
        input_path=input_path,
        output_path=output_path,
        parameters=parameters,
        engine_name=engine_name,
        request_save_on_cell_execute=request_save_on_cell_execute,
        prepare_only=prepare_only,
        kernel_name=kernel_name,
        language=language,
        progress_bar=progress_bar,
        log_output=log_output,
        stdout_file=stdout_file,
        stderr_file=stderr_file,
        start_timeout=start_timeout,
        report_mode=report_mode,
        cwd=cwd,
        strict=strict,
        options=options,
    )
    if call.is_foreign:
        return call.by_papermill()
    prepared, traits = call.prepare()
    if prepare_only:
        return call.write_only(prepared)
    if loop_runs():
        return _in_thread(lambda: asyncio.run(call.run(prepared, traits)))
    return asyncio.run(call.run(prepared, traits, Signals.INTERRUPT))


async def execute_notebook_async(
    input_path: Any, output_path: str | Path | None, parameters: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Run a notebook in the present event loop; arguments, result and errors are those of `execute_notebook`.

    Cancelling the task that awaits it cancels the run.
    """
    strict = options.pop("strict", False)
    named = {name: options.pop(name) for name in list(options) if name in _ARGUMENTS}
    call = _Call(
        **{**_ARGUMENTS, **named},
        input_path=input_path,
        output_path=output_path,
        parameters=parameters,
        strict=strict,
        options=options,
    )
    if call.is_foreign:
        return await asyncio.to_thread(call.by_papermill)
    prepared, traits = await asyncio.to_thread(call.prepare)
    if call.given["prepare_only"]:
        return call.write_only(prepared)
    return await call.run(prepared, traits)


_ARGUMENTS: dict[str, Any] = {
    "engine_name": None,
    "request_save_on_cell_execute": True,
    "prepare_only": False,
    "kernel_name": None,
    "language": None,
    "progress_bar": True,
    "log_output": False,
    "stdout_file": None,
    "stderr_file": None,
    "start_timeout": 60,
    "report_mode": False,
    "cwd": None,
}


class _Call:
    """The arguments of one call."""

    def __init__(self, *, options: dict[str, Any], **given: Any) -> None:
        self.given = given
        self.options = options

    @property
    def is_foreign(self) -> bool:
        return self.given["engine_name"] not in (None, "headrace", "nbclient")

    def by_papermill(self) -> Any:
        """Leave the run to another engine of papermill's.

        Raises
        ------
        InvalidParameter
            papermill would write a secret into the notebook.
        """
        import papermill

        source = self.given["input_path"]
        if self.given["parameters"] and not isinstance(source, Mapping):
            refuse_secrets(inspect_notebook_file(str(source)).parameters or (), self.given["parameters"])
        given = {k: v for k, v in self.given.items() if k != "strict"}
        return papermill.execute_notebook(**given, **self.options)

    def prepare(self) -> tuple[Prepared, dict[str, Any]]:
        """Return the prepared run, and the traits for nbclient."""
        given = self.given
        values: dict[str, Any] = {
            "parameters": dict(given["parameters"] or {}),
            "kernel_name": given["kernel_name"],
            "language": given["language"],
            "report_mode": given["report_mode"],
            "cwd": None if given["cwd"] is None else str(given["cwd"]),
            "strict": given["strict"],
            "start_timeout_seconds": given["start_timeout"],
            "save_on_cell": given["request_save_on_cell_execute"],
            "prepare_only": given["prepare_only"],
            "output_path": None if given["output_path"] is None else str(given["output_path"]),
            "trigger": "api",
        }
        traits: dict[str, Any] = {}
        for name, value in self.options.items():
            ours = _PAPERMILL.get(name, name)
            if ours in _OURS:
                values[ours] = value
            else:
                traits[name] = value
        _check_traits(traits)
        source: Any = given["input_path"]
        content: Mapping[str, Any] | None = None
        if isinstance(source, Mapping):
            source, content = "", source
        return prepare(NotebookSpec(input_path=str(source), **values), content=content), traits

    def write_only(self, prepared: Prepared) -> Any:
        """Write the notebook with its parameters."""
        from headrace.server.runner.attempt import write_prepared

        return write_prepared(prepared)

    async def run(self, prepared: Prepared, traits: Mapping[str, Any], signals: Signals = Signals.NONE) -> Any:
        """Run it, and raise what has to be raised."""
        from headrace.server.runner.process import run_async
        from headrace.server.runner.progress import choose_observer

        observer = choose_observer(
            progress=bool(self.given["progress_bar"]) and not self.given["log_output"],
            log=self.given["log_output"],
            stdout=self.given["stdout_file"],
            stderr=self.given["stderr_file"],
        )
        result = await run_async(prepared, observer=observer, traits=traits, signals=signals)
        if result.ending.interrupted:
            raise KeyboardInterrupt
        if result.ending.exit_code:
            from headrace.server.notebook_errors import error_of

            raise error_of(result.ending, result.notebook, result.run.id)
        return result.notebook


def _check_traits(traits: Mapping[str, Any]) -> None:
    if not traits:
        return
    from nbclient import NotebookClient

    known = set(NotebookClient.class_trait_names()) | {"timeout", "log"}
    for name in traits:
        if name not in known:
            from headrace.core.hints import closest

            near = closest(name, [*known, *_OURS, *_PAPERMILL])
            hint = f"; did you mean {near!r}?" if near else "."
            raise InvalidOption(f"execute_notebook has no option {name!r}{hint}", field=name)


def _in_thread(call: Any) -> Any:
    """Call in a thread of its own: two event loops cannot run in one."""
    found: dict[str, Any] = {}

    def work() -> None:
        try:
            found["value"] = call()
        except BaseException as error:
            found["error"] = error

    thread = threading.Thread(target=work, name="headrace-notebook")
    thread.start()
    thread.join()
    if "error" in found:
        raise found["error"]
    return found["value"]


__all__ = ["execute_notebook", "execute_notebook_async", "inspect_notebook"]
