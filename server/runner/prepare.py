"""What is settled before a kernel starts: the notebook, its parameters, its paths, its kernel's name.

Everything a person can have got wrong is found here, with the standard library
only, so that nothing is half done when it is refused.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from headrace.core.clock import instant
from headrace.core.errors import UsageError
from headrace.core.ids import new_id
from headrace.core.parameters.coercion import JSON, Sources
from headrace.core.parameters.templates import papermill_facts, render
from headrace.core.run_spec import BESIDE, STANDARD, NotebookSpec
from headrace.server.inspection import kernel_and_language
from headrace.server.notebook_file import Notebook, check_notebook, is_url, read_notebook
from headrace.server.output_file import check_output_path

if TYPE_CHECKING:
    from headrace.server.processes import Limits
    from headrace.server.runner.values import Values

#: What stands at a claimed place until the first save: a reader always finds a valid notebook.
_EMPTY = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A notebook run that can begin.

    Attributes
    ----------
    spec : NotebookSpec
    notebook : Notebook
        As it was read: the parameters are put in while the kernel starts.
    input_path : str
        Absolute, or a URL, or "-".
    output_path : str or None
        Where it goes.
    kernel_name : str
    language : str
    values : Values
        The parameters, typed.
    warnings : list of str
    by_papermill : bool
        papermill has put the parameters in and will point at the error.
    """

    spec: NotebookSpec
    notebook: Notebook
    input_path: str
    output_path: str | None
    kernel_name: str
    language: str
    values: Values
    warnings: list[str] = field(default_factory=list)
    by_papermill: bool = False

    @property
    def folder(self) -> str:
        """The notebook's folder; "" where it has none."""
        if self.input_path == STANDARD or is_url(self.input_path):
            return ""
        return os.path.dirname(self.input_path)


def prepare(
    spec: NotebookSpec,
    *,
    content: Mapping[str, Any] | None = None,
    sources: Sources = JSON,
    by_papermill: bool = False,
) -> Prepared:
    """Read and check everything that a run needs.

    Parameters
    ----------
    spec : NotebookSpec
    content : mapping or None, default None
        The notebook itself, where it does not come from a file.
    sources : "cli", "json" or mapping, default "json"
        Where the parameters' values come from: text of a command line is typed by what the notebook declares.
    by_papermill : bool, default False
        papermill calls: it has put the parameters in, and allows an output that is the input.

    Raises
    ------
    UsageError, NotFound, InvalidNotebook
        One line that says what, where and what to do.
    """
    from headrace.server.runner.plan import plan_cells
    from headrace.server.runner.values import check_writable, type_values, with_paths

    if spec.run_id is None:
        spec = replace(spec, run_id=new_id())
    input_path = fill_path(spec.input_path, spec, spec.parameters, "input_path")
    if content is not None:
        notebook = check_notebook(dict(content), input_path or "the notebook")
    else:
        notebook = read_notebook(input_path)
    if input_path and input_path != STANDARD and not is_url(input_path):
        input_path = os.path.abspath(input_path)
    kernel_name = spec.kernel_name or notebook.kernel_name
    if not kernel_name and not spec.prepare_only:
        from headrace.server.kernels import unknown_kernel

        raise unknown_kernel(None, input_path)
    language = (spec.language or notebook.language or "").lower()
    if spec.kernel_name and spec.kernel_name != notebook.kernel_name and not spec.language:
        language = kernel_and_language(notebook.content, spec.kernel_name)[1].lower()
    plan_cells(notebook.content["cells"])
    limits_of(spec)
    if spec.pdf is not None:
        from headrace.server.runner.exporting import find_browser

        find_browser()
    values = type_values(notebook, spec, kernel_name or "", language, sources)
    output_path = spec.output_path
    if output_path:
        output_path = fill_path(output_path, spec, values.given, "output_path")
        if not by_papermill:
            check_output_path(output_path, input_path)
    elif output_path == BESIDE:
        known = input_path not in (STANDARD, "")
        output_path = place_beside(input_path, unique=spec.inject_output_path) if known else STANDARD
    values = with_paths(values, spec, input_path, output_path)
    check_writable(values, kernel_name or "", language, lenient=not spec.strict)
    return Prepared(
        spec=spec,
        notebook=notebook,
        input_path=input_path,
        output_path=output_path,
        kernel_name=kernel_name or "",
        language=language,
        values=values,
        warnings=[*notebook.warnings, *values.warnings],
        by_papermill=by_papermill,
    )


