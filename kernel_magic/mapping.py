"""`.map`: one call for each entry of the iterable arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.core.errors import MappingLengthMismatch, MappingMissingIterable
from headrace.core.states import State
from headrace.kernel_magic.definition import FunctionDefinition
from headrace.kernel_magic.futures import TaskFuture, allow_failure, quote, unmapped


def calls_of(definition: FunctionDefinition, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the arguments of each call.

    Parameters
    ----------
    definition : FunctionDefinition
    parameters : mapping
        Arguments by name, of the call of `.map`.

    Raises
    ------
    MappingLengthMismatch
        Iterables of different lengths.
    MappingMissingIterable
        No argument can be mapped over.
    """
    given = definition.signature.parameters
    mapped: dict[str, list[Any]] = {}
    fixed: dict[str, Any] = {}
    # What `**options` takes is mapped over entry by entry, like any other argument.
    rest = next((name for name, parameter in given.items() if parameter.kind is parameter.VAR_KEYWORD), None)
    further = dict(parameters.get(rest, {})) if rest is not None else {}
    parameters = {**{name: value for name, value in parameters.items() if name != rest}, **further}
    for name, value in parameters.items():
        declared = given.get(name)
        if declared is not None and declared.default is value and value is not declared.empty:
            fixed[name] = value  # a default is no argument: it is passed whole
            continue
        entries = _entries(value)
        if entries is None:
            fixed[name] = value.value if isinstance(value, unmapped) else value
        else:
            mapped[name] = entries
    if not mapped:
        raise MappingMissingIterable(
            f"task {definition.name!r}: .map() was given nothing to map over; give it at least one list (or any iterable "
            f"but text). Arguments: {', '.join(f'{name}: {type(value).__name__}' for name, value in parameters.items()) or 'none'}."
        )
    lengths = {name: len(entries) for name, entries in mapped.items()}
    if len(set(lengths.values())) > 1:
        raise MappingLengthMismatch(
            f"task {definition.name!r}: .map() was given iterables of different lengths "
            f"({', '.join(f'{name}: {length}' for name, length in lengths.items())}); wrap the ones that go whole to "
            "every run in unmapped(…)."
        )
    names = list(mapped)
    calls = ({**fixed, **dict(zip(names, entries, strict=True))} for entries in zip(*mapped.values(), strict=True))
    return calls if rest is None else (_gather(call, rest, further) for call in calls)


def _gather(call: dict[str, Any], rest: str, further: Mapping[str, Any]) -> dict[str, Any]:
    """Put the arguments of `**rest` together again."""
    return {
        **{name: value for name, value in call.items() if name not in further},
        rest: {name: call[name] for name in further},
    }


def _entries(value: Any) -> list[Any] | None:
    """Return the entries of what is mapped over, None for what is passed whole."""
    if isinstance(value, allow_failure):
        inner = _entries(value.value)
        return None if inner is None else [allow_failure(item) for item in inner]
    if isinstance(value, TaskFuture):
        result = value.result()
        return _entries(result)
    if isinstance(value, State):
        return _entries(value.result())
    if isinstance(value, str | bytes | unmapped | quote) or not isinstance(value, Iterable):
        return None
    return list(value)
