"""Statements: the ways through a cell, and what is bound, changed and unbound on each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.expressions import ExpressionWalker, chain_root
from headrace.core.dataflow.files import path_parts, resolve_path
from headrace.core.dataflow.mutations import AMBIENT
from headrace.core.dataflow.names import Use
from headrace.core.dataflow.parsing import parse_expression
from headrace.core.dataflow.patterns import is_irrefutable, visit_pattern
from headrace.core.dataflow.records import Deferred, PathTemplate
from headrace.core.dataflow.scopes import bound_names, parameter_names
from headrace.core.dataflow.sites import methods_changing_self
from headrace.core.dataflow.state import NO_KEYS, Keys, Loop, State, merge

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_CATCH_NAME_ERROR = frozenset({"NameError", "Exception", "BaseException", "UnboundLocalError"})
_SWALLOWING = frozenset({"suppress", "raises", "assertRaises"})
#: Decorators that run the function at once (ipywidgets' `interact`).
RUNNING_DECORATORS = frozenset({"interact", "run"})
_PLAIN_PARAMETERS = frozenset({"int", "float", "str", "bool", "bytes", "complex", "tuple"})


class StatementWalker(ExpressionWalker):
    """Responsibilities: control flow, assignments and definitions of a cell."""

    def __init__(self, *, walrus: bool, future_annotations: bool, filename: str) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.filename = filename
        self.imports: set[str] = set()
        self.star_imports: list[str] = []
        self.functions: set[str] = set()
        self.classes: set[str] = set()
        self.constants: dict[str, str] = {}
        self.scratch: set[str] = set()
        self.plain_deletes: set[str] = set()
        self.last_state: State = State(set(), set(), {})

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Visit statements in order, as far as they can be reached."""
        for statement in body:
            if self.state is None:
                return
            self.last_state = self.state
            self.tick += 1
            handler = _HANDLERS.get(type(statement))
            if handler is None:
                self.expr(statement)
            else:
                handler(self, statement)

    def inline_block(self, body: Sequence[ast.stmt], *, local: bool) -> None:
        """Visit code that stands in a string; what it binds stays local where `exec` was called in a function."""
        if local:
            names, declared = bound_names(body, walrus=True)
            self.scopes.append(self.new_scope("comprehension", names, declared))
        self.block(body)
        if local:
            self.scopes.pop()

    def fault(self, node: ast.stmt, message: str) -> CellSyntaxError:
        return CellSyntaxError(message, filename=self.filename, line=node.lineno, column=node.col_offset + 1)

    # assignments

    def store(self, target: ast.AST, roots: Keys, uses: Sequence[Use] = (), own: tuple[Deferred, ...] = ()) -> None:
        """Put an assignment to a target on record.

        Parameters
        ----------
        target : ast.AST
        roots : frozenset of Key
            Outer variables whose object the value may share.
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
                self.store(element, roots, uses, own)
        elif isinstance(target, ast.Starred):
            self.store(target.value, roots, uses, own)
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
        roots: Keys = NO_KEYS,
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
        self.mutate(base, strong=True)
        root = chain_root(_without_subscripts(target))
        if root is None:
            return
        key = self.key(root)
        if roots and self.state is not None:
            self.state.alias[key] = self.state.alias.get(key, NO_KEYS) | roots
            if type(key) is str:
                self.aliases.setdefault(key, set()).update(r for r in roots if type(r) is str)
        if self.unit is self.cell and type(key) is str and (own or uses):
            self.hold(root, uses, own, adds=True)

    def _assign(self, node: ast.Assign) -> None:
        own, start = self._value(node.value)
        value = node.value
        uses = self.uses[start:]
        roots = self.roots(value, masks=True)
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
        else:
            self.used(value)
            self.expr(value)
        return ((deferred,) if deferred is not None else ()), start

    def _constant(self, name: str, value: ast.expr) -> None:
        if self.unit is self.cell and not self.depth and self.key(name) == name:
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
            before = self.roots_of_name(target.id)
            self.load(target.id)
            self.expr(node.value)
            if type(key) is str and key in before:
                self.unit.augments.add(key)
            plain = isinstance(node.value, ast.JoinedStr) or (
                isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            )
            if not plain:  # text cannot be changed in place; numbers cannot be told from arrays here
                self.mutate(before - {target.id}, strong=True)
            self.bind(
                target.id, (self.state.alias.get(key, NO_KEYS) if self.state else NO_KEYS) | (before - {target.id})
            )
            if self.unit is self.cell:
                self._hold(target.id, self.uses[start:], ())
        else:
            self.expr(node.value)
            self.store_into(target, NO_KEYS, self.uses[start:])

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

    # definitions

    def _function(self, node: _FunctionNode) -> None:
        start = len(self.uses)
        for decorator in node.decorator_list:
            self.expr(decorator)
        self.defaults(node.args)
        uses = self.uses[start:]
        names, declared = bound_names(node.body, walrus=self.walrus)
        positional, every = parameter_names(node.args)
        self.type_parameters(node)
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                self.annotation(argument.annotation)
        self.annotation(node.returns)
        deferred = self.later(
            node.name, positional, names | every, declared - every, arguments, lambda: self.block(node.body)
        )
        self.end_type_parameters(node)
        self.bind(node.name)
        if deferred is None:
            return
        if isinstance(node, ast.AsyncFunctionDef):
            deferred = replace(deferred, holds_code=True)
        plain = {a.arg for a in arguments.args if _is_plain(a.annotation)}
        if plain & deferred.mutates_params:
            deferred = replace(deferred, mutates_params=deferred.mutates_params - plain)
        if any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list):
            deferred = replace(deferred, static=True)
        key = self.key(node.name)
        if type(key) is str:
            self.functions.add(node.name)
            self.constants.pop(node.name, None)
            self.hold(node.name, uses, (deferred,), handed=decorator_roots(node))
            self._decorated(node, deferred)
        else:
            self.class_methods[-1][node.name] = deferred

    def _decorated(self, node: _FunctionNode | ast.ClassDef, deferred: Deferred) -> None:
        """A decorator is given the code at once: one of the notebook's own may run it, a method's object may keep it."""
        for decorator in node.decorator_list:
            named = decorator.func if isinstance(decorator, ast.Call) else decorator
            root = chain_root(named)
            if root is None or self.key(root) != root or root == node.name or root in AMBIENT:
                continue
            if root in self.code or chain_last(named) in RUNNING_DECORATORS:
                self.run_code((deferred,), hard=False)
            if isinstance(named, ast.Attribute) and not self.is_module(root):
                self.hold(root, (), (deferred,), adds=True)

    def _class(self, node: ast.ClassDef) -> None:
        start = len(self.uses)
        for decorator in node.decorator_list:
            self.expr(decorator)
        self.type_parameters(node)
        for base in node.bases:
            self.expr(base)
        for keyword in node.keywords:
            self.expr(keyword)
        names, declared = bound_names(node.body, walrus=self.walrus)
        methods: dict[str, Deferred] = {}
        in_cell = self.unit is self.cell
        self.class_methods.append(methods)
        self.scopes.append(self.new_scope("class", names, declared))
        self.block(node.body)
        self.scopes.pop()
        self.class_methods.pop()
        self.end_type_parameters(node)
        if self.state is None:
            return
        self.bind(node.name)
        if not in_cell:
            self.unit.holds_code = True
            return
        uses = self.uses[start:]
        inline = [u for _, u in uses if isinstance(u, Deferred)]
        deferred = class_code(node.name, methods, inline)
        if self.key(node.name) == node.name:
            self.classes.add(node.name)
            self.constants.pop(node.name, None)
            names_used = [u for u in uses if not isinstance(u[1], Deferred)]
            self.hold(node.name, names_used, (deferred,), handed=decorator_roots(node))
            self._decorated(node, deferred)
        else:
            self.class_methods[-1][node.name] = deferred

    def type_parameters(self, node: ast.AST) -> None:
        """Open the scope of 3.12's `def f[T]`, visiting bounds."""
        parameters = getattr(node, "type_params", None)
        if parameters:
            self.scopes.append(self.new_scope("function", {p.name for p in parameters}))
            self.soft += 1  # bounds are evaluated when asked for
            for parameter in parameters:
                self.expr(getattr(parameter, "bound", None))
                self.expr(getattr(parameter, "default_value", None))
            self.soft -= 1

    def end_type_parameters(self, node: ast.AST) -> None:
        if getattr(node, "type_params", None):
            self.scopes.pop()

    def _type_alias(self, node: ast.AST) -> None:
        """3.12's `type Name = …`: the value is evaluated when asked for."""
        self.type_parameters(node)
        self.soft += 1
        self.expr(getattr(node, "value", None))
        self.soft -= 1
        self.end_type_parameters(node)
        self.store(node.name, NO_KEYS)  # type: ignore[attr-defined]

    # ways through the code

    def _if(self, node: ast.If) -> None:
        exits: list[State | None] = []
        self.depth += 1
        branch: ast.If | None = node
        while branch is not None:
            if branch is not node:
                self.tick += 1
            self.depth -= branch is node
            passed, failed = self.test(branch.test)
            self.depth += branch is node
            known = constant_truth(branch.test)
            self.state = None if known is False else passed
            self.block(branch.body)
            exits.append(self.state)
            self.state = None if known is True else failed
            rest = branch.orelse
            branch = rest[0] if len(rest) == 1 and isinstance(rest[0], ast.If) and self.state is not None else None
            if branch is None:
                self.block(rest)
                exits.append(self.state)
        self.depth -= 1
        self.state = merge(*exits)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        start = len(self.uses)
        self.expr(node.iter)
        uses = self.uses[start:]
        roots = self.roots(node.iter)
        entry = self.here.copy()
        self.depth += 1
        loop = self._enter_loop()
        self.store(node.target, roots, uses)
        self.block(node.body)
        self._leave_loop(node, loop, merge(entry, self.state, *loop.continues))
        self.depth -= 1

    def _while(self, node: ast.While) -> None:
        self.depth += 1
        known = constant_truth(node.test)
        passed, failed = self.test(node.test)
        loop = self._enter_loop()
        self.state = None if known is False else passed
        self.block(node.body)
        after = merge(failed, self.state, *loop.continues)
        self._leave_loop(node, loop, None if known is True else after)
        self.depth -= 1

    def _enter_loop(self) -> Loop:
        loop = Loop()
        self.loops.append(loop)
        return loop

    def _leave_loop(self, node: ast.For | ast.AsyncFor | ast.While, loop: Loop, end: State | None) -> None:
        self.loops.pop()
        self.state = end
        self.block(node.orelse)
        self.state = merge(self.state, *loop.breaks)

    def _break(self, node: ast.Break) -> None:
        if not self.loops:
            raise self.fault(node, "'break' outside loop")
        self.loops[-1].breaks.append(self.here)
        self.state = None

    def _continue(self, node: ast.Continue) -> None:
        if not self.loops:
            raise self.fault(node, "'continue' not properly in loop")
        self.loops[-1].continues.append(self.here)
        self.state = None

    def _raise(self, node: ast.Raise) -> None:
        self.expr(node.exc)
        self.expr(node.cause)
        self.state = None

    def _return(self, node: ast.Return) -> None:
        if self.unit is self.cell:
            raise self.fault(node, "'return' outside function")
        self.used(node.value)
        self.expr(node.value)
        self.unit.returns |= self.roots(node.value, masks=True)
        self.state = None

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        if not self.scopes:
            raise self.fault(node, "nonlocal declaration not allowed at module level")

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        entry = self.here
        for item in node.items:
            start = len(self.uses)
            self.used(item.context_expr)
            self.expr(item.context_expr)
            func = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", None)
            if name in _SWALLOWING and not swallows:
                swallows, entry = True, self.here.copy()
                self.depth += 1
            if item.optional_vars is not None:
                self.store(item.optional_vars, self.roots(item.context_expr), self.uses[start:])
        self.soft += swallows
        self.block(node.body)
        self.soft -= swallows
        if swallows:
            self.depth -= 1
            self.state = merge(entry, self.state)

    def _try(self, node: ast.Try) -> None:
        entry = self.here.copy()
        logged = len(self.unbound_log)
        forgiving = any(catches_name_error(h) for h in node.handlers)
        self.depth += 1
        self.soft += forgiving
        self.block(node.body)
        self.soft -= forgiving
        caught = entry.copy()  # an exception may come at any point of the body
        caught.sure.difference_update(self.unbound_log[logged:])
        for state in (self.state, self.last_state):
            for key, roots in state.alias.items() if state is not None else ():
                caught.alias[key] = caught.alias.get(key, NO_KEYS) | roots
        self.block(node.orelse)
        exits = [self.state]
        for handler in node.handlers:
            self.state = caught.copy()
            self._handler(handler)
            exits.append(self.state)
        if not node.finalbody:
            self.depth -= 1
            self.state = merge(*exits)
            return
        end = merge(*exits)
        caught.sure.difference_update(self.unbound_log[logged:])
        logged = len(self.unbound_log)
        self.state = caught if end is None else merge(caught, end)
        self.depth -= 1
        self.block(node.finalbody)
        if end is None or self.state is None:
            self.state = None
            return
        end.sure.difference_update(self.unbound_log[logged:])
        end.sure |= self.state.sure
        end.gone |= self.state.gone
        end.alias.update(self.state.alias)
        self.state = end

    def _handler(self, handler: ast.ExceptHandler) -> None:
        self.expr(handler.type)
        name = handler.name
        if name is None:
            self.block(handler.body)
            return
        key = self.key(name)
        fresh = key == name and name not in self.unit.binds
        loop = self.loops[-1] if self.loops else None
        jumps = (len(loop.breaks), len(loop.continues)) if loop is not None else (0, 0)
        self.bind(name)
        self.block(handler.body)
        if self.state is not None:
            self.unbind(name)
        elif key == name:
            self.unit.deletes.add(name)
        if loop is not None:  # whoever jumps out of the handler leaves the name behind as well
            for state in (*loop.breaks[jumps[0] :], *loop.continues[jumps[1] :]):
                state.sure.discard(key)
            self.unbound_log.append(key)
        if fresh:
            self.unit.binds.discard(name)
            self.scratch.add(name)

    def _match(self, node: ast.AST) -> None:
        subject: ast.expr = node.subject  # type: ignore[attr-defined]
        start = len(self.uses)
        self.expr(subject)
        uses = self.uses[start:]
        roots = self.roots(subject)
        exits: list[State | None] = []
        self.depth += 1
        for case in node.cases:  # type: ignore[attr-defined]
            before = self.here.copy()
            visit_pattern(self, case.pattern, roots, uses)
            passed, failed = self.test(case.guard) if case.guard is not None else (self.here, None)
            after = merge(before, failed) if failed is not None else before
            self.state = passed
            self.block(case.body)
            exits.append(self.state)
            self.state = after
            if case.guard is None and is_irrefutable(case.pattern):
                self.state = None
                break
        self.depth -= 1
        self.state = merge(*exits, self.state)


