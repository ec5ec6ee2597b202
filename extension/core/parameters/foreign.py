"""Numpy's and pandas' values as Python source, without importing either.

A value of theirs can only exist where the package is already imported, so it is
told by its class's module name. Scalars are written as plain Python values: an
injected `3` equals `numpy.int64(3)` and needs no numpy in the kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

MAX_ELEMENTS = 10_000
"""Largest array that is written into a cell."""


class Foreign:
    """Stands for numpy's and pandas' types in the writer's table."""


class Unwritable(ValueError):
    """The value has no literal; the text goes on after the value's place."""


def package(value: object) -> str:
    """Return "numpy" or "pandas" for a value of theirs, else ""."""
    name = type(value).__module__.partition(".")[0]
    return name if name in ("numpy", "pandas") else ""


def write(value: Any, module: Callable[[str], str], plain: Callable[[Any], str]) -> str:
    """Write a value of numpy or pandas.

    Parameters
    ----------
    value : object
        A value for which `package` has an answer.
    module : callable
        Takes a module's name, notes that the literal needs it, returns the name under which it is imported.
    plain : callable
        Writes a plain Python value.

    Returns
    -------
    str
        The source.

    Raises
    ------
    Unwritable
        If there is no literal for it.
    """
    if package(value) == "pandas":
        return _pandas(value, module)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if type(value).__name__ == "ndarray":
        return _array(value, kind, module, plain)
    if kind in "biufcSU" and kind and getattr(value, "itemsize", 0) <= _widest(kind):
        return plain(value.item())
    if kind in ("M", "m"):
        return _moment(value, kind, module)
    raise Unwritable(
        f"is a numpy {type(value).__name__}, which has no Python literal; convert it with .item() or tolist()"
    )


def _widest(kind: str) -> int:
    """The widest item in bytes whose `.item()` is exact: numpy's long doubles are wider than Python's floats."""
    return {"f": 8, "c": 16}.get(kind, sys.maxsize)


def _moment(value: Any, kind: str, module: Callable[[str], str]) -> str:
    numpy = sys.modules["numpy"]
    unit, count = numpy.datetime_data(value.dtype)
    if count != 1:
        raise Unwritable(f"is a numpy time in steps of {count} {unit}; convert it to a plain unit with .astype")
    cls = "datetime64" if kind == "M" else "timedelta64"
    if numpy.isnat(value):
        return f"{module('numpy')}.{cls}('NaT', {unit!r})"
    written = repr(str(value)) if kind == "M" else str(int(value.astype("int64")))
    return f"{module('numpy')}.{cls}({written}, {unit!r})"


def _array(value: Any, kind: str, module: Callable[[str], str], plain: Callable[[Any], str]) -> str:
    if value.size > MAX_ELEMENTS:
        raise Unwritable(f"is an array of {value.size:,} elements (at most {MAX_ELEMENTS:,}); pass the path of a file")
    if kind not in "biufcSUMm" or value.dtype.itemsize > _widest(kind):
        raise Unwritable(f"is a numpy array of {value.dtype}, which has no Python literal; pass the path of a file")
    # Text arrays find their width by themselves: a width in the cell could ask for more memory than the cell is long.
    name = "" if kind in "SU" else f", dtype={value.dtype.newbyteorder('=').name!r}"
    if value.size == 0:
        return f"{module('numpy')}.zeros({plain(value.shape)}{name or f', dtype={kind + str(1)!r}'})"
    items = value
    if kind == "M":
        items = value.astype(str)
    elif kind == "m":
        items = value.astype("int64")
    return f"{module('numpy')}.array({plain(items.tolist())}{name})"


def _pandas(value: Any, module: Callable[[str], str]) -> str:
    pandas = sys.modules["pandas"]
    name = type(value).__name__
    if value is pandas.NaT or value is pandas.NA:
        return f"{module('pandas')}.{'NaT' if value is pandas.NaT else 'NA'}"
    if name == "Timedelta":
        return f"{module('pandas')}.Timedelta({value.value}, unit='ns')"
    if name == "Timestamp" and value.tz is None:
        return f"{module('pandas')}.Timestamp({value.isoformat()!r})"
    if name == "Timestamp":
        # As nanoseconds since the epoch: a wall time would be ambiguous in the hour that autumn repeats.
        return f"{module('pandas')}.Timestamp({value.value}, unit='ns', tz={str(value.tz)!r})"
    raise Unwritable(f"is a pandas {name}, which has no Python literal; save it to a file and pass its path")


def same(value: Any, back: Any, plain_same: Callable[[Any, Any], bool]) -> bool:
    """Tell whether a value of numpy or pandas was read back: equal, with NaN and NaT equal to themselves.

    Parameters
    ----------
    value : object
        The value of numpy or pandas.
    back : object
        What was read.
    plain_same : callable
        Compares plain values.

    Returns
    -------
    bool
        True if equal.
    """
    if package(value) == "pandas":
        if type(value).__name__ in ("NaTType", "NAType"):
            return value is back
        return bool(value == back) and getattr(value, "tz", None).__str__() == getattr(back, "tz", None).__str__()
    numpy = sys.modules["numpy"]
    if type(value).__name__ == "ndarray":
        shaped = type(back).__name__ == "ndarray" and value.shape == back.shape and value.dtype.kind == back.dtype.kind
        if not shaped:
            return False
        return bool(numpy.array_equal(value, back, equal_nan=value.dtype.kind in "fcMm"))
    if value.dtype.kind in "Mm":
        return bool(value == back or (numpy.isnat(value) and numpy.isnat(back)))
    return plain_same(value.item(), back)
