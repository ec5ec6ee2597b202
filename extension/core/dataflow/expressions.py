"""Expressions: every use of a name in them, in the order of evaluation."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import ClassVar

from headrace.core.dataflow.keys import Roots
from headrace.core.dataflow.names import Use
from headrace.core.dataflow.objects import ObjectWalker
from headrace.core.dataflow.records import Deferred, PathTemplate
from headrace.core.dataflow.state import State, merge

Todo = ast.AST | Callable[[], None]

_LEAVES = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
_NAMESPACES = frozenset({"globals", "locals", "vars"})


class ExpressionWalker(ObjectWalker):
    """Responsibilities: visiting expressions without recursion over long chains."""

    def __init__(self, *, walrus: bool, future_annotations: bool) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.file_reads: list[PathTemplate] = []
        self.file_writes: list[PathTemplate] = []
        self.used_values: set[int] = set()  # calls whose value goes somewhere

    def expr(self, root: ast.AST | None) -> None:
        """Visit an expression; long operator and method chains cost no recursion."""
        if root is None:
            return
        handlers = self.handlers
        stack: list[Todo] = [root]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.AST):
                handler = handlers.get(type(node))
                if handler is None:
                    children: list[Todo] = [c for c in ast.iter_child_nodes(node) if not isinstance(c, _LEAVES)]
                else:
                    children = handler(self, node)
                if children:
                    children.reverse()
                    stack.extend(children)
            else:
                node()

    def used(self, node: ast.AST | None) -> None:
        """Note that an expression's value goes somewhere, which tells `a = s.add(b)` from `seen.add(b)`."""
        if isinstance(node, ast.Call):
            self.used_values.add(id(node))

    # handlers return what is still to be visited, in order

    def _name(self, node: ast.Name) -> list[Todo]:
        self.load(node.id)
        return []

    def _attribute(self, node: ast.Attribute) -> list[Todo]:
        self.used(node.value)
        return [node.value]

    def _subscript(self, node: ast.Subscript) -> list[Todo]:
        name = self.namespace_item(node)
        if name is not None:
            self.load_global(name, soft=False)
            return []
        self.used(node.value)
        return [node.value, node.slice]

    def _binop(self, node: ast.BinOp) -> list[Todo]:
        self.used(node.left)
        self.used(node.right)
        return [node.left, node.right]

    def _keyword(self, node: ast.keyword) -> list[Todo]:
        self.used(node.value)
        return [node.value]

    def _compare(self, node: ast.Compare) -> list[Todo]:
        if (
            isinstance(node.left, ast.Constant)
            and isinstance(node.left.value, str)
            and isinstance(node.ops[0], (ast.In, ast.NotIn))
            and self.is_namespace(node.comparators[0], "dir")
        ):
            self.guarded.add(node.left.value)
            self.load_global(node.left.value, soft=True)
            return []
        return [node.left, *node.comparators]

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> list[Todo]:
        if self.unit is not self.cell:
            self.unit.holds_code = self.unit.yields = True
            self.unit.returns |= self.roots(node.value).everything
        return [node.value] if node.value is not None else []

    def _named(self, node: ast.NamedExpr) -> list[Todo]:
        self.used(node.value)
        start = len(self.uses)

        def bind() -> None:
            self.bind(node.target.id, self.new_object(self.roots(node.value, masks=True), ""), walrus=True)
            if self.unit is self.cell:
                self.hold(node.target.id, self.uses[start:])

        return [node.value, bind]

    def _ifexp(self, node: ast.IfExp) -> list[Todo]:
        if not self.walrus:
            return [node.test, node.body, node.orelse]
        passed, failed = self.test(node.test)
        self.depth += 1
        self.state = passed
        self.expr(node.body)
        passed = self.state
        self.state = failed
        self.expr(node.orelse)
        self.depth -= 1
        self.state = merge(passed, self.state)
        return []

    def _boolop(self, node: ast.BoolOp) -> list[Todo]:
        if not self.walrus:
            return list(node.values)
        self.state = merge(*self.test(node))
        return []

    def test(self, node: ast.expr) -> tuple[State | None, State | None]:
        """Visit a condition; return the states where it held and where it did not (`(m := f()) and m.x`)."""
        if self.walrus and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            passed, failed = self.test(node.operand)
            return failed, passed
        if self.walrus and isinstance(node, ast.BoolOp):
            exits: list[State | None] = []
            for position, value in enumerate(node.values):
                self.depth += position > 0
                passed, failed = self.test(value)
                self.depth -= position > 0
                stays, leaves = (passed, failed) if isinstance(node.op, ast.And) else (failed, passed)
                exits.append(leaves)
                self.state = stays
            left = merge(*exits)
            return (self.state, left) if isinstance(node.op, ast.And) else (left, self.state)
        self.expr(node)
        return self.here, self.here.copy()

    # namespaces as objects

    def is_namespace(self, node: ast.AST, *more: str) -> bool:
        """Tell whether an expression is `globals()` or the like, at a place where that means the notebook's names."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and not node.args
            and (node.func.id == "globals" or not self.scopes)
            and (node.func.id in _NAMESPACES or node.func.id in more)
            and self.is_ambient(node.func.id)
        )

    def namespace_item(self, node: ast.Subscript) -> str | None:
        """Return the name that `globals()["name"]` or `get_ipython().user_ns["name"]` means, if it is one."""
        base = node.value
        shell = (
            isinstance(base, ast.Attribute)
            and base.attr in ("user_ns", "user_global_ns")
            and isinstance(base.value, ast.Call)
            and isinstance(base.value.func, ast.Name)
            and base.value.func.id == "get_ipython"
        )
        if (shell or self.is_namespace(base)) and isinstance(node.slice, ast.Constant):
            value = node.slice.value
            return value if isinstance(value, str) else None
        return None

    def load_global(self, name: str, *, soft: bool) -> None:
        """Put a read of a global name on record, whatever the scopes around say."""
        saved, self.scopes = self.scopes, []
        self.soft += soft
        self.load(name)
        self.soft -= soft
        self.scopes = saved

    #: Type of node → what visits it and returns what is still to be visited.
    handlers: ClassVar[dict[type[ast.AST], Callable[..., list[Todo]]]] = {
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.BinOp: _binop,
        ast.keyword: _keyword,
        ast.Compare: _compare,
        ast.Yield: _yield,
        ast.YieldFrom: _yield,
        ast.NamedExpr: _named,
        ast.IfExp: _ifexp,
        ast.BoolOp: _boolop,
        ast.Constant: lambda walker, node: [],
    }

    # what the walker's later floors add

    def store(self, target: ast.AST, roots: Roots, uses: Sequence[Use] = (), own: tuple[Deferred, ...] = ()) -> None:
        raise NotImplementedError

    def block(self, body: Sequence[ast.stmt]) -> None:
        raise NotImplementedError

    def inline_block(self, body: Sequence[ast.stmt], *, local: bool) -> None:
        raise NotImplementedError


def chain_last(node: ast.expr) -> str | None:
    """Return the last name of `name` or `module.name`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
