"""Names: how a read, a binding, a change of an object is resolved and put on record."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.core.dataflow.joining import bounded
from headrace.core.dataflow.keys import (
    NOTHING,
    CallResult,
    Inside,
    Key,
    Keys,
    Roots,
    Variable,
    local,
    outer_names,
    roots_of_variable,
)
from headrace.core.dataflow.mutations import AMBIENT, MODULE_ALIASES
from headrace.core.dataflow.records import Carry, Deferred
from headrace.core.dataflow.scopes import Scope
from headrace.core.dataflow.sites import CallJudge, results_of
from headrace.core.dataflow.state import Loop, State, Unit

#: How a name was used: as a value, as `name(…)`, as `name.part.method(…)`.
VALUE, CALLEE, ROOT = 0, 1, 2
#: A use of a name, or code written right there.
Use = tuple[int, "str | Deferred"]


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
        self.depth = 0  # > 0 where the code may be passed by, loops not counted
        self.loop_bound: set[str] = set()  # bound by loops if they have at least one turn
        self.soft = 0  # > 0 where a missing name is no fault, or not yet
        self.tick = 0
        self.uses: list[Use] = []
        self.code: dict[str, tuple[Deferred, ...]] = {}
        self._judge: CallJudge | None = None  # until `code` changes
        self.carries: list[Carry] = []
        self.strong_mutations: set[str] = set()
        self.read_at: dict[str, int] = {}
        self.bound_at: dict[str, int] = {}
        self.unbound_log: list[Variable] = []
        self.guarded: set[str] = set()
        self.modules: dict[str, str] = {}
        self.value_roots: dict[int, Roots] = {}  # of expressions whose objects were told while they were visited
        self.captured: set[Variable] = set()
        self.closure_roots: Roots = NOTHING
        self.serial = 0
        self.class_methods: list[dict[str, Deferred]] = []

    @property
    def here(self) -> State:
        """The state at the current point, which is only visited if it can be reached."""
        assert self.state is not None
        return self.state

    def new_scope(self, kind: str, names: set[str], declared_global: set[str] | None = None) -> Scope:
        self.scope_count += 1
        return Scope(self.scope_count, kind, names, declared_global)

    def key(self, name: str) -> Variable:
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
            self.captured.add(key)
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
                if any(d.changes_holder for d in code):
                    self.mutate(self.roots_of_global(name).everything, strong=True)
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
            self.mutate(self.now(deferred.changes).everything, strong=True)
            kept = self.now(deferred.keeps)
            if kept:
                self.share(Roots(self.now(deferred.changes).everything), kept)
            for name in deferred.binds:
                self.unit.binds.add(name)
                state.gone.discard(name)
                if kept:
                    state.alias[name] = state.alias.get(name, NOTHING).joined(kept.element())
            for name in deferred.deletes:
                self.unit.deletes.add(name)
                state.sure.discard(name)
                self.unbound_log.append(name)

    # bindings

    def bind(self, name: str, roots: Roots = NOTHING, *, walrus: bool = False) -> None:
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
        if type(key) is str:
            self.unit.binds.add(key)
            if self.unit is self.cell:
                if not (self.depth or self.loops):
                    self.bound_at.setdefault(key, self.tick)
                    if self.code.pop(key, None) is not None:
                        self._judge = None
            else:
                self.unit.keeps |= roots.everything
        state.alias[key] = self.new_object(roots, name)

    def new_object(self, roots: Roots, name: str) -> Roots:
        """Return roots with an object of their own, if they are no known one's."""
        if any(not isinstance(k, CallResult) for k in roots.itself):
            return roots
        self.serial -= 1
        return Roots(roots.itself | {(self.serial, name)}, roots.inside)

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
            known = self.code.get(target, ()) if adds or self.depth or self.loops else ()
            self.code[target] = bounded((*known, *code))
            self._judge = None
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

    def judge(self) -> CallJudge:
        """Return what tells the changes of calls, given the code that this cell's names hold now."""
        if self._judge is None:
            self._judge = CallJudge(lambda name: self.code.get(name, ()))
        return self._judge

    # objects

    def mutate(self, keys: Keys, *, strong: bool) -> None:
        """Put on record that these objects are changed in place.

        Parameters
        ----------
        keys : frozenset of Key
        strong : bool
            Whether that is certain to be no plain call of a module's function.
        """
        self.unit.changes |= keys
        if strong and self.unit is self.cell:
            self.strong_mutations |= outer_names(keys)

    def share(self, base: Roots, given: Roots) -> None:
        """Put on record that an object now holds others: so does every name that may be it or hold it."""
        gained = given.everything
        if not gained or not base.itself or self.state is None:
            return
        alias = self.state.alias
        for variable, roots in alias.items():
            if not (roots.itself.isdisjoint(base.itself) and roots.inside.isdisjoint(base.itself)):
                alias[variable] = Roots(roots.itself, roots.inside | gained)
        for key in base.itself:
            owner: Key = key.key if isinstance(key, Inside) else key
            mine = owner if isinstance(owner, str) else local(owner)
            if isinstance(mine, str) or (mine is not None and mine[0] > 0):
                alias[mine] = alias.get(mine, NOTHING).joined(Roots(inside=gained))
        if self.unit is not self.cell:
            self.unit.keeps |= gained

    def now(self, keys: Keys) -> Roots:
        """Return what objects known by names are at this point, the results of this cell's own code included."""
        found = NOTHING
        for key in keys:
            if isinstance(key, str):
                found = found.joined(Roots(self.roots_of_global(key).itself))
            elif isinstance(key, Inside) and isinstance(key.key, str):
                found = found.joined(Roots(self.roots_of_global(key.key).inside))
            elif isinstance(key, CallResult):
                found = found.joined(self.result(key))
            else:
                found = found.joined(Roots(frozenset({key})))
        return found

    def result(self, call: CallResult) -> Roots:
        """Return the roots of a call's value, as far as this cell's own code can tell."""
        found = NOTHING
        pending: list[tuple[Key, bool]] = [(call, False)]
        seen = set(pending)
        known: set[tuple[str, str | None, bool]] = set()
        while pending:
            key, held = pending.pop()
            if not isinstance(key, CallResult):
                roots = self.now(frozenset({key}))
            else:
                roots = NOTHING if key.callee in self.here.sure else Roots(frozenset({key}), frozenset({key}))
                code = self.code.get(key.callee)
                same = (key.callee, key.method, held)
                given = results_of(key, code, given_only=same in known) if code else NOTHING
                known.add(same)
                further = {*((k, held) for k in given.itself), *((k, True) for k in given.inside)} - seen
                seen |= further
                pending.extend(further)
            found = found.joined(roots.contained() if held else roots)
        return found

    def roots_of_name(self, name: str) -> Roots:
        """Return the objects that a name may stand for, and what they may hold."""
        key = self.key(name)
        if isinstance(key, str):
            return self.roots_of_global(key)
        roots = self.here.alias.get(key, NOTHING)
        return roots if key in self.here.sure else roots.joined(roots_of_variable(key))

    def roots_of_global(self, name: str) -> Roots:
        state = self.here
        roots = state.alias.get(name, NOTHING)
        if name in state.sure or (name in AMBIENT and name not in self.cell.binds):
            return roots
        return roots.joined(roots_of_variable(name))
