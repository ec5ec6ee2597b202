"""Whether a cell's code is still the same: a form in which comments and layout do not matter."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping

from headrace.core.dataflow.parsing import parse

#: Fields that say nothing about what the code does; positions are no fields.
_SILENT = frozenset({"ctx", "type_comment", "kind", "type_ignores"})


def normalise_source(source: str) -> str:
    """Return a cell's code in a form that is equal for code that does the same by its syntax alone.

    Comments, blank lines, line breaks, quotes and needless parentheses make no difference; docstrings do, for
    programs can read them. The form is the syntax tree, written out without what is empty, so that Python versions with
    further fields agree.

    Parameters
    ----------
    source : str
        Plain Python; IPython's syntax must have been transformed.

    Returns
    -------
    str

    Raises
    ------
    CellSyntaxError
        The source is no Python.
    """
    parts: list[str] = []
    stack: list[object] = [parse(source)]
    while stack:
        item = stack.pop()
        if isinstance(item, _Text):
            parts.append(item)
        elif isinstance(item, ast.Constant):
            parts.append(_constant(item.value))
        elif isinstance(item, ast.AST):
            parts.append(type(item).__name__)
            parts.append("(")
            stack.append(_CLOSE)
            for name in reversed(item._fields):
                value = getattr(item, name, None)
                if name not in _SILENT and value is not None and value != []:
                    stack.append(_COMMA)
                    stack.append(value)
                    stack.append(_Text(name + "="))
        elif isinstance(item, list):
            parts.append("[")
            stack.append(_Text("]"))
            for element in reversed(item):
                stack.append(_COMMA)
                stack.append(element)
        else:
            parts.append(repr(item))
    return "".join(parts)


class _Text(str):
    """Text that goes into the form as it is."""

    __slots__ = ()


_CLOSE = _Text(")")
_COMMA = _Text(",")


def _constant(value: object) -> str:
    # huge integers may not be written as decimals: Python refuses beyond 4300 digits
    return f"{value:#x}" if type(value) is int else f"{type(value).__name__}:{value!r}"


def source_digest(source: str, reached: Mapping[str, str] | None = None) -> str:
    """Return a digest of a cell's code and of the code that it reaches.

    Parameters
    ----------
    source : str
        The cell's plain Python.
    reached : mapping of str to str, optional
        Name of a function, class or module that the cell uses → digest of its code.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Raises
    ------
    CellSyntaxError
        The source is no Python.
    """
    digest = hashlib.sha256(normalise_source(source).encode("utf-8", "surrogatepass"))
    for name, other in sorted((reached or {}).items()):
        digest.update(f"\0{len(name)}:{name}={other}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
