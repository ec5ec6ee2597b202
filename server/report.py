"""A run as one HTML file that can be sent to anybody: graph, parameters, outputs, artifacts, what failed.

It needs no network and no server, has no script, and its content policy forbids both; what code displayed as HTML
stands in a frame without rights. Secrets are masked (`headrace.core.masking`). `GET /runs/{id}/export` and
`headrace flow-run export` both write it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from headrace.core.clock import iso
from headrace.core.drawing import SIGNS, Node, duration_text, to_svg
from headrace.core.masking import Masking
from headrace.core.runs import Edge, LogLine, Run
from headrace.server.report_parts import STYLE, artifact_html, output_html, plain, without_code

if TYPE_CHECKING:
    from headrace.store import Store

#: More siblings of one definition than this are one node, as in the panel.
FOLDED = 8
#: Nodes of the picture, rows of the table, lines of a log, characters of a text and of all outputs, at most.
NODES, ROWS, LINES, TEXT, OUTPUTS = 300, 1000, 1000, 200_000, 20_000_000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_NUMBERED = re.compile(r"[-_ ]?(\d+|[0-9a-f]{3,8})$")


def report_html(store: Store, run: Run, *, code: bool = True) -> Iterator[str]:
    """Yield a run's report in pieces.

    Parameters
    ----------
    store : Store
    run : Run
    code : bool, default True
        With the source of cells and the lines of tracebacks.
    """
    tree = _below(run, store.runs.tree(run.root_id))
    document = store.documents.of_run(run)
    cells = [] if document is None else [str(cell.get("source", "")) for cell in document.cells]
    sources = [*cells, *(str(r.details.get("source") or "") for r in tree[:ROWS])]
    mask = Masking({"all": [dict(r.parameters or {}) for r in tree[:ROWS]]}, sources)
    title = mask.text(run.name)
    yield (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    yield _head(run, title, mask)
    yield _failure(store, run, tree, mask, code=code)
    yield _parameters(run, mask)
    yield _graph(store, run, tree, mask)
    yield _results(store, run, tree, mask)
    yield from _outputs(store, run, tree, mask, code=code)
    yield _tasks(run, tree, mask)
    yield f"<footer>Written by Headrace {escape(_version())}. Secrets are masked by their names and looks.</footer></body></html>"


def _version() -> str:
    from headrace import __version__

    return __version__


def _below(run: Run, tree: Sequence[Run]) -> list[Run]:
    """Return the runs below one, each after its parent."""
    children: dict[str | None, list[Run]] = {}
    for other in tree:
        children.setdefault(other.parent_id, []).append(other)
    found: list[Run] = []
    level = [run]
    while level:
        level = [child for parent in level for child in children.get(parent.id, [])]
        found += level
    return [run, *found]


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _state(run: Run) -> str:
    return (
        f'<span class="state s-{run.state_type.value}">{SIGNS[run.state_type.value][0]} {escape(run.state_name)}</span>'
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Return names and values (HTML) below each other."""
    return f"<table>{''.join(f'<tr><th>{escape(name)}</th><td>{value}</td></tr>' for name, value in rows)}</table>"


def _code(text: str) -> str:
    return f"<pre>{escape(plain(text[:TEXT]))}{' …' if len(text) > TEXT else ''}</pre>"


def _head(run: Run, title: str, mask: Masking) -> str:
    facts = [
        ("Started", iso(run.started_at) or ""),
        ("Ended", iso(run.ended_at) or ""),
        ("Took", duration_text(run.duration_seconds)),
        ("Started by", run.trigger or ""),
        ("Notebook", (run.notebook_path or "").replace("\\", "/").rpartition("/")[2]),
        ("Attempt", f"{run.attempt} of {run.max_attempts}" if run.max_attempts > 1 else ""),
        ("Tags", ", ".join(run.tags)),
        ("Run", run.id),
    ]
    rows = [(name, escape(mask.text(value))) for name, value in facts if value]
    return f"<header><h1>{escape(title)} {_state(run)}</h1>{_table(rows)}</header>"


def _failure(store: Store, run: Run, tree: Sequence[Run], mask: Masking, *, code: bool) -> str:
    failed = [r for r in tree if r.error and r.state_name != "UpstreamFailed"]
    parents = {r.parent_id for r in failed}
    first = next((r for r in failed if r.id not in parents), run)
    error = first.error or run.error
    if not error:
        return _section("Message", f"<p>{escape(mask.text(run.state_message))}</p>") if run.state_message else ""
    head = f"{error.get('type', '')}: {error.get('message', '')}"
    parts = [f'<p class="error">{escape(plain(mask.text(head))[:TEXT])}</p>']
    if first.id != run.id:
        where = f"cell {first.cell_index + 1}, " if first.cell_index is not None else ""
        parts.append(f"<p>In {escape(where)}{escape(mask.text(first.name))}</p>")
    traceback = error.get("traceback") or ""
    text = "\n".join(traceback) if isinstance(traceback, list) else str(traceback)
    if code and text:
        parts.append(_code(mask.text(plain(text))))
    count = store.logs.count(first.id, tree=False)
    lines = store.logs.lines(first.id, offset=max(0, count - LINES), limit=LINES, tree=False)
    if lines:
        parts.append(f"<h3>Its log</h3>{_lines(lines, mask, code=code)}")
    return _section("What failed", "".join(parts))


def _lines(lines: Sequence[LogLine], mask: Masking, *, code: bool) -> str:
    shown = (
        f"{(iso(line.at) or '')[11:23]} {_LEVELS.get(line.level, str(line.level)):<8} {line.message}" for line in lines
    )
    text = plain("\n".join(shown))
    return _code(mask.text(text if code else without_code(text)))


