"""Puts a run's parameters into its notebook, by papermill's rule.

The first cell tagged `injected-parameters` is replaced; else the values stand
right behind the first cell tagged `parameters`; else at the top.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.run_spec import NotebookSpec
from headrace.server.notebook_file import Notebook

INJECTED_TAG, PARAMETERS_TAG = "injected-parameters", "parameters"


def put_in(
    notebook: Notebook,
    spec: NotebookSpec,
    kernel_name: str,
    language: str,
    input_path: str,
    output_path: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """Put the parameters of a run into its notebook; the notebook is changed.

    Returns
    -------
    (dict, list of str)
        The values that stand in the notebook, and warnings.

    Raises
    ------
    InvalidParameter
    """
    values: dict[str, Any] = {}
    if spec.inject_input_path:
        values["PAPERMILL_INPUT_PATH"] = input_path
    if spec.inject_output_path:
        values["PAPERMILL_OUTPUT_PATH"] = output_path or ""
    values.update(spec.parameters)
    if not values:
        return {}, []
    for name in values:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise InvalidParameter(f"A parameter cannot be called {name!r}: it is no name in Python.", field=name)
    cell: dict[str, Any] = {
        "id": "injected-parameters",
        "cell_type": "code",
        "metadata": {"tags": [INJECTED_TAG]},
        "source": translate(values, kernel_name, language),
        "outputs": [],
        "execution_count": None,
    }
    cells = notebook.content["cells"]
    held, declared = _first(cells, INJECTED_TAG), _first(cells, PARAMETERS_TAG)
    warnings: list[str] = []
    if held is not None:
        cells[held] = cell
    elif declared is not None:
        cells.insert(declared + 1, cell)
    else:
        cells.insert(0, cell)
        warnings.append("No cell is tagged `parameters`; the values stand at the top.")
    return values, warnings


def translate(values: Mapping[str, Any], kernel_name: str, language: str) -> str:
    """Return the code that binds the values, in the kernel's language.

    Raises
    ------
    InvalidParameter
        Values cannot be written in this language.
    """
    from papermill.exceptions import PapermillException
    from papermill.translators import translate_parameters

    try:
        return str(translate_parameters(kernel_name, language or None, dict(values), "Parameters"))
    except (PapermillException, NotImplementedError, TypeError) as error:
        raise InvalidParameter(f"Parameters cannot be written for the kernel {kernel_name}: {error}.") from error


def _first(cells: list[dict[str, Any]], tag: str) -> int | None:
    for index, cell in enumerate(cells):
        if tag in (cell["metadata"].get("tags") or ()):
            return index
    return None
