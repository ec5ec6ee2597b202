"""Labels, `after` and running order of cells."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from headrace.core.dataflow.graph import CellInput
from headrace.core.errors import CycleError, UsageError
from headrace.core.hints import did_you_mean


def label(cell: CellInput, position: int) -> str:
    """Return what messages call a cell: its name, else its place counted from 1."""
    return cell.name if cell.name else f"cell {position + 1}"


def resolve_after(cells: Sequence[CellInput]) -> Iterator[tuple[int, int]]:
    """Yield (cell, cell that must run before it) for all `after` options.

    Raises
    ------
    UsageError
        A name is no cell's; the message has the nearest one.
    CycleError
        A cell is to run after itself.
    """
    if not any(cell.after for cell in cells):
        return
    places = {cell.id: position for position, cell in enumerate(cells)}
    places.update({cell.name: position for position, cell in enumerate(cells) if cell.name})
    for position, cell in enumerate(cells):
        for name in cell.after:
            if name not in places:
                names = [c.name for c in cells if c.name]
                hint = did_you_mean(name, names, f"the cells are {', '.join(names) or 'all without a name'}.")
                raise UsageError(
                    f"{label(cell, position)}: --after names {name!r}, which is no cell here; {hint}", field="after"
                )
            if places[name] == position:
                own = label(cell, position)
                raise CycleError(f"--after makes a circle: {own} → {own}; take its --after {name} away.", field="after")
            yield position, places[name]


def topological_order(
    cells: Sequence[CellInput], edges: Mapping[tuple[int, int], Mapping[str, Collection[str]]]
) -> list[int]:
    """Return an order in which every cell comes after those it depends on, as near to document order as can be.

    Parameters
    ----------
    cells : sequence of CellInput
    edges : mapping of (int, int) to mapping of str to collection of str
        (upstream, downstream) → kind → names.

    Returns
    -------
    list of int

    Raises
    ------
    CycleError
        There is none; the message has the circle.
    """
    waits = [0] * len(cells)
    down: list[list[int]] = [[] for _ in cells]
    for upstream, downstream in edges:
        waits[downstream] += 1
        down[upstream].append(downstream)
    ready = [i for i, count in enumerate(waits) if not count]
    order: list[int] = []
    while ready:
        cell = heapq.heappop(ready)
        order.append(cell)
        for other in down[cell]:
            waits[other] -= 1
            if not waits[other]:
                heapq.heappush(ready, other)
    if len(order) < len(cells):
        raise CycleError(_circle(cells, edges, {i for i, count in enumerate(waits) if count}), field="after")
    return order


def _circle(
    cells: Sequence[CellInput], edges: Mapping[tuple[int, int], Mapping[str, Collection[str]]], left: set[int]
) -> str:
    up: dict[int, int] = {}
    for upstream, downstream in edges:
        # an `after` edge on the path is what the person can change, so it is preferred
        wanted = downstream not in up or "after" in edges[(upstream, downstream)]
        if upstream in left and downstream in left and wanted:
            up[downstream] = upstream
    path = [min(up)]
    while path[-1] not in path[:-1]:
        path.append(up[path[-1]])
    path = path[path.index(path[-1]) :]
    path.reverse()
    text = label(cells[path[0]], path[0])
    for before, here in pairwise(path):
        kinds = edges[(before, here)]
        data = sorted(n for k in ("data", "order") for n in kinds.get(k, ()))
        why = f"through {', '.join(data[:3])}" if data else "--after"
        text += f" → {label(cells[here], here)} ({why})"
    return f"--after makes a circle: {text}; take one --after of it away."
