"""A run's parameters: checked before a kernel starts, put into the notebook while it starts.

The rules are `headrace.core.parameters` and `headrace.server.parameters`; here is only their order in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.core.errors import InvalidNotebook
from headrace.core.parameters import json_safe, prepare, split_secrets
from headrace.core.parameters.coercion import JSON, Sources
from headrace.core.run_spec import NotebookSpec
from headrace.server.notebook_file import Notebook
from headrace.server.parameters import (
    INJECTED_TAG,
    PARAMETERS_TAG,
    declared_parameters,
    injected_values,
    tagged_cell,
    write_cell,
)
from headrace.server.secret_values import MASK, check_known, code_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The parameters of a run, typed.

    Parameters
    ----------
    given : mapping
        What the run was given, but for secrets: put into the notebook.
    shown : mapping
        All of it for the store, as strict JSON, secrets masked.
    secrets : frozenset of str
        Names of the secrets among them.
    secret_code : str
        What sets them in the kernel.
    warnings : tuple of str
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    secret_code: str = field(default="", repr=False)
    warnings: tuple[str, ...] = ()


def type_values(
    notebook: Notebook, spec: NotebookSpec, kernel_name: str, language: str, sources: Sources = JSON
) -> Values:
    """Type and check the values of a run against what its notebook declares.

    Parameters
    ----------
    notebook : Notebook
    spec : NotebookSpec
    kernel_name, language : str
    sources : "cli", "json" or mapping, default "json"
        Where the values come from (see `headrace.core.parameters.prepare`).

    Raises
    ------
    ParameterErrors
        An unknown, missing or mistyped parameter (with `strict`), or a name that is none.
    InvalidNotebook
        The parameters cell cannot be read.
    """
    check_known(spec.parameters)
    wrapped = {n: v.get_secret_value() for n, v in spec.parameters.items() if hasattr(v, "get_secret_value")}
    parameters = {**spec.parameters, **wrapped}
    content = notebook.content
    warnings: list[str] = []
    try:
        declared = declared_parameters(content, kernel_name=kernel_name, language=language)
    except InvalidNotebook as error:
        if spec.strict:
            raise
        declared = None
        warnings.append(str(error))
    if declared is not None and spec.strict:
        # What an earlier run of this notebook set is given too: nothing that it set is missing now.
        held = injected_values(content, kernel_name=kernel_name, language=language)
        wanted = [p for p in declared if p.name in parameters or p.name not in held]
    else:
        wanted = declared or []
    checked = prepare(
        None if declared is None else _with_held(declared, wanted),
        parameters,
        source=sources,
        lenient=not spec.strict,
    )
    warnings += [f"Parameter {w.field}: {w.message}" for w in checked.warnings]
    plain, secret = split_secrets(declared or (), checked.values)
    secret |= {name: plain.pop(name) for name in {*spec.secrets, *wrapped} & plain.keys()}
    shown = {**json_safe(plain), **dict.fromkeys(secret, MASK)}
    if plain and tagged_cell(content, PARAMETERS_TAG) < 0:
        warnings.append("No cell is tagged `parameters`: the values stand at the top of the notebook.")
    return Values(
        given=plain,
        shown=shown,
        secrets=frozenset(secret),
        secret_code=code_of(declared or (), secret) if secret else "",
        warnings=tuple(warnings),
    )


def last_parameters(cells: Sequence[Mapping[str, Any]]) -> int:
    """Return the place of the last cell that sets parameters, -1 where there is none."""
    tags = {PARAMETERS_TAG, INJECTED_TAG}
    return max((n for n, cell in enumerate(cells) if tags.intersection(cell["metadata"].get("tags") or ())), default=-1)


def _with_held(declared: list[Any], wanted: list[Any]) -> list[Any]:
    """Return the declared parameters; those that an earlier run set are not required."""
    names = {parameter.name for parameter in wanted}
    return [p if p.name in names or not p.required else replace(p, required=False) for p in declared]


def with_paths(values: Values, spec: NotebookSpec, input_path: str, output_path: str | None) -> Values:
    """Add papermill's PAPERMILL_INPUT_PATH and PAPERMILL_OUTPUT_PATH where they were asked for."""
    paths: dict[str, Any] = {}
    if spec.inject_input_path:
        paths["PAPERMILL_INPUT_PATH"] = input_path
    if spec.inject_output_path:
        paths["PAPERMILL_OUTPUT_PATH"] = output_path or ""
    if not paths:
        return values
    return replace(values, given={**paths, **values.given}, shown={**paths, **values.shown})


def check_writable(values: Values, kernel_name: str, language: str, *, lenient: bool) -> None:
    """Refuse values that cannot be written in the kernel's language.

    Raises
    ------
    InvalidParameter
    """
    if values.given:
        write_cell(values.given, kernel_name, language, lenient=lenient)


def put_in(notebook: Any, values: Values, spec: NotebookSpec, kernel_name: str, language: str) -> Any:
    """Return the notebook (nbformat's) with the values in it."""
    from headrace.server.parameters import inject

    return inject(
        notebook,
        values.given,
        kernel_name=kernel_name,
        language=language or None,
        report_mode=spec.report_mode,
        lenient=not spec.strict,
    )
