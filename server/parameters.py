"""Puts parameters into a notebook; no code of the notebook runs here.

Placing is papermill's rule: the first cell tagged `injected-parameters` is
replaced, else the new cell comes after the first cell tagged `parameters`, else
at the top. What papermill loses is kept: the values of an earlier injection
stay unless they are given anew.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidNotebook, InvalidParameter
from headrace.core.parameters import decode, encode, inspect_source, json_safe, python_assignments, validate_name
from headrace.core.parameters.inspect import read_assignments, source_enums
from headrace.server.inspection import (
    INJECTED_TAG,
    PARAMETERS_TAG,
    Inspection,
    cell_source,
    declared_parameters,
    inspect_notebook,
    inspect_notebook_file,
    is_python,
    kernel_and_language,
    tagged_cell,
)

if TYPE_CHECKING:
    from headrace.core.parameters import Parameter

logger = logging.getLogger(__name__)


def inject(
    nb: Any,
    values: Mapping[str, Any],
    *,
    kernel_name: str | None = None,
    language: str | None = None,
    comment: str = "Parameters",
    report_mode: bool = False,
    lenient: bool = False,
) -> Any:
    """Return the notebook with a cell that sets parameters.

    Parameters
    ----------
    nb : NotebookNode
        A notebook of format 4; it is not changed, and its other cells are shared with the result.
    values : mapping of str to object
        The parameters, typed. Earlier injected values that are not among them are kept.
    kernel_name : str or None, default None
        The kernel that will run it; the notebook's own if None.
    language : str or None, default None
        The kernel's language; the notebook's own if None.
    comment : str, default "Parameters"
        The cell's first line.
    report_mode : bool, default False
        Hide the cell's source, as papermill does.
    lenient : bool, default False
        Let papermill's own translator write for a language whose escaping Headrace has not proved.

    Returns
    -------
    NotebookNode
        The notebook. The injected cell's `metadata.headrace.parameters` holds the typed values (`decode` reads them),
        `metadata.papermill.parameters` of the notebook those that other tools read, as strict JSON.

    Raises
    ------
    InvalidParameter
        If a name or a value cannot be used, a value is a secret, or the language cannot be written safely.
    InvalidNotebook
        If the kernel's language is not known.
    """
    for name in values:
        validate_name(name)
    kernel_name, language = kernel_and_language(nb, kernel_name, language)
    _refuse_secrets(nb, values, kernel_name, language)
    index = tagged_cell(nb, INJECTED_TAG)
    if not values:
        return nb
    earlier, kept_source = ({}, "") if index < 0 else _earlier(nb, nb.cells[index], kernel_name, language)
    merged = {**earlier, **values}
    source = write_cell(values if kept_source else merged, kernel_name, language, comment=comment, lenient=lenient)
    if kept_source:
        source = f"{kept_source}\n{source}"
    old = nb.cells[index] if index >= 0 else None
    cell = _cell(nb, source, merged, old, report_mode)
    result = copy.copy(nb)
    result.cells = list(nb.cells)
    if index >= 0:
        result.cells[index] = cell
    else:
        after = tagged_cell(nb, PARAMETERS_TAG)
        if after < 0:
            logger.warning("no cell is tagged 'parameters': the values are set at the top of the notebook")
        result.cells.insert(after + 1, cell)
    result.metadata = copy.deepcopy(nb.metadata)
    if not isinstance(result.metadata.get("papermill"), Mapping):
        result.metadata["papermill"] = {}
    result.metadata["papermill"]["parameters"] = json_safe(merged)
    return result


def injected_values(nb: Any, *, kernel_name: str | None = None, language: str | None = None) -> dict[str, Any]:
    """Return the values that an earlier injection set, typed.

    Parameters
    ----------
    nb : NotebookNode
        An output of ours or of papermill.
    kernel_name, language : str or None, default None
        As for `inject`.

    Returns
    -------
    dict of str to object
        The values; {} if no cell is tagged `injected-parameters`.
    """
    index = tagged_cell(nb, INJECTED_TAG)
    if index < 0:
        return {}
    return _earlier(nb, nb["cells"][index], *kernel_and_language(nb, kernel_name, language))[0]


def write_cell(
    values: Mapping[str, Any], kernel_name: str, language: str, *, comment: str = "Parameters", lenient: bool = False
) -> str:
    """Return the source of a cell that sets parameters, in the kernel's language.

    Parameters
    ----------
    values : mapping of str to object
        The parameters.
    kernel_name, language : str
        The kernel.
    comment : str, default "Parameters"
        The first line: one line of printable text.
    lenient : bool, default False
        As for `inject`.

    Returns
    -------
    str
        The source.

    Raises
    ------
    InvalidParameter
        If a name, a value, the comment or the language cannot be written.
    """
    if not comment.isprintable() or set(comment) & set("*'\"`\\"):
        # Our first line is a comment in twelve languages: what ends a comment in one of them has no place there.
        raise InvalidParameter(f"the comment {comment!r} has to be one line without quotes, * and \\", field="comment")
    if is_python(kernel_name, language):
        return f"# {comment}\n{python_assignments(values).code}"
    from headrace.server.languages import translate

    return translate(values, kernel_name, language, comment=comment, lenient=lenient)


def _refuse_secrets(nb: Any, values: Mapping[str, Any], kernel_name: str, language: str) -> None:
    try:
        declared = declared_parameters(nb, kernel_name=kernel_name, language=language) or ()
    except InvalidNotebook:
        return  # the run itself will show the cell's fault, with its line
    refuse_secrets(declared, values)


def refuse_secrets(declared: Iterable[Parameter], values: Mapping[str, Any]) -> None:
    """Refuse secrets where values are written into a cell.

    Raises
    ------
    InvalidParameter
    """
    for parameter in declared:
        if parameter.secret and parameter.name in values:
            raise InvalidParameter(
                f"parameter {parameter.name!r} is a secret: it is never written into a cell", field=parameter.name
            )


def _earlier(nb: Any, cell: Any, kernel_name: str, language: str) -> tuple[dict[str, Any], str]:
    """The values of an injected cell; and its source where that holds more than values and must be kept as text."""
    source = cell.get("source", "")
    source = source if isinstance(source, str) else "".join(map(str, source))
    stored = cell.get("metadata", {}).get("headrace")
    stored = stored if isinstance(stored, Mapping) and isinstance(stored.get("parameters"), Mapping) else {}
    if is_python(kernel_name, language):
        try:
            names = {parameter.name for parameter in inspect_source(source)}
            values = read_assignments(source, _enums(nb))
        except InvalidNotebook:
            return {}, source
        return values, "" if names == set(values) else source
    if stored.get("source_sha256") == _digest(source):
        return {name: decode(value, name=name) for name, value in stored["parameters"].items()}, ""
    theirs = nb["metadata"].get("papermill")
    shown = theirs.get("parameters") if isinstance(theirs, Mapping) else None
    # papermill's own output: its cell was made from just these values.
    return (dict(shown), "") if isinstance(shown, Mapping) and shown and not stored else ({}, source)


def _enums(nb: Any) -> dict[str, Any]:
    index = tagged_cell(nb, PARAMETERS_TAG)
    try:
        return {} if index < 0 else dict(source_enums(cell_source(nb["cells"][index])))
    except InvalidNotebook:
        return {}


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "backslashreplace")).hexdigest()


def _cell(nb: Any, source: str, values: Mapping[str, Any], old: Any, report_mode: bool) -> Any:
    from nbformat.v4 import new_code_cell

    cell = new_code_cell(source=source)
    cell.metadata["tags"] = [INJECTED_TAG]
    cell.metadata["headrace"] = {
        "parameters": {name: encode(value, name=name) for name, value in values.items()},
        "source_sha256": _digest(source),
    }
    if report_mode:
        cell.metadata["jupyter"] = {"source_hidden": True}
    cell.pop("id", None)
    if (nb.get("nbformat", 4), nb.get("nbformat_minor", 5)) >= (4, 5):
        # The cell's run history hangs on its id: a re-run of an output keeps it.
        cell["id"] = (old or {}).get("id") or uuid.uuid4().hex[:8]
    return cell


__all__ = [
    "INJECTED_TAG",
    "PARAMETERS_TAG",
    "Inspection",
    "declared_parameters",
    "inject",
    "injected_values",
    "inspect_notebook",
    "inspect_notebook_file",
    "is_python",
    "kernel_and_language",
    "refuse_secrets",
    "tagged_cell",
    "write_cell",
]
