"""What belongs to one run: its graph, states, attempts, logs, outputs, source, artifacts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.clock import iso
from headrace.core.errors import NotFound
from headrace.core.events import Event
from headrace.core.runs import LogLine, Run, RunKind
from headrace.core.states import StateType
from headrace.core.wire import edge_to_wire, event_to_wire, log_to_wire
from headrace.server.report import report_html

if TYPE_CHECKING:
    from headrace.server.services import Services

#: How many runs back a chain of continued runs is followed.
CHAIN = 50
#: A cell's outputs are sent up to so many characters of JSON; the notebook has all (DESIGN.md, "The output file").
MAX_OUTPUT = 1 << 20
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


class RunPartsManager:
    """What requests read of one run.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def graph(self, run_id: str, *, depth: int | None, since_seq: int | None) -> dict[str, Any]:
        """Return every run of a tree with its edges, and the cells of a notebook that have no run yet.

        Parameters
        ----------
        run_id : str
        depth : int or None
            How many levels below the run.
        since_seq : int or None
            Only runs that changed after this sequence number (edges come whole).
        """
        run = self._services.runs.get(run_id)
        store = self._services.store
        # Asked first: what changes while the tree is read comes again, instead of being missed.
        seq = store.journal.last_seq()
        tree = _below(run, store.runs.tree(run.root_id), depth)
        known = {r.id for r in tree}
        edges = [edge_to_wire(e) for e in store.runs.edges(run.root_id) if e.run_id in known and e.upstream_id in known]
        tasks: dict[str, int] = {}
        for below in tree:
            if below.parent_id is not None:
                tasks[below.parent_id] = tasks.get(below.parent_id, 0) + 1
        nodes = [{**self._services.runs.to_wire(r), "task_count": tasks.get(r.id, 0)} for r in tree if r.id != run.id]
        if since_seq is not None:
            changed = {e.run_id for e in store.journal.after(since_seq, limit=20_000) if e.root_id == run.root_id}
            nodes = [node for node in nodes if node["id"] in changed]
        if run.kind is RunKind.NOTEBOOK:
            nodes += self._cells_to_come(run, tree)
        return {"run": self._services.runs.to_wire(run, full=True), "nodes": nodes, "edges": edges, "seq": seq}

    def _cells_to_come(self, run: Run, tree: list[Run]) -> list[dict[str, Any]]:
        """Return the code cells of an unfinished notebook that have no run yet."""
        document = None if run.is_final else self._services.store.documents.of_run(run)
        if document is None:
            return []
        begun = {r.cell_id for r in tree}
        found = []
        for index, cell in enumerate(document.cells):
            cell_id = cell.get("id")
            if cell.get("cell_type") != "code" or cell_id in begun or not str(cell.get("source", "")).strip():
                continue
            found.append(
                {
                    "id": f"cell:{cell_id}",
                    "root_id": run.root_id,
                    "parent_id": run.id,
                    "kind": RunKind.CELL.value,
                    "name": _first_line(cell.get("source")),
                    "cell_id": cell_id,
                    "cell_index": index,
                    "state_type": None,
                    "state_name": None,
                }
            )
        return found

    def states(self, run_id: str) -> dict[str, Any]:
        """Return a run's state changes, oldest first, of every attempt."""
        self._services.runs.get(run_id)
        return {"states": [event_to_wire(e) for e in self._services.store.runs.history(run_id)]}

    def attempts(self, run_id: str) -> dict[str, Any]:
        """Return a run's attempts, and the chain of runs that it continues."""
        run = self._services.runs.get(run_id)
        chain = [run]
        while chain[0].resumed_from_id is not None and len(chain) < CHAIN:
            earlier = self._services.store.runs.find(chain[0].resumed_from_id)
            if earlier is None or any(earlier.id == r.id for r in chain):
                break
            chain.insert(0, earlier)
        history = self._services.store.runs.history(run_id)
        return {
            "attempts": attempts_of(history),
            "chain": [self._services.runs.to_wire(r) for r in chain],
        }

    def logs(self, run_id: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a range of a run's log lines, of its whole tree or of one run in it."""
        run = self._services.runs.get(run_id)
        logs = self._services.store.logs
        wanted, tree = self._node(run, query.get("run_id"))
        level, search = query["level"], query.get("search", "")
        total = logs.count(wanted, tree=tree)
        matches = logs.count(wanted, tree=tree, level=level, search=search) if level or search else total
        limit, offset = query["limit"], query.get("offset")
        if query.get("tail") and (offset is None or offset < 0):
            offset = max(0, matches - limit)
        offset = max(0, offset or 0)
        lines = logs.lines(wanted, offset=offset, limit=limit, tree=tree, level=level, search=search)
        found: dict[str, Any] = {
            "lines": [log_to_wire(line, offset + index) for index, line in enumerate(lines)],
            "offset": offset,
            "total": total,
        }
        if level or search:
            found["matches"] = matches
        return found

    def _node(self, run: Run, node_id: str | None) -> tuple[str, bool]:
        """Return whose lines are wanted, and whether of the whole tree.

        Raises
        ------
        NotFound
            It is a run of another tree, perhaps another person's.
        """
        if node_id is not None:
            node = self._services.store.runs.find(node_id)
            if node is None or node.root_id != run.root_id:
                raise NotFound("There is no such run below this one.", field="run_id")
            return node_id, False
        return run.id, run.parent_id is None

    def log_pieces(self, run_id: str, form: str) -> tuple[str, Iterator[str]]:
        """Return a file's name and the pieces of a run's whole log, as text or as JSON lines."""
        run = self._services.runs.get(run_id)
        lines = self._services.store.logs.stream(run.id, tree=run.parent_id is None)
        ending = "jsonl" if form == "jsonl" else "log"
        return f"{run.name or run.id}.{ending}", _pieces(lines, as_json=form == "jsonl")

    def export(self, run_id: str, *, code: bool) -> tuple[str, Iterator[str]]:
        """Return a file's name and the pieces of a run's report."""
        run = self._services.runs.get(run_id)
        return f"{run.name or run.id}.html", report_html(self._services.store, run, code=code)

    def outputs(self, run_id: str, node_id: str | None) -> dict[str, Any]:
        """Return the cells of a notebook run with their sources, states and outputs."""
        run = self._services.runs.get(run_id)
        store = self._services.store
        tree = [r for r in store.runs.tree(run.root_id) if r.kind is RunKind.CELL]
        if run.kind is RunKind.CELL:
            tree = [r for r in tree if r.id == run.id]
        if node_id is not None:
            tree = [r for r in tree if r.id == node_id]
        outputs = store.logs.outputs_of_tree(run.root_id)
        sources = self._sources(run)
        cells = []
        for cell in sorted(tree, key=lambda r: (r.cell_index if r.cell_index is not None else 1 << 30, r.id)):
            shown, truncated = _bounded(outputs.get(cell.id, []))
            cells.append(
                {
                    **self._services.runs.to_wire(cell),
                    "run_id": cell.id,
                    "cell_type": "code",
                    "source": cell.details.get("source") or sources.get(cell.cell_id or "", ""),
                    "outputs": shown,
                    "truncated": truncated,
                }
            )
        return {"cells": cells}

    def _sources(self, run: Run) -> dict[str, str]:
        document = self._services.store.documents.of_run(run)
        return {} if document is None else {str(c.get("id")): str(c.get("source", "")) for c in document.cells}

    def source(self, run_id: str) -> dict[str, Any]:
        """Return the source that a run executed."""
        run = self._services.runs.get(run_id)
        source = run.details.get("source")
        if source is None and run.cell_id is not None:
            source = self._sources(run).get(run.cell_id)
        return {"source": source or "", "language": str(run.details.get("language") or "python")}

    def artifacts(self, run_id: str | None, *, key: str | None, limit: int) -> dict[str, Any]:
        """Return the artifacts of a run's tree, or the newest of all runs."""
        root = self._services.runs.get(run_id).root_id if run_id is not None else None
        found = self._services.store.overview.artifacts(
            root_id=root, key=key, owner=self._services.seen_owner, limit=limit
        )
        return {"artifacts": [{**artifact, "created_at": iso(artifact["created_at"])} for artifact in found]}


def _below(run: Run, tree: list[Run], depth: int | None) -> list[Run]:
    """Return a run and what is below it in a tree, at most so many levels."""
    children: dict[str | None, list[Run]] = {}
    for other in tree:
        children.setdefault(other.parent_id, []).append(other)
    found, level = [run], [run]
    while level and (depth is None or depth > 0):
        level = [child for parent in level for child in children.get(parent.id, [])]
        found += level
        depth = None if depth is None else depth - 1
    return found


def _first_line(source: object) -> str:
    lines = str(source or "").strip().splitlines()
    return lines[0][:80] if lines else ""


def attempts_of(history: Iterator[Event] | Any) -> list[dict[str, Any]]:
    """Return the attempts that a run's state changes tell of, first one first."""
    found: dict[int, dict[str, Any]] = {}
    for event in history:
        attempt = found.setdefault(
            event.attempt or 1,
            {
                "attempt": event.attempt or 1,
                "started_at": None,
                "ended_at": None,
                "state_type": None,
                "state_name": None,
                "message": "",
            },
        )
        kind = event.state_type
        if kind == StateType.RUNNING.value and attempt["started_at"] is None:
            attempt["started_at"] = iso(event.at)
        over = kind in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED") or event.state_name == "AwaitingRetry"
        if over:
            attempt["ended_at"] = iso(event.at)
        attempt.update(state_type=kind, state_name=event.state_name, message=event.message or "")
    return [found[number] for number in sorted(found)]


def _bounded(outputs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Return outputs up to the limit, and whether something was left out."""
    kept: list[dict[str, Any]] = []
    size = 0
    for output in outputs:
        size += len(json.dumps(output))
        if size > MAX_OUTPUT:
            return kept, True
        kept.append(output)
    return kept, False


def _pieces(lines: Iterator[LogLine], *, as_json: bool) -> Iterator[str]:
    """Yield a log in pieces of about 64 KiB."""
    parts: list[str] = []
    size = 0
    for number, line in enumerate(lines):
        if as_json:
            text = json.dumps(log_to_wire(line, number), ensure_ascii=False)
        else:
            level = _LEVELS.get(line.level, str(line.level))
            text = f"{iso(line.at)} {level:<8} {line.logger} | {line.message}"
        parts.append(text + "\n")
        size += len(text)
        if size > 65_536:
            yield "".join(parts)
            parts, size = [], 0
    yield "".join(parts)
