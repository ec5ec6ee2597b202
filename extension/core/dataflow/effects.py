"""What cells do through code that other cells defined: functions, classes and generators held by names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from headrace.core.dataflow.joining import MOST_CODE, bounded
from headrace.core.dataflow.keys import Inside, Key, Keys, outer_names, without_locals
from headrace.core.dataflow.mutations import AMBIENT
from headrace.core.dataflow.records import NONE, CallSite, CellFlow, Deferred, Names
from headrace.core.dataflow.sites import CallJudge, Lookup


@dataclass(frozen=True, slots=True)
class Held:
    """Code that a name holds.

    Parameters
    ----------
    deferred : Deferred
    origin : int
        Place of the cell where the name came to hold it.
    eager : bool
        Whether that cell already counted the code's reads as its own: then what was written before is no news to
        those who use the name.
    """

    deferred: Deferred
    origin: int
    eager: bool


@dataclass(slots=True)
class Effects:
    """What a cell does through code of others, besides what stands in it."""

    reads: set[str] = field(default_factory=set)
    ambient_reads: set[str] = field(default_factory=set)
    requires: dict[str, str] = field(default_factory=dict)
    implied: set[str] = field(default_factory=set)  # reads whose writers come before through others anyway
    binds: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    mutates: set[str] = field(default_factory=set)
    augments: set[str] = field(default_factory=set)
    changes: set[Key] = field(default_factory=set)
    kept: list[tuple[Keys, Names, Keys]] = field(default_factory=list)  # objects, and names, that others went into
    opaque: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Running:
    """Code that a cell may run: held by `holder`, reached from the name `through`, first read at `at`, surely if `hard`."""

    held: Held
    holder: str
    through: str
    at: int
    hard: bool


class CodeHolders:
    """Responsibilities: which names hold which code, on the way down the document."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Held, ...]] = {}
        self._judge = CallJudge(self.code)

    def code(self, name: str) -> Iterable[Deferred]:
        return [h.deferred for h in self.held.get(name, ())]

    def effects(self, flow: CellFlow, here: int, last_write: Callable[[str], int]) -> Effects:
        """Return what a cell does through the code that its names hold.

        Parameters
        ----------
        flow : CellFlow
            The cell.
        here : int
            Its place.
        last_write : callable
            Name → place of the last cell above that wrote it, -1 for none.

        Returns
        -------
        Effects
        """
        effects = Effects()
        if not self.held:
            return effects
        own: dict[str, list[Deferred]] = {}
        for carry in flow.carries:
            if carry.own:
                own.setdefault(carry.target, []).extend(carry.own)

        def lookup(name: str) -> list[Deferred]:
            return [*self.code(name), *own.get(name, ())]

        judge = CallJudge(lookup) if own else self._judge
        pending: list[_Running] = []
        for name in flow.reads | flow.ambient_reads:
            hard = name in flow.called and name in flow.requires
            at = flow.read_at.get(name, 0)
            pending.extend(_Running(h, name, name, at, hard) for h in self.held.get(name, ()))
        for carry in flow.carries:
            if carry.handed and any(name in self.held for name in carry.handed):
                pending.extend(_Running(Held(d, here, False), carry.target, carry.target, 0, False) for d in carry.own)
        seen: set[tuple[int, str, bool]] = set()
        fresh: set[str] = set()
        while pending:
            running = pending.pop()
            held, holder, at = running.held, running.holder, running.at
            deferred = held.deferred
            if (id(deferred), holder, running.hard) in seen:
                continue
            seen.add((id(deferred), holder, running.hard))
            for name in deferred.reads:
                pending.extend(
                    _Running(Held(d, here, False), name, running.through, at, False) for d in own.get(name, ())
                )
                if flow.bound_at.get(name, at) < at:
                    continue  # bound by the cell itself before
                must = running.hard and name in deferred.requires
                if name in AMBIENT:
                    effects.ambient_reads.add(name)
                else:
                    effects.reads.add(name)
                    if must and name not in flow.binds:
                        effects.requires.setdefault(name, running.through)
                if not held.eager or last_write(name) > held.origin:
                    fresh.add(name)
                hard = must and name in deferred.called
                pending.extend(_Running(h, name, running.through, at, hard) for h in self.held.get(name, ()))
            effects.binds |= deferred.binds
            effects.deletes |= deferred.deletes
            effects.changes |= deferred.changes
            effects.augments |= deferred.augments
            effects.opaque |= deferred.opaque
            if deferred.keeps and (deferred.binds or deferred.changes):
                effects.kept.append((deferred.changes, deferred.binds, deferred.keeps))
            if deferred.consumable or (held.eager and deferred.yields):
                effects.changes.add(holder)  # who uses a generator leaves less of it to the next
            late = held.eager and (deferred.yields or deferred.mutates_params or deferred.deep_params)
            if deferred.changes_holder or (held.eager and deferred.stateful) or (late and not deferred.is_class):
                effects.changes |= {holder, Inside(holder)}
            for site in deferred.sites:
                self._changed(effects, site, lookup, judge)
        for site in flow.calls:
            self._changed(effects, site, lookup, judge)
        effects.mutates |= outer_names(effects.changes)
        effects.implied = effects.reads - fresh - flow.reads
        return effects

    def _changed(self, effects: Effects, site: CallSite, lookup: Lookup, judge: CallJudge) -> None:
        changed = without_locals(judge.changed_by(site))
        if changed:
            effects.changes |= changed
            given = site.receiver.everything.union(*(a.roots.everything for a in site.arguments))
            kept = frozenset().union(*(d.keeps for d in lookup(site.callee)))
            effects.kept.append((changed, NONE, without_locals(given) | kept))

    def take(self, flow: CellFlow, here: int) -> None:
        """Put on record what the cell's names hold after it has run."""
        fresh: dict[str, tuple[Held, ...]] = {}

        def now(name: str) -> tuple[Held, ...]:
            return fresh[name] if name in fresh else self.held.get(name, ())

        for carry in flow.carries:
            gained = [Held(d, here, carry.eager) for d in carry.own]
            for name in (*carry.values, *carry.roots):
                gained.extend(Held(h.deferred, here, True) for h in now(name))
            for name in carry.callees:
                gained.extend(Held(h.deferred, here, True) for h in now(name) if h.deferred.holds_code)
            if carry.target in fresh:
                before = fresh[carry.target]
            elif carry.target in flow.surely_binds:
                before = ()
            else:
                before = self.held.get(carry.target, ())
            if gained or before:
                fresh[carry.target] = _bounded((*before, *gained), here)
        for name in (*flow.surely_binds, *flow.surely_deletes):
            if self.held.pop(name, None) is not None:
                self._judge = CallJudge(self.code)
        if fresh:
            self.held.update(fresh)
            self._judge = CallJudge(self.code)


def _bounded(held: Iterable[Held], here: int) -> tuple[Held, ...]:
    found = tuple({(id(h.deferred), h.eager): h for h in held}.values())
    if len(found) <= MOST_CODE:
        return found
    eager = bounded(h.deferred for h in found if h.eager)
    late = bounded(h.deferred for h in found if not h.eager)
    origins = {(id(h.deferred), h.eager): h.origin for h in found}
    return (
        *(Held(d, origins.get((id(d), True), here), True) for d in eager),
        *(Held(d, origins.get((id(d), False), here), False) for d in late),
    )
