"""Definitions: functions, classes, decorators, type parameters."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headrace.core.dataflow.assignments import AssignmentWalker
from headrace.core.dataflow.expressions import chain_last
from headrace.core.dataflow.keys import NOTHING, roots_of_variable, without_locals
from headrace.core.dataflow.mutations import AMBIENT
from headrace.core.dataflow.objects import chain_root
from headrace.core.dataflow.records import Deferred
from headrace.core.dataflow.scopes import bound_names, parameter_names
from headrace.core.dataflow.sites import methods_changing_self

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
#: Decorators that run the function at once (ipywidgets' `interact`).
RUNNING_DECORATORS = frozenset({"interact", "run"})
_PLAIN_PARAMETERS = frozenset({"int", "float", "str", "bool", "bytes", "complex", "tuple"})


class DefinitionWalker(AssignmentWalker):
    """Responsibilities: what a definition evaluates at once, and what it keeps for later."""

    def __init__(self, *, walrus: bool, future_annotations: bool) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.classes: set[str] = set()

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
        self.closure_roots = NOTHING
        deferred = self.later(
            node.name, positional, names | every, declared - every, arguments, lambda: self.block(node.body)
        )
        self.end_type_parameters(node)
        defaults = self.all_roots([*arguments.defaults, *arguments.kw_defaults]).contained()
        self.bind(node.name, self.closure_roots.joined(defaults) if deferred is None else defaults)
        if deferred is None:
            return
        deferred = self._with_defaults(deferred, arguments)
        if isinstance(node, ast.AsyncFunctionDef):
            deferred = replace(deferred, holds_code=True)
        plain = {a.arg for a in arguments.args if _is_plain(a.annotation)}
        if plain & (deferred.mutates_params | deferred.deep_params):
            direct, deep = deferred.mutates_params - plain, deferred.deep_params - plain
            deferred = replace(deferred, mutates_params=direct, deep_params=deep)
        marks = {chain_last(d) for d in node.decorator_list}
        if "staticmethod" in marks:
            deferred = replace(deferred, static=True)
        if marks & {"property", "cached_property"}:
            deferred = replace(deferred, is_property=True)
        key = self.key(node.name)
        if type(key) is str:
            self.functions.add(node.name)
            self.constants.pop(node.name, None)
            self.hold(node.name, uses, (deferred,), handed=decorator_roots(node))
            self._decorated(node, deferred)
        else:
            self.class_methods[-1][node.name] = deferred

    def _with_defaults(self, deferred: Deferred, arguments: ast.arguments) -> Deferred:
        """A default is one object for all calls: what the function does to the parameter it may do to that."""
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = [
            *zip(reversed(positional), reversed(arguments.defaults), strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        for argument, default in pairs:
            named = isinstance(default, ast.Name) and self.key(default.id) == default.id
            roots = roots_of_variable(default.id) if named and isinstance(default, ast.Name) else self.roots(default)
            direct, every = without_locals(roots.itself), without_locals(roots.everything)
            if every and argument.arg in deferred.mutates_params | deferred.deep_params:
                changed = every if argument.arg in deferred.deep_params else direct
                deferred = replace(deferred, changes=deferred.changes | changed)
            if every and argument.arg in deferred.keeps_params:
                deferred = replace(deferred, keeps=deferred.keeps | every)
            if every and argument.arg in deferred.returns_params:
                deferred = replace(deferred, returns=deferred.returns | every)
        return deferred

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
        scope = self.new_scope("class", names, declared)
        self.scopes.append(scope)
        self.block(node.body)
        self.scopes.pop()
        self.class_methods.pop()
        self.end_type_parameters(node)
        if self.state is None:
            return
        inside = [roots for key, roots in self.here.alias.items() if isinstance(key, tuple) and key[0] == scope.number]
        held = NOTHING
        for roots in inside:
            held = held.joined(roots.contained())
        self.bind(node.name, held)
        if not in_cell:
            self.unit.holds_code = True
            return
        uses = self.uses[start:]
        inline = [u for _, u in uses if isinstance(u, Deferred)]
        bases = tuple(b.id for b in node.bases if isinstance(b, ast.Name) and self.key(b.id) == b.id)
        deferred = replace(class_code(node.name, methods, inline), bases=bases)
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
        self.store(node.name, NOTHING)  # type: ignore[attr-defined]


def class_code(name: str, methods: dict[str, Deferred], inline: Sequence[Deferred]) -> Deferred:
    """Join a class's methods into what holding the class, or an instance, may run."""
    changed = methods_changing_self(methods)
    methods = {m: replace(d, mutates_params=changed[m], deep_params=changed[m]) for m, d in methods.items()}
    every = [*methods.values(), *inline]

    def union(field: str) -> frozenset[Any]:
        return frozenset().union(*(getattr(d, field) for d in every))

    start = methods.get("__init__")
    return Deferred(
        name=name,
        reads=union("reads"),
        requires=start.requires if start is not None else frozenset(),
        binds=union("binds"),
        deletes=union("deletes"),
        changes=union("changes"),
        augments=union("augments"),
        called=union("called"),
        opaque=union("opaque"),
        sites=tuple(s for d in every for s in d.sites),
        holds_code=True,
        keeps=union("keeps"),
        keeps_params=union("keeps_params"),
        stateful=any(
            _runs_unseen(m, d) and d.params[:1] and d.params[0] in d.mutates_params for m, d in methods.items()
        ),
        methods=methods,
        is_class=True,
    )


def decorator_roots(node: _FunctionNode | ast.ClassDef) -> frozenset[str]:
    """Return the names that a definition's decorators start from."""
    roots = (chain_root(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list)
    return frozenset(r for r in roots if r is not None)


#: Special methods that only run where it can be seen that an object is changed, or on objects nobody else has yet.
_SEEN_METHODS = frozenset(
    {"__init__", "__new__", "__post_init__", "__setitem__", "__delitem__", "__setattr__", "__delattr__"}
)


def _runs_unseen(name: str, method: Deferred) -> bool:
    """Tell whether a method may run by an operator, a loop or an attribute, without being called by its name."""
    return method.is_property or (name.startswith("__") and name.endswith("__") and name not in _SEEN_METHODS)


def _is_plain(annotation: ast.expr | None) -> bool:
    """Tell whether a parameter is annotated with a type that cannot be changed in place."""
    if isinstance(annotation, ast.Constant):
        return annotation.value in _PLAIN_PARAMETERS
    return isinstance(annotation, ast.Name) and annotation.id in _PLAIN_PARAMETERS
