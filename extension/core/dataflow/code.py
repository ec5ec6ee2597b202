"""Code that runs later, or elsewhere: lambdas, functions' bodies, generators, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from headrace.core.dataflow.expressions import ExpressionWalker, Todo
from headrace.core.dataflow.keys import NOTHING, Inside, params_in, roots_of_variable, without_locals
from headrace.core.dataflow.names import VALUE
from headrace.core.dataflow.records import Deferred
from headrace.core.dataflow.scopes import parameter_names, target_names
from headrace.core.dataflow.state import State, Unit, merge

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class CodeWalker(ExpressionWalker):
    """Responsibilities: code in a scope of its own, and what it will do when it runs."""

    def _lambda(self, node: ast.Lambda) -> list[Todo]:
        self.closure_roots = NOTHING
        deferred = self.lambda_code(node)
        if deferred is None:
            self.value_roots[id(node)] = self.closure_roots
        else:
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
        self.unit.returns |= self.roots(body, masks=True).everything

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
        saved = (self.unit, self.depth, self.soft, self.loops, self.captured)
        scope = self.new_scope("function", names, declared_global)
        scope.first = positional[0] if positional else None
        self.scopes.append(scope)
        unit = Unit() if outermost else self.unit
        if outermost:
            self.unit, self.soft = unit, 0
            self.state = State(set(), set(), {})
        else:
            unit.holds_code = True
            self.soft += 1
            self.state = State({k for k in state.sure if type(k) is tuple}, set(), dict(state.alias))
        self.loops, self.depth, self.captured = [], 0, set()
        visit()
        self.scopes.pop()
        captured = {k for k in self.captured if isinstance(k, tuple) and k[0] != scope.number}
        self.unit, self.depth, self.soft, self.loops, self.captured = saved
        self.state = state
        if not outermost:
            # what it captured lives on in it: whoever gets this code gets those objects too
            self.captured |= captured
            changed = {k.key if isinstance(k, Inside) else k for k in unit.changes}
            unit.stateful = unit.stateful or not captured.isdisjoint(changed)
            for key in captured:
                roots = state.alias.get(key, NOTHING)
                own = NOTHING if key in state.sure else roots_of_variable(key)
                self.closure_roots = self.closure_roots.joined(roots.joined(own).contained())
            return None
        params = parameter_names(arguments)[1] if arguments is not None else set()
        direct, deep = params_in(unit.changes, scope.number)
        keeps, returns = params_in(unit.keeps, scope.number), params_in(unit.returns, scope.number)
        return Deferred(
            name=name,
            scope=scope.number,
            reads=frozenset(unit.reads),
            requires=frozenset(unit.requires - self.guarded),
            binds=frozenset(unit.binds),
            deletes=frozenset(unit.deletes),
            changes=without_locals(unit.changes),
            augments=frozenset(unit.augments),
            called=frozenset(unit.called - unit.kept),
            holds_code=unit.holds_code,
            params=positional,
            mutates_params=direct & params,
            deep_params=deep & params,
            keeps=without_locals(unit.keeps),
            returns=without_locals(unit.returns),
            keeps_params=(keeps[0] | keeps[1]) & params,
            returns_params=(returns[0] | returns[1]) & params,
            stateful=unit.stateful,
            yields=unit.yields,
            spread=arguments.vararg.arg if arguments is not None and arguments.vararg is not None else None,
            sites=tuple(unit.sites),
            self_calls=frozenset((p, m) for number, p, m in unit.self_calls if number == scope.number),
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
        roots = self.roots(node.generators[0].iter).element()
        for position, generator in enumerate(node.generators):
            if position:
                self.expr(generator.iter)
                roots = self.roots(generator.iter).element()
            self.store(generator.target, roots)
            for condition in generator.ifs:
                self.state = self.test(condition)[0]
        if isinstance(node, ast.DictComp):
            self.expr(node.key)
            self.expr(node.value)
            self.value_roots[id(node)] = self.roots(node.value).contained()
        else:
            self.expr(node.elt)
            self.value_roots[id(node)] = self.roots(node.elt).contained()

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
        self.value_roots[id(node)] = roots.contained()
        return replace(deferred, consumable=True, holds_code=True)

    handlers: ClassVar[dict[type[ast.AST], Callable[..., list[Todo]]]] = {
        **ExpressionWalker.handlers,
        ast.Lambda: _lambda,
        ast.ListComp: _comprehension,
        ast.SetComp: _comprehension,
        ast.DictComp: _comprehension,
        ast.GeneratorExp: _comprehension,
    }
