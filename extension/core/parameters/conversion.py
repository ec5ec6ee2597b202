"""Turns one value of the command line or of JSON into the type that an annotation names.

Text of the command line is read by the type: `3` is 3 for `int` and "3" for
`str`. JSON (also YAML, the API and Python callers) already has types: they are
kept, and only widened where JSON has no word for the type (a date is text
there, an integer may stand for a float). A value that already has the type is
left as it is.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import pathlib
import re
import uuid
from collections.abc import Callable
from typing import Any

from headrace.core.parameters import foreign
from headrace.core.parameters.model import EnumMember, TypeForm
from headrace.core.parameters.reading import NotALiteral, read_literal

CLI = "cli"
JSON = "json"
_TRUE = frozenset({"true", "1", "yes", "on", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "off", "n", "f"})
_CLOCK = re.compile(r"(?:(?P<days>-?\d+) days?,? ?)?(?P<h>\d+):(?P<m>\d\d)(?::(?P<s>\d\d(?:\.\d{1,6})?))?")
_ISO_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_NAMES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "complex": "a complex number such as 1+2j",
    "str": "text",
    "secret": "text",
    "bytes": "text (stored as UTF-8)",
    "date": "a date such as 2026-11-24",
    "datetime": "a date and time such as 2026-11-24T08:30",
    "time": "a time such as 08:30",
    "timedelta": "a duration: seconds, 1:30:00 or PT90M",
    "decimal": "a decimal number",
    "fraction": "a fraction such as 1/3",
    "uuid": "a UUID",
    "path": "a path",
    "none": "nothing (None)",
    "list": "a list",
    "tuple": "a list",
    "set": "a list of distinct values",
    "frozenset": "a list of distinct values",
    "dict": 'an object such as {"a": 1}',
    "any": "anything",
}


class Mismatch(ValueError):
    """A value is not of the type; the text says what was expected.

    Parameters
    ----------
    message : str
        For a person.
    code : str, default "type"
        `type` or `choice`.
    """

    def __init__(self, message: str, code: str = "type") -> None:
        super().__init__(message)
        self.code = code


def auto_type(text: str) -> Any:
    """Type a value of `-p` that no annotation types, exactly as papermill does (notebooks.md, 2.7).

    Parameters
    ----------
    text : str
        The text of the command line.

    Returns
    -------
    object
        True, False or None for exactly these words, else an int where `int()` reads it, else a float where `float()`
        does, else the text.
    """
    words: dict[str, Any] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def describe(form: TypeForm) -> str:
    """Say in words what a type accepts.

    Parameters
    ----------
    form : TypeForm
        The type.

    Returns
    -------
    str
        For a message: "a whole number", "one of 'a', 'b'", "a list of numbers …".
    """
    if form.kind == "literal":
        return f"one of {', '.join(map(repr, form.values))}"
    if form.kind == "enum" and form.enum is not None:
        return f"one of {', '.join(map(repr, form.enum.labels))}"
    if form.kind == "union":
        return " or ".join(describe(member) for member in form.args)
    if form.kind in ("list", "set", "frozenset", "tuple") and form.args:
        inner = ", ".join(describe(arg) for arg in form.args)
        return f"{_NAMES[form.kind]} ({'each ' if form.kind != 'tuple' or form.variadic else ''}{inner})"
    return _NAMES[form.kind]


def convert(value: Any, form: TypeForm, source: str = JSON) -> Any:
    """Return a value as its type wants it.

    Parameters
    ----------
    value : object
        Text of the command line, a JSON value, or a Python value.
    form : TypeForm
        The type.
    source : {"cli", "json"}, default "json"
        Whether text is to be read by the type ("cli") or is text ("json").

    Returns
    -------
    object
        The typed value.

    Raises
    ------
    Mismatch
        If it is not a value of the type.
    """
    if foreign.package(value) == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        plain = value.item()
        value = value if foreign.package(plain) else plain
    text = source == CLI and isinstance(value, str)
    if form.kind == "any":
        return auto_type(value) if text else value
    if form.kind == "union":
        return _union(value, form, source)
    if form.kind == "literal":
        return _choice(value, form.values, text, form)
    if form.kind == "enum":
        return _enum(value, form, text)
    if form.kind in _CONTAINERS:
        return _CONTAINERS[form.kind](_display(value, form) if text else value, form, source)
    try:
        return _SCALARS[form.kind](value, text)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Mismatch(f"expected {describe(form)}, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _union(value: Any, form: TypeForm, source: str) -> Any:
    members = list(form.args)
    if source == CLI and isinstance(value, str):
        if value == "None" and form.nullable:
            return None
        # Any text is text: the types that can refuse go first, and `1` for `bool | int` is a number.
        last = {"str": 2, "secret": 2, "bytes": 2, "path": 2, "bool": 1}
        members.sort(key=lambda member: last.get(member.kind, 0))
    elif value is not None:
        exact = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}
        members.sort(key=lambda member: exact.get(member.kind) is not type(value))
    for member in members:
        try:
            return convert(value, member, source)
        except Mismatch:
            continue
    choices = all(member.kind in ("literal", "enum", "none") for member in members)
    raise Mismatch(f"expected {describe(form)}, got {_shown(value)}", "choice" if choices else "type")


def _choice(value: Any, values: tuple[object, ...], text: bool, form: TypeForm) -> Any:
    for choice in values:
        if type(choice) is type(value) and choice == value:
            return choice
    if text:
        for choice in values:
            if str(choice) == value:
                return choice
    raise Mismatch(f"expected {describe(form)}, got {_shown(value)}", "choice")


def _enum(value: Any, form: TypeForm, text: bool) -> Any:
    cls = form.enum
    assert cls is not None  # only annotations.py makes this kind, always with its class
    if isinstance(value, EnumMember) and value.enum == cls.name and value.name in dict(cls.members):
        return value
    for name, member in cls.members:  # values first: `Size("1")` is a value, a name cannot start with a digit anyway
        if member is not None and (_equal(member, value) or (text and str(member) == value)):
            return EnumMember(cls.name, name)
    if isinstance(value, str) and value in dict(cls.members):
        return EnumMember(cls.name, value)
    raise Mismatch(f"expected {describe(form)}, got {_shown(value)}", "choice")


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _display(value: str, form: TypeForm) -> Any:
    """Read a container from the command line: JSON, a Python literal, or values with commas between them."""
    stripped = value.strip()
    for read in (_strict_json, read_literal):
        try:
            found = read(stripped)
        except (ValueError, NotALiteral):
            continue
        if isinstance(found, (list, tuple, set, frozenset, dict)):
            return found
    if form.kind == "dict" or stripped.startswith(("[", "{", "(")):
        raise Mismatch(f"expected {describe(form)} as JSON, got {_shown(value)}")
    inner = form.args or (TypeForm(kind="any"),)
    parts = [part.strip() for part in stripped.split(",")] if stripped else []
    per_item = (
        inner if form.kind == "tuple" and not form.variadic and len(inner) == len(parts) else inner[:1] * len(parts)
    )
    return [convert(part, item, CLI) for part, item in zip(parts, per_item, strict=True)]


def _strict_json(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def _sequence(make: Callable[[list[Any]], Any]) -> Callable[[Any, TypeForm, str], Any]:
    def read(value: Any, form: TypeForm, _source: str) -> Any:
        listed = value.tolist() if type(value).__name__ == "ndarray" else value
        if not isinstance(listed, (list, tuple, set, frozenset, range)):
            raise Mismatch(f"expected {describe(form)}, got {_shown(value)}")
        items = list(listed)
        if form.kind == "tuple" and form.args and not form.variadic and len(items) != len(form.args):
            raise Mismatch(f"expected {len(form.args)} values, got {len(items)}")
        fixed = form.kind == "tuple" and not form.variadic
        found = []
        for index, item in enumerate(items):
            inner = form.args[index if fixed else 0] if form.args else TypeForm(kind="any")
            found.append(_inside(f"[{index}]", item, inner))
        # An array stays what it is: a list of its elements would be another type to the notebook.
        return value if listed is not value and found == items else make(found)

    return read


def _mapping(value: Any, form: TypeForm, _source: str) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(f"expected {describe(form)}, got {_shown(value)}")
    key_form, item_form = form.args or (TypeForm(kind="any"),) * 2
    found = {}
    for key, item in value.items():
        # JSON's keys are always text: `dict[int, str]` reads them as the command line reads its values.
        typed = _inside(f"key {key!r}", key, key_form, CLI if key_form.kind != "any" else JSON)
        found[typed] = _inside(f"[{key!r}]", item, item_form)
    return found


def _inside(place: str, value: Any, form: TypeForm, source: str = JSON) -> Any:
    try:
        return convert(value, form, source)
    except Mismatch as error:
        raise Mismatch(f"at {place}: {error}", error.code) from None


def _hashable(make: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def build(items: list[Any]) -> Any:
        try:
            return make(items)
        except TypeError as error:
            raise Mismatch("expected a list of distinct plain values, got lists or dicts in it") from error

    return build


_CONTAINERS: dict[str, Callable[[Any, TypeForm, str], Any]] = {
    "list": _sequence(list),
    "tuple": _sequence(tuple),
    "set": _sequence(_hashable(set)),
    "frozenset": _sequence(_hashable(frozenset)),
    "dict": _mapping,
}


def _none(value: Any, text: bool) -> Any:
    if value is None or (text and value in ("None", "")):
        return None
    raise ValueError


def _bool(value: Any, text: bool) -> bool:
    if isinstance(value, bool):
        return value
    if text and value.strip().casefold() in _TRUE | _FALSE:
        return value.strip().casefold() in _TRUE
    raise ValueError


def _int(value: Any, text: bool) -> int:
    if text:
        return int(value)
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, float) and value.is_integer():  # JSON Schema: 3.0 is an integer
        return int(value)
    if isinstance(value, int):
        return value
    raise ValueError


def _float(value: Any, text: bool) -> float:
    if text or (isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity")):  # our own words for them in JSON
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError
    return float(value)


def _complex(value: Any, _text: bool) -> complex:
    if isinstance(value, bool) or not isinstance(value, (int, float, complex, str)):
        raise ValueError
    return complex(value.replace(" ", "")) if isinstance(value, str) else complex(value)


def _str(value: Any, _text: bool) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _bytes(value: Any, _text: bool) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else _str(value, True).encode("utf-8")


def _date(value: Any, _text: bool) -> datetime.date:
    if isinstance(value, datetime.date):
        if isinstance(value, datetime.datetime):
            raise ValueError
        return value
    return datetime.date.fromisoformat(_str(value, True).strip())


def _datetime(value: Any, _text: bool) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    # Python 3.10 reads no Z.
    return datetime.datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", _str(value, True).strip()))


def _time(value: Any, _text: bool) -> datetime.time:
    return value if isinstance(value, datetime.time) else datetime.time.fromisoformat(_str(value, True).strip())


def _timedelta(value: Any, _text: bool) -> datetime.timedelta:
    if isinstance(value, datetime.timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return datetime.timedelta(seconds=value)
    written = _str(value, True).strip()
    clock = _CLOCK.fullmatch(written)
    if clock:
        days, hours, minutes, seconds = (float(clock[part] or 0) for part in ("days", "h", "m", "s"))
        return datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    iso = _ISO_DURATION.fullmatch(written)
    if iso and any(iso.groups()):
        return datetime.timedelta(**{unit: float(number) for unit, number in iso.groupdict().items() if number})
    return datetime.timedelta(seconds=float(written))


def _decimal(value: Any, _text: bool) -> decimal.Decimal:
    if isinstance(value, float):
        return decimal.Decimal(repr(value))  # 0.1 in JSON means 0.1, not the binary neighbour
    if isinstance(value, bool) or not isinstance(value, (decimal.Decimal, int, str)):
        raise ValueError
    return value if isinstance(value, decimal.Decimal) else decimal.Decimal(value)


def _fraction(value: Any, _text: bool) -> fractions.Fraction:
    if isinstance(value, fractions.Fraction):
        return value
    if isinstance(value, str):
        # Whole numbers only: `1e999999999` would be computed in full.
        top, _, bottom = value.partition("/")
        return fractions.Fraction(int(top), int(bottom or "1"))
    return fractions.Fraction(_int(value, False))


def _uuid(value: Any, _text: bool) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(_str(value, True))


def _path(value: Any, _text: bool) -> pathlib.PurePath:
    if isinstance(value, pathlib.PurePath):
        return value
    if not _str(value, True) or "\0" in value:
        raise ValueError
    return pathlib.Path(value)


_SCALARS: dict[str, Callable[[Any, bool], Any]] = {
    "none": _none,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "complex": _complex,
    "str": _str,
    "secret": _str,
    "bytes": _bytes,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "timedelta": _timedelta,
    "decimal": _decimal,
    "fraction": _fraction,
    "uuid": _uuid,
    "path": _path,
}
