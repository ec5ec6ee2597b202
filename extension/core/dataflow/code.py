"""Code that runs later, or elsewhere: lambdas, functions' bodies, generators, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from headrace.core.dataflow.expressions import ExpressionWalker, Todo
from headrace.core.dataflow.names import VALUE
from headrace.core.dataflow.records import Deferred
from headrace.core.dataflow.scopes import parameter_names, target_names
from headrace.core.dataflow.state import State, Unit, merge

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class CodeWalker(ExpressionWalker):
    """Responsibilities: code in a scope of its own, and what it will do when it runs."""

    def _lambda(self, node: ast.Lambda) -> list[Todo]:
        deferred = self.lambda_code(node)
        if deferred is not None:
            self.uses.append((VALUE, deferred))
            self.run_code((deferred,), hard=False)
        return []

    def lambda_code(self, node: ast.Lambda) -> Deferred | None:
        """Visit a lambda's defaults now and its body as code for later; None within code for later."""
        self.defaults(node.args)
        positional, every = parameter_names(node.args)
        names = set(every)
        return self.later("<lambda>", positional, names, set(), node.args, lambda: self._returned(node.body))

    def _returned(self, body: ast.expr) -> None:
        self.expr(body)
        self.unit.returns |= self.roots(body, masks=True)

    def defaults(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            self.expr(default)

    def later(
        self,
        name: str,
        positional: tuple[str, ...],
        names: set[str],
        declared_global: set[str],
        arguments: ast.arguments | None,
        visit: Callable[[], None],
    ) -> Deferred | None:
        """Visit code that runs later, in a scope of its own.

        Returns
        -------
        Deferred or None
            What it does, or None where it is part of other code for later, which then counts it as its own.
        """
        outermost = self.unit is self.cell
        state = self.here
        saved = (self.unit, self.depth, self.soft, self.loops)
        scope = self.new_scope("function", names, declared_global)
        self.scopes.append(scope)
        unit = Unit() if outermost else self.unit
        if outermost:
            self.unit, self.soft = unit, 0
            self.state = State(set(), set(), {})
        else:
            unit.holds_code = True
            self.soft += 1
            self.state = State({k for k in state.sure if type(k) is tuple}, set(), dict(state.alias))
        self.loops, self.depth = [], 0
        visit()
        self.scopes.pop()
        self.unit, self.depth, self.soft, self.loops = saved
        self.state = state
        if not outermost:
            return None
        params = set(positional)
        if arguments is not None:
            params = parameter_names(arguments)[1]
        changed = {k[1] for k in unit.local_mutations if type(k) is tuple and k[0] == scope.number and k[1] in params}
        returned = {k[1] for k in unit.returns if type(k) is tuple and k[0] == scope.number and k[1] in params}
        return Deferred(
            name=name,
            reads=frozenset(unit.reads),
            requires=frozenset(unit.requires - self.guarded),
            binds=frozenset(unit.binds),
            deletes=frozenset(unit.deletes),
            mutates=frozenset(unit.mutates),
            augments=frozenset(unit.augments),
            called=frozenset(unit.called - unit.kept),
            holds_code=unit.holds_code,
            params=positional,
            mutates_params=frozenset(changed),
            returns_params=frozenset(returned),
            spread=arguments.vararg.arg if arguments is not None and arguments.vararg is not None else None,
            sites=tuple(unit.sites),
            self_calls=frozenset(unit.self_calls),
            opaque=frozenset(unit.opaque),
        )

    # comprehensions

    def _comprehension(self, node: _Comprehension) -> list[Todo]:
        if isinstance(node, ast.GeneratorExp):
            deferred = self.generator_code(node)
            if deferred is not None:
                self.uses.append((VALUE, deferred))
                self.run_code((deferred,), hard=not self.soft)
            return []
        first = node.generators[0]
        self.expr(first.iter)
        before = self.here.copy() if self.walrus else None
        self.depth += 1
        self.scopes.append(
            self.new_scope("comprehension", {n for g in node.generators for n in target_names(g.target)})
        )
        self._comprehended(node)
        self.scopes.pop()
        self.depth -= 1
        if before is not None:
            self.state = merge(before, self.state)
        return []

    def _comprehended(self, node: _Comprehension) -> None:
        roots = self.roots(node.generators[0].iter)
        for position, generator in enumerate(node.generators):
            if position:
                self.expr(generator.iter)
                roots = self.roots(generator.iter)
            self.store(generator.target, roots)
            for condition in generator.ifs:
                self.state = self.test(condition)[0]
        if isinstance(node, ast.DictComp):
            self.expr(node.key)
            self.expr(node.value)
            self.comprehension_roots[id(node)] = self.roots(node.value)
        else:
            self.expr(node.elt)
            self.comprehension_roots[id(node)] = self.roots(node.elt)

    def generator_code(self, node: ast.GeneratorExp) -> Deferred | None:
        """Visit a generator expression: its first iterable now, the rest as code for later."""
        first = node.generators[0]
        self.expr(first.iter)
        roots = self.roots(first.iter)
        names = {n for g in node.generators for n in target_names(g.target)}
        if self.unit is not self.cell:
            self.scopes.append(self.new_scope("comprehension", names))
            self._comprehended(node)
            self.scopes.pop()
            self.unit.holds_code = True
            return None
        deferred = self.later("<generator>", (), names, set(), None, lambda: self._comprehended(node))
        assert deferred is not None
        self.comprehension_roots[id(node)] = roots
        return replace(deferred, consumable=True, holds_code=True)

    handlers: ClassVar[dict[type[ast.AST], Callable[..., list[Todo]]]] = {
        **ExpressionWalker.handlers,
        ast.Lambda: _lambda,
        ast.ListComp: _comprehension,
        ast.SetComp: _comprehension,
        ast.DictComp: _comprehension,
        ast.GeneratorExp: _comprehension,
    }
