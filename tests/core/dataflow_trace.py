"""What cells really read and change, found by running them under a tracer that knows nothing of the analysis."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.dataflow import CellGraph

_READING = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_WRITING = frozenset({"STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"})


@dataclass
class Facts:
    """What one cell did to the namespace.

    Parameters
    ----------
    reads : set of str
        Names of other cells whose values it looked up.
    changes : set of str
        Names that it bound, unbound, or whose value is another afterwards, whatever way that came about.
    """

    reads: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)


def picture(value: Any) -> list[Any]:
    """A value as parts that compare: objects are numbered in the order in which they are met, so sharing shows.

    Functions show their closures and defaults, instances their attributes, generators where they stand, frames and arrays
    their content; modules and what draws are only named.
    """
    found: list[Any] = []
    numbers: dict[int, int] = {}
    alive: list[Any] = []  # or another object could get the place of one that was met

    def meet(value: Any) -> None:
        if isinstance(value, (int, float, str, bytes, type(None), types.ModuleType)):
            found.append(str(value))
            return
        known = id(value) in numbers
        alive.append(value)
        found.append((type(value).__name__, numbers.setdefault(id(value), len(numbers))))
        if not known:
            for part in _parts(value):
                meet(part)

    meet(value)
    return found


def _parts(value: Any) -> list[Any]:
    package = type(value).__module__.partition(".")[0]
    if isinstance(value, dict):
        return [x for pair in value.items() for x in pair]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, types.FunctionType):
        cells = [c.cell_contents for c in value.__closure__ or ()]
        where = value.__code__.co_filename.rpartition("/")[2][:10], value.__code__.co_firstlineno
        return [value.__qualname__, *where, cells, value.__defaults__]
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return [] if frame is None else [frame.f_lasti, {k: v for k, v in frame.f_locals.items() if k != ".0"}]
    if isinstance(value, functools.partial):
        return [value.func, *value.args]
    if isinstance(value, (types.MethodType, types.BuiltinMethodType)):
        return [value.__name__, value.__self__]
    if isinstance(value, type):
        own = {k: v for k, v in vars(value).items() if k[:2] != "__"} if value.__module__ == "__main__" else {}
        return [value.__name__, *value.__bases__[:1], own]
    if isinstance(value, property):
        return [value.fget]
    if package == "pandas" and hasattr(value, "to_numpy"):
        axes = [repr(list(axis)) for axis in getattr(value, "axes", [])]
        return [repr(value.to_numpy().tolist()), *axes, repr(getattr(value, "name", None))]
    if package == "numpy":
        return [repr(value.tolist() if hasattr(value, "tolist") else type(value))]
    if package in ("pandas", "matplotlib", "IPython"):
        return []
    return [type(value), vars(value)] if hasattr(value, "__dict__") else []


def namespace_picture(space: dict[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of names, with what they share."""
    return picture([[name, space[name]] for name in names if name in space])


class Namespace(dict[str, Any]):
    """A namespace that tells of `globals()["name"] = value`, which no instruction names."""

    def __init__(self) -> None:
        super().__init__(__name__="__main__")
        self.stored: set[str] = set()

    def __setitem__(self, name: str, value: Any) -> None:
        self.stored.add(name)
        super().__setitem__(name, value)


