"""Notebooks as tasks of flows: `notebook_task("clean.ipynb")`, and `publish` for what they give back.

The notebook runs in a process of its own (`python -m headrace.server.runner`),
as a run below the task's run; the two sides meet through the store only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CancelledRun, CrashedRun, FailedRun, InvalidParameter, MissingDependency, UsageError
from headrace.core.ids import new_id
from headrace.core.parameters import encode, validate_name
from headrace.core.run_spec import BESIDE, NotebookSpec
from headrace.core.states import State, StateType
from headrace.kernel_magic.notebook_run import notebook_run_id

if TYPE_CHECKING:
    from headrace.kernel_magic.tasks import Task

#: How often a waiting task looks whether its notebook has ended or it is to stop itself, seconds.
LOOK_SECONDS = 0.05
#: A runner that was asked to stop has this long: interrupt, terminate, kill (DESIGN.md, "Cancel"), seconds.
STOP_SECONDS = 15.0
_PUBLISHED = "published:"


class Published(dict[str, Any]):
    """What a notebook published, by name.

    Attributes
    ----------
    run_id : str
        The notebook's run.
    output_path : str or None
        The executed notebook.
    """

    def __init__(self, values: Mapping[str, Any] = {}, *, run_id: str = "", output_path: str | None = None) -> None:
        super().__init__(values)
        self.run_id = run_id
        self.output_path = output_path

    def __reduce__(self) -> Any:
        return (_rebuild, (dict(self), self.run_id, self.output_path))


def _rebuild(values: dict[str, Any], run_id: str, output_path: str | None) -> Published:
    return Published(values, run_id=run_id, output_path=output_path)


def notebook_task(
    path: str | Path,
    *,
    output_path: str | Path | None = BESIDE,
    kernel_name: str | None = None,
    cwd: str | Path | None = None,
    cell_timeout_seconds: float | None = None,
    timeout_seconds: float | None = None,
    notebook_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Task[..., Published]:
    """Make a task of a notebook: its parameters are the arguments, what it publishes is the result.

    >>> clean = notebook_task("clean.ipynb", retries=2)
    >>> @flow
    ... def report():
    ...     months = clean.map(month=[1, 2, 3])
    ...     return [month.result()["rows"] for month in months]

    Parameters
    ----------
    path : str or Path
        The notebook. Relative paths count from the present folder.
    output_path : str, Path or None, default ""
        "" is beside the notebook; `{name}` fields are filled; None is nowhere.
    kernel_name : str or None, default None
    cwd : str, Path or None, default None
        The kernel's working directory; None is the present folder.
    cell_timeout_seconds, timeout_seconds : float or None, default None
        Limits of each cell, and of the notebook.
    notebook_options : mapping or None, default None
        Further fields of `headrace.core.run_spec.NotebookSpec`.
    **options
        As for `task`: name, retries, tags, cache_policy, persist_result …

    Returns
    -------
    Task
        Called with the notebook's parameters, it returns a `Published` mapping; `.submit` and `.map` run notebooks
        in parallel, each in a process of its own.

    Raises
    ------
    UsageError
        An option is wrong.
    """
    from headrace.kernel_magic.tasks import task

    notebook = os.path.abspath(path) if "://" not in str(path) else str(path)
    spec = NotebookSpec(
        input_path=notebook,
        output_path=None if output_path is None else str(output_path),
        kernel_name=kernel_name,
        cwd=os.getcwd() if cwd is None else str(cwd),
        cell_timeout_seconds=cell_timeout_seconds,
        timeout_seconds=timeout_seconds,
        trigger="flow",
        **dict(notebook_options or {}),
    )
    options.setdefault("name", Path(notebook).name)
    runs = _NotebookRuns(spec)
    made: Task[..., Published] = task(**options)(runs)
    return made


class _NotebookRuns:
    """The function behind a notebook task: each call runs the notebook once."""

    def __init__(self, spec: NotebookSpec) -> None:
        self._spec = spec
        self.__name__ = self.__qualname__ = Path(spec.input_path).stem
        self.__doc__ = f"Run the notebook {spec.input_path}."

    def __call__(self, **parameters: Any) -> Published:
        from headrace.kernel_magic.engine.live import current
        from headrace.kernel_magic.engine.session import session

        if find_spec("nbclient") is None:
            raise MissingDependency('headrace: running notebooks needs more: pip install "headrace[lab]"')
        around, here = current(), session()
        run_id = new_id()
        given = {**self._spec.to_dict(), "parameters": _encoded(parameters), "encoded": True, "run_id": run_id}
        given["secrets"] = [name for name, value in parameters.items() if hasattr(value, "get_secret_value")]
        if around is not None:
            given.update(parent_id=around.id, root_id=around.root_id)
            # The runs around it must be in the store before a run below them is.
            here.recorder.flush()
        said = _execute(given)
        found = here.store.runs.find(run_id)
        if found is None:
            raise UsageError(said or f"The notebook {self._spec.input_path} did not start.")
        if found.state_type is StateType.COMPLETED:
            values = read_published(here.store, run_id)
            return Published(values, run_id=run_id, output_path=found.details.get("output_path"))
        kinds: dict[StateType, Any] = {StateType.CANCELLED: CancelledRun, StateType.FAILED: FailedRun}
        state = State(type=found.state_type, name=found.state_name, message=found.state_message)
        message = f"{Path(self._spec.input_path).name}: {found.state_message or found.state_name}"
        raise kinds.get(found.state_type, CrashedRun)(message, state=state, run_id=run_id)


def _encoded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON from which the runner makes equal ones.

    Raises
    ------
    InvalidParameter
        A value cannot be written into a notebook.
    """
    found = {}
    for name, value in parameters.items():
        # pydantic's SecretStr: the runner gives it to the kernel without writing it anywhere.
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        try:
            found[name] = encode(plain, name=name)
        except InvalidParameter as error:
            raise InvalidParameter(f"{error}; a notebook's parameters are literals", field=name) from error
    return found


