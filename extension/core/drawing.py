"""A flow graph as text, as a table and as SVG: states by shape and word, never by colour alone.

The SVG has no script, no link and no font of its own; all text is escaped; it
follows the page's light or dark theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from headrace.core.graph import layered, topological

#: State type (or "" for never run) → sign, and light and dark colour (contrast ≥ 3:1 on Lab's backgrounds).
SIGNS: dict[str, tuple[str, str, str]] = {
    "": ("○", "#757575", "#a0a0a0"),
    "SCHEDULED": ("◷", "#6d4c9f", "#b39ddb"),
    "PENDING": ("◌", "#757575", "#a0a0a0"),
    "RUNNING": ("▶", "#1565c0", "#64b5f6"),
    "PAUSED": ("⏸", "#8a6100", "#ffca28"),
    "CANCELLING": ("◐", "#8a6100", "#ffca28"),
    "COMPLETED": ("✔", "#2e7d32", "#81c784"),
    "FAILED": ("✖", "#c62828", "#ef9a9a"),
    "CANCELLED": ("⊘", "#616161", "#bdbdbd"),
    "CRASHED": ("⚡", "#b23c00", "#ffab91"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a picture shows of a run or cell.

    Parameters
    ----------
    id : str
    label : str
    state_type : str, default ""
        "" for what never ran.
    state_name : str, default ""
    duration_seconds : float or None, default None
    note : str, default ""
        A word beside the state, e.g. "stale".
    time_text : str or None, default None
        Stands in the place of the exact duration.
    """

    id: str
    label: str
    state_type: str = ""
    state_name: str = ""
    duration_seconds: float | None = None
    note: str = ""
    time_text: str | None = None

    @property
    def time(self) -> str:
        """How long it took, in words."""
        return duration_text(self.duration_seconds) if self.time_text is None else self.time_text


def rough_duration(seconds: float | None) -> str:
    """Return about how long something took, the same from run to run: "< 1 s", "< 1 min" …; "" for None.

    A notebook keeps what is shown in it, and must not differ each time it is run.
    """
    if seconds is None:
        return ""
    for limit, words in ((1, "< 1 s"), (10, "< 10 s"), (60, "< 1 min"), (600, "< 10 min"), (3600, "< 1 h")):
        if seconds < limit:
            return words
    return "1 h or more"


