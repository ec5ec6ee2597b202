"""What a notebook says about itself: its kernel, its language, the parameters it declares. Nothing of it is executed.

Inspection is bounded: a file by its size, the parameters cell by its length, and with them the time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidNotebook
from headrace.core.hints import closest
from headrace.core.parameters import Parameter, inspect_source, json_safe, parameter_schema, parameters_schema

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"
MAX_NOTEBOOK_BYTES = 256 * 1024 * 1024
"""Largest notebook that is read for inspection; about 2 s on one core."""
MAX_CELL_CHARACTERS = 200_000
"""Longest parameters cell that is parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a notebook file says about itself.

    Parameters
    ----------
    parameters : tuple of Parameter or None
        What it declares; None if its language cannot be inspected.
    has_parameters_cell : bool
        True if a cell is tagged `parameters`.
    kernel_name : str
        Its kernelspec's name, or "".
    language : str
        Its language, or "".
    """

    parameters: tuple[Parameter, ...] | None
    has_parameters_cell: bool
    kernel_name: str
    language: str

    @property
    def schema(self) -> dict[str, Any]:
        """The parameters as JSON schema; a schema that accepts any object where they are not known."""
        if self.parameters is None:
            return {**parameters_schema(()), "additionalProperties": True}
        return parameters_schema(self.parameters)


def is_python(kernel_name: str, language: str) -> bool:
    """Tell whether a kernel runs Python, by papermill's registered names.

    Parameters
    ----------
    kernel_name, language : str
        The kernel.

    Returns
    -------
    bool
        True for the language `python` and for Python kernels whose language is not told.
    """
    if kernel_name == "pysparkkernel" or language.casefold() in ("python", "ipython"):
        return True
    return not language and kernel_name in ("python", "python3", "xpython", "ipython")


def kernel_and_language(nb: Any, kernel_name: str | None = None, language: str | None = None) -> tuple[str, str]:
    """Return the kernel that will run a notebook, and its language.

    Parameters
    ----------
    nb : NotebookNode or mapping
        The notebook.
    kernel_name : str or None, default None
        A kernel that is to be used instead of the notebook's own.
    language : str or None, default None
        Its language, where the caller knows.

    Returns
    -------
    tuple of (str, str)
        Name and language; "" where nothing says.
    """
    spec = _mapping(nb["metadata"].get("kernelspec"))
    own = str(spec.get("name", ""))
    if language is None and kernel_name and kernel_name != own:
        language = _installed_language(kernel_name)
    if language is None:
        language = spec.get("language") or _mapping(nb["metadata"].get("language_info")).get("name") or ""
    return kernel_name or own, str(language)


def tagged_cell(nb: Any, tag: str) -> int:
    """Return the index of the first cell with a tag, or -1.

    Parameters
    ----------
    nb : NotebookNode or mapping
        The notebook.
    tag : str
        The tag.

    Returns
    -------
    int
        The index, or -1.
    """
    for index, cell in enumerate(nb["cells"]):
        tags = cell.get("metadata", {}).get("tags")
        if isinstance(tags, (list, tuple)) and tag in tags:
            return index
    return -1


def declared_parameters(
    nb: Any, *, kernel_name: str | None = None, language: str | None = None
) -> list[Parameter] | None:
    """Return what a notebook's `parameters` cell declares, for `headrace.core.parameters.prepare`.

    Parameters
    ----------
    nb : NotebookNode or mapping
        The notebook, of format 4.
    kernel_name, language : str or None, default None
        As for `inject`.

    Returns
    -------
    list of Parameter or None
        [] without such a cell; None if the language is not Python, for nothing can be said then.

    Raises
    ------
    InvalidNotebook
        If the cell is not Python, or too long.
    """
    name, spoken = kernel_and_language(nb, kernel_name, language)
    if (name or spoken) and not is_python(name, spoken):
        return None
    index = tagged_cell(nb, PARAMETERS_TAG)
    return [] if index < 0 else inspect_source(cell_source(nb["cells"][index]))


def inspect_notebook(notebook_path: Any, parameters: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return the parameters of a notebook, with papermill's keys and ours.

    Parameters
    ----------
    notebook_path : str, Path or NotebookNode
        A file (any fsspec URL) or a notebook.
    parameters : mapping or None, default None
        Values for `{name}` tokens in the path; without them the path is taken as it is.

    Returns
    -------
    dict of str to dict
        By name: papermill's `name`, `inferred_type_name` ("None" if unknown), `default` (source text) and `help`; and
        `annotation`, `required`, `secret`, `choices`, `schema` (JSON schema). {} if the language cannot be inspected.

    Raises
    ------
    InvalidNotebook
        If it cannot be read, or its parameters cell is not Python.
    """
    notebook = notebook_path
    if not isinstance(notebook, Mapping):
        path = str(notebook)
        if parameters is not None:
            from headrace.core.parameters.templates import render

            path = render(path, parameters, path=True)
        notebook = read_for_inspection(path)
    return {parameter.name: _described(parameter) for parameter in declared_parameters(notebook) or ()}


