"""Arguments of a flow, checked and coerced by the annotations.

Values whose type is already what the annotation says pass without pydantic,
which is imported only when a value needs it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import ParameterTypeError
from headrace.kernel_magic.definition import FunctionDefinition

_EXACT = frozenset({int, float, str, bool, bytes, type(None), list, dict, set, tuple, frozenset})
_ANYTHING = (Any, object, inspect.Parameter.empty, typing.TypeVar)


def validate(definition: FunctionDefinition, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the annotations want them.

    Parameters
    ----------
    definition : FunctionDefinition
    parameters : mapping
        Arguments by name.

    Returns
    -------
    dict

    Raises
    ------
    ParameterTypeError
        A value does not fit; the message names the parameter, the value's type and what was expected.
    """
    hints = annotations_of(definition)
    if not hints:
        return dict(parameters)
    found = dict(parameters)
    defaults = definition.parameters
    adapters = definition.__dict__.setdefault("_adapters", {})
    for name, value in parameters.items():
        hint = hints.get(name, Any)
        if hint in _EXACT and type(value) is hint:
            continue
        if _takes_anything(hint) or defaults[name].default is value:
            continue
        found[name] = _coerced(definition, adapters, name, hint, value)
    return found


def _takes_anything(hint: Any) -> bool:
    try:
        return hint in _ANYTHING or isinstance(hint, typing.TypeVar)
    except TypeError:
        return False


def annotations_of(definition: FunctionDefinition) -> dict[str, Any]:
    """Return the annotations of a function's parameters; those that cannot be resolved are left out."""
    cached: dict[str, Any] | None = definition.__dict__.get("_hints")
    if cached is not None:
        return cached
    fn = inspect.unwrap(definition.fn)
    raw = {name: p.annotation for name, p in definition.parameters.items() if p.annotation is not p.empty}
    if any(isinstance(hint, str) for hint in raw.values()):
        scope = getattr(fn, "__globals__", {})
        local = {**_closure(fn), **{p.__name__: p for p in getattr(fn, "__type_params__", ())}}
        for name, hint in list(raw.items()):
            if isinstance(hint, str):
                try:
                    raw[name] = eval(hint, scope, local)  # noqa: S307  the user's own annotation, as typing.get_type_hints does
                except Exception:
                    del raw[name]
    definition.__dict__["_hints"] = raw
    return raw


def _closure(fn: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = getattr(getattr(fn, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(fn, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _coerced(definition: FunctionDefinition, adapters: dict[str, Any], name: str, hint: Any, value: Any) -> Any:
    import pydantic

    adapter = adapters.get(name)
    if adapter is None:
        parameter = definition.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            hint = tuple[hint, ...]
        elif parameter.kind is parameter.VAR_KEYWORD:
            hint = dict[str, hint]
        adapter = adapters[name] = _adapter(pydantic, hint)
    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as error:
        faults = []
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:5]:
            place = ".".join(str(part) for part in (name, *fault["loc"]))
            faults.append(f"{place}: {fault['msg']}")
        raise ParameterTypeError(
            f"flow {definition.name!r} cannot be run with these parameters: {'; '.join(faults)} "
            f"(given {type(value).__name__} {_short(value)}).",
            field=name,
        ) from error


def _adapter(pydantic: Any, hint: Any) -> Any:
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    try:
        return pydantic.TypeAdapter(hint, config=config)
    except pydantic.PydanticUserError:  # a model, dataclass or TypedDict brings its own configuration
        return pydantic.TypeAdapter(hint)


def _short(value: Any) -> str:
    from headrace.kernel_magic.previews import picture

    text = repr(picture(value))
    return text if len(text) <= 80 else text[:79] + "…"
