"""Any order that the graph allows gives what document order gives, and no real read lacks its edge."""

from __future__ import annotations

import random
import types
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace.core.dataflow import CellGraph, CellInput, build_graph, plan_rerun

from .dataflow_programs import notebooks


def graph_of(cells: Sequence[str]) -> CellGraph:
    return build_graph([CellInput(id=str(i), source=source) for i, source in enumerate(cells)])


def run(cells: Sequence[str], order: Sequence[int]) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__"}
    for place in order:
        exec(compile(cells[place], f"cell {place}", "exec"), space)  # noqa: S102 (the tests wrote it themselves)
    return space


def seen(space: dict[str, Any]) -> dict[str, Any]:
    """A namespace as comparable values: what names hold, which share an object, what code in them gives when run."""
    names = sorted(n for n in space if not n.startswith("__") and not isinstance(space[n], types.ModuleType))
    found: dict[str, Any] = {}
    places: dict[int, str] = {}
    for name in names:
        value = space[name]
        if isinstance(value, list):
            found[f"{name} is"] = places.setdefault(id(value), name)
            found[f"{name} holds"] = [places.setdefault(id(x), name) for x in value if isinstance(x, list)]
        if isinstance(value, (int, list)):
            found[name] = repr(value)
        elif isinstance(value, type):
            found[name] = sorted(vars(value))
        elif hasattr(value, "kept"):
            found[name] = (type(value).__name__, value.kept, places.setdefault(id(value.kept), name))
        else:
            found[name] = type(value).__name__
    for name in names:  # last, for running code changes things
        value = space[name]
        if isinstance(value, types.FunctionType):
            count = value.__code__.co_argcount - len(value.__defaults__ or ())
            found[f"{name}()"] = attempt(lambda value=value, count=count: value(*([[1, 2]] * count)))
        elif isinstance(value, types.GeneratorType):
            found[f"{name}()"] = attempt(lambda value=value: list(value))
    return found


def attempt(call: Any) -> str:
    try:
        return repr(call()).split(" at 0x")[0]
    except (NameError, RecursionError) as error:
        return type(error).__name__


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
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
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
