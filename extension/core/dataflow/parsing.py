"""Parsing a cell: every fault becomes one kind of error, and nothing is printed."""

from __future__ import annotations

import ast
import re
import threading
import warnings

from headrace.core.dataflow.errors import CellSyntaxError

# Only these make the parser itself warn: `"\d"`, and a keyword glued to a number, `1if x else y`.
_MAY_WARN = re.compile(r"\\|[0-9a-fA-F](?:and|or|if|in|is|else|for|not)\b")
# `catch_warnings` swaps a global list: two threads at once could leave the wrong one behind.
_WARNINGS_LOCK = threading.Lock()


def parse(source: str, filename: str = "<cell>") -> ast.Module:
    """Parse plain Python.

    Parameters
    ----------
    source : str
        The code; top-level `await` is allowed.
    filename : str, default "<cell>"
        For the error.

    Returns
    -------
    ast.Module

    Raises
    ------
    CellSyntaxError
        The source is no Python, or nested too deeply for Python's own parser.
    """
    try:
        if _MAY_WARN.search(source) is None:
            return ast.parse(source, filename)
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, filename)
    except SyntaxError as error:
        raise CellSyntaxError(
            error.msg or "invalid syntax", filename=filename, line=error.lineno or 1, column=error.offset or 1
        ) from None
    except (RecursionError, MemoryError):
        raise too_deep(filename) from None
    except ValueError as error:  # null bytes, lone surrogates
        raise CellSyntaxError(str(error), filename=filename) from None


def parse_expression(source: str) -> ast.expr:
    """Parse one expression.

    Raises
    ------
    CellSyntaxError
        It is none.
    """
    body = parse(f"({source.strip()}\n)").body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise CellSyntaxError("not an expression")
    return body[0].value


def too_deep(filename: str) -> CellSyntaxError:
    """Return the error for code that is nested more deeply than Python itself can compile."""
    return CellSyntaxError("the code is nested too deeply", filename=filename)
