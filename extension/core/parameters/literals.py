"""Writes a Python value as source code that evaluates back to an equal value, or refuses.

What cannot be written is refused with the place in the parameters
(`parameters['x'][3]`); nothing becomes a string silently. Every literal is
read back by `reading` (which runs no code) and compared before it is returned.

An injected cell must not rebind names that the notebook uses: modules that a
literal needs are imported under private names (`import datetime as _datetime`),
for `import datetime` would break a notebook's `from datetime import datetime`.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import foreign
from headrace.core.parameters.model import EnumMember
from headrace.core.parameters.names import validate_name
from headrace.core.parameters.reading import NotALiteral, read_literal

MAX_DEPTH = 50
"""Deepest nesting; Python's own parser gives up at 200 parentheses, and a literal may open two a level."""
MAX_CODE = 1_000_000
"""Longest literal in characters: more than that belongs in a file whose path is the parameter."""


@dataclass(frozen=True, slots=True)
class PythonSource:
    """A value as Python source.

    Parameters
    ----------
    code : str
        An expression on one line.
    imports : tuple of str, default ()
        The import statements it needs, sorted: `import datetime as _datetime`.
    """

    code: str
    imports: tuple[str, ...] = ()


def python_source(value: object, *, name: str = "value") -> PythonSource:
    """Write a value as Python source, with the imports it needs.

    Parameters
    ----------
    value : object
        None, bool, int, float (nan and infinities too), complex, str, bytes, bytearray, list, tuple, set, frozenset,
        dict, range, slice, `...`, date, time, datetime, timedelta, timezone, ZoneInfo, Decimal, Fraction, UUID, paths,
        members of str or int enums, numpy scalars (written as the plain value) and arrays, pandas timestamps; in any
        nesting up to `MAX_DEPTH`. Subclasses are written as their base.
    name : str, default "value"
        The parameter's name, for the message.

    Returns
    -------
    PythonSource
        Code that evaluates to an equal value.

    Raises
    ------
    InvalidParameter
        If the value has a type outside that list, contains itself, or is too deep or too long; the message has the
        place in the value.
    """
    writer = _Writer(name)
    code = writer.write(value, f"parameters[{name!r}]", 0)
    try:
        back = read_literal(code, enums=writer.enums)
    except NotALiteral as error:
        raise writer.refuse(f"parameters[{name!r}]", f"cannot be written as Python code ({error})") from error
    if not same(value, back):
        raise writer.refuse(f"parameters[{name!r}]", f"would arrive as another value in the notebook ({code[:80]})")
    imports = tuple(f"import {module} as _{module}" for module in sorted(writer.modules))
    return PythonSource(code, imports)


def python_literal(value: object, *, name: str = "value") -> str:
    """Write a value as Python source, without the imports; see `python_source`.

    Parameters
    ----------
    value : object
        The value.
    name : str, default "value"
        The parameter's name, for the message.

    Returns
    -------
    str
        An expression on one line.

    Raises
    ------
    InvalidParameter
        If the value cannot be written.
    """
    return python_source(value, name=name).code


def python_assignments(values: Mapping[str, object]) -> PythonSource:
    """Write `name = literal` lines, after the imports that they need.

    Parameters
    ----------
    values : mapping of str to object
        The parameters.

    Returns
    -------
    PythonSource
        The lines (imports first), and the imports again.

    Raises
    ------
    InvalidParameter
        If a name or a value cannot be used.
    """
    sources = {validate_name(name): python_source(value, name=name) for name, value in values.items()}
    imports = sorted({line for source in sources.values() for line in source.imports})
    for line in imports:
        alias = line.rpartition(" ")[2]
        if alias in sources:
            raise InvalidParameter(
                f"parameter {alias!r} hides what other values need (`{line}`); rename it", field=alias
            )
    lines = [*imports, *(f"{name} = {source.code}" for name, source in sources.items())]
    return PythonSource("\n".join(lines), tuple(imports))


