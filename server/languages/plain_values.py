"""Reduces a Python value to what every notebook language has: nothing, truth, numbers, text, lists and named values."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import foreign
from headrace.core.parameters.model import EnumMember

MAX_DEPTH = 50


def plain(value: Any, name: str) -> Any:
    """Return a value as None, bool, int, float, str, list or dict with text keys.

    Parameters
    ----------
    value : object
        The value. Tuples, ranges and sets (sorted) become lists; dates ISO 8601; paths, UUIDs and Decimals text;
        members of the notebook's enums their name; numpy's scalars and arrays plain values.
    name : str
        The parameter's name, for the message.

    Returns
    -------
    object
        The plain value.

    Raises
    ------
    InvalidParameter
        If the value has no such form, is nested too deeply, or holds text that no language can (NUL, a lone surrogate).
    """
    return _plain(value, f"parameters[{name!r}]", name, 0)


def _plain(value: Any, place: str, name: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidParameter(f"{place} is nested more than {MAX_DEPTH} levels deep or contains itself", field=name)
    if isinstance(value, enum.Enum) and isinstance(value, (int, str, float)):
        value = value.value
    if foreign.package(value) == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return _text(str(value), place, name)
    if isinstance(value, (list, tuple, range)):
        return [_plain(item, f"{place}[{index}]", name, depth + 1) for index, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted(
            (_plain(item, f"{place}{{…}}", name, depth + 1) for item in value), key=lambda item: (str(type(item)), item)
        )
    if isinstance(value, Mapping):
        return {
            _key(key, place, name): _plain(item, f"{place}[{key!r}]", name, depth + 1) for key, item in value.items()
        }
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (pathlib.PurePath, uuid.UUID, decimal.Decimal)):
        return _text(str(value), place, name)
    if isinstance(value, EnumMember):
        return value.name
    raise InvalidParameter(
        f"{place} is a {type(value).__qualname__}, which notebooks of other languages than Python cannot get; pass text, "
        "numbers, lists or dicts",
        field=name,
    )


def _text(text: str, place: str, name: str) -> str:
    if "\0" in text:
        raise InvalidParameter(f"{place} holds a NUL character, which most languages cannot have in text", field=name)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidParameter(f"{place} holds half a character (a lone surrogate)", field=name)
    return text


def _key(key: Any, place: str, name: str) -> str:
    if not isinstance(key, str):
        raise InvalidParameter(f"{place} has the key {key!r}; other languages than Python need text keys", field=name)
    return _text(key, place, name)
