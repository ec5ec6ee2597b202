"""Reads values from Python source without running it: a closed list of constructors, nothing else.

The other half of `literals`: all that the writer writes is read here, which is
how a literal is checked, how an injected cell's earlier values are found again,
and how the defaults of a parameters cell become values. No name is looked up,
no code of the notebook is executed, and no constructor is called with arguments
that make it allocate more than the source is long (`list(range(10**9))`,
`Fraction('1e999999999')` and the like are not literals here).
"""

from __future__ import annotations

import ast
import datetime
import decimal
import fractions
import importlib
import math
import pathlib
import sys
import threading
import uuid
import warnings
import zoneinfo
from collections.abc import Callable, Collection
from typing import Any

from headrace.core.parameters.model import EnumMember

MAX_SOURCE = 4_000_000
"""Longest source in characters that is parsed; `ast` needs some hundred times its length in memory."""

_parsing = threading.Lock()


class NotALiteral(ValueError):
    """The source is not a value of the closed list."""


def parse(source: str, mode: str = "exec") -> Any:
    """Parse Python source quietly: its SyntaxWarnings belong to whoever runs the code.

    Parameters
    ----------
    source : str
        The source text, at most `MAX_SOURCE` characters.
    mode : str, default "exec"
        As for `ast.parse`.

    Returns
    -------
    ast.Module or ast.Expression
        The tree.

    Raises
    ------
    SyntaxError
        If it does not parse, is too long, holds NUL or is nested too deeply.
    """
    if len(source) > MAX_SOURCE:
        raise SyntaxError(f"more than {MAX_SOURCE} characters")
    try:
        # catch_warnings changes the process's filters: without the lock two threads could leave them changed.
        with _parsing, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode=mode)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "nested too deeply") from error


