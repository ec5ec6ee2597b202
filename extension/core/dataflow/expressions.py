"""Expressions: every use of a name in them, in the order of evaluation, and what their calls change."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace

from headrace.core.dataflow.files import note_files
from headrace.core.dataflow.mutations import (
    AMBIENT,
    CONSUMERS,
    CONTAINER_CLASSES,
    CONTAINER_METHODS,
    MUTATING_BUILTINS,
    MUTATING_FUNCTIONS,
    OUT_KEYWORDS,
    PURE_TWINS,
    mutates_receiver,
)
from headrace.core.dataflow.names import CALLEE, ROOT, VALUE, NameWalker
from headrace.core.dataflow.records import Argument, CallSite, Deferred, PathTemplate
from headrace.core.dataflow.scopes import parameter_names, target_names
from headrace.core.dataflow.sites import changed_by
from headrace.core.dataflow.state import NO_KEYS, Keys, State, Unit, merge, outer_names

Todo = ast.AST | Callable[[], None]

_LEAVES = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
_NAMESPACES = frozenset({"globals", "locals", "vars"})


class ExpressionWalker(NameWalker):
    """Responsibilities: visiting expressions without recursion over long chains, and judging calls."""

    def __init__(self, *, walrus: bool, future_annotations: bool) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.file_reads: list[PathTemplate] = []
        self.file_writes: list[PathTemplate] = []
        self.used_values: set[int] = set()  # calls whose value goes somewhere

    def expr(self, root: ast.AST | None) -> None:
        """Visit an expression; long operator and method chains cost no recursion."""
        if root is None:
            return
        stack: list[Todo] = [root]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.AST):
                handler = _HANDLERS.get(type(node))
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
        self.unit.returns |= self.roots(node.value)
        return [node.value] if node.value is not None else []

    def _named(self, node: ast.NamedExpr) -> list[Todo]:
        self.used(node.value)
        start = len(self.uses)

        def bind() -> None:
            self.bind(node.target.id, self.roots(node.value, masks=True), walrus=True)
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

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> list[Todo]:
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

    def _comprehended(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
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

    # calls

    def _call(self, node: ast.Call) -> list[Todo]:
        func = node.func
        todo: list[Todo] = []
        for argument in node.args:
            self.used(argument)
        if isinstance(func, ast.Name):
            name = func.id
            if self.is_ambient(name):
                if self.special_call(node, name):
                    return []
                if name in CONSUMERS:
                    start = len(self.uses)
                    self.load(name, CALLEE)
                    self.changed_arguments(node, name, None)
                    return [*node.args, *node.keywords, lambda: self._forget_uses(start)]
            self.load(name, CALLEE)
            note_files(self, node, name, None)
            self.changed_arguments(node, name, None)
            self.note_site(node, name, None, NO_KEYS)
        elif isinstance(func, ast.Attribute):
            if self.shell_call(node, func):
                return []
            root = chain_root(func)
            if root is None:
                self.used(func.value)
                todo.append(func.value)
            else:
                self.load(root, ROOT)
            self._method(node, func, root)
        else:
            todo.append(func)
        start = len(self.uses)
        return [*todo, *node.args, *node.keywords, lambda: self._changed_by_inline(node, start)]

    def _forget_uses(self, start: int) -> None:
        del self.uses[start:]

    def _method(self, node: ast.Call, func: ast.Attribute, root: str | None) -> None:
        method = func.attr
        direct = isinstance(func.value, ast.Name)
        module = root is not None and self.is_module(root) and (direct or method not in CONTAINER_METHODS)
        receiver = self.roots(func.value)
        if not module:
            inplace = any(k.arg == "inplace" and is_true(k.value) for k in node.keywords)
            known = mutates_receiver(method) and not (method in PURE_TWINS and id(node) in self.used_values)
            if inplace or known:
                self.mutate(receiver, strong=inplace or not direct)
            if direct and root in CONTAINER_CLASSES and node.args and mutates_receiver(method):
                self.mutate(self.roots(node.args[0]), strong=True)
        elif method == "seed":
            self.mutate(self.roots_of_name(root or ""), strong=True)
        if method == "at" and node.args:  # a ufunc's unbuffered in-place operation: np.add.at(x, i, v)
            self.mutate(self.roots(node.args[0]), strong=True)
        note_files(self, node, method, func.value)
        self.changed_arguments(node, method, func.value)
        self.note_site(node, root or "", method, NO_KEYS if module else receiver)

    def changed_arguments(self, node: ast.Call, name: str, base: ast.AST | None) -> None:
        """Put on record the arguments that a known function changes (`random.shuffle(x)`, `out=x`)."""
        positions = MUTATING_FUNCTIONS.get(name)
        if positions is not None and (base is not None or name in MUTATING_BUILTINS or not self.is_ambient(name)):
            for position in positions:
                if position < len(node.args):
                    self.mutate(self.roots(node.args[position]), strong=True)
        for keyword in node.keywords:
            if keyword.arg in OUT_KEYWORDS:
                self.mutate(self.roots(keyword.value), strong=True)
            elif keyword.arg == "inplace" and base is not None and is_true(keyword.value) and node.args:
                self.mutate(self.roots(node.args[0]), strong=True)

    def note_site(self, node: ast.Call, callee: str, method: str | None, receiver: Keys) -> None:
        """Put a call on record whose effect on its arguments depends on code of the notebook."""
        if method is None and callee in AMBIENT and self.is_ambient(callee) and callee not in ("map", "filter"):
            return
        arguments = []
        for place, argument in (
            *((-1 if isinstance(a, ast.Starred) else i, a) for i, a in enumerate(node.args)),
            *((k.arg or -1, k.value) for k in node.keywords),
        ):
            if isinstance(argument, ast.Constant):
                continue
            roots = self.roots(argument)
            if roots:
                arguments.append(Argument(place=place, names=outer_names(roots), params=self._params(roots)))
        code = frozenset(a.id for a in node.args if isinstance(a, ast.Name) and self.key(a.id) == a.id)
        key = self.key(callee) if callee else callee
        if type(key) is tuple:
            if method is not None and not isinstance(node.func, ast.Name):
                for name in self._params(receiver):
                    self.unit.self_calls.add((name, method))
            callee = ""
        if not arguments and not receiver:
            return
        site = CallSite(
            callee=callee,
            method=method,
            receiver=outer_names(receiver),
            receiver_params=self._params(receiver),
            arguments=tuple(arguments),
            code=code,
        )
        self.unit.sites.append(site)
        if self.unit is self.cell and self.code:
            self.mutate(frozenset(changed_by(site, lambda n: self.code.get(n, ()))), strong=True)

    def _params(self, roots: Keys) -> frozenset[str]:
        return frozenset(k[1] for k in roots if type(k) is tuple)

    def _changed_by_inline(self, node: ast.Call, start: int) -> None:
        """A lambda written as an argument may change what the call gives it (`frame.pipe(lambda d: d.insert(…))`)."""
        for how, what in self.uses[start:]:
            if how == VALUE and isinstance(what, Deferred) and what.mutates_params:
                given: list[ast.AST] = [*node.args, *(k.value for k in node.keywords)]
                if isinstance(node.func, ast.Attribute):
                    given.append(node.func.value)
                self.mutate(self.all_roots(given), strong=True)
                return

    # what later floors of the walker add

    def inline_block(self, body: Sequence[ast.stmt], *, local: bool) -> None:
        raise NotImplementedError

    def store(self, target: ast.AST, roots: Keys) -> None:
        raise NotImplementedError

    def special_call(self, node: ast.Call, name: str) -> bool:
        raise NotImplementedError

    def shell_call(self, node: ast.Call, func: ast.Attribute) -> bool:
        raise NotImplementedError


def chain_root(node: ast.AST) -> str | None:
    """Return the name at the root of `name.part.part`, None for anything else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_true(node: ast.AST) -> bool:
    """Tell whether an argument may be true: only a literal false value is not."""
    return not isinstance(node, ast.Constant) or bool(node.value)


_HANDLERS: dict[type[ast.AST], Callable[..., list[Todo]]] = {
    ast.Name: ExpressionWalker._name,
    ast.Attribute: ExpressionWalker._attribute,
    ast.Subscript: ExpressionWalker._subscript,
    ast.BinOp: ExpressionWalker._binop,
    ast.keyword: ExpressionWalker._keyword,
    ast.Compare: ExpressionWalker._compare,
    ast.Yield: ExpressionWalker._yield,
    ast.YieldFrom: ExpressionWalker._yield,
    ast.NamedExpr: ExpressionWalker._named,
    ast.IfExp: ExpressionWalker._ifexp,
    ast.BoolOp: ExpressionWalker._boolop,
    ast.Lambda: ExpressionWalker._lambda,
    ast.ListComp: ExpressionWalker._comprehension,
    ast.SetComp: ExpressionWalker._comprehension,
    ast.DictComp: ExpressionWalker._comprehension,
    ast.GeneratorExp: ExpressionWalker._comprehension,
    ast.Call: ExpressionWalker._call,
    ast.Constant: lambda walker, node: [],
}
