"""Checks a set of values against the parameters that a notebook declares, and types them; every fault is collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.hints import closest
from headrace.core.parameters.conversion import CLI, JSON, Mismatch, auto_type, convert
from headrace.core.parameters.errors import FieldError, ParameterErrors
from headrace.core.parameters.model import EnumMember, Parameter, TypeForm
from headrace.core.parameters.names import name_fault

Sources = str | Mapping[str, str]
"""Where values come from: "cli" or "json" for all, or by name (what is not listed is "json")."""
MAX_HINTS = 20
"""Unknown names for which the nearest known one is looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Values that were looked at.

    Parameters
    ----------
    values : dict of str to object
        The typed values, in the caller's order.
    warnings : tuple of FieldError, default ()
        What was let pass (lenient) or looks odd.
    """

    values: dict[str, Any]
    warnings: tuple[FieldError, ...] = ()


def coerce(parameters: Iterable[Parameter], values: Mapping[str, Any], *, source: Sources = JSON) -> dict[str, Any]:
    """Turn values into what the annotations ask for.

    Parameters
    ----------
    parameters : iterable of Parameter
        What the notebook declares.
    values : mapping of str to object
        The values; names that are not declared are typed as papermill types them.
    source : {"cli", "json"} or mapping, default "json"
        "cli": text is read by the type, and without an annotation by `auto_type`; "json": text is text.

    Returns
    -------
    dict of str to object
        The typed values.

    Raises
    ------
    ParameterErrors
        For values that are not of their type.
    """
    typed, faults = _typed({parameter.name: parameter for parameter in parameters}, values, source)
    if faults:
        raise ParameterErrors(faults)
    return typed


def validate(
    parameters: Iterable[Parameter] | None, values: Mapping[str, Any], *, lenient: bool = False
) -> tuple[FieldError, ...]:
    """Check names, types and completeness of typed values.

    Parameters
    ----------
    parameters : iterable of Parameter or None
        What the notebook declares; None if that cannot be told (another language): then only names are checked.
    values : mapping of str to object
        The values.
    lenient : bool, default False
        True gives warnings, as papermill does, for unknown, missing and mistyped parameters. A name that cannot be
        one is refused all the same.

    Returns
    -------
    tuple of FieldError
        Warnings.

    Raises
    ------
    ParameterErrors
        With all faults at once.
    """
    return prepare(parameters, values, lenient=lenient).warnings


def prepare(
    parameters: Iterable[Parameter] | None,
    values: Mapping[str, Any],
    *,
    source: Sources = JSON,
    lenient: bool = False,
    complete: bool = True,
    allowed: Iterable[str] = (),
) -> Checked:
    """Type and check values in one go: what the command line, the panel and deployments call before a run.

    Parameters
    ----------
    parameters : iterable of Parameter or None
        What the notebook declares; None if that cannot be told.
    values : mapping of str to object
        The values.
    source : {"cli", "json"} or mapping, default "json"
        As for `coerce`.
    lenient : bool, default False
        As for `validate`; a value that is not of its type is passed on as it is.
    complete : bool, default True
        False if more values come later (a deployment's defaults): nothing is missing then.
    allowed : iterable of str, default ()
        Names that may be given although the notebook does not declare them (injected paths).

    Returns
    -------
    Checked
        Typed values and warnings.

    Raises
    ------
    ParameterErrors
        With all faults at once.
    """
    declared = None if parameters is None else {parameter.name: parameter for parameter in parameters}
    named = {str(name): name_fault(name) for name in values}
    hard = [FieldError(field=name, code="name", message=fault) for name, fault in named.items() if fault]
    usable = {str(name): value for name, value in values.items() if named[str(name)] is None}
    typed, soft = _typed(declared or {}, usable, source)
    warnings: list[FieldError] = []
    if declared is not None:
        soft += _unknown(declared, usable, frozenset(allowed))
        if complete:
            soft += _missing(declared, usable)
        warnings += _odd(declared, typed)
    if lenient:
        warnings, soft = [*soft, *warnings], []
    if hard or soft:
        raise ParameterErrors([*hard, *soft])
    return Checked(values=typed, warnings=tuple(warnings))


def split_secrets(parameters: Iterable[Parameter], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the values that may be written into a cell from those that must not.

    Parameters
    ----------
    parameters : iterable of Parameter
        What the notebook declares.
    values : mapping of str to object
        The values.

    Returns
    -------
    tuple of (dict, dict)
        Plain values, secret values.
    """
    secret = {parameter.name for parameter in parameters if parameter.secret}
    plain = {name: value for name, value in values.items() if name not in secret}
    return plain, {name: value for name, value in values.items() if name in secret}


def _typed(
    declared: Mapping[str, Parameter], values: Mapping[str, Any], source: Sources
) -> tuple[dict[str, Any], list[FieldError]]:
    typed: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name, value in values.items():
        origin = source if isinstance(source, str) else source.get(name, JSON)
        parameter = declared.get(name)
        try:
            typed[name] = _one(parameter, value, origin)
        except Mismatch as error:
            typed[name] = auto_type(value) if origin == CLI and isinstance(value, str) else value
            secret = parameter is not None and parameter.secret
            message = "expected text" if secret else str(error)  # a message must not repeat a secret
            faults.append(FieldError(field=name, code=error.code, message=message))
    return typed, faults


def _one(parameter: Parameter | None, value: Any, origin: str) -> Any:
    if parameter is None:
        return auto_type(value) if origin == CLI and isinstance(value, str) else value
    if parameter.nullable and (value is None or (value == "None" and origin == CLI and not parameter.type.nullable)):
        return None
    if parameter.secret and parameter.type.kind == "any":
        return value  # no auto-typing: the secret 007 is not 7
    return convert(value, parameter.type, origin)


def _unknown(declared: Mapping[str, Parameter], values: Mapping[str, Any], allowed: frozenset[str]) -> list[FieldError]:
    faults: list[FieldError] = []
    for name in values:
        if name in declared or name in allowed:
            continue
        # Finding the nearest of thousands takes a moment; after a few the reader has seen what is wrong.
        near = closest(name, declared) if len(faults) < MAX_HINTS else None
        if near:
            hint = f"did you mean {near!r}?"
        elif declared:
            listed = sorted(declared)[:MAX_HINTS]
            hint = f"the notebook has {', '.join(listed)}{', …' if len(declared) > len(listed) else ''}"
        else:
            hint = "the notebook declares none; give the tag `parameters` to the cell that sets the defaults"
        faults.append(FieldError(field=name, code="unknown", message=f"unknown parameter, {hint}"))
    return faults


def _missing(declared: Mapping[str, Parameter], values: Mapping[str, Any]) -> list[FieldError]:
    return [
        FieldError(field=name, code="missing", message=f"required{_wanted(parameter)}, and not given")
        for name, parameter in declared.items()
        if parameter.required and name not in values
    ]


def _wanted(parameter: Parameter) -> str:
    return f" ({parameter.annotation})" if parameter.annotation else ""


def _odd(declared: Mapping[str, Parameter], typed: Mapping[str, Any]) -> list[FieldError]:
    """Warn where a value is of another sort than the default of a parameter that has no annotation.

    Only a warning: without an annotation any value may be meant.
    """
    found = []
    for name, value in typed.items():
        parameter = declared.get(name)
        if parameter is None or parameter.type.kind != "any" or not parameter.default_known or parameter.secret:
            continue
        default, given = _sort(parameter.default), _sort(value)
        if default and given and default != given:
            message = f"is {given}, its default is {default}; annotate it to have it checked"
            found.append(FieldError(field=name, code="type", message=message))
    return found


def _sort(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float, complex)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a dict" if isinstance(value, dict) else ""


__all__ = [
    "CLI",
    "JSON",
    "Checked",
    "EnumMember",
    "Sources",
    "TypeForm",
    "coerce",
    "prepare",
    "split_secrets",
    "validate",
]