def class_code(name: str, methods: dict[str, Deferred], inline: Sequence[Deferred]) -> Deferred:
    """Join a class's methods into what holding the class, or an instance, may run."""
    changed = methods_changing_self(methods)
    methods = {
        m: replace(d, mutates_params=changed[m]) if changed[m] != d.mutates_params else d for m, d in methods.items()
    }
    every = [*methods.values(), *inline]

    def union(field: str) -> frozenset[str]:
        return frozenset().union(*(getattr(d, field) for d in every))

    start = methods.get("__init__")
    return Deferred(
        name=name,
        reads=union("reads"),
        requires=start.requires if start is not None else frozenset(),
        binds=union("binds"),
        deletes=union("deletes"),
        mutates=union("mutates"),
        augments=union("augments"),
        called=union("called"),
        opaque=union("opaque"),
        sites=tuple(s for d in every for s in d.sites),
        holds_code=True,
        methods=methods,
        is_class=True,
    )


def decorator_roots(node: _FunctionNode | ast.ClassDef) -> frozenset[str]:
    """Return the names that a definition's decorators start from."""
    roots = (chain_root(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list)
    return frozenset(r for r in roots if r is not None)


def constant_truth(test: ast.expr) -> bool | None:
    """Return what a condition always is: literals, `TYPE_CHECKING`, and `__name__ == "__main__"`, true in a notebook."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = constant_truth(test.operand)
        return None if inner is None else not inner
    if chain_last(test) == "TYPE_CHECKING":
        return False
    if (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
    ):
        return test.comparators[0].value == "__main__"
    return None


def chain_last(node: ast.expr) -> str | None:
    """Return the last name of `name` or `module.name`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def catches_name_error(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches the error of a missing name."""
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(chain_last(kind) in _CATCH_NAME_ERROR for kind in kinds)


def _is_plain(annotation: ast.expr | None) -> bool:
    """Tell whether a parameter is annotated with a type that cannot be changed in place."""
    if isinstance(annotation, ast.Constant):
        return annotation.value in _PLAIN_PARAMETERS
    return isinstance(annotation, ast.Name) and annotation.id in _PLAIN_PARAMETERS


def _elements(node: ast.expr) -> list[ast.expr]:
    """Return the elements of `a, b`; none where one is starred, for then places do not correspond."""
    if not isinstance(node, (ast.Tuple, ast.List)) or any(isinstance(e, ast.Starred) for e in node.elts):
        return []
    return node.elts


def _without_subscripts(node: ast.AST) -> ast.AST:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node


_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Assign: StatementWalker._assign,
    ast.AugAssign: StatementWalker._aug_assign,
    ast.AnnAssign: StatementWalker._ann_assign,
    ast.Expr: StatementWalker._expr_statement,
    ast.Delete: StatementWalker._delete,
    ast.Import: StatementWalker._import,
    ast.ImportFrom: StatementWalker._import_from,
    ast.FunctionDef: StatementWalker._function,
    ast.AsyncFunctionDef: StatementWalker._function,
    ast.ClassDef: StatementWalker._class,
    ast.If: StatementWalker._if,
    ast.For: StatementWalker._for,
    ast.AsyncFor: StatementWalker._for,
    ast.While: StatementWalker._while,
    ast.Break: StatementWalker._break,
    ast.Continue: StatementWalker._continue,
    ast.Raise: StatementWalker._raise,
    ast.Return: StatementWalker._return,
    ast.Nonlocal: StatementWalker._nonlocal,
    ast.With: StatementWalker._with,
    ast.AsyncWith: StatementWalker._with,
    ast.Try: StatementWalker._try,
    ast.Match: StatementWalker._match,
    ast.Global: lambda walker, node: None,
    ast.Pass: lambda walker, node: None,
    **({ast.TryStar: StatementWalker._try} if hasattr(ast, "TryStar") else {}),
    **({ast.TypeAlias: StatementWalker._type_alias} if hasattr(ast, "TypeAlias") else {}),
}