def read_literal(source: str | ast.expr, *, enums: Collection[str] = ()) -> Any:
    """Return the value that an expression of the closed list stands for.

    Parameters
    ----------
    source : str or ast.expr
        The expression.
    enums : collection of str, default ()
        Names of enums that the notebook defines: `Color.RED` is then read as an `EnumMember`.

    Returns
    -------
    object
        The value.

    Raises
    ------
    NotALiteral
        If it is anything else than literals, displays and the constructors that `literals` writes.
    """
    try:
        node = parse(source.strip(), "eval").body if isinstance(source, str) else source
        return _read(node, enums)
    except (NotALiteral, ImportError):
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, KeyError, RecursionError, MemoryError) as error:
        raise NotALiteral(str(error)) from error


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a name or attribute, or "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _read(node: ast.expr, enums: Collection[str]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List):
        return [_read(item, enums) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_read(item, enums) for item in node.elts)
    if isinstance(node, ast.Set):
        return {_read(item, enums) for item in node.elts}
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise NotALiteral("** in a dict")
        return {_read(k, enums): _read(v, enums) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        operand = _read(node.operand, enums)
        if type(operand) in (int, float, complex):
            return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        left, right = _read(node.left, enums), _read(node.right, enums)
        if type(left) in (int, float) and type(right) is complex:  # `1 + 2j`, Python's own spelling of a complex number
            return left + right if isinstance(node.op, ast.Add) else left - right
    if isinstance(node, ast.Call):
        return _call(node, enums)
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _named(dotted(node), enums)
    raise NotALiteral(ast.unparse(node)[:80])


def _named(name: str, enums: Collection[str]) -> Any:
    head, _, tail = name.partition(".")
    if head in enums and tail.isidentifier():
        return EnumMember(head, tail)
    name = _canonical(name)
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in ("pandas.NaT", "pandas.NA"):
        return getattr(importlib.import_module("pandas"), name.partition(".")[2])
    raise NotALiteral(name or "an expression")


def _call(node: ast.Call, enums: Collection[str]) -> Any:
    name = _canonical(dotted(node.func))
    if name not in _CALLS and name not in _FOREIGN:
        raise NotALiteral(f"a call of {name or 'an expression'}")
    if any(isinstance(arg, ast.Starred) for arg in node.args) or any(word.arg is None for word in node.keywords):
        raise NotALiteral("* or ** in a call")
    args = [_read(arg, enums) for arg in node.args]
    words = {str(word.arg): _read(word.value, enums) for word in node.keywords}
    if name in _FOREIGN:
        return _foreign(name, args, words)
    return _CALLS[name](*args, **words)


def _canonical(name: str) -> str:
    """Undo the writer's private aliases (`_datetime`) and the customary short ones (`dt`, `np`, `pd`)."""
    head, dot, tail = name.partition(".")
    head = {"dt": "datetime", "np": "numpy", "pd": "pandas"}.get(head, head) if dot else head
    if dot and head.startswith("_") and head[1:] in _MODULES:
        head = head[1:]
    return head + dot + tail


def _only(kinds: tuple[type, ...], make: Callable[..., Any]) -> Callable[..., Any]:
    """Let a constructor take no argument or one of `kinds`: a display that is already as long as its source."""

    def construct(*args: Any) -> Any:
        if len(args) > 1 or (args and not isinstance(args[0], kinds)):
            raise NotALiteral(f"{make.__name__} of something else than a display")
        return make(*args)

    return construct


def _dict(*args: Any, **words: Any) -> Any:
    if args and not (len(args) == 1 and isinstance(args[0], (dict, list, tuple))):
        raise NotALiteral("dict of something else than a display")
    return dict(*args, **words)


def _whole(make: Callable[..., Any], count: int) -> Callable[..., Any]:
    def construct(*args: Any) -> Any:
        if not 1 <= len(args) <= count or any(type(arg) is not int for arg in args):
            raise NotALiteral(f"{make.__name__} of something else than whole numbers")
        return make(*args)

    return construct


_DISPLAYS = (list, tuple, set, frozenset, dict)
_MODULES = ("datetime", "decimal", "fractions", "uuid", "pathlib", "zoneinfo", "numpy", "pandas")
_CONSTANTS: dict[str, Any] = {
    "datetime.timezone.utc": datetime.timezone.utc,
    "timezone.utc": datetime.timezone.utc,
    "datetime.UTC": datetime.timezone.utc,
    "math.nan": math.nan,
    "math.inf": math.inf,
    "math.pi": math.pi,
    "numpy.nan": math.nan,
    "numpy.inf": math.inf,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "float": _only((str, int, float), float),
    "complex": complex,
    "list": _only(_DISPLAYS, list),
    "tuple": _only(_DISPLAYS, tuple),
    "set": _only(_DISPLAYS, set),
    "frozenset": _only(_DISPLAYS, frozenset),
    "bytearray": _only((bytes,), bytearray),
    "dict": _dict,
    "range": _whole(range, 3),
    "slice": slice,
    "datetime": datetime.datetime,
    "date": datetime.date,
    "timedelta": datetime.timedelta,
    "datetime.datetime": datetime.datetime,
    "datetime.date": datetime.date,
    "datetime.time": datetime.time,
    "datetime.timedelta": datetime.timedelta,
    "datetime.timezone": datetime.timezone,
    "decimal.Decimal": decimal.Decimal,
    "Decimal": decimal.Decimal,
    "fractions.Fraction": _whole(fractions.Fraction, 2),
    "Fraction": _whole(fractions.Fraction, 2),
    "uuid.UUID": uuid.UUID,
    "UUID": uuid.UUID,
    "pathlib.Path": pathlib.Path,
    "pathlib.PurePosixPath": pathlib.PurePosixPath,
    "pathlib.PureWindowsPath": pathlib.PureWindowsPath,
    "Path": pathlib.Path,
    "zoneinfo.ZoneInfo": zoneinfo.ZoneInfo,
    "ZoneInfo": zoneinfo.ZoneInfo,
}
_FOREIGN = {
    "numpy.array",
    "numpy.zeros",
    "numpy.datetime64",
    "numpy.timedelta64",
    "pandas.Timestamp",
    "pandas.Timedelta",
}


def _foreign(name: str, args: list[Any], words: dict[str, Any]) -> Any:
    """Call a constructor of numpy or pandas, which is imported only here."""
    package, _, attribute = name.partition(".")
    if attribute == "zeros" and not (args and isinstance(args[0], tuple) and 0 in args[0]):
        raise NotALiteral("zeros of a shape that holds elements")
    if "object" in str(words.get("dtype", "")):
        raise NotALiteral("an array of objects")
    module = sys.modules.get(package) or importlib.import_module(package)
    return getattr(module, attribute)(*args, **words)