def _parameters(run: Run, mask: Masking) -> str:
    values = mask.value(dict(run.parameters or {}))
    rows = [(name, f"<code>{escape(_json(value))}</code>") for name, value in values.items()]
    return _section("Parameters", _table(rows)) if rows else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:TEXT]


def _graph(store: Store, run: Run, tree: Sequence[Run], mask: Masking) -> str:
    """Return the picture of what is directly below the run, many of one definition folded into one."""
    children = sorted((r for r in tree if r.parent_id == run.id), key=lambda r: (r.cell_index or 0, r.created_at))
    families: dict[str, list[Run]] = {}
    for child in children:
        stem = child.definition_key or child.definition or _NUMBERED.sub("", child.name)
        families.setdefault(f"{child.kind.value} {stem}", []).append(child)
    shown: dict[str, str] = {}
    nodes: list[Node] = []
    for members in families.values():
        if len(members) > FOLDED:
            nodes.append(_folded(members, mask))
            shown.update({r.id: members[0].id for r in members})
            continue
        for r in members:
            shown[r.id] = r.id
            state = (r.state_type.value, r.state_name)
            name = mask.text(r.name)
            nodes.append(
                Node(id=r.id, label=name, state_type=state[0], state_name=state[1], duration_seconds=r.duration_seconds)
            )
    parents = {r.id: r.parent_id for r in tree}
    nodes = nodes[:NODES]
    pairs = _lifted(store.runs.edges(run.root_id), shown, parents)
    more = f"<p>{len(children):,} in all.</p>" if len(nodes) == NODES else ""
    return (
        _section("Graph", f'<div class="wide">{to_svg(nodes, pairs, title="Flow graph")}</div>{more}') if nodes else ""
    )


def _folded(members: Sequence[Run], mask: Masking) -> Node:
    """Return one node for many runs of one definition; it stands as badly as the worst of them."""
    order = ("CRASHED", "FAILED", "RUNNING", "CANCELLING", "PAUSED", "CANCELLED", "PENDING", "SCHEDULED", "COMPLETED")
    worst = min(members, key=lambda r: order.index(r.state_type.value))
    alike = sum(r.state_type is worst.state_type for r in members)
    return Node(
        id=members[0].id,
        label=f"{mask.text(_NUMBERED.sub('', members[0].name))} × {len(members):,}",
        state_type=worst.state_type.value,
        state_name=f"{alike:,} {worst.state_name}",
    )


def _lifted(edges: Sequence[Edge], shown: dict[str, str], parents: dict[str, str | None]) -> list[tuple[str, str]]:
    """Return the edges between shown nodes; an edge deeper down counts for the nodes around its ends."""

    def node(run_id: str | None) -> str | None:
        while run_id is not None and run_id not in shown:
            run_id = parents.get(run_id)
        return None if run_id is None else shown[run_id]

    found: dict[tuple[str, str], None] = {}
    for edge in edges:
        start, end = node(edge.upstream_id), node(edge.run_id)
        if start is not None and end is not None and start != end:
            found[start, end] = None
    return list(found)


def _results(store: Store, run: Run, tree: Sequence[Run], mask: Masking) -> str:
    known = {r.id for r in tree}
    found = [a for a in store.overview.artifacts(root_id=run.root_id, limit=500) if a["run_id"] in known]
    parts = [artifact_html(artifact, mask) for artifact in reversed(found)]
    if run.result:
        parts.insert(0, _table([("Result", f"<code>{escape(_json(mask.value(dict(run.result))))}</code>")]))
    return _section("Results and artifacts", "".join(parts))


def _outputs(store: Store, run: Run, tree: Sequence[Run], mask: Masking, *, code: bool) -> Iterator[str]:
    cells = sorted((r for r in tree if r.cell_id is not None), key=lambda r: (r.cell_index or 0, r.created_at))
    outputs = store.logs.outputs_of_tree(run.root_id) if cells else {}
    document = store.documents.of_run(run)
    sources = {} if document is None else {str(c.get("id")): str(c.get("source", "")) for c in document.cells}
    left, begun = OUTPUTS, False
    for cell in cells:
        source = str(cell.details.get("source") or sources.get(cell.cell_id or "", ""))
        shown = outputs.get(cell.id, [])
        if not shown and not (code and source):
            continue
        parts = [f"<h3>Cell {(cell.cell_index or 0) + 1} {_state(cell)}</h3>"]
        if code and source:
            parts.append(f'<div class="source">{_code(mask.text(source))}</div>')
        for output in shown:
            html = output_html(output, mask, code=code)
            left -= len(html)
            if left < 0:
                parts.append("<p>What follows is longer than this file may be; the output notebook has it.</p>")
                break
            parts.append(html)
        yield ("" if begun else "<section><h2>Outputs</h2>") + "".join(parts)
        begun = True
        if left < 0:
            break
    if begun:
        yield "</section>"


def _tasks(run: Run, tree: Sequence[Run], mask: Masking) -> str:
    rows = [r for r in tree if r.id != run.id]
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td>{escape(mask.text(r.name))}</td><td>{_state(r)}</td><td>{escape(iso(r.started_at) or '')}</td>"
        f"<td>{escape(duration_text(r.duration_seconds))}</td></tr>"
        for r in rows[:ROWS]
    )
    more = f"<p>{len(rows):,} in all.</p>" if len(rows) > ROWS else ""
    head = "<tr><th>Name</th><th>State</th><th>Started</th><th>Took</th></tr>"
    return _section("Tasks", f'<div class="wide"><table>{head}{lines}</table></div>{more}')
