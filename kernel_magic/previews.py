"""Bounded pictures of values: what a run's record shows of parameters and results.

Nothing here walks into a DataFrame, an array or a large collection: a picture
costs about a microsecond whatever the value's size.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

#: Longest text, most entries of a collection and deepest nesting that a picture keeps.
TEXT, ENTRIES, DEPTH = 2000, 50, 4

_SIMPLE = frozenset({int, float, bool, type(None)})
_AS_TEXT = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    pathlib.PurePath,
    uuid.UUID,
    complex,
)


def picture(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that shows `value`.

    Parameters
    ----------
    value : object
    depth : int, default 0
        How deep in a collection it was found.

    Returns
    -------
    None, bool, int, float, str, list or dict
        Numbers and short text as they are; collections up to 50 entries and four levels; of everything else the
        type's name, with its shape where it has one, in angle brackets.
    """
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if kind is str:
        return value if len(value) <= TEXT else value[:TEXT] + f"… ({len(value)} characters)"
    if depth < DEPTH:
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            return _sequence(value, depth)
        if kind is dict:
            return _mapping(value, depth)
    if isinstance(value, enum.Enum):
        return picture(value.value, depth + 1)
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"<{getattr(value, '__qualname__', kind.__name__)}>"
    return _named(value, kind)


def _sequence(value: Any, depth: int) -> list[Any]:
    shown: list[Any] = []
    for item in value:
        if len(shown) == ENTRIES:
            shown.append(f"… {len(value) - ENTRIES} more")
            break
        shown.append(picture(item, depth + 1))
    return shown


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, item in value.items():
        if len(shown) == ENTRIES:
            shown["…"] = f"{len(value) - ENTRIES} more"
            break
        shown[key if type(key) is str else str(picture(key))] = picture(item, depth + 1)
    return shown


def _named(value: Any, kind: type) -> Any:
    """Return the type's name, with shape or length where asking for it is known to be cheap."""
    module = kind.__module__.partition(".")[0]
    if module in _SIZED:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            if not shape and hasattr(value, "item"):  # a NumPy scalar
                return picture(value.item(), DEPTH)
            return f"<{kind.__name__} {' × '.join(map(str, shape))}>"
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        inner = {name: getattr(value, name, None) for name in list(fields)[:ENTRIES]}
        return _mapping(inner, DEPTH - 1)
    return f"<{kind.__qualname__}>"


_SIZED = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "tensorflow", "jax", "jaxlib", "scipy", "xarray"})


def result_picture(value: Any) -> dict[str, Any] | None:
    """Return what a run's record shows of a result that is not stored, None for None."""
    if value is None:
        return None
    return {"type": type(value).__qualname__, "preview": picture(value)}


def pictures(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return bounded pictures of arguments; a value that cannot be looked at now is shown by its type."""
    shown = {}
    for name, value in parameters.items():
        try:
            shown[name] = picture(value)
        except Exception:  # a collection that another thread changes, a property that raises
            shown[name] = f"<{type(value).__qualname__}>"
    return shown


def safe_result_picture(value: Any) -> dict[str, Any] | None:
    """Return what a run's record shows of a result, whatever its type does when it is looked at."""
    try:
        return result_picture(value)
    except Exception:
        return {"type": type(value).__qualname__, "preview": f"<{type(value).__qualname__}>"}
