"""Simple statements: assignments of every kind, deletions, imports."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from headrace.core.dataflow.calls import CallWalker
from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.expressions import chain_last
from headrace.core.dataflow.files import path_parts, resolve_path
from headrace.core.dataflow.keys import NOTHING, Roots
from headrace.core.dataflow.mutations import WHOLES, mutates_receiver
from headrace.core.dataflow.names import Use
from headrace.core.dataflow.objects import chain_root, without_subscripts
from headrace.core.dataflow.parsing import parse_expression
from headrace.core.dataflow.records import Deferred, PathTemplate


class AssignmentWalker(CallWalker):
    """Responsibilities: what statements without a block bind, change and unbind."""

    def __init__(self, *, walrus: bool, future_annotations: bool) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.imports: set[str] = set()
        self.star_imports: list[str] = []
        self.functions: set[str] = set()
        self.constants: dict[str, str] = {}
        self.plain_deletes: set[str] = set()

    def store(self, target: ast.AST, roots: Roots, uses: Sequence[Use] = (), own: tuple[Deferred, ...] = ()) -> None:
        """Put an assignment to a target on record.

        Parameters
        ----------
        target : ast.AST
        roots : Roots
            Objects that the value may be and hold.
        uses : sequence of Use
            Names used for the value.
        own : tuple of Deferred
            Code that the value is.
        """
        if isinstance(target, ast.Name):
            self.bind(target.id, roots)
            if self.unit is self.cell:
                self._hold(target.id, uses, own)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self.store(element, roots.element(), uses, own)
        elif isinstance(target, ast.Starred):
            self.store(target.value, roots.contained(), uses, own)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            self.store_into(target, roots, uses, own)
        else:
            self.expr(target)

    def _hold(self, name: str, uses: Sequence[Use], own: tuple[Deferred, ...]) -> None:
        key = self.key(name)
        self.constants.pop(name, None)
        if type(key) is str:
            if uses or own:
                self.hold(name, uses, own)
        elif self.class_methods:
            for deferred in (*own, *(u for _, u in uses if isinstance(u, Deferred))):
                self.class_methods[-1][name] = deferred

    def store_into(
        self,
        target: ast.Attribute | ast.Subscript,
        roots: Roots = NOTHING,
        uses: Sequence[Use] = (),
        own: tuple[Deferred, ...] = (),
    ) -> None:
        """Put a store into an object on record: it changes the object, and the object now holds the value."""
        if isinstance(target, ast.Subscript):
            name = self.namespace_item(target)
            if name is not None:
                saved, self.scopes = self.scopes, []
                self.bind(name, roots)
                self.scopes = saved
                return
            if self.is_namespace(target.value):
                self.unit.opaque.add("globals")
        self.expr(target.value)
        if isinstance(target, ast.Subscript):
            self.expr(target.slice)
        base = self.roots(target.value)
        self.mutate(base.itself if isinstance(target.value, ast.Name) else base.everything, strong=True)
        self.share(base, roots)
        root = chain_root(without_subscripts(target))
        if root is None:
            return
        key = self.key(root)
        if self.unit is self.cell and type(key) is str and (own or uses):
            self.hold(root, uses, own, adds=True)

    def _assign(self, node: ast.Assign) -> None:
        own, start = self._value(node.value)
        value = node.value
        uses = self.uses[start:]
        roots = self.roots(value, masks=True)
        if len(node.targets) > 1 or _is_whole(value):
            roots = self.new_object(roots, "")
        for target in node.targets:
            parts, values = _elements(target), _elements(value)
            if parts and len(parts) == len(values):
                each = [self.roots(element, masks=True) for element in values]
                for element, its_roots in zip(parts, each, strict=True):
                    self.store(element, its_roots, uses, own)
            else:
                self.store(target, roots, uses, own)
                if isinstance(target, ast.Name):
                    self._constant(target.id, value)

    def _value(self, value: ast.expr) -> tuple[tuple[Deferred, ...], int]:
        """Visit an assigned value; code that it consists of is only kept, not counted as run."""
        start = len(self.uses)
        deferred: Deferred | None = None
        if isinstance(value, ast.Lambda):
            deferred = self.lambda_code(value)
        elif isinstance(value, ast.GeneratorExp):
            deferred = self.generator_code(value)
        elif isinstance(value, ast.Attribute) and mutates_receiver(value.attr) and self.unit is self.cell:
            self.expr(value)
            deferred = Deferred(name=value.attr, changes_holder=True)
        else:
            self.used(value)
            self.expr(value)
        return ((deferred,) if deferred is not None else ()), start

    def _constant(self, name: str, value: ast.expr) -> None:
        if self.unit is self.cell and not (self.depth or self.loops) and self.key(name) == name:
            parts = path_parts(value)
            path = resolve_path(PathTemplate(parts=tuple(parts)), self.constants) if parts else None
            if path is not None:
                self.constants[name] = path
        if isinstance(value, ast.Lambda) and self.key(name) == name:
            self.functions.add(name)

    def _aug_assign(self, node: ast.AugAssign) -> None:
        target = node.target
        start = len(self.uses)
        self.used(node.value)
        if isinstance(target, ast.Name):
            key = self.key(target.id)
            self.load(target.id)
            self.expr(node.value)
            before = self.roots_of_name(target.id)
            if isinstance(key, str) and key in before.itself:
                self.unit.augments.add(key)
            plain = isinstance(node.value, ast.JoinedStr) or (
                isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            )
            if not plain:  # text cannot be changed in place; numbers cannot be told from arrays here
                self.mutate(before.itself - {target.id}, strong=True)
            shown = isinstance(node.value, (ast.List, ast.Tuple, ast.Set, ast.Dict))
            added = self.roots(node.value) if shown else NOTHING
            self.share(before, added)
            self.bind(target.id, Roots(before.itself, before.inside | added.inside))  # it may be the same object
            if self.unit is self.cell:
                self._hold(target.id, self.uses[start:], ())
        else:
            self.expr(node.value)
            self.store_into(target, NOTHING, self.uses[start:])

    def _ann_assign(self, node: ast.AnnAssign) -> None:
        own: tuple[Deferred, ...] = ()
        start = len(self.uses)
        if node.value is not None:
            own, start = self._value(node.value)
        uses = self.uses[start:]
        if not self.scopes or self.scopes[-1].kind == "class":  # a function's own annotations are never evaluated
            self.annotation(node.annotation)
        if node.value is not None:
            self.store(node.target, self.roots(node.value, masks=True), uses, own)
            if isinstance(node.target, ast.Name):
                self._constant(node.target.id, node.value)
        elif not isinstance(node.target, ast.Name):
            self.expr(node.target.value)

    def annotation(self, node: ast.expr | None) -> None:
        """Visit an annotation: read where it stands, unless it is kept as text; text is looked into as well."""
        if node is None:
            return
        texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        self.soft += self.future_annotations
        self.expr(node)
        self.soft -= self.future_annotations
        self.soft += 1
        for text in texts:
            try:
                self.expr(parse_expression(text))
            except CellSyntaxError:
                continue
        self.soft -= 1

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._delete_target(target)

    def _delete_target(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.load(target.id)
            self.unbind(target.id)
            if self.key(target.id) == target.id:
                self.plain_deletes.add(target.id)
                self.constants.pop(target.id, None)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self._delete_target(element)
        elif isinstance(target, ast.Subscript):
            name = self.namespace_item(target)
            if name is not None:
                self.load_global(name, soft=False)
                self.unit.deletes.add(name)
                self.here.sure.discard(name)
                self.plain_deletes.add(name)
            else:
                self.store_into(target)
        elif isinstance(target, ast.Attribute):
            self.store_into(target)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.add(alias.name)
            name = alias.asname or alias.name.split(".")[0]
            self.bind(name)
            if self.key(name) == name:
                self.constants.pop(name, None)
                self.modules[name] = alias.name if alias.asname else name

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        if module == "__future__":
            self.future_annotations |= any(a.name == "annotations" for a in node.names)
        self.imports.add(module)
        for alias in node.names:
            if alias.name == "*":
                self.star_imports.append(module)
            else:
                self.bind(alias.asname or alias.name)
                self.constants.pop(alias.asname or alias.name, None)

    def _expr_statement(self, node: ast.Expr) -> None:
        start = len(self.uses)
        self.expr(node.value)
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if self.unit is self.cell and isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            # what is handed to a method of an object whose answer nobody looks at, the object may keep
            root = chain_root(value.func)
            if root is not None and not self.is_module(root) and self.key(root) == root:
                uses = [u for u in self.uses[start:] if u[1] != root]
                if uses:
                    self.hold(root, uses, adds=True)


def _is_whole(value: ast.expr) -> bool:
    """Tell whether a value's parts belong together: `figure, axes = plt.subplots()`."""
    return isinstance(value, ast.Call) and chain_last(value.func) in WHOLES


def _elements(node: ast.expr) -> list[ast.expr]:
    """Return the elements of `a, b`; none where one is starred, for then places do not correspond."""
    if not isinstance(node, (ast.Tuple, ast.List)) or any(isinstance(e, ast.Starred) for e in node.elts):
        return []
    return node.elts
