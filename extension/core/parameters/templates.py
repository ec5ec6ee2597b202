"""Fills `{name}` tokens in paths and in parameter values: a closed list of tokens, no code, no attributes.

`str.format` is not used: `{x.__class__}` reaches any attribute, `{x!r}` any
repr, and a width of ten digits all memory.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.hints import closest

FACTS = ("run_id", "run_name", "scheduled_at", "interval_start", "interval_end", "started_at", "notebook")
"""Tokens that a run can fill, beside its parameters; the caller passes those it has."""
PM = ("run_uuid", "current_datetime_local", "current_datetime_utc")
"""papermill's own tokens, as `{pm[run_uuid]}`."""
PATH_TIME = "%Y-%m-%dT%H-%M-%S"
"""How a time is written in a path: without colons, which Windows and Jupyter's drives give a meaning."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"(?P<name>[^\W\d]\w*)(?:\[(?P<key>[a-z_]+)\])?(?::(?P<spec>.*))?", re.DOTALL)
# Widths and precisions of two digits at most: the result stays as short as the template.
_NUMBER_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?#?0?\d{0,2}[,_]?(?:\.\d{1,2})?[bcdeEfFgGnosxX%]?")
_TIME_SPEC = re.compile(r"(?:%[aAbBdHIjmMpSfUwWyYzZGuV%]|[^%\x00-\x1f])+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One `{…}` of a template.

    Parameters
    ----------
    text : str
        As written, with its braces.
    name : str
        The name, with its key for papermill's: `scheduled_at`, `pm[run_uuid]`.
    spec : str
        The format after the colon, or "".
    """

    text: str
    name: str
    spec: str


def papermill_facts(now: datetime.datetime, run_uuid: str) -> dict[str, Any]:
    """Return the values of papermill's own tokens.

    Parameters
    ----------
    now : datetime
        The run's aware start.
    run_uuid : str
        The run's id.

    Returns
    -------
    dict
        `{"pm": {…}}`, to be joined with a run's facts and parameters.
    """
    local, utc = now.astimezone(), now.astimezone(datetime.timezone.utc)
    return {"pm": {"run_uuid": run_uuid, "current_datetime_local": local, "current_datetime_utc": utc}}


def tokens(template: str) -> list[Token]:
    """Return the tokens of a template, and refuse what is none; nothing is filled in.

    Parameters
    ----------
    template : str
        The text; `{{` and `}}` are braces.

    Returns
    -------
    list of Token
        In their order.

    Raises
    ------
    InvalidParameter
        If a brace is not closed or holds something else than a name with an optional format.
    """
    return [part for part in _parts(template) if isinstance(part, Token)]


def check(template: str, known: Mapping[str, Any] | list[str] | tuple[str, ...]) -> None:
    """Refuse a template that names something unknown: for the moment it is saved, long before it is filled.

    Parameters
    ----------
    template : str
        The text.
    known : mapping or sequence of str
        The names there will be (parameters, facts); papermill's `pm[…]` are always known.

    Raises
    ------
    InvalidParameter
        If a token is unknown or malformed; the message lists the known ones.
    """
    for token in tokens(template):
        if token.name not in known and token.name not in _pm_names():
            raise _unknown(token, known)


def render(template: str, values: Mapping[str, Any], *, path: bool = False) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        The text.
    values : mapping of str to object
        Facts and parameters by name; papermill's tokens under `pm` as a mapping.
    path : bool, default False
        True if the result is a path: then a value must be one name, so that it cannot lead elsewhere.

    Returns
    -------
    str
        The text.

    Raises
    ------
    InvalidParameter
        If a token is unknown, a format does not fit its value, or a value would change the path.
    """
    written: list[str] = []
    marks: list[bool] = []
    for part in _parts(template):
        filled = isinstance(part, Token)
        text = _fill(part, values, path) if isinstance(part, Token) else part
        written.append(text)
        marks += [filled] * len(text)
    result = "".join(written)
    if path:
        _check_segments(template, result, marks)
    return result


def resolve(template: str, values: Mapping[str, Any]) -> Any:
    """Fill a parameter's value: a template that is one token without a format gives the value itself, with its type.

    Parameters
    ----------
    template : str
        The text, such as `{interval_start}` or `sales-{scheduled_at:%Y-%m}`.
    values : mapping of str to object
        Facts and earlier parameters.

    Returns
    -------
    object
        The value of a lone token, else the filled text.

    Raises
    ------
    InvalidParameter
        As for `render`.
    """
    parts = _parts(template)
    if len(parts) == 1 and isinstance(parts[0], Token) and not parts[0].spec:
        return _value(parts[0], values)
    return render(template, values)


def resolve_values(templates: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fill all text values of a set of parameters; each may name the ones before it.

    Parameters
    ----------
    templates : mapping of str to object
        Parameters; values that are not text are left as they are.
    facts : mapping of str to object
        The run's facts; a fact is not hidden by a parameter of its name.

    Returns
    -------
    dict of str to object
        The values.

    Raises
    ------
    InvalidParameter
        As for `render`; `field` is the parameter.
    """
    filled: dict[str, Any] = {}
    for name, value in templates.items():
        try:
            filled[name] = resolve(value, {**filled, **facts}) if isinstance(value, str) else value
        except InvalidParameter as error:
            raise InvalidParameter(f"parameter {name!r}: {error.message}", field=name) from error
    return filled