class Tracer:
    """Responsibilities: running cells one by one in a namespace, and noting what each does to it.

    Parameters
    ----------
    space : dict
        The namespace.
    names : callable
        Returns the namespace's names that belong to the notebook.
    """

    def __init__(self, space: dict[str, Any], names: Callable[[], Sequence[str]]) -> None:
        self.space = space
        self.names = names
        self.facts: list[Facts] = []
        self._codes: dict[types.CodeType, dict[int, tuple[str, str]]] = {}
        self._here = Facts()
        self._begun: dict[str, Any] = {}

    def run(self, run: Callable[[], None]) -> None:
        """Run a cell."""
        self._here = Facts()
        self._begun = {name: self.space[name] for name in self.names()}
        before = {name: picture(value) for name, value in self._begun.items()}
        other = sys.gettrace()
        sys.settrace(self._trace)
        try:
            run()
        finally:
            sys.settrace(other)
        if isinstance(self.space, Namespace):
            self._here.changes |= self.space.stored & set(self.names())
            self.space.stored.clear()
        now = {name: picture(self.space[name]) for name in self.names()}
        self._here.changes |= {n for n in now.keys() | before.keys() if now.get(n) != before.get(n)}
        self.facts.append(self._here)

    def _trace(self, frame: types.FrameType, event: str, arg: Any) -> Any:
        if event == "call":
            if frame.f_globals is not self.space:
                return None
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            found = self._named(frame.f_code).get(frame.f_lasti)
            if found is not None:
                self._note(frame, *found)
        return self._trace

    def _named(self, code: types.CodeType) -> dict[int, tuple[str, str]]:
        if code not in self._codes:
            self._codes[code] = {
                i.offset: (i.opname, str(i.argval))
                for i in dis.get_instructions(code)
                if i.opname in _READING or i.opname in _WRITING
            }
        return self._codes[code]

    def _note(self, frame: types.FrameType, operation: str, name: str) -> None:
        in_class = operation.endswith("_NAME") and frame.f_locals is not self.space and not _at_top(frame)
        if operation in _WRITING:
            if not in_class:
                self._here.changes.add(name)
        elif (
            name in self._begun
            and name not in self._own()
            and not (in_class and name in frame.f_locals)
            and self.space.get(name)
            is self._begun[name]  # else bound by the cell itself, in a way that is not seen here
        ):
            self._here.reads.add(name)

    def _own(self) -> set[str]:
        return self._here.changes | self.space.stored if isinstance(self.space, Namespace) else self._here.changes


def _at_top(frame: types.FrameType) -> bool:
    return frame.f_code.co_name == "<module>" or frame.f_code.co_name.startswith("<cell")


def missing_edges(graph: CellGraph, facts: Sequence[Facts]) -> list[tuple[int, int, str, bool]]:
    """Return the hazards that a graph whose ids are the cells' places does not know of."""
    uses = {i: set(graph.upstream_closure([i], kinds=("data",))) for i in graph.ids}
    comes_after = {i: set(graph.upstream_closure([i], kinds=("data", "order", "after"))) for i in graph.ids}
    return [h for h in hazards(facts) if graph.ids[h[0]] not in (uses if h[3] else comes_after)[graph.ids[h[1]]]]


def shuffled(graph: CellGraph, choose: Callable[[list[str]], str]) -> list[int]:
    """A topological order in which `choose` picks among the cells that may run next."""
    left = {i: {e.upstream for e in graph.upstream.get(i, ())} for i in graph.ids}
    order: list[int] = []
    while left:
        ready = [i for i, waits in left.items() if not waits]
        pick = choose(ready)
        order.append(graph.ids.index(pick))
        del left[pick]
        for waits in left.values():
            waits.discard(pick)
    return order


def hazards(facts: Sequence[Facts]) -> list[tuple[int, int, str, bool]]:
    """Return which cell must come before which: (earlier, later, name, whether the later one uses what the earlier made)."""
    found = []
    writer: dict[str, int] = {}
    readers: dict[str, list[int]] = {}
    for here, fact in enumerate(facts):
        for name in sorted(fact.reads):
            if name in writer:
                found.append((writer[name], here, name, True))
        for name in sorted(fact.changes):
            found += [(reader, here, name, False) for reader in readers.get(name, ())]
            if name in writer:
                found.append((writer[name], here, name, False))
            writer[name] = here
            readers[name] = []
        for name in fact.reads:
            readers.setdefault(name, []).append(here)
    return [h for h in found if h[0] != h[1]]
