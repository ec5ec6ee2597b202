"""`match` patterns: what they read and capture."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headrace.core.dataflow.keys import Roots
from headrace.core.dataflow.names import Use

if TYPE_CHECKING:
    from headrace.core.dataflow.statements import StatementWalker


def visit_pattern(walker: StatementWalker, pattern: ast.pattern, roots: Roots, uses: Sequence[Use]) -> None:
    """Put a pattern's reads and captures on record; captures share the subject's objects.

    Parameters
    ----------
    walker : StatementWalker
    pattern : ast.pattern
    roots : Roots
        Objects that a part of the subject may be and hold.
    uses : sequence of Use
        Names used for the subject.
    """
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchValue):
            walker.expr(node.value)
        elif isinstance(node, ast.MatchClass):
            walker.expr(node.cls)
        elif isinstance(node, ast.MatchMapping):
            for key in node.keys:
                walker.expr(key)
    for node in ast.walk(pattern):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if isinstance(name, str):
            walker.store(ast.Name(id=name, ctx=ast.Store()), roots, uses)


def is_irrefutable(pattern: ast.pattern) -> bool:
    """Tell whether a pattern matches everything (`_`, `name`, and alternatives ending in one)."""
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None or is_irrefutable(pattern.pattern)
    return isinstance(pattern, ast.MatchOr) and is_irrefutable(pattern.patterns[-1])
