"""Builtins with a meaning for the analysis: `exec`, `eval`, `globals` and their like."""

from __future__ import annotations

import ast

from headrace.core.dataflow.calls import CallWalker

_NAMESPACE_BUILTINS = frozenset({"globals", "locals", "vars", "dir"})
_CODE_BUILTINS = frozenset({"exec", "eval"})


def visit_special(walker: CallWalker, node: ast.Call, name: str) -> bool:
    """Visit a call of a builtin that works on code or namespaces.

    Literal code is analysed as what it is; code that is not written there makes the cell opaque.

    Parameters
    ----------
    walker : CallWalker
    node : ast.Call
    name : str
        The builtin.

    Returns
    -------
    bool
        Whether the call is dealt with.
    """
    if name in _CODE_BUILTINS and node.args:
        if len(node.args) > 1 or node.keywords:
            explicit = [*node.args[1:], *(k.value for k in node.keywords)]
            if any(walker.is_namespace(part) for part in explicit):
                walker.unit.opaque.add(name)
            return False
        code = node.args[0]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            tree = parse_quietly(code.value)
            if tree is not None:
                walker.inline_block(tree.body, local=name == "exec" and bool(walker.scopes))
                return True
        walker.unit.opaque.add(name)
        return False
    if name in _NAMESPACE_BUILTINS and not node.args:
        if name == "globals" or not walker.scopes:
            walker.unit.opaque.add(name)
        return True
    if name == "__import__" or name == "compile":
        return False
    return False


def namespace_method(walker: CallWalker, node: ast.Call, func: ast.Attribute) -> bool:
    """Visit `globals().get("name")` and the like; True where that was such a call."""
    if not walker.is_namespace(func.value):
        return False
    first = node.args[0] if node.args else None
    literal = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
    if literal is not None and func.attr in ("get", "pop", "setdefault", "__getitem__"):
        walker.load_global(literal, soft=func.attr != "__getitem__")
        for rest in node.args[1:]:
            walker.expr(rest)
        if func.attr == "setdefault":
            walker.unit.binds.add(literal)
        elif func.attr == "pop":
            walker.unit.deletes.add(literal)
            walker.here.sure.discard(literal)
        return True
    walker.unit.opaque.add("globals")
    for part in (*node.args, *(k.value for k in node.keywords)):
        walker.expr(part)
    return True


def parse_quietly(source: str) -> ast.Module | None:
    """Parse code found in a string; None where it is no Python."""
    from headrace.core.dataflow.parsing import parse

    try:
        return parse(source.strip())
    except ValueError:
        return None
