"""What a request may carry, as tables: they check it and they describe it (the OpenAPI document is made from them).

A field turns a JSON value or a query's text into the value that managers take,
or says in one sentence what is wrong. Unknown names are refused: a misspelt
option must not be dropped in silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.clock import parse_iso
from headrace.core.errors import UsageError

#: reliability.md, S-05.
MAX_DEPTH = 32
MAX_NODES = 10_000
#: µs: instants from 1970 to the year 9000 fit every database and every calendar computation.
LATEST = 221_845_392_000_000_000
#: The largest whole number a column takes.
MAX_INT = 2**31 - 1
#: Seconds: no limit or delay is longer than a hundred years.
MAX_SECONDS = 100 * 366 * 86_400.0


class FormError(UsageError):
    """One or more fields of a request are wrong.

    Parameters
    ----------
    errors : sequence of {field, code, message}
    """

    code = "invalid_request"

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(errors[0]["message"], field=errors[0]["field"])
        self.errors = [dict(e) for e in errors]


class _Wrong(Exception):
    """What is wrong with a value; the field's name is added by the form."""

    def __init__(self, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One named value of a request.

    Parameters
    ----------
    name : str
    read : callable
        Turns the JSON value into the manager's value, or raises.
    schema : mapping
        JSON schema of the value.
    required, nullable, repeated : bool, default False
        `repeated`: a query name that may be given several times; its value is a tuple.
    default : object, default None
        Taken where it is absent (only if not None).
    help : str, default ""
    """

    name: str
    read: Reader
    schema: Mapping[str, Any]
    required: bool = False
    nullable: bool = False
    repeated: bool = False
    default: Any = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a body or a query.

    Parameters
    ----------
    fields : tuple of Field
    one_of : tuple of str, default ()
        Exactly one of these must be there.
    """

    fields: tuple[Field, ...] = ()
    one_of: tuple[str, ...] = ()
    by_name: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {f.name: f for f in self.fields})

    def read(self, data: Any) -> dict[str, Any]:
        """Check a JSON body and return the values of the fields that were given (or have a default).

        Raises
        ------
        FormError
            With an entry for each field that is wrong.
        """
        if not isinstance(data, dict):
            raise FormError([_entry("", "Write a JSON object.", "invalid_type")])
        errors: list[dict[str, str]] = []
        values: dict[str, Any] = {}
        for name in data:
            if name not in self.by_name:
                known = ", ".join(self.by_name) or "none"
                errors.append(
                    _entry(name[:100], f"There is no field {name[:100]!r} here; known: {known}.", "unknown_field")
                )
        for f in self.fields:
            if f.name not in data:
                if f.required:
                    errors.append(_entry(f.name, f"{f.name} is needed.", "required"))
                elif f.default is not None:
                    values[f.name] = f.default
                continue
            value = data[f.name]
            if value is None:
                if f.nullable:
                    values[f.name] = None
                else:
                    errors.append(_entry(f.name, f"{f.name} cannot be null.", "invalid_type"))
                continue
            try:
                values[f.name] = f.read(value)
            except _Wrong as error:
                errors.append(_entry(f.name, f"{f.name}: {error.message}", error.code))
        given = [name for name in self.one_of if values.get(name) is not None]
        if self.one_of and not errors and len(given) != 1:
            names = ", ".join(self.one_of)
            wanted = given[1] if given else self.one_of[0]
            errors.append(_entry(wanted, f"Give exactly one of {names}.", "required" if not given else "conflict"))
        if errors:
            raise FormError(errors)
        return values

    def read_query(self, query: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
        """Check a query string's values and return them.

        Raises
        ------
        FormError
        """
        data: dict[str, Any] = {}
        for name, raw in query.items():
            try:
                texts = [part.decode("utf-8") for part in raw]
            except UnicodeDecodeError:
                raise FormError([_entry(name[:100], f"{name[:100]}: it is not UTF-8.", "invalid_value")]) from None
            f = self.by_name.get(name)
            data[name] = texts if f is not None and f.repeated else texts[-1]
        return self.read(data)


def _entry(name: str, message: str, code: str) -> dict[str, str]:
    return {"field": name, "code": code, "message": message}


def _clean(value: str) -> str:
    """Return text that both databases can keep: no NUL, no lone surrogates."""
    if "\x00" in value:
        raise _Wrong("it may not hold the character NUL.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _Wrong("it is not valid Unicode text.") from None
    return value


def text(name: str, *, most: int = 1000, least: int = 0, **options: Any) -> Field:
    """Return a field for text of at most so many characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise _Wrong("write text.", "invalid_type")
        if not least <= len(value) <= most:
            raise _Wrong(f"write {least} to {most} characters." if least else f"write at most {most} characters.")
        return _clean(value)

    schema: dict[str, Any] = {"type": "string", "maxLength": most}
    if least:
        schema["minLength"] = least
    return Field(name=name, read=read, schema=schema, **options)


def choice(name: str, allowed: Sequence[str], **options: Any) -> Field:
    """Return a field for one of some words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise _Wrong(f"write one of {', '.join(allowed)}.", "invalid_choice")
        return value

    return Field(name=name, read=read, schema={"type": "string", "enum": list(allowed)}, **options)


def number(name: str, *, least: float = 0, most: float = MAX_SECONDS, above: bool = False, **options: Any) -> Field:
    """Return a field for a number; with `above`, `least` itself is not allowed."""

    def read(value: Any) -> float:
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise _Wrong("write a number.", "invalid_type") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Wrong("write a number.", "invalid_type")
        if not math.isfinite(value) or value > most or value < least or (above and value == least):
            raise _Wrong(f"write a number {'above' if above else 'from'} {least:g} to {most:g}.", "out_of_range")
        return float(value)

    low = "exclusiveMinimum" if above else "minimum"
    return Field(name=name, read=read, schema={"type": "number", low: least, "maximum": most}, **options)


def whole(name: str, *, least: int = 0, most: int = MAX_INT, **options: Any) -> Field:
    """Return a field for a whole number."""

    def read(value: Any) -> int:
        if isinstance(value, str) and value.removeprefix("-").isascii() and value.removeprefix("-").isdigit():
            value = int(value) if len(value) < 20 else most + 1
        if isinstance(value, bool) or not isinstance(value, int):
            raise _Wrong("write a whole number.", "invalid_type")
        if not least <= value <= most:
            raise _Wrong(f"write a whole number from {least} to {most}.", "out_of_range")
        return value

    return Field(name=name, read=read, schema={"type": "integer", "minimum": least, "maximum": most}, **options)


def flag(name: str, **options: Any) -> Field:
    """Return a field for yes or no (`true` and `false` in a query)."""

    def read(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise _Wrong("write true or false.", "invalid_type")

    return Field(name=name, read=read, schema={"type": "boolean"}, **options)


def moment(name: str, **options: Any) -> Field:
    """Return a field for an instant: ISO 8601 text with an offset or Z, as µs since 1970 UTC."""

    def read(value: Any) -> int:
        if not isinstance(value, str) or len(value) > 40:
            raise _Wrong("write a time like 2026-11-24T06:00:00Z.", "invalid_type")
        try:
            us = parse_iso(value)
        except (ValueError, OverflowError):
            raise _Wrong("write a time with its offset, like 2026-11-24T06:00:00Z.") from None
        if not 0 <= us < LATEST:
            raise _Wrong("write a time from 1970 to 8999.", "out_of_range")
        return us

    return Field(name=name, read=read, schema={"type": "string", "format": "date-time"}, **options)


def identifier(name: str, **options: Any) -> Field:
    """Return a field for an id (a filter: an id that is none matches nothing)."""
    return text(name, most=100, **options)


def words(name: str, *, most: int = 100, length: int = 200, **options: Any) -> Field:
    """Return a field for a list of short texts; in a query the name may be repeated."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _Wrong("write a list of texts.", "invalid_type")
        if len(value) > most or any(len(item) > length for item in value):
            raise _Wrong(f"write at most {most} texts of at most {length} characters.")
        return tuple(dict.fromkeys(_clean(item) for item in value))

    schema = {"type": "array", "items": {"type": "string", "maxLength": length}, "maxItems": most}
    return Field(name=name, read=read, schema=schema, **options)


def delays(name: str, **options: Any) -> Field:
    """Return a field for one delay in seconds, or a list with one for each retry."""

    def one(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
            raise _Wrong("write seconds from 0 on, or a list of them.", "invalid_type")
        return float(value)

    def read(value: Any) -> float | tuple[float, ...]:
        if isinstance(value, list):
            if len(value) > 100:
                raise _Wrong("write at most 100 delays.")
            return tuple(one(item) for item in value)
        return one(value)

    seconds = {"type": "number", "minimum": 0, "maximum": MAX_SECONDS}
    schema = {"anyOf": [seconds, {"type": "array", "items": seconds, "maxItems": 100}]}
    return Field(name=name, read=read, schema=schema, **options)


def record(name: str, *, most_bytes: int = 1 << 20, **options: Any) -> Field:
    """Return a field for a JSON object of names and values."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Wrong("write an object of names and values.", "invalid_type")
        check_json(value)
        return value

    return Field(name=name, read=read, schema={"type": "object", "additionalProperties": True}, **options)


def records(name: str, form: Form, *, most: int = 100, **options: Any) -> Field:
    """Return a field for a list of objects, each read by a form."""

    def read(value: Any) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list) or len(value) > most:
            raise _Wrong(f"write a list of at most {most} objects.", "invalid_type")
        found = []
        for index, item in enumerate(value):
            try:
                found.append(form.read(item))
            except FormError as error:
                raise _Wrong(f"number {index + 1}: {error.message}", error.errors[0]["code"]) from error
        return tuple(found)

    return Field(name=name, read=read, schema={"type": "array", "items": schema_of(form), "maxItems": most}, **options)


def check_json(value: Any) -> None:
    """Refuse JSON that is too deep or too large to be handled safely, and text that no database keeps."""
    nodes, level = 0, [(value, 1)]
    while level:
        item, depth = level.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            raise _Wrong(f"it is more than {MAX_DEPTH} levels deep.", "too_deep")
        if nodes > MAX_NODES:
            raise _Wrong(f"it has more than {MAX_NODES} values.", "too_large")
        if isinstance(item, str):
            _clean(item)
        elif isinstance(item, dict):
            for key in item:
                _clean(key)
            level += [(v, depth + 1) for v in item.values()]
        elif isinstance(item, list):
            level += [(v, depth + 1) for v in item]
        elif isinstance(item, int) and not isinstance(item, bool) and abs(item) >= 2**63:
            raise _Wrong("a whole number in it has more than 64 bits; write it as text.", "out_of_range")


def schema_of(form: Form) -> dict[str, Any]:
    """Return a form's JSON schema."""
    properties = {}
    for f in form.fields:
        schema = dict(f.schema)
        if f.nullable:
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
            if "anyOf" in schema:
                schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
            else:
                schema["type"] = [schema["type"], "null"]
        if f.help:
            schema["description"] = f.help
        properties[f.name] = schema
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [f.name for f in form.fields if f.required]
    if required:
        found["required"] = required
    return found


def with_fields(form: Form, fields: Iterable[Field], *, one_of: tuple[str, ...] | None = None) -> Form:
    """Return a form with further fields."""
    return Form((*form.fields, *fields), form.one_of if one_of is None else one_of)
