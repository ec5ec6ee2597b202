"""Calls: what they are known to change, which files they read, and which only the code behind them can tell."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import ClassVar

from headrace.core.dataflow.code import CodeWalker
from headrace.core.dataflow.expressions import Todo
from headrace.core.dataflow.files import note_files
from headrace.core.dataflow.keys import NOTHING, Roots, local, without_new
from headrace.core.dataflow.mutations import (
    AMBIENT,
    CONSUMERS,
    CONTAINER_CLASSES,
    CONTAINER_METHODS,
    DRAWING_METHODS,
    DRAWN_ON,
    KEEPING_NOTHING,
    MUTATING_BUILTINS,
    MUTATING_FUNCTIONS,
    MUTATING_METHODS,
    OUT_KEYWORDS,
    PURE_PARTS,
    PURE_TWINS,
    UFUNCS,
    mutates_receiver,
)
from headrace.core.dataflow.names import CALLEE, ROOT, VALUE
from headrace.core.dataflow.objects import chain_root, without_subscripts
from headrace.core.dataflow.records import Argument, CallSite, Deferred


class CallWalker(CodeWalker):
    """Responsibilities: judging calls."""

    def _call(self, node: ast.Call) -> list[Todo]:
        func = node.func
        todo: list[Todo] = []
        for argument in node.args:
            self.used(argument)
        start = len(self.uses)
        if isinstance(func, ast.Name):
            name = func.id
            if self.is_ambient(name):
                if self.special_call(node, name):
                    return []
                if name in CONSUMERS:
                    self.load(name, CALLEE)
                    todo += [*node.args, *node.keywords, lambda: self.changed_arguments(node, name, None)]
                    return [*todo, lambda: self._forget_uses(start)]
            self.load(name, CALLEE)
        elif isinstance(func, ast.Attribute):
            if self.shell_call(node, func):
                return []
            root = chain_root(func)
            if root is None:
                self.used(func.value)
                todo.append(func.value)
            else:
                self.load(root, ROOT)
        else:
            todo.append(func)
        start = len(self.uses)
        # what a call does, it does after its arguments have been evaluated
        return [*todo, *node.args, *node.keywords, lambda: self._called(node, start)]

    def _called(self, node: ast.Call, start: int) -> None:
        func = node.func
        if isinstance(func, ast.Name):
            note_files(self, node, func.id, None)
            self.changed_arguments(node, func.id, None)
            self.note_site(node, func.id, None, NOTHING)
        elif isinstance(func, ast.Attribute):
            self._method(node, func, chain_root(func))
        self._changed_by_inline(node, start)

    def _forget_uses(self, start: int) -> None:
        del self.uses[start:]

    def _method(self, node: ast.Call, func: ast.Attribute, root: str | None) -> None:
        method = func.attr
        direct = isinstance(func.value, ast.Name)
        module = root is not None and self.is_module(root) and (direct or method not in CONTAINER_METHODS)
        receiver = self.roots(func.value)
        if not module:
            inplace = any(k.arg == "inplace" and is_true(k.value) for k in node.keywords)
            known = self._changes_receiver(node, func)
            if inplace or known:
                self.mutate(receiver.itself, strong=inplace or not direct)
                if method not in KEEPING_NOTHING:
                    given = node.args[1:] if method == "setdefault" else node.args  # keys cannot be changed
                    self.share(receiver, self.all_roots([*given, *(k.value for k in node.keywords)]))
            if direct and root in CONTAINER_CLASSES and node.args and mutates_receiver(method):
                self.mutate(self.roots(node.args[0]).itself, strong=True)
                self.share(self.roots(node.args[0]), self.all_roots(node.args[1:]))
        elif method == "seed":
            self.mutate(self.roots_of_name(root or "").itself, strong=True)
        if method == "at" and node.args:  # a ufunc's unbuffered in-place operation: np.add.at(x, i, v)
            self.mutate(self.roots(node.args[0]).itself, strong=True)
        note_files(self, node, method, func.value)
        self.changed_arguments(node, method, func.value)
        self.note_site(node, root or "", method, NOTHING if module else receiver)

    def _changes_receiver(self, node: ast.Call, func: ast.Attribute) -> bool:
        """Tell whether a method is known, by its name and how it is called, to change what it is called on."""
        method = func.attr
        if method in DRAWING_METHODS and method not in MUTATING_METHODS:
            root = chain_root(without_subscripts(func.value))
            return root is not None and DRAWN_ON.fullmatch(root) is not None
        if isinstance(func.value, ast.Attribute) and func.value.attr in PURE_PARTS:
            return False
        if method == "eval":  # torch's; pandas' takes an expression
            return not (node.args or node.keywords)
        return mutates_receiver(method) and not (method in PURE_TWINS and id(node) in self.used_values)

    def changed_arguments(self, node: ast.Call, name: str, base: ast.AST | None) -> None:
        """Put on record the arguments that a known function changes (`random.shuffle(x)`, `out=x`)."""
        positions = MUTATING_FUNCTIONS.get(name)
        if positions is not None and (base is not None or name in MUTATING_BUILTINS or not self.is_ambient(name)):
            for position in positions:
                if position < len(node.args):
                    changed = self.roots(node.args[position])
                    self.mutate(changed.itself, strong=True)
                    self.share(changed, self.all_roots(a for i, a in enumerate(node.args) if i != position))
        if name in UFUNCS and len(node.args) == 3 and isinstance(base, ast.Name) and self.is_module(base.id):
            self.mutate(self.roots(node.args[2]).itself, strong=True)
        for argument in node.args:
            if isinstance(argument, ast.Attribute) and argument.attr in CONTAINER_METHODS:  # map(xs.append, ys)
                self.mutate(self.roots(argument.value).itself, strong=False)
        for keyword in node.keywords:
            if keyword.arg in OUT_KEYWORDS:
                self.mutate(self.roots(keyword.value).everything, strong=True)
            elif (keyword.arg == "copy" and name == "nan_to_num" and not is_true(keyword.value) and node.args) or (
                keyword.arg == "inplace" and base is not None and is_true(keyword.value) and node.args
            ):
                self.mutate(self.roots(node.args[0]).itself, strong=True)

    def note_site(self, node: ast.Call, callee: str, method: str | None, receiver: Roots) -> None:
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
            roots = without_new(self.roots(argument))
            if roots:
                arguments.append(Argument(place=place, roots=roots))
        code = frozenset(a.id for a in node.args if isinstance(a, ast.Name) and self.key(a.id) == a.id)
        key = self.key(callee) if callee else callee
        if not isinstance(key, str) or not callee:
            if method is not None:
                for mine in map(local, receiver.itself):
                    if mine is not None and mine[0] > 0:
                        self.unit.self_calls.add((*mine, method))
            callee = ""
        receiver = without_new(receiver)
        if not arguments and not receiver:
            return
        site = CallSite(callee=callee, method=method, receiver=receiver, arguments=tuple(arguments), code=code)
        self.unit.sites.append(site)
        if self.unit is self.cell and self.code:
            self._own_call(node, site)

    def _own_call(self, node: ast.Call, site: CallSite) -> None:
        """Put on record what a call of this cell's own code changes."""
        given = self.all_roots([*node.args, *(k.value for k in node.keywords)])
        receiver = self.roots(node.func.value) if isinstance(node.func, ast.Attribute) else NOTHING
        places = enumerate([*node.args, *(k.value for k in node.keywords)])
        names = [k.arg for k in node.keywords]
        whole = CallSite(
            callee=site.callee,
            method=site.method,
            receiver=receiver,
            arguments=tuple(
                Argument(
                    place=-1
                    if isinstance(a, ast.Starred)
                    else i
                    if i < len(node.args)
                    else names[i - len(node.args)] or -1,
                    roots=self.roots(a),
                )
                for i, a in places
            ),
            code=site.code,
        )
        changed = self.judge().changed_by(whole)
        if changed:
            self.mutate(changed, strong=True)
            for deferred in self.code.get(site.callee, ()):
                self.share(Roots(changed), self.now(deferred.keeps))
            self.share(Roots(changed), given.joined(receiver))

    def _changed_by_inline(self, node: ast.Call, start: int) -> None:
        """A lambda written as an argument may change what the call gives it (`frame.pipe(lambda d: d.insert(…))`)."""
        for how, what in self.uses[start:]:
            if how == VALUE and isinstance(what, Deferred) and what.mutates_params:
                given: list[ast.AST] = [*node.args, *(k.value for k in node.keywords)]
                if isinstance(node.func, ast.Attribute) and not self.is_module(chain_root(node.func) or ""):
                    given.append(node.func.value)
                self.mutate(self.all_roots(given).everything, strong=True)
                return

    handlers: ClassVar[dict[type[ast.AST], Callable[..., list[Todo]]]] = {**CodeWalker.handlers, ast.Call: _call}

    # what the walker's last floor adds

    def special_call(self, node: ast.Call, name: str) -> bool:
        raise NotImplementedError

    def shell_call(self, node: ast.Call, func: ast.Attribute) -> bool:
        raise NotImplementedError


def is_true(node: ast.AST) -> bool:
    """Tell whether an argument may be true: only a literal false value is not."""
    return not isinstance(node, ast.Constant) or bool(node.value)