def _execute(spec: Mapping[str, Any]) -> str:
    """Run a spec in a process of its own to its end; return what the process said last on standard error.

    When this thread is interrupted or cancelled, the process is stopped before the signal goes on.
    """
    handle, path = tempfile.mkstemp(prefix="headrace-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(spec, file)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.server.runner", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    process.wait(LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            _stop(process)
            raise
        finally:
            Path(path).unlink(missing_ok=True)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 2000))
        lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("headrace runner: ") if lines else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def publish(**values: Any) -> None:
    """Give values of a notebook back to the task that runs it (see `notebook_task`); elsewhere it does nothing.

    >>> headrace.publish(rows=len(table), table=table)

    Parameters
    ----------
    **values
        Anything that can be pickled; a name published again has its last value.

    Raises
    ------
    InvalidName
        A name cannot be used.
    UnserializableResult
        A value cannot be stored.
    """
    run_id = notebook_run_id()
    if run_id is None:
        return
    from headrace.core.errors import UnserializableResult
    from headrace.kernel_magic.engine.session import session
    from headrace.kernel_magic.results import cache

    for name, value in values.items():
        validate_name(name)
        record = cache.save(
            session().shelf,
            value,
            key=f"published/{run_id}/{name}",
            definition=name,
            definition_key=f"{_PUBLISHED}{run_id}",
            run_id=run_id,
        )
        if "error" in record:
            raise UnserializableResult(f"{name} cannot be published: {record['error']}")


def read_published(store: Any, run_id: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what a notebook run published.

    Parameters
    ----------
    store : Store
    run_id : str
        The notebook's run.
    names : sequence of str or None, default None
        Only these.
    """
    from headrace.kernel_magic.results.cache import open_result

    found: dict[str, Any] = {}
    for result in store.results.latest(f"{_PUBLISHED}{run_id}", limit=10_000):
        if result.definition not in found and (names is None or result.definition in names):
            found[result.definition] = open_result(result.storage, result.serializer)
    return found