class _Writer:
    """Writes one value; holds the modules and enums met on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.modules: set[str] = set()
        self.enums: set[str] = set()
        self.left = MAX_CODE
        self.open: set[int] = set()

    def refuse(self, place: str, fault: str) -> InvalidParameter:
        return InvalidParameter(f"{place} {fault}", field=self.name)

    def module(self, name: str) -> str:
        self.modules.add(name)
        return f"_{name}"

    def write(self, value: Any, place: str, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise self.refuse(place, f"is nested more than {MAX_DEPTH} levels deep; pass a file's path instead")
        kind = _kind(value)
        if kind is None:
            raise self.refuse(
                place,
                f"is a {type(value).__module__}.{type(value).__qualname__}, which has no Python literal; "
                "pass numbers, text, lists or dicts, or the path of a file",
            )
        if kind in _CONTAINERS:
            if id(value) in self.open:
                raise self.refuse(place, "contains itself")
            self.open.add(id(value))
            code = _CONTAINERS[kind](self, value, place, depth + 1)
            self.open.discard(id(value))
        else:
            code = _SCALARS[kind](self, value, place)
        self.left -= len(code) if kind not in _CONTAINERS else 2
        if self.left < 0:
            raise self.refuse(place, f"takes more than {MAX_CODE:,} characters; pass a file's path instead")
        return code


def _kind(value: Any) -> type | None:
    """The type under which a value is written: its own, or the nearest base that has a literal."""
    cls = type(value)
    if cls in _SCALARS or cls in _CONTAINERS:
        return cls
    if foreign.package(value):
        return foreign.Foreign
    # A plain enum's member equals nothing but itself, and the kernel may not have its class.
    if isinstance(value, enum.Enum) and not isinstance(value, (int, str, float)):
        return None
    for base in (int, float, complex, str, bytes, list, tuple, dict, set, frozenset, datetime.datetime):
        if isinstance(value, base):
            return base
    if isinstance(value, pathlib.PurePath):
        return pathlib.PurePath
    return datetime.tzinfo if isinstance(value, datetime.tzinfo) else None


def _int(_writer: _Writer, value: int, _place: str) -> str:
    number = int(value)
    # Python refuses to write or read decimals of more than 4,300 digits; hexadecimals have no limit.
    return int.__repr__(number) if number.bit_length() < 10_000 else hex(number)


def _float(_writer: _Writer, value: float, _place: str) -> str:
    number = float(value)
    return repr(number) if math.isfinite(number) else f"float('{number!r}')"


def _complex(writer: _Writer, value: complex, place: str) -> str:
    return f"complex({_float(writer, value.real, place)}, {_float(writer, value.imag, place)})"


def _date(writer: _Writer, value: datetime.date, _place: str) -> str:
    return f"{writer.module('datetime')}.date({value.year}, {value.month}, {value.day})"


def _zone_and_fold(writer: _Writer, value: Any, place: str) -> str:
    zone = f", tzinfo={_tzinfo(writer, value.tzinfo, place)}" if value.tzinfo is not None else ""
    return zone + (", fold=1" if value.fold else "")


def _datetime(writer: _Writer, value: datetime.datetime, place: str) -> str:
    fields = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
    while len(fields) > 5 and fields[-1] == 0:
        fields.pop()
    written = ", ".join(map(str, fields))
    return f"{writer.module('datetime')}.datetime({written}{_zone_and_fold(writer, value, place)})"


def _time(writer: _Writer, value: datetime.time, place: str) -> str:
    written = f"{value.hour}, {value.minute}, {value.second}, {value.microsecond}"
    return f"{writer.module('datetime')}.time({written}{_zone_and_fold(writer, value, place)})"


def _timedelta(writer: _Writer, value: datetime.timedelta, _place: str) -> str:
    fields = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    written = ", ".join(f"{unit}={number}" for unit, number in fields.items() if number)
    return f"{writer.module('datetime')}.timedelta({written})"


def _tzinfo(writer: _Writer, value: datetime.tzinfo, place: str) -> str:
    if value == datetime.timezone.utc:
        return f"{writer.module('datetime')}.timezone.utc"
    if isinstance(value, datetime.timezone):
        offset, label = value.utcoffset(None), value.tzname(None)
        # Without a name of its own, a fixed offset is called after itself: UTC+01:00.
        named = "" if label == datetime.timezone(offset).tzname(None) else f", {label!r}"
        return f"{writer.module('datetime')}.timezone({_timedelta(writer, offset, place)}{named})"
    # ZoneInfo calls its name `key`, pytz calls it `zone`; both are names of the IANA database.
    key = getattr(value, "key", None) or getattr(value, "zone", None)
    if not isinstance(key, str):
        raise writer.refuse(place, f"has the time zone {value!r}, which has no name; use zoneinfo.ZoneInfo or UTC")
    return f"{writer.module('zoneinfo')}.ZoneInfo({key!r})"


def _path(writer: _Writer, value: pathlib.PurePath, _place: str) -> str:
    if isinstance(value, pathlib.Path):
        cls = "Path"
    else:
        cls = "PureWindowsPath" if isinstance(value, pathlib.PureWindowsPath) else "PurePosixPath"
    return f"{writer.module('pathlib')}.{cls}({str(value)!r})"


def _enum_member(writer: _Writer, value: EnumMember, _place: str) -> str:
    writer.enums.add(validate_name(value.enum))
    return f"{value.enum}.{validate_name(value.name)}"


def _items(writer: _Writer, value: Any, place: str, depth: int) -> list[str]:
    return [writer.write(item, f"{place}[{index}]", depth) for index, item in enumerate(value)]


def _list(writer: _Writer, value: list[Any], place: str, depth: int) -> str:
    return f"[{', '.join(_items(writer, value, place, depth))}]"


def _tuple(writer: _Writer, value: tuple[Any, ...], place: str, depth: int) -> str:
    items = _items(writer, value, place, depth)
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _set(writer: _Writer, value: set[Any], place: str, depth: int) -> str:
    # Sorted, so that equal sets give equal cells whatever the hash seed.
    items = sorted(writer.write(item, f"{place}{{…}}", depth) for item in value)
    return f"{{{', '.join(items)}}}" if items else "set()"


def _frozenset(writer: _Writer, value: frozenset[Any], place: str, depth: int) -> str:
    return f"frozenset({_set(writer, value, place, depth)})" if value else "frozenset()"  # type: ignore[arg-type]


def _dict(writer: _Writer, value: dict[Any, Any], place: str, depth: int) -> str:
    items = []
    for key, item in value.items():
        written = writer.write(key, f"{place} (a key)", depth)
        items.append(f"{written}: {writer.write(item, f'{place}[{written}]', depth)}")
    return f"{{{', '.join(items)}}}"


def _slice(writer: _Writer, value: slice, place: str, depth: int) -> str:
    return f"slice({', '.join(_items(writer, (value.start, value.stop, value.step), place, depth))})"


def _foreign(writer: _Writer, value: Any, place: str, depth: int) -> str:
    try:
        return foreign.write(value, writer.module, lambda plain: writer.write(plain, place, depth))
    except foreign.Unwritable as error:
        raise writer.refuse(place, str(error)) from None


_SCALARS: dict[type, Callable[[_Writer, Any, str], str]] = {
    type(None): lambda _w, _v, _p: "None",
    type(...): lambda _w, _v, _p: "...",
    bool: lambda _w, value, _p: repr(value),
    int: _int,
    float: _float,
    complex: _complex,
    str: lambda _w, value, _p: str.__repr__(value),
    bytes: lambda _w, value, _p: bytes.__repr__(value),
    bytearray: lambda _w, value, _p: f"bytearray({bytes(value)!r})",
    range: lambda _w, value, _p: f"range({value.start}, {value.stop}, {value.step})",
    datetime.date: _date,
    datetime.datetime: _datetime,
    datetime.time: _time,
    datetime.timedelta: _timedelta,
    datetime.timezone: _tzinfo,
    zoneinfo.ZoneInfo: _tzinfo,
    datetime.tzinfo: _tzinfo,
    decimal.Decimal: lambda w, value, _p: f"{w.module('decimal')}.Decimal({str(value)!r})",
    fractions.Fraction: lambda w, v, _p: f"{w.module('fractions')}.Fraction({v.numerator}, {v.denominator})",
    uuid.UUID: lambda w, value, _p: f"{w.module('uuid')}.UUID({str(value)!r})",
    pathlib.PurePath: _path,
    EnumMember: _enum_member,
}
_CONTAINERS: dict[type, Callable[[_Writer, Any, str, int], str]] = {
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _frozenset,
    dict: _dict,
    slice: _slice,
    foreign.Foreign: _foreign,
}


def same(value: Any, back: Any) -> bool:
    """Tell whether a value that was read back is the one that was written.

    Parameters
    ----------
    value : object
        The value that was written.
    back : object
        The value that was read.

    Returns
    -------
    bool
        True if equal in the sense of a notebook's code: NaN is NaN, -0.0 is not 0.0, True is not 1, (1,) is not [1],
        a subclass is its base, and aware times have equal offsets.
    """
    if foreign.package(value):
        return foreign.same(value, back, same)
    if isinstance(value, enum.Enum):
        value = value.value
    if not isinstance(value, type(back)) or isinstance(value, bool) is not isinstance(back, bool):
        return False
    if isinstance(value, float):
        return (math.isnan(value) and math.isnan(back)) or (
            value == back and math.copysign(1, value) == math.copysign(1, back)
        )
    if isinstance(value, complex):
        return same(value.real, back.real) and same(value.imag, back.imag)
    if isinstance(value, (list, tuple)):
        return len(value) == len(back) and all(map(same, value, back))
    if isinstance(value, dict):
        return len(value) == len(back) and all(map(same, value, back)) and all(map(same, value.values(), back.values()))
    if isinstance(value, (set, frozenset)):
        # What is not found by its hash is NaN or holds one: few, so each may be looked for by hand.
        lost, odd = [item for item in value if item not in back], [item for item in back if item not in value]
        return len(value) == len(back) and all(any(same(item, other) for other in odd) for item in lost)
    if isinstance(value, slice):
        return same((value.start, value.stop, value.step), (back.start, back.stop, back.step))
    if isinstance(value, decimal.Decimal):
        return bool(value.as_tuple() == back.as_tuple())
    if isinstance(value, (datetime.datetime, datetime.time)):
        return bool(value == back and value.utcoffset() == back.utcoffset() and value.fold == back.fold)
    return bool(value == back)