def _parts(template: str) -> list[str | Token]:
    parts: list[str | Token] = []
    end = 0
    for match in _TOKEN.finditer(template):
        if match.start() > end:
            parts.append(template[end : match.start()])
        end = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise InvalidParameter(f"{template!r} has a lone {match[0]!r}; write {match[0] * 2!r} for a brace")
        else:
            parts.append(_token(match[0], match[1]))
    if end < len(template):
        parts.append(template[end:])
    return parts


def _token(text: str, inside: str) -> Token:
    match = _NAME.fullmatch(inside)
    if match is None:
        raise InvalidParameter(f"{text} is not a token; a token is {{name}} or {{name:format}}, for a brace write {{{{")
    name = match["name"] + (f"[{match['key']}]" if match["key"] else "")
    return Token(text=text, name=name, spec=match["spec"] or "")


def _pm_names() -> list[str]:
    return [f"pm[{key}]" for key in PM]


def _unknown(token: Token, known: Any) -> InvalidParameter:
    names = [str(name) for name in known if name != "pm"]
    near = closest(token.name, names)
    hint = f"did you mean {{{near}}}? " if near else ""
    listed = ", ".join(f"{{{name}}}" for name in (*names, *_pm_names()))
    return InvalidParameter(f"unknown {token.text}; {hint}known are {listed}", field=token.name)


def _value(token: Token, values: Mapping[str, Any]) -> Any:
    name, _, key = token.name.partition("[")
    if key:
        pm = values.get("pm")
        if name != "pm" or not isinstance(pm, Mapping) or key[:-1] not in PM or key[:-1] not in pm:
            raise _unknown(token, values)
        return pm[key[:-1]]
    if name not in values or name == "pm":
        raise _unknown(token, values)
    return values[name]


def _fill(token: Token, values: Mapping[str, Any], path: bool) -> str:
    value = _value(token, values)
    if value is None:
        raise InvalidParameter(f"{token.text} has no value in this run", field=token.name)
    text = _formatted(token, value, path)
    if path and (re.search(r"[/\\\x00-\x1f\x7f]", text) or text in (".", "..")):
        raise InvalidParameter(
            f"{token.text} is {text!r}, which would lead to another folder; a value in a path is one name",
            field=token.name,
        )
    return text


def _formatted(token: Token, value: Any, path: bool) -> str:
    spec = token.spec
    moment = isinstance(value, (datetime.datetime, datetime.date, datetime.time))
    if moment and spec:
        if not _TIME_SPEC.fullmatch(spec):
            raise InvalidParameter(f"{token.text} has a format that is not one of strftime's", field=token.name)
        return str(value.strftime(spec))
    if moment:
        return value.strftime(PATH_TIME) if path and isinstance(value, datetime.datetime) else _colonless(value, path)
    if not spec:
        return str(value)
    if type(value) not in (int, float, str) or not _NUMBER_SPEC.fullmatch(spec):
        raise InvalidParameter(f"{token.text} has a format that does not fit {type(value).__name__}", field=token.name)
    try:
        return format(value, spec)
    except ValueError as error:
        raise InvalidParameter(f"{token.text}: {error}", field=token.name) from error


def _colonless(value: Any, path: bool) -> str:
    text = str(value.isoformat())
    return text.replace(":", "-") if path else text


def _check_segments(template: str, result: str, marks: list[bool]) -> None:
    """Refuse `.` and `..` that values put together: each is harmless alone, `{a}{b}` with two dots is not."""
    start = 0
    for segment in re.split(r"[/\\]", result):
        if any(marks[start : start + len(segment)]) and segment.strip(" ") in (".", ".."):
            raise InvalidParameter(f"{template!r} becomes {result!r}, which leads to another folder")
        start += len(segment) + 1