def duration_text(seconds: float | None) -> str:
    """Return a duration for people: "12 ms", "3.4 s", "2 min 05 s", "1 h 02 min"; "" for None."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def table_rows(nodes: Sequence[Node], edges: Iterable[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    """Return (name, state, duration, upstream names) of each node, in an order in which they can run."""
    pairs = list(edges)
    by_id = {node.id: node for node in nodes}
    before: dict[str, list[str]] = {}
    for upstream, downstream in dict.fromkeys(pairs):
        if upstream in by_id:
            before.setdefault(downstream, []).append(by_id[upstream].label)
    rows = []
    for node_id in topological([node.id for node in nodes], pairs):
        node = by_id[node_id]
        sign = SIGNS.get(node.state_type, SIGNS[""])[0]
        state = f"{sign} {node.state_name or 'not run'}" + (f" ({node.note})" if node.note else "")
        rows.append((node.label, state, node.time, ", ".join(before.get(node_id, ()))))
    return rows


def to_text(nodes: Sequence[Node], edges: Iterable[tuple[str, str]]) -> str:
    """Return the graph as lines of text: each node after what it comes after."""
    rows = [("name", "state", "time", "after"), *table_rows(nodes, edges)]
    widths = [max(len(row[n]) for row in rows) for n in range(3)]
    return "\n".join("  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]).rstrip() for row in rows)


def to_mermaid(nodes: Sequence[Node], edges: Iterable[tuple[str, str]]) -> str:
    """Return the graph as Mermaid text."""
    name = {node.id: f"n{n}" for n, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    for node in nodes:
        label = node.label.replace('"', "#quot;").replace("\n", " ")
        lines.append(f'  {name[node.id]}["{label}"]')
    lines += [f"  {name[a]} --> {name[b]}" for a, b in dict.fromkeys(edges) if a in name and b in name]
    return "\n".join(lines)


_WIDE, _HIGH, _GAP_X, _GAP_Y, _PAD = 172, 44, 46, 16, 12


def to_svg(
    nodes: Sequence[Node], edges: Iterable[tuple[str, str]], *, title: str = "Flow graph", colours: bool = True
) -> str:
    """Return the graph as an SVG picture, left to right.

    Parameters
    ----------
    nodes : sequence of Node
    edges : iterable of (upstream, downstream)
    title : str
        For screen readers; each node has a description, too.
    colours : bool, default True
        False: signs and words alone tell states (NO_COLOR).
    """
    pairs = [(a, b) for a, b in dict.fromkeys(edges)]
    placed = {place.id: place for place in layered([node.id for node in nodes], pairs)}
    tallest = max((place.row for place in placed.values()), default=0) + 1
    in_layer: dict[int, int] = {}
    for place in placed.values():
        in_layer[place.layer] = max(in_layer.get(place.layer, 0), place.row + 1)
    corner: dict[str, tuple[float, float]] = {}
    for place in placed.values():
        shift = (tallest - in_layer[place.layer]) * (_HIGH + _GAP_Y) / 2
        corner[place.id] = (_PAD + place.layer * (_WIDE + _GAP_X), _PAD + shift + place.row * (_HIGH + _GAP_Y))
    width = 2 * _PAD + len(in_layer) * (_WIDE + _GAP_X) - _GAP_X if in_layer else 2 * _PAD
    height = 2 * _PAD + tallest * (_HIGH + _GAP_Y) - _GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="headrace-graph" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        _style(colours),
    ]
    for upstream, downstream in pairs:
        if upstream in corner and downstream in corner:
            parts.append(_edge(corner[upstream], corner[downstream]))
    parts += [_box(node, corner[node.id]) for node in nodes]
    return "".join([*parts, "</svg>"])


def _colours(scope: str, shade: int) -> str:
    return "".join(f"{scope}.s-{name or 'NONE'}{{--c:{sign[shade]}}}" for name, sign in SIGNS.items())


def _style(colours: bool) -> str:
    """Light by default; dark where the page's JupyterLab theme, or the system, is dark."""
    if not colours:
        return (
            "<style>.headrace-graph text{fill:currentColor}.headrace-graph rect,.headrace-graph path"
            "{fill:none;stroke:currentColor}.headrace-graph .stale{stroke-dasharray:4 3}</style>"
        )
    return (
        f"<style>{_colours('.headrace-graph ', 1)}"
        ".headrace-graph text{fill:currentColor}.headrace-graph .t{fill:var(--c)}"
        ".headrace-graph rect{fill:none;stroke:var(--c);stroke-width:1.5}.headrace-graph .stale{stroke-dasharray:4 3}"
        ".headrace-graph path{fill:none;stroke:currentColor;stroke-opacity:.45}"
        f"@media (prefers-color-scheme:dark){{{_colours(':root:not([data-jp-theme-light]) .headrace-graph ', 2)}}}"
        f"[data-jp-theme-light=false] .headrace-graph{{color:#e0e0e0}}{_colours('[data-jp-theme-light=false] .headrace-graph ', 2)}"
        "</style>"
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDE, start[1] + _HIGH / 2
    x2, y2 = end[0], end[1] + _HIGH / 2
    bend = max(18.0, (x2 - x1) / 2)
    return f'<path d="M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"/>'


def _box(node: Node, at: tuple[float, float]) -> str:
    x, y = at
    kind = node.state_type if node.state_type in SIGNS else ""
    label = node.label if len(node.label) <= 24 else node.label[:23] + "…"
    below = " · ".join(filter(None, (node.state_name or "not run", node.time, node.note)))
    stale = " stale" if node.note or not kind else ""
    return (
        f'<g class="s-{kind or "NONE"}"><title>{escape(f"{node.label}: {below}")}</title>'
        f'<rect class="box{stale}" x="{x:g}" y="{y:g}" width="{_WIDE}" height="{_HIGH}" rx="6"/>'
        f'<text class="t" x="{x + 10:g}" y="{y + 27:g}" font-size="15">{SIGNS[kind][0]}</text>'
        f'<text x="{x + 32:g}" y="{y + 18:g}" font-weight="600">{escape(label)}</text>'
        f'<text x="{x + 32:g}" y="{y + 34:g}" font-size="11" opacity=".8">{escape(below[:30])}</text></g>'
    )