def limits_of(spec: NotebookSpec) -> Limits | None:
    """Return the limits of a run's kernel, None where there are none.

    Raises
    ------
    UsageError
        The operating system cannot limit it.
    """
    if not spec.has_limits:
        return None
    from headrace.server.processes import Limits

    limits = Limits(memory_bytes=spec.memory_limit_bytes, cpu_seconds=spec.cpu_limit_seconds)
    limits.check()
    return limits


def path_facts(spec: NotebookSpec) -> dict[str, Any]:
    """Return what `{name}` in a path may stand for beside the parameters: facts of the run, and papermill's `pm`."""
    now = datetime.now(timezone.utc)
    found: dict[str, Any] = {"run_id": spec.run_id, "started_at": now, **papermill_facts(now, str(spec.run_id))}
    if spec.name:
        found["run_name"] = spec.name
    if spec.input_path not in (STANDARD, ""):
        found["notebook"] = PurePath(spec.input_path).name.removesuffix(".ipynb")
    for name, at in (
        ("scheduled_at", spec.scheduled_at),
        ("interval_start", spec.interval_start_at),
        ("interval_end", spec.interval_end_at),
    ):
        if at is not None:
            found[name] = instant(at)
    return found


def fill_path(path: str, spec: NotebookSpec, parameters: Mapping[str, Any], field_name: str) -> str:
    """Fill the `{name}` fields of a path.

    A file that is called so, braces and all, is meant as it stands.

    Raises
    ------
    UsageError
        A field is unknown or malformed.
    """
    if "{" not in path or (not is_url(path) and os.path.exists(path)):
        return path
    try:
        return render(path, {**path_facts(spec), **parameters}, path=True)
    except UsageError as error:
        raise UsageError(f"The path {path}: {error}", field=field_name) from None


def place_beside(input_path: str, *, unique: bool = False) -> str:
    """Return where the output goes that was given no path: `<stem>-runs/<time>.ipynb` beside the notebook.

    Parameters
    ----------
    input_path : str
    unique : bool, default False
        Add a random part: the path will be written into the notebook and cannot be changed any more.
    """
    stem = input_path[: -len(".ipynb")] if input_path.endswith(".ipynb") else input_path
    tail = f"-{secrets.token_hex(3)}" if unique else ""
    return f"{stem}-runs/{time.strftime('%Y-%m-%dT%H-%M-%S')}{tail}.ipynb"


def claim_place(path: str) -> str:
    """Make the folder of an output beside its notebook, and take the first free name of this second.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    if is_url(path):
        return path
    first = Path(path)
    try:
        first.parent.mkdir(exist_ok=True)
        for count in range(1, 10_000):
            place = first if count == 1 else first.with_name(f"{first.stem}-{count}.ipynb")
            try:
                handle = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            except FileExistsError:
                continue
            with os.fdopen(handle, "wb") as file:
                file.write(_EMPTY)
            return str(place)
    except OSError as error:
        raise UsageError(
            f"{first.parent} cannot be written ({error.strerror}); name an output file.", field="output_path"
        ) from error
    raise UsageError(f"{first.parent} holds too many runs of this second; name an output file.", field="output_path")


def point_latest(output_path: str) -> None:
    """Let `latest.ipynb` beside an output point to it; where links are not possible nothing is done."""
    path = Path(output_path)
    link = path.parent / "latest.ipynb"
    part = path.parent / f".latest.{os.getpid()}.part"
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(path.name)
        os.replace(part, link)
    except OSError:
        part.unlink(missing_ok=True)
