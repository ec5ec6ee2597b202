"""Any order that the graph allows gives what document order gives, and no real read or change lacks its edge."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace.core.dataflow import CellGraph, CellInput, build_graph, plan_rerun

from .dataflow_programs import notebooks
from .dataflow_trace import Namespace, Tracer, missing_edges, namespace_picture, shuffled

#: What a generated program may fail with; it then says nothing.
FAULTS = (NameError, RecursionError, ValueError, TypeError, AttributeError, IndexError)


def graph_of(cells: Sequence[str]) -> CellGraph:
    return build_graph([CellInput(id=str(i), source=source) for i, source in enumerate(cells)])


def run_cell(cells: Sequence[str], place: int, space: dict[str, Any]) -> None:
    exec(compile(cells[place], f"<cell {place}>", "exec"), space)


def run(cells: Sequence[str], order: Iterable[int], space: dict[str, Any] | None = None) -> dict[str, Any]:
    space = {"__name__": "__main__"} if space is None else space
    for place in order:
        run_cell(cells, place, space)
    return space


def names_of(space: dict[str, Any]) -> list[str]:
    return sorted(n for n in space if not n.startswith("__"))


def seen(space: dict[str, Any]) -> list[Any]:
    return namespace_picture(space, names_of(space))


def document_order(cells: Sequence[str]) -> dict[str, Any]:
    """What document order gives."""
    try:
        return run(cells, range(len(cells)))
    except FAULTS:
        assume(False)
        raise


SETTINGS = settings(
    max_examples=100,
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


@SETTINGS
@given(notebooks())
def test_a_trace_of_what_cells_really_read_and_change_finds_no_missing_edge(cells: list[str]) -> None:
    space = Namespace()
    tracer = Tracer(space, lambda: names_of(space))
    for place in range(len(cells)):
        try:
            tracer.run(lambda place=place: run_cell(cells, place, space))  # type: ignore[misc]
        except FAULTS:
            assume(False)
    assert missing_edges(graph_of(cells), tracer.facts) == []


@SETTINGS
@given(notebooks(), st.integers(0, 2**32))
def test_running_what_a_changed_cell_makes_stale_gives_what_running_all_gives(cells: list[str], seed: int) -> None:
    dice = random.Random(seed)
    place = dice.randrange(len(cells))
    assume("while" not in cells[place])  # its loops count down to zero
    edited = list(cells)
    edited[place] = re.sub(r"(?<![\w.])\d\b", lambda m: str((int(m.group()) + dice.randint(0, 2)) % 10), cells[place])
    assume(edited != cells)
    live = document_order(cells)
    expected = seen(document_order(edited))
    for step in plan_rerun(graph_of(edited), [str(place)]):
        for name in step.clear:
            live.pop(name, None)
        run_cell(edited, int(step.cell_id), live)
    assert seen(live) == expected
