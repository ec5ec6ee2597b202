"""Which names of a notebook may share an object, from cell to cell."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.core.dataflow.keys import CallResult, Inside, Key, Keys
from headrace.core.dataflow.records import CellFlow
from headrace.core.dataflow.sites import Lookup, results_of

#: Objects that one name is followed through; with more, they count as one object.
MOST_OBJECTS = 24


class SharedObjects:
    """Responsibilities: for each name the objects that it may be and hold; objects are numbers, joined when too many."""

    def __init__(self) -> None:
        self._itself: dict[str, set[int]] = {}
        self._inside: dict[str, set[int]] = {}
        self._names: list[set[str]] = []  # object → names that may be it or hold it
        self._readers: list[list[int]] = []  # object → cells that read it since it was last changed
        self._joined: list[int] = []  # object → the one it was joined to (itself if none)

    def _new(self) -> int:
        self._joined.append(len(self._joined))
        self._names.append(set())
        self._readers.append([])
        return len(self._joined) - 1

    def _find(self, number: int) -> int:
        while self._joined[number] != number:
            self._joined[number] = self._joined[self._joined[number]]
            number = self._joined[number]
        return number

    def _all(self, numbers: Iterable[int]) -> set[int]:
        return {self._find(n) for n in numbers}

    def itself(self, name: str) -> set[int]:
        """Return the objects that a name may be; one that nobody bound has one of its own."""
        if name not in self._itself:
            self._set(name, {self._new()}, set())
        return self._all(self._itself[name])

    def inside(self, name: str) -> set[int]:
        """Return the objects that a name may hold."""
        return self._all(self._inside.get(name, ()))

    def _set(self, name: str, itself: set[int], inside: set[int]) -> None:
        for number in (*self._itself.get(name, ()), *self._inside.get(name, ())):
            self._names[self._find(number)].discard(name)
        itself, inside = self._all(itself), self._all(inside)
        if len(itself | inside) > MOST_OBJECTS:
            one = self._join(itself | inside)
            itself, inside = ({one} if itself else set()), ({one} if inside else set())
        self._itself[name], self._inside[name] = itself, inside
        for number in itself | inside:
            self._names[number].add(name)

    def _forget(self, name: str) -> None:
        self._set(name, set(), set())
        del self._itself[name], self._inside[name]

    def _join(self, objects: set[int]) -> int:
        keep = max(objects, key=lambda n: (len(self._names[n]), n))
        for number in objects - {keep}:
            self._joined[number] = keep
            self._names[keep] |= self._names[number]
            self._readers[keep] += self._readers[number]
            self._names[number] = set()
        return keep

    def read(self, names: Iterable[str], here: int) -> None:
        """Put on record that a cell reads these names' objects, whatever the names stand for later."""
        for name in names:
            for number in self.itself(name) | self.inside(name):
                readers = self._readers[number]
                if not readers or readers[-1] != here:
                    readers.append(here)

    def change(self, keys: Iterable[Key], code: Lookup) -> tuple[set[str], set[int]]:
        """Put on record that objects are changed.

        Parameters
        ----------
        keys : iterable of Key
        code : callable
            Name → code that it holds.

        Returns
        -------
        (set of str, set of int)
            Names that may be or hold one of the objects, and cells that read one since it was last changed.
        """
        names: set[str] = set()
        readers: set[int] = set()
        for number in self._resolve(keys, {}, code).everything:
            names |= self._names[number]
            readers.update(self._readers[number])
            self._readers[number] = []
        return names, readers

    def _resolve(self, keys: Iterable[Key], fresh: dict[Key, int], code: Lookup) -> _Objects:
        found = _Objects()
        pending = [(key, False) for key in keys]
        seen = set(pending)
        known: set[tuple[str, str | None, bool]] = set()
        while pending:
            key, held = pending.pop()
            into = found.inside if held else found.itself
            if isinstance(key, str):
                into |= self.itself(key)
            elif isinstance(key, Inside):
                if isinstance(key.key, str):
                    into |= self.inside(key.key)
            elif isinstance(key, CallResult):
                call = (key.callee, key.method, held)
                given = results_of(key, code(key.callee), given_only=call in known)
                known.add(call)
                further = {*((k, held) for k in given.itself), *((k, True) for k in given.inside)} - seen
                seen |= further
                pending.extend(further)
            else:
                if key not in fresh:
                    fresh[key] = self._new()
                into.add(fresh[key])
        return found

    def take(self, flow: CellFlow, code: Lookup) -> None:
        """Put on record what the cell's names share after it has run.

        Parameters
        ----------
        flow : CellFlow
        code : callable
            Name → code that it held before the cell.
        """
        fresh: dict[Key, int] = {}
        new: dict[str, _Objects] = {}
        gained: list[tuple[set[int], set[int]]] = []
        for name, roots in flow.aliases:
            itself = self._resolve(roots.itself, fresh, code)
            inside = itself.inside | self._resolve(roots.inside, fresh, code).everything
            if name in flow.surely_binds:
                new[name] = _Objects(itself.itself, inside)
                continue
            before, held = self.itself(name), self.inside(name)
            if name in flow.binds:
                new[name] = _Objects(before | itself.itself, held | inside)
            else:
                gained.append((before, inside))
        for name in (*flow.surely_binds, *flow.surely_deletes):
            if name not in new and name in self._itself:
                self._forget(name)
        for base, objects in gained:  # what an outer object came to hold, all its names hold
            self._spread(base, objects)
        for name, roots_now in new.items():
            self._set(name, roots_now.itself, roots_now.inside)

    def hold(self, keys: Keys, names: Iterable[str], kept: Keys, code: Lookup) -> None:
        """Put on record that these objects may now hold others, and these names be them."""
        objects = self._resolve(kept, {}, code).everything
        if objects:
            self._spread(self._resolve(keys, {}, code).everything, objects)
            for name in names:
                self._set(name, self.itself(name) | objects, self.inside(name) | objects)

    def _spread(self, base: set[int], objects: set[int]) -> None:
        objects = self._all(objects)
        for name in set().union(*(self._names[self._find(n)] for n in base)):
            inside = self.inside(name)
            if not objects <= inside:
                self._set(name, self.itself(name), inside | objects)


class _Objects:
    """Objects by number."""

    __slots__ = ("inside", "itself")

    def __init__(self, itself: set[int] | None = None, inside: set[int] | None = None) -> None:
        self.itself = itself if itself is not None else set()
        self.inside = inside if inside is not None else set()

    @property
    def everything(self) -> set[int]:
        return self.itself | self.inside
