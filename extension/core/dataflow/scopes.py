"""Which names a block of code binds itself: Python's rule that a name bound anywhere in a function is local to it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Scope:
    """A block with names of its own.

    Parameters
    ----------
    number : int
        Tells this scope's names from equal names of others.
    kind : {"function", "class", "comprehension"}
    names : set of str
        Local names.
    declared_global : set of str
        Names declared `global` in it.
    """

    __slots__ = ("declared_global", "first", "kind", "names", "number")

    def __init__(self, number: int, kind: str, names: set[str], declared_global: set[str] | None = None) -> None:
        self.number = number
        self.kind = kind
        self.names = names
        self.declared_global = declared_global or set()
        self.first: str | None = None  # a function's first parameter, which `super()` stands for


def bound_names(body: Iterable[ast.AST], *, walrus: bool) -> tuple[set[str], set[str]]:
    """Return the names that statements bind in their own block, and those that they declare global.

    Parameters
    ----------
    body : iterable of ast.AST
        The block's statements.
    walrus : bool
        Whether expressions must be searched for `:=` too; False saves most of the time.

    Returns
    -------
    (set of str, set of str)
        Local names (those declared `nonlocal` or `global` left out), and names declared `global`.
    """
    names: set[str] = set()
    elsewhere: set[str] = set()
    declared: set[str] = set()
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.add(node.id)
        elif isinstance(node, ast.expr):
            if isinstance(node, (ast.Tuple, ast.List, ast.Starred)) and not isinstance(node.ctx, ast.Load):
                stack.extend(ast.iter_child_nodes(node))
            elif walrus:
                _walrus_names(node, names)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
            if walrus:
                stack.extend(node.decorator_list)
                if isinstance(node, ast.ClassDef):
                    stack.extend(node.bases)
                else:
                    stack.extend(node.args.defaults)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name != "*":
                    names.add(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            elsewhere.update(node.names)
        else:
            caught = getattr(node, "name", None)  # except … as name, case … as name, case [*name]; 3.12's `type name`
            if isinstance(caught, str):
                names.add(caught)
            rest = getattr(node, "rest", None)
            if isinstance(rest, str):
                names.add(rest)
            stack.extend(ast.iter_child_nodes(node))
    return names - elsewhere - declared, declared


def _walrus_names(node: ast.expr, names: set[str]) -> None:
    """Add the `:=` targets of an expression: they are bound in the block, even from within a comprehension."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.NamedExpr):
            names.add(part.target.id)
            stack.append(part.value)
        elif isinstance(part, ast.Lambda):
            stack.extend(d for d in (*part.args.defaults, *part.args.kw_defaults) if d is not None)
        else:
            stack.extend(ast.iter_child_nodes(part))


def parameter_names(arguments: ast.arguments) -> tuple[tuple[str, ...], set[str]]:
    """Return a function's positional parameters in order, and all its parameters."""
    positional = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args))
    every = {*positional, *(a.arg for a in arguments.kwonlyargs)}
    every.update(a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None)
    return positional, every


def target_names(target: ast.AST) -> set[str]:
    """Return the names that an assignment target binds."""
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
