"""Objects: which variables may share one, told from how a value is written."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from headrace.core.dataflow.keys import NO_KEYS, NOTHING, Roots, call_result
from headrace.core.dataflow.mutations import SHARING_FUNCTIONS, SHARING_METHODS, VIEWING_FUNCTIONS
from headrace.core.dataflow.names import NameWalker

_DISPLAYS = (ast.List, ast.Tuple, ast.ListComp)
_VALUE_ATTRIBUTES = frozenset({"shape", "size", "dtype", "ndim", "name", "__name__", "__class__", "__doc__"})
_MASKS = (ast.Compare, ast.List, ast.ListComp, ast.BoolOp)
_MASK_METHODS = frozenset(
    "isin isna notna isnull notnull between duplicated contains startswith endswith match eq ne lt le gt ge astype".split()
)


class ObjectWalker(NameWalker):
    """Responsibilities: the objects that an expression's value may be, hold or lie in."""

    def roots(self, node: ast.AST | None, *, masks: bool = False) -> Roots:
        """Return the objects that an expression's value may be, and those that it may hold.

        Parameters
        ----------
        node : ast.AST or None
        masks : bool, default False
            Whether the value is only named, not changed at once: an index by condition then counts as a copy (so it
            is in `sub = df[df.x > 0]`, while `groups[x > 0].append(x)` changes `groups`), and what a module gives out
            (`math.pi`) as nothing of the module.

        Returns
        -------
        Roots
        """
        parts = 0  # attributes and indexes after the value
        attribute = False
        while node is not None:
            if isinstance(node, ast.Name):
                if masks and attribute and self.is_module(node.id):
                    return NOTHING
                found = self.roots_of_name(node.id)
                break
            if isinstance(node, ast.Attribute):
                if node.attr in _VALUE_ATTRIBUTES:
                    return NOTHING
                attribute = True
                parts += 1
                node = node.value
            elif isinstance(node, ast.Subscript):
                if masks and is_mask(node.slice):
                    return NOTHING
                parts += 1
                node = node.value
            elif isinstance(node, ast.NamedExpr):
                node = node.target
            elif isinstance(node, (ast.Starred, ast.Await)):
                node = node.value
            else:
                found = self._made(node, masks)
                break
        else:
            return NOTHING
        return found.element() if parts else found

    def _made(self, node: ast.AST, masks: bool) -> Roots:
        if isinstance(node, ast.IfExp):
            return self.roots(node.body, masks=masks).joined(self.roots(node.orelse, masks=masks))
        if isinstance(node, ast.BoolOp):
            return self.all_roots(node.values)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return self.all_roots(node.elts).contained()
        if isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            return self.all_roots(sides).contained() if any(isinstance(s, _DISPLAYS) for s in sides) else NOTHING
        if isinstance(node, ast.Dict):
            return self.all_roots(node.values).contained()
        if isinstance(node, ast.Call):
            return self.call_roots(node)
        return self.value_roots.get(id(node), NOTHING)

    def all_roots(self, nodes: Iterable[ast.AST | None]) -> Roots:
        """Return the roots of a value that may be any of these."""
        found = NOTHING
        for node in nodes:
            if node is not None and not isinstance(node, ast.Constant):
                found = found.joined(self.roots(node))
        return found

    def call_roots(self, node: ast.Call) -> Roots:
        """Return the roots of a call's value: calls make new objects, but for known ones and the notebook's own code."""
        func = node.func
        given = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(func, ast.Name):
            if func.id == "super" and not given:
                first = next((s.first for s in reversed(self.scopes) if s.kind == "function"), None)
                return self.roots_of_name(first) if first is not None else NOTHING
            if func.id in SHARING_FUNCTIONS:
                return self.all_roots(given).contained()
            if func.id in VIEWING_FUNCTIONS:
                return self.all_roots(given).element()
            key = self.key(func.id)
            if not isinstance(key, str):  # a function that was handed over may give back what it is given
                return self.all_roots(given).element().joined(self.roots_of_name(func.id))
            if self.is_ambient(key) or self.is_module(key):
                return NOTHING
            return self.result(call_result(key, None, NO_KEYS, self.all_roots(given).everything))
        if isinstance(func, ast.Attribute):
            root = chain_root(func)
            of_module = root is not None and self.is_module(root) and self.key(root) == root
            if func.attr in SHARING_METHODS and not of_module:
                found = self.roots(func.value).element()
                return found.joined(self.all_roots(node.args[1:])) if func.attr in ("get", "setdefault") else found
            if func.attr in VIEWING_FUNCTIONS:
                return self.all_roots(given).element()
            if func.attr in SHARING_FUNCTIONS:
                return self.all_roots(given).contained()
            if func.attr == "copy" and given:  # copy.copy(x): a new object that holds the same ones
                return Roots(NO_KEYS, self.all_roots(given).inside)
            key = self.key(root) if root is not None else (0, "")
            if isinstance(key, str) and not self.is_module(key) and not self.is_ambient(key):
                receiver, handed = self.roots(func.value).everything, self.all_roots(given).everything
                return self.result(call_result(key, func.attr, receiver, handed))
        elif isinstance(func, ast.Lambda):
            return self.all_roots(given).element()
        return NOTHING


def is_mask(index: ast.AST) -> bool:
    """Tell whether an index picks elements by a condition or a list, which copies in NumPy and pandas."""
    while isinstance(index, (ast.UnaryOp, ast.BinOp)):
        if isinstance(index, ast.UnaryOp):
            if isinstance(index.op, ast.USub):
                return False
            index = index.operand
        else:
            if not isinstance(index.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
                return False
            index = index.left
    if isinstance(index, ast.Tuple):
        return any(is_mask(e) for e in index.elts)
    if isinstance(index, ast.Call):
        return isinstance(index.func, ast.Attribute) and index.func.attr in _MASK_METHODS
    return isinstance(index, _MASKS)


def chain_root(node: ast.AST) -> str | None:
    """Return the name at the root of `name.part.part`, None for anything else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def without_subscripts(node: ast.AST) -> ast.AST:
    """Return what attributes and indexes start from."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node
