"""Names: how a read, a binding, a change of an object is resolved and put on record."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from headrace.core.dataflow.mutations import AMBIENT, MODULE_ALIASES, SHARING_FUNCTIONS, SHARING_METHODS
from headrace.core.dataflow.records import Carry, Deferred
from headrace.core.dataflow.scopes import Scope
from headrace.core.dataflow.state import NO_KEYS, Key, Keys, Loop, State, Unit

#: How a name was used: as a value, as `name(…)`, as `name.part.method(…)`.
VALUE, CALLEE, ROOT = 0, 1, 2
#: A use of a name, or code written right there.
Use = tuple[int, "str | Deferred"]

_VALUE_ATTRIBUTES = frozenset({"shape", "size", "dtype", "ndim", "name", "__name__", "__class__", "__doc__"})
_MASKS = (ast.Compare, ast.List, ast.ListComp, ast.BoolOp)
_MASK_METHODS = frozenset(
    "isin isna notna isnull notnull between duplicated contains startswith endswith match eq ne lt le gt ge astype".split()
)


class NameWalker:
    """Responsibilities: the scopes, the state at the current point, and the record of what was done to names."""

    def __init__(self, *, walrus: bool, future_annotations: bool) -> None:
        self.walrus = walrus
        self.future_annotations = future_annotations
        self.scopes: list[Scope] = []
        self.scope_count = 0
        self.state: State | None = State(set(), set(), {})
        self.cell = Unit()
        self.unit = self.cell
        self.loops: list[Loop] = []
        self.depth = 0  # > 0 where the code may be passed by
        self.soft = 0  # > 0 where a missing name is no fault, or not yet
        self.tick = 0
        self.uses: list[Use] = []
        self.code: dict[str, tuple[Deferred, ...]] = {}
        self.carries: list[Carry] = []
        self.aliases: dict[str, set[str]] = {}
        self.strong_mutations: set[str] = set()
        self.read_at: dict[str, int] = {}
        self.bound_at: dict[str, int] = {}
        self.unbound_log: list[Key] = []
        self.guarded: set[str] = set()
        self.modules: dict[str, str] = {}
        self.comprehension_roots: dict[int, Keys] = {}
        self.class_methods: list[dict[str, Deferred]] = []

    @property
    def here(self) -> State:
        """The state at the current point, which is only visited if it can be reached."""
        assert self.state is not None
        return self.state

    def new_scope(self, kind: str, names: set[str], declared_global: set[str] | None = None) -> Scope:
        self.scope_count += 1
        return Scope(self.scope_count, kind, names, declared_global)

    def key(self, name: str) -> Key:
        """Resolve a name as Python does: innermost scope first, a class only from within its own block."""
        scopes = self.scopes
        for position in range(len(scopes) - 1, -1, -1):
            scope = scopes[position]
            if name in scope.declared_global:
                return name
            if name in scope.names and (scope.kind != "class" or position == len(scopes) - 1):
                return (scope.number, name)
        return name

    def is_ambient(self, name: str) -> bool:
        """Tell whether a name means the builtin here."""
        return name in AMBIENT and name not in self.cell.binds and self.key(name) == name

    def is_module(self, name: str) -> bool:
        """Tell whether a name is, or by custom stands for, a module."""
        return (name in self.modules or name in MODULE_ALIASES) and name not in self.code

    # reads

    def load(self, name: str, how: int = VALUE) -> None:
        """Put a read on record; where the name holds code of this cell, also what that code reads."""
        key = self.key(name)
        if type(key) is tuple:
            if self.scopes[-1].kind != "class" or key[0] != self.scopes[-1].number or key in self.here.sure:
                return
            popped = self.scopes.pop()  # a class's block falls back to what is around it
            self.load(name, how)
            self.scopes.append(popped)
            return
        self.read_global(name, hard=not self.soft)
        unit = self.unit
        (unit.called if how == CALLEE else unit.kept).add(name)
        if unit is self.cell:
            self.uses.append((how, name))
            code = self.code.get(name)
            if code:
                self.run_code(code, hard=how == CALLEE and not self.soft)

    def read_global(self, name: str, *, hard: bool) -> None:
        state = self.here
        if name in state.sure or name in state.gone:
            return
        unit = self.unit
        unit.reads.add(name)
        if hard and name not in unit.binds:
            unit.requires.add(name)
        if unit is self.cell:
            self.read_at.setdefault(name, self.tick)

    def run_code(self, code: Iterable[Deferred], *, hard: bool) -> None:
        """Put on record what running this cell's own code does, through the cell's functions that it uses."""
        pending = [(deferred, hard) for deferred in code]
        seen = {id(deferred) for deferred, _ in pending}
        while pending:
            deferred, sure = pending.pop()
            for name in deferred.reads:
                self.read_global(name, hard=sure and name in deferred.requires)
                for inner in self.code.get(name, ()):
                    if id(inner) not in seen:
                        seen.add(id(inner))
                        pending.append((inner, sure and name in deferred.called and name in deferred.requires))
            state = self.here
            self.unit.opaque |= deferred.opaque
            self.unit.augments |= {n for n in deferred.augments if n not in state.sure}
            for name in deferred.mutates:
                self.mutate(self.roots_of_global(name), strong=True)
            for name in deferred.binds:
                self.unit.binds.add(name)
                state.gone.discard(name)
            for name in deferred.deletes:
                self.unit.deletes.add(name)
                state.sure.discard(name)
                self.unbound_log.append(name)

    # bindings

    def bind(self, name: str, roots: Keys = NO_KEYS, *, walrus: bool = False) -> None:
        """Put a binding on record, with the outer objects that the new value may share."""
        if walrus:
            hidden = [s for s in self.scopes if s.kind != "comprehension"]
            saved, self.scopes = self.scopes, hidden
            key = self.key(name)
            self.scopes = saved
        else:
            key = self.key(name)
        state = self.here
        state.sure.add(key)
        state.gone.discard(key)
        if roots:
            state.alias[key] = roots
        else:
            state.alias.pop(key, None)
        if type(key) is str:
            self.unit.binds.add(key)
            if self.unit is self.cell:
                if not self.depth:
                    self.bound_at.setdefault(key, self.tick)
                    self.code.pop(key, None)
                if roots:
                    self.aliases.setdefault(key, set()).update(r for r in roots if type(r) is str)

    def unbind(self, name: str) -> None:
        key = self.key(name)
        state = self.here
        state.sure.discard(key)
        state.gone.add(key)
        state.alias.pop(key, None)
        self.unbound_log.append(key)
        if type(key) is str:
            self.unit.deletes.add(key)
            self.bound_at.pop(key, None)

    def hold(
        self,
        target: str,
        uses: Iterable[Use],
        own: tuple[Deferred, ...] = (),
        *,
        adds: bool = False,
        handed: frozenset[str] = frozenset(),
    ) -> None:
        """Put on record that a global name of the cell came to hold code: its own, or that of the names used for it."""
        values: set[str] = set()
        callees: set[str] = set()
        roots: set[str] = set()
        inline: list[Deferred] = []
        for how, what in uses:
            if isinstance(what, Deferred):
                inline.append(what)
            elif what not in AMBIENT:
                (values if how == VALUE else callees if how == CALLEE else roots).add(what)
        code = [*own, *inline]
        for name in values | roots:
            code.extend(self.code.get(name, ()))
        for name in callees - values:
            code.extend(d for d in self.code.get(name, ()) if d.holds_code)
        if code:
            known = self.code.get(target, ()) if adds or self.depth else ()
            self.code[target] = tuple({id(d): d for d in (*known, *code)}.values())
        if own:
            self.carries.append(Carry(target=target, own=own, eager=False, handed=handed))
        if inline or values or callees or roots:
            self.carries.append(
                Carry(
                    target=target,
                    values=frozenset(values),
                    callees=frozenset(callees - values),
                    roots=frozenset(roots - values),
                    own=tuple(inline),
                )
            )

    # objects

    def mutate(self, roots: Keys, *, strong: bool) -> None:
        """Put a change in place on record: of these outer names, and of this unit's parameters among them."""
        for key in roots:
            if type(key) is str:
                self.unit.mutates.add(key)
                if strong:
                    self.strong_mutations.add(key)
            else:
                self.unit.local_mutations.add(key)

    def roots_of_name(self, name: str) -> Keys:
        """Return the outer variables whose object a name may stand for."""
        key = self.key(name)
        if type(key) is str:
            return self.roots_of_global(key)
        alias = self.here.alias.get(key, NO_KEYS)
        return alias if key in self.here.sure else alias | {key}

    def roots_of_global(self, name: str) -> Keys:
        state = self.here
        alias = state.alias.get(name, NO_KEYS)
        if name in state.sure or (name in AMBIENT and name not in self.cell.binds):
            return alias
        return alias | {name}

    def roots(self, node: ast.AST | None, *, masks: bool = False) -> Keys:
        """Return the outer variables with whose objects an expression's value may share parts.

        Parameters
        ----------
        node : ast.AST or None
        masks : bool, default False
            Whether the value is only named, not changed at once: an index by condition then counts as a copy (so it
            is in `sub = df[df.x > 0]`, while `groups[x > 0].append(x)` changes `groups`), and what a module gives out
            (`math.pi`) as nothing of the module.
        """
        through_attribute = False
        while node is not None:
            if isinstance(node, ast.Name):
                if masks and through_attribute and self.is_module(node.id):
                    return NO_KEYS
                return self.roots_of_name(node.id)
            if isinstance(node, ast.Attribute):
                if node.attr in _VALUE_ATTRIBUTES:
                    return NO_KEYS
                through_attribute = True
                node = node.value
            elif isinstance(node, ast.Subscript):
                if masks and is_mask(node.slice):
                    return NO_KEYS
                node = node.value
            elif isinstance(node, (ast.Starred, ast.Await, ast.NamedExpr)):
                node = node.value
            elif isinstance(node, ast.IfExp):
                return self.roots(node.body, masks=masks) | self.roots(node.orelse, masks=masks)
            elif isinstance(node, ast.BoolOp):
                return self.all_roots(node.values)
            elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                return self.all_roots(node.elts)
            elif isinstance(node, ast.Dict):
                return self.all_roots(node.values)
            elif isinstance(node, ast.Call):
                return self.call_roots(node)
            else:
                return self.comprehension_roots.get(id(node), NO_KEYS)
        return NO_KEYS

    def all_roots(self, nodes: Iterable[ast.AST | None]) -> Keys:
        found: Keys = NO_KEYS
        for node in nodes:
            if not isinstance(node, ast.Constant):
                found |= self.roots(node)
        return found

    def call_roots(self, node: ast.Call) -> Keys:
        """Return the roots of a call's value: calls make new objects, but for the known ones that pass theirs on."""
        func = node.func
        given = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(func, ast.Name):
            if func.id in SHARING_FUNCTIONS:
                return self.all_roots(given)
            found: Keys = NO_KEYS
            for deferred in self.code.get(func.id, ()):
                if deferred.is_class or deferred.returns_params:
                    found |= self.all_roots(given)
            return found
        if isinstance(func, ast.Attribute):
            if func.attr in SHARING_METHODS:
                found = self.roots(func.value)
                return found | self.all_roots(node.args[1:]) if func.attr in ("get", "setdefault") else found
            if func.attr in SHARING_FUNCTIONS:
                return self.all_roots(given)
        return NO_KEYS


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
