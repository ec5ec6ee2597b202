"""Parameter values as JSON: once for people and other tools, once so that the typed value comes back.

A notebook is JSON, and JSON has no NaN: Python's writer would put a bare `NaN`
into the file, which no other reader accepts.
"""

from __future__ import annotations

import base64
import datetime
import enum
import math
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import foreign
from headrace.core.parameters.literals import PythonSource, python_source
from headrace.core.parameters.model import EnumMember
from headrace.core.parameters.reading import NotALiteral, read_literal

PYTHON = "$python"
"""Key of the object that holds a value's literal where JSON has no word for it."""
ENUMS = "$enums"
"""Key, beside `PYTHON`, of the enum classes that the literal names."""
MAX_TEXT = 10_000
"""Longest text in characters for a value that has no JSON of its own."""


def json_safe(value: object) -> Any:
    """Return a value as strict JSON for display and for other tools' metadata; types may be lost.

    Parameters
    ----------
    value : object
        Any value.

    Returns
    -------
    object
        None, bool, int, finite float, str, list or dict with text keys. NaN and infinities become the texts "NaN",
        "Infinity" and "-Infinity", dates ISO 8601, sets and tuples lists, bytes base64; all else its `str`. Text that
        UTF-8 cannot hold (a lone surrogate) is escaped.
    """
    return _safe(value, 0)


def _safe(value: Any, depth: int) -> Any:
    if depth > 60:
        return "…"
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 10_000 else hex(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {_key(key, depth): _safe(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_safe(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_safe(item, depth + 1) for item in value), key=repr)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, EnumMember):
        return value.name
    if foreign.package(value) and hasattr(value, "tolist"):
        plain = value.tolist()
        return _safe(plain, depth + 1) if not foreign.package(plain) else _utf8(str(value))[:MAX_TEXT]
    return _utf8(str(value))[:MAX_TEXT]


def _utf8(text: str) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _key(key: Any, depth: int) -> str:
    safe = _safe(key, depth + 1)
    return safe if isinstance(safe, str) else str(safe)


def encode(value: object, *, name: str = "value") -> Any:
    """Return a value as strict JSON from which `decode` makes an equal value of the same type.

    Parameters
    ----------
    value : object
        A value that `python_source` can write.
    name : str, default "value"
        The parameter's name, for the message.

    Returns
    -------
    object
        JSON. What JSON has is itself; all else is `{"$python": literal}`.

    Raises
    ------
    InvalidParameter
        If the value has no literal.
    """
    python_source(value, name=name)  # refuses with the place, before anything is made
    return _encode(value, name)


def _encode(value: Any, name: str) -> Any:
    cls = type(value)
    if value is None or cls is bool or (cls is int and value.bit_length() < 10_000):
        return value
    if cls is float and math.isfinite(value):
        return value
    if cls is str and _utf8(value) == value:
        return value
    if cls is list:
        return [_encode(item, name) for item in value]
    if cls is dict and all(type(key) is str and _utf8(key) == key for key in value) and PYTHON not in value:
        return {key: _encode(item, name) for key, item in value.items()}
    source = python_source(value, name=name)
    enums = sorted(_enums(value))
    return {PYTHON: source.code, ENUMS: enums} if enums else {PYTHON: source.code}


def _enums(value: Any) -> set[str]:
    if isinstance(value, EnumMember):
        return {value.enum}
    if isinstance(value, dict):
        return {found for pair in value.items() for item in pair for found in _enums(item)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return {found for item in value for found in _enums(item)}
    return set()


def decode(data: Any, *, name: str = "value") -> Any:
    """Return the value that `encode` turned into JSON.

    Parameters
    ----------
    data : object
        JSON.
    name : str, default "value"
        The parameter's name, for the message.

    Returns
    -------
    object
        The value. Nothing is executed: literals are read by a closed list.

    Raises
    ------
    InvalidParameter
        If a literal inside it is not one of ours.
    """
    if isinstance(data, list):
        return [decode(item, name=name) for item in data]
    if not isinstance(data, Mapping):
        return data
    if PYTHON not in data:
        return {key: decode(item, name=name) for key, item in data.items()}
    try:
        return read_literal(str(data[PYTHON]), enums=[str(item) for item in data.get(ENUMS, ())])
    except (NotALiteral, ImportError) as error:
        raise InvalidParameter(
            f"parameter {name!r} was stored in a form that cannot be read: {error}", field=name
        ) from error


__all__ = ["ENUMS", "PYTHON", "PythonSource", "decode", "encode", "json_safe"]