def inspect_notebook_file(path: str | Path, *, max_bytes: int = MAX_NOTEBOOK_BYTES) -> Inspection:
    """Return what a notebook file declares: bounded in size and so in time, and executing nothing.

    Parameters
    ----------
    path : str or Path
        The file, or any fsspec URL.
    max_bytes : int, default 256 MiB
        Larger files are refused.

    Returns
    -------
    Inspection
        Parameters, kernel, language.

    Raises
    ------
    InvalidNotebook
        If it is missing, not a regular file, too large, or not a notebook of format 4.
    """
    nb = read_for_inspection(path, max_bytes=max_bytes)
    kernel_name, language = kernel_and_language(nb)
    found = declared_parameters(nb)
    return Inspection(
        parameters=None if found is None else tuple(found),
        has_parameters_cell=tagged_cell(nb, PARAMETERS_TAG) >= 0,
        kernel_name=kernel_name,
        language=language,
    )


def read_for_inspection(path: str | Path, *, max_bytes: int = MAX_NOTEBOOK_BYTES) -> dict[str, Any]:
    """Read a notebook as plain JSON, checked as far as an inspection needs it.

    Parameters
    ----------
    path : str or Path
        The file, or any fsspec URL.
    max_bytes : int, default 256 MiB
        Larger files are refused.

    Returns
    -------
    dict
        The notebook.

    Raises
    ------
    InvalidNotebook
        With the path, the fault and the remedy.
    """
    raw = _read(str(path), max_bytes)
    try:
        nb = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidNotebook(f"{path} is not a notebook: {error}") from None
    if isinstance(nb, dict) and nb.get("nbformat") in (1, 2, 3):
        raise InvalidNotebook(
            f"{path} is a notebook of format {nb['nbformat']}; convert it with `jupyter nbconvert --to notebook`"
        )
    if not isinstance(nb, dict) or not isinstance(nb.get("cells"), list) or not isinstance(nb.get("metadata"), dict):
        raise InvalidNotebook(f"{path} is not a notebook: it has no cells or no metadata")
    if not all(isinstance(cell, dict) and isinstance(cell.get("metadata", {}), dict) for cell in nb["cells"]):
        raise InvalidNotebook(f"{path} is not a notebook: one of its cells is not an object")
    return nb


def _read(path: str, max_bytes: int) -> bytes:
    if "://" in path:
        import fsspec

        try:
            with fsspec.open(path, "rb") as file:
                raw: bytes = file.read(max_bytes + 1)
        except (OSError, ValueError, ImportError) as error:
            raise InvalidNotebook(f"{path} cannot be read: {error}") from None
    else:
        local = Path(path)
        # A pipe or a device would make the reader wait for ever.
        if not local.is_file():
            fault = "is a folder" if local.is_dir() else ("is not a file" if local.exists() else _missing(local))
            raise InvalidNotebook(f"{path} {fault}")
        try:
            with local.open("rb") as file:
                raw = file.read(max_bytes + 1)
        except OSError as error:
            raise InvalidNotebook(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > max_bytes:
        raise InvalidNotebook(f"{path} is larger than {max_bytes:,} bytes; clear its outputs")
    return raw


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"does not exist: there is no folder {str(path.parent)!r}"
    near = closest(path.name, [item.name for item in path.parent.glob("*.ipynb")])
    return "does not exist" + (f"; did you mean {near!r}?" if near else "")


def cell_source(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text.

    Parameters
    ----------
    cell : mapping
        A cell, as on disk (a list of lines) or in memory.

    Returns
    -------
    str
        The source.

    Raises
    ------
    InvalidNotebook
        If it is too long to be parsed in bounded time.
    """
    source = cell.get("source", "")
    text = source if isinstance(source, str) else "".join(map(str, source))
    if len(text) > MAX_CELL_CHARACTERS:
        raise InvalidNotebook(f"the parameters cell has more than {MAX_CELL_CHARACTERS:,} characters")
    return text


def _mapping(value: object) -> Mapping[str, Any]:
    """Metadata is whatever somebody wrote into the file."""
    return value if isinstance(value, Mapping) else {}


def _described(parameter: Parameter) -> dict[str, Any]:
    default = "..." if parameter.required else parameter.default_source
    return {
        "name": parameter.name,
        "inferred_type_name": parameter.annotation or "None",
        "default": "" if parameter.secret else default,
        "help": parameter.help,
        "annotation": parameter.annotation,
        "required": parameter.required,
        "secret": parameter.secret,
        "choices": [json_safe(choice) for choice in parameter.choices],
        "schema": parameter_schema(parameter),
    }


def _installed_language(kernel_name: str) -> str | None:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return str(KernelSpecManager().get_kernel_spec(kernel_name).language) or None
    except NoSuchKernel:
        return None
