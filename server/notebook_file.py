"""Reading notebooks: bytes to a checked dict, with the standard library only.

A run reads its notebook before anything heavy is imported, so that the kernel
can be started first (`import nbformat` takes longer than a kernel's start).
Nothing here changes the source.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidNotebook, NotFound, UsageError
from headrace.core.run_spec import STANDARD

#: The version that notebooks have inside Headrace: the first one whose cells have ids.
MINOR_WITH_IDS = 5


@dataclass(slots=True)
class Notebook:
    """A notebook as it was read.

    Attributes
    ----------
    path : str
        Where it came from, for messages; "-" for standard input.
    content : dict
        The notebook as nbformat 4.5 has it, multi-line strings joined, every cell with an id of its own.
    digest : str
        SHA-256 of the bytes; "" for a notebook that was handed over as an object.
    warnings : list of str
        What was mended while reading.
    """

    path: str
    content: dict[str, Any]
    digest: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def kernel_name(self) -> str | None:
        """The kernelspec that the notebook names."""
        name = self.content["metadata"].get("kernelspec", {}).get("name")
        return name if isinstance(name, str) and name else None

    @property
    def language(self) -> str | None:
        """The language that the notebook names."""
        metadata = self.content["metadata"]
        for section, key in (("kernelspec", "language"), ("language_info", "name")):
            found = metadata.get(section, {}).get(key)
            if isinstance(found, str) and found:
                return found
        return None


def is_url(path: str) -> bool:
    """Return whether a path is an fsspec URL rather than a file's name."""
    return "://" in path or path.startswith("memory:")


def read_bytes(path: str) -> bytes:
    """Return a file's content: a path, an fsspec URL or "-" for standard input.

    Raises
    ------
    NotFound, UsageError
    """
    if path == STANDARD:
        return sys.stdin.buffer.read()
    if is_url(path):
        import fsspec

        try:
            with fsspec.open(path, "rb") as file:
                return bytes(file.read())
        except FileNotFoundError:
            raise NotFound(f"There is no notebook {path}.", field="input_path") from None
        except ImportError as error:
            raise UsageError(f"{path} needs another package: {error}.", field="input_path") from error
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise NotFound(
            f"There is no notebook {path}; check the path (it is relative to {Path.cwd()}).", field="input_path"
        ) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name a notebook in it.", field="input_path") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", field="input_path") from error


def read_notebook(path: str) -> Notebook:
    """Read and check a notebook.

    Raises
    ------
    NotFound, UsageError, InvalidNotebook
    """
    return parse_notebook(read_bytes(path), path)


def parse_notebook(data: bytes, path: str) -> Notebook:
    """Check a notebook's bytes.

    Raises
    ------
    InvalidNotebook
        The message says what is wrong, where (line and column where it is no JSON) and what to do.
    """
    try:
        # papermill writes NaN parameters as a bare NaN, which is no JSON: such a constant becomes its text.
        content = json.loads(data.decode("utf-8-sig"), parse_constant=str)
    except UnicodeDecodeError as error:
        raise InvalidNotebook(f"{path} is no notebook: byte {error.start} is not UTF-8.", field="input_path") from None
    except json.JSONDecodeError as error:
        what = "it is empty" if not data.strip() else f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidNotebook(f"{path} is no notebook: {what}.", field="input_path") from None
    except RecursionError:
        raise InvalidNotebook(f"{path} is no notebook: it is nested too deeply.", field="input_path") from None
    return check_notebook(content, path, hashlib.sha256(data).hexdigest())


def check_notebook(content: Any, path: str, digest: str = "") -> Notebook:
    """Check a notebook's content and bring it to nbformat 4.5; the object is changed.

    Raises
    ------
    InvalidNotebook
    """

    def refuse(what: str) -> InvalidNotebook:
        return InvalidNotebook(f"{path} is no notebook that can run: {what}.", field="input_path")

    if not isinstance(content, dict):
        raise refuse("it holds no JSON object")
    major = content.get("nbformat")
    if major != 4:
        if isinstance(major, int) and major < 4:
            raise refuse(
                f"its format is {major}; open it in JupyterLab and save it, or `jupyter nbconvert --to notebook`"
            )
        raise refuse(f"its format is {major!r}, and 4 is known")
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise refuse("it has no list of cells")
    metadata = content.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise refuse("its metadata is no object")
    for section in ("kernelspec", "language_info"):
        if not isinstance(metadata.get(section, {}), dict):
            raise refuse(f"its metadata.{section} is no object")
    notebook = Notebook(path=path, content=content, digest=digest)
    for index, cell in enumerate(cells):
        fault = _mend_cell(cell)
        if fault:
            raise refuse(f"cell {index + 1} {fault}")
    _give_ids(notebook)
    minor = content.get("nbformat_minor")
    content["nbformat_minor"] = max(minor, MINOR_WITH_IDS) if isinstance(minor, int) else MINOR_WITH_IDS
    return notebook


def _mend_cell(cell: Any) -> str:
    """Join a cell's multi-line strings and add what may be missing; return what makes it no cell, "" for nothing."""
    if not isinstance(cell, dict):
        return "is no object"
    kind = cell.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        return f"has the cell_type {kind!r}; code, markdown and raw are known"
    source = _joined(cell.get("source", ""))
    if not isinstance(source, str):
        return "has a source that is no text"
    cell["source"] = source
    if not isinstance(cell.setdefault("metadata", {}), dict):
        return "has metadata that is no object"
    tags = cell["metadata"].get("tags", [])
    if not isinstance(tags, list):
        return "has tags that are no list"
    if kind != "code":
        return ""
    cell.setdefault("execution_count", None)
    outputs = cell.setdefault("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return "has outputs that are no list of objects"
    for output in outputs:
        if "text" in output:
            output["text"] = _joined(output["text"])
        data = output.get("data")
        for mime, value in list(data.items()) if isinstance(data, dict) else ():
            if mime != "application/json" and not mime.endswith("+json"):
                data[mime] = _joined(value)
    return ""


def _joined(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _give_ids(notebook: Notebook) -> None:
    """Give ids to cells without one, the same at every reading: a run is continued by cell id."""
    seen: set[str] = set()
    for index, cell in enumerate(notebook.content["cells"]):
        found = cell.get("id")
        if not isinstance(found, str) or not found:
            found = f"{hashlib.sha256(cell['source'].encode(errors='replace')).hexdigest()[:8]}"
        elif found in seen:
            notebook.warnings.append(f"Cell {index + 1} has the id {found!r} of an earlier one; it was given another.")
        name, count = found, 1
        while name in seen:
            count += 1
            name = f"{found}-{count}"
        seen.add(name)
        cell["id"] = name
