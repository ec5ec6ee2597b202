"""Any order that the graph allows gives what document order gives, and no real read lacks its edge."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace.core.dataflow import CellGraph, CellInput, build_graph

from .dataflow_programs import notebooks


def graph_of(cells: Sequence[str]) -> CellGraph:
    return build_graph([CellInput(id=str(i), source=source) for i, source in enumerate(cells)])


def run(cells: Sequence[str], order: Sequence[int]) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__"}
    for place in order:
        exec(compile(cells[place], f"cell {place}", "exec"), space)
    return space


def seen(space: dict[str, Any]) -> list[Any]:
    """A namespace as comparable values: objects are numbered in the order in which they are met, so sharing shows.

    Functions show their closures and defaults, instances their attributes, generators where they stand.
    """
    found: list[Any] = []
    numbers: dict[int, int] = {}
    alive: list[Any] = []  # or another object could get the place of one that was met

    def meet(value: Any) -> None:
        if isinstance(value, (int, str, type(None), types.ModuleType)):
            found.append(str(value))
            return
        known = id(value) in numbers
        alive.append(value)
        found.append((type(value).__name__, numbers.setdefault(id(value), len(numbers))))
        if known:
            return
        if isinstance(value, dict):
            parts: list[Any] = [x for pair in value.items() for x in pair]
        elif isinstance(value, (list, tuple)):
            parts = list(value)
        elif isinstance(value, types.FunctionType):
            cells = [c.cell_contents for c in value.__closure__ or ()]
            where = value.__code__.co_filename, value.__code__.co_firstlineno
            parts = [value.__qualname__, *where, cells, value.__defaults__]
        elif isinstance(value, types.GeneratorType):
            frame = value.gi_frame
            parts = [] if frame is None else [frame.f_lasti, {k: v for k, v in frame.f_locals.items() if k != ".0"}]
        elif isinstance(value, functools.partial):
            parts = [value.func, *value.args]
        elif isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            parts = [value.__name__, value.__self__]
        elif isinstance(value, type):
            parts = [value.__name__, *value.__bases__[:1], {k: v for k, v in vars(value).items() if k[:2] != "__"}]
        elif isinstance(value, property):
            parts = [value.fget]
        elif hasattr(value, "__dict__"):
            parts = [type(value), vars(value)]
        else:
            parts = []
        for part in parts:
            meet(part)

    for name in sorted(n for n in space if not n.startswith("__")):
        found.append(name)
        meet(space[name])
    return found


def shuffled(graph: CellGraph, choose: Any) -> list[int]:
    """A topological order in which `choose` picks among the cells that may run next."""
    left = {i: {e.upstream for e in graph.upstream.get(i, ())} for i in graph.ids}
    order: list[int] = []
    while left:
        ready = [i for i, waits in left.items() if not waits]
        pick = choose(ready)
        order.append(int(pick))
        del left[pick]
        for waits in left.values():
            waits.discard(pick)
    return order


def document_order(cells: Sequence[str]) -> dict[str, Any]:
    """What document order gives; a generated program that fails says nothing."""
    try:
        return run(cells, range(len(cells)))
    except (NameError, RecursionError, ValueError, TypeError, AttributeError, IndexError):
        assume(False)
        raise


SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@SETTINGS
@given(notebooks(), st.integers(0, 2**32))
def test_any_order_of_the_graph_gives_the_namespace_of_document_order(cells: list[str], seed: int) -> None:
    expected = seen(document_order(cells))
    graph = graph_of(cells)
    dice = random.Random(seed)
    for choose in (lambda ready: ready[-1], dice.choice, dice.choice):
        order = shuffled(graph, choose)
        assert seen(run(cells, order)) == expected, order
