"""The flow graph: order, layers and places of nodes, without a drawing library.

The layout is layered (longest path), its crossings reduced by barycentres:
the same way as the panel's, so that a picture in a notebook looks like the one
in JupyterLab.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.core.errors import CycleError

#: Sweeps over the layers; more change little (measured for the panel, reference/frontend.md).
SWEEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A node's place.

    Parameters
    ----------
    id : str
    layer : int
        0 is where nothing comes before.
    row : int
        Its place in the layer, from 0.
    """

    id: str
    layer: int
    row: int


def topological(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return the nodes so that each comes after its upstream ones, otherwise in the given order.

    Parameters
    ----------
    nodes : sequence of str
    edges : iterable of (upstream, downstream)
        Edges to or from unknown nodes are left out.

    Raises
    ------
    CycleError
        The message names the nodes of one circle.
    """
    place = {node: n for n, node in enumerate(nodes)}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    missing = dict.fromkeys(nodes, 0)
    for upstream, downstream in set(edges):
        if upstream in place and downstream in place:
            after[upstream].append(downstream)
            missing[downstream] += 1
    ready = [place[node] for node in nodes if missing[node] == 0]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for following in after[node]:
            missing[following] -= 1
            if missing[following] == 0:
                heapq.heappush(ready, place[following])
    if len(order) < len(nodes):
        raise CycleError("Dependencies go round in a circle: " + " → ".join(_circle(after, missing)) + ".")
    return order


def _circle(after: Mapping[str, Sequence[str]], missing: Mapping[str, int]) -> list[str]:
    """Return the nodes of one circle, the first one again at the end."""
    node = next(name for name, count in missing.items() if count > 0)
    before: dict[str, str] = {}
    for upstream, downstreams in after.items():
        for downstream in downstreams:
            if missing[upstream] > 0 and missing[downstream] > 0:
                before[downstream] = upstream
    seen: list[str] = []
    while node not in seen:
        seen.append(node)
        node = before.get(node, node)
    found = seen[seen.index(node) :][::-1]
    return [*found, found[0]]


def reachable(start: Iterable[str], edges: Iterable[tuple[str, str]]) -> set[str]:
    """Return `start` and everything downstream of it (give reversed edges for upstream)."""
    after: dict[str, list[str]] = {}
    for upstream, downstream in edges:
        after.setdefault(upstream, []).append(downstream)
    found = set(start)
    todo = deque(found)
    while todo:
        for node in after.get(todo.popleft(), ()):
            if node not in found:
                found.add(node)
                todo.append(node)
    return found


def layered(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[Placed]:
    """Return a place for each node: layers by longest path, rows by barycentre.

    Raises
    ------
    CycleError
    """
    pairs = [(a, b) for a, b in dict.fromkeys(edges) if a != b]
    order = topological(nodes, pairs)
    known = set(order)
    pairs = [(a, b) for a, b in pairs if a in known and b in known]
    layer = dict.fromkeys(order, 0)
    before: dict[str, list[str]] = {node: [] for node in order}
    after: dict[str, list[str]] = {node: [] for node in order}
    for upstream, downstream in pairs:
        before[downstream].append(upstream)
        after[upstream].append(downstream)
    for node in order:
        for upstream in before[node]:
            layer[node] = max(layer[node], layer[upstream] + 1)
    layers: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in order:
        layers[layer[node]].append(node)
    row = {node: float(n) for members in layers for n, node in enumerate(members)}
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for members in layers if sweep % 2 == 0 else reversed(layers):
            wish = {
                node: sum(row[other] for other in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else row[node]
                for node in members
            }
            members.sort(key=wish.__getitem__)
            for n, node in enumerate(members):
                row[node] = float(n)
    return [Placed(id=node, layer=layer[node], row=int(row[node])) for node in order]
