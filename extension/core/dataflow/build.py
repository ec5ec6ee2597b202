"""From cells to a graph: who wrote last what a cell reads, in document order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from headrace.core.dataflow.analysis import Transform, analyse
from headrace.core.dataflow.effects import CodeHolders, Effects
from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.files import resolve_path
from headrace.core.dataflow.fileuses import FileUses
from headrace.core.dataflow.graph import CellGraph, CellInput, CellLinks, Edge, EdgeKind, Problem
from headrace.core.dataflow.keys import Inside, Key, Roots, is_local, outer_names
from headrace.core.dataflow.mutations import AMBIENT
from headrace.core.dataflow.ordering import label, resolve_after, topological_order
from headrace.core.dataflow.records import CellFlow, Names, PathTemplate
from headrace.core.dataflow.sharing import SharedObjects
from headrace.core.errors import UsageError

#: Writers of one name that a reader may see at once; beyond, a cell that may bind it counts as building on the earlier ones.
MOST_WRITERS = 32
#: What IPython keeps of earlier inputs and outputs.
_HISTORY = re.compile(r"_{1,3}|_i{0,3}|_i?\d+|_oh|_ih|_dh|_exit_code")
StarNames = Callable[[str], "Collection[str] | None"]


class _Written:
    """What is known about one name on the way down the document."""

    __slots__ = ("deleted_by", "is_module", "last", "readers", "sure", "writers")

    def __init__(self) -> None:
        self.writers: list[int] = []  # those whose writing may be seen
        self.readers: list[int] = []  # since the last writing
        self.last = -1
        self.sure = -1
        self.deleted_by: int | None = None
        self.is_module = False


def build_graph(
    cells: Sequence[CellInput],
    *,
    known: Collection[str] = (),
    transform: Transform | None = None,
    star_names: StarNames | None = None,
    keep_going: bool = False,
) -> CellGraph:
    """Join the cells of a notebook by what they read and write.

    A cell depends on the last writer above it of each name that it reads, what called functions read included. Cells that
    change an object in place count as writers that read it first. Two writers of a name keep their order, and a cell that
    reads a name runs before a later one overwrites it.

    Parameters
    ----------
    cells : sequence of CellInput
        In document order.
    known : collection of str, default ()
        Names that are defined otherwise (in the live namespace, by parameters).
    transform : callable, optional
        As for `analyse`.
    star_names : callable, optional
        Module → the names that `from module import *` gives, or None where that is not known; without it such a cell may
        bind any name.
    keep_going : bool, default False
        Whether a cell with a syntax error is kept as a cell that does nothing and reported among the problems.

    Returns
    -------
    CellGraph

    Raises
    ------
    CellSyntaxError
        A cell is no Python (unless `keep_going`).
    CycleError
        `after` goes round in a circle; the message has the path.
    UsageError
        Two cells have one id or one name, or `after` names a cell that does not exist.
    """
    check_unique(cells)
    errors: dict[str, CellSyntaxError] = {}
    flows = list(_flows(cells, transform, errors, keep_going))
    builder = _Builder(cells, flows, known, star_names)
    for position in range(len(cells)):
        builder.visit(position)
    for downstream, upstream in resolve_after(cells):
        builder.edge(upstream, downstream, "after", "")
    return builder.graph(errors)


def check_unique(cells: Sequence[CellInput]) -> None:
    """Refuse two cells with one id or one name."""
    places: dict[str, int] = {}
    names: dict[str, int] = {}
    for position, cell in enumerate(cells):
        if cell.id in places:
            raise UsageError(
                f"Cells {places[cell.id] + 1} and {position + 1} have the same id {cell.id!r}; ids must differ."
            )
        places[cell.id] = position
        if cell.name is not None:
            if cell.name in names:
                raise UsageError(
                    f"Cells {names[cell.name] + 1} and {position + 1} are both named {cell.name!r}; rename one of them."
                )
            names[cell.name] = position


def _flows(
    cells: Sequence[CellInput], transform: Transform | None, errors: dict[str, CellSyntaxError], keep_going: bool
) -> Iterable[CellFlow]:
    future = False
    for position, cell in enumerate(cells):
        try:
            flow = cell.flow or analyse(cell.source, filename=cell.id, transform=transform, future_annotations=future)
        except CellSyntaxError as error:
            named = CellSyntaxError(
                f"{_capital(label(cell, position))}, line {error.line}: {error.message}. Correct it and run again.",
                filename=error.filename,
                line=error.line,
                column=error.column,
                cell_id=cell.id,
            )
            if not keep_going:
                raise named from None
            errors[cell.id] = named
            flow = CellFlow()
        future = future or "__future__" in flow.imports
        yield replace(flow, mutates=flow.mutates | cell.mutates) if cell.mutates else flow


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("cell ") else text


def as_bound(keys: Iterable[Key], bound: Mapping[str, Roots]) -> frozenset[Key]:
    """Return objects known by names, with what the cell itself has bound these names to meanwhile."""
    found = set(keys)
    for key in keys:
        name = key.key if isinstance(key, Inside) else key
        if isinstance(name, str) and name in bound:
            found |= bound[name].everything if isinstance(key, Inside) else bound[name].itself
    return frozenset(k for k in found if not is_local(k))


class _Builder:
    """Responsibilities: one pass down the document, keeping for each name who wrote and who read it."""

    def __init__(
        self,
        cells: Sequence[CellInput],
        flows: Sequence[CellFlow],
        known: Collection[str],
        star_names: StarNames | None,
    ) -> None:
        self.cells = cells
        self.flows = flows
        self.known = frozenset(known)
        self.star_names = star_names
        self.names: dict[str, _Written] = {}
        self.holders = CodeHolders()
        self.edges: dict[tuple[int, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.links: list[CellLinks] = []
        self.problems: list[Problem] = []
        self.stars: list[int] = []
        self.opaque: list[int] = []
        self.since_barrier: list[int] = []
        self.barrier: int | None = None
        self.shared = SharedObjects()
        self.constants: dict[str, str] = {}
        self.files = FileUses()
        self.first_binding: dict[str, list[int]] = {}
        mentioned: set[str] = set()
        for position, flow in enumerate(flows):
            mentioned.update(flow.reads, flow.ambient_reads, flow.mutates, flow.binds)
            for name in flow.binds:
                self.first_binding.setdefault(name, []).append(position)
        self.mentioned = mentioned

    def edge(self, upstream: int, downstream: int, kind: EdgeKind, name: str) -> None:
        if upstream != downstream:
            self.edges[upstream, downstream][kind].add(name)

    def visit(self, here: int) -> None:
        """Add a cell below those visited so far."""
        flow = self.flows[here]
        effects = self.holders.effects(flow, here, self.last_write)
        reads = set(flow.reads) | effects.reads
        reads |= {n for n in flow.ambient_reads | effects.ambient_reads if n in self.names}
        mutates = {n for n in flow.mutates | effects.mutates if not self._only_module(flow, n)}
        augments = flow.augments | effects.augments
        bound = {n: r for n, r in flow.aliases if n in flow.binds}
        touched = {*flow.changes, *as_bound(effects.changes, bound), *(mutates - flow.mutates), *augments}
        modules = {n for n in flow.mutates if self._only_module(flow, n)}
        touched = {k for k in touched if not outer_names((k,)) & modules}
        shared, readers = self.shared.change(touched, self.holders.code)
        shared -= augments
        for reader in readers:
            self.edge(reader, here, "order", "")
        mutates |= {n for n in shared if not self._only_module(flow, n)}
        stars = self._star_binds(flow)
        binds = flow.binds | effects.binds | stars
        self.shared.read(reads, here)
        effects.implied -= mutates | binds
        inputs = self._read(here, reads | mutates, effects)
        self._report(here, flow, effects)
        deletes = {n for n in flow.deletes | effects.deletes if n not in flow.scratch or n in self.mentioned}
        outputs = frozenset(binds | mutates | deletes)
        passes, leftovers = self._passes(flow, binds, inputs.keys())
        self._write(here, flow, outputs, frozenset(mutates), frozenset(reads), stars)
        self._barriers(here, flow, effects)
        for keys, names, kept in effects.kept:
            self.shared.hold(as_bound(keys, bound), names, as_bound(kept, bound), self.holders.code)
        self.shared.take(flow, self.holders.code)
        self.holders.take(flow, here)
        self._constants(flow, outputs)
        reads_files = self._paths(flow.file_reads, flow.path_templates)
        writes_files = self._paths(flow.file_writes, flow.write_templates)
        for upstream, kind, path in self.files.use(here, reads_files, writes_files):
            self.edge(upstream, here, kind, path)
        self.links.append(
            CellLinks(
                inputs=inputs,
                passes=passes,
                leftovers=leftovers,
                outputs=outputs,
                mutates=frozenset(mutates),
                deletes=frozenset(deletes),
                file_reads=reads_files,
                file_writes=writes_files,
            )
        )

    def _paths(self, known: Sequence[str], templates: Sequence[PathTemplate]) -> tuple[str, ...]:
        paths = [*known, *(resolve_path(t, self.constants) for t in templates)]
        return tuple(dict.fromkeys(p for p in paths if p is not None))

    def last_write(self, name: str) -> int:
        written = self.names.get(name)
        return -1 if written is None else written.last

    def _only_module(self, flow: CellFlow, name: str) -> bool:
        """Tell whether a suspected change is a plain call of a module's function (`mod.update(…)`)."""
        written = self.names.get(name)
        return name in flow.method_only_mutations and written is not None and written.is_module

    def _star_binds(self, flow: CellFlow) -> frozenset[str]:
        found: set[str] = set()
        for module in flow.star_imports:
            names = self.star_names(module) if self.star_names is not None else None
            found.update(names or ())
        return frozenset(found)

    def _read(self, here: int, reads: set[str], effects: Effects) -> dict[str, tuple[str, ...]]:
        inputs: dict[str, tuple[str, ...]] = {}
        for name in sorted(reads):
            written = self.names.get(name)
            if written is None:
                for star in (*self.stars, *self.opaque):
                    self.edge(star, here, "data", name)
                if self.stars or self.opaque:
                    inputs[name] = tuple(self.cells[i].id for i in sorted({*self.stars, *self.opaque}))
                elif name in self.mentioned:
                    self.names.setdefault(name, _Written())
                    self.names[name].readers.append(here)
                continue
            sources = sorted({*written.writers, *(s for s in self.stars if s > written.sure)} - {here})
            if sources:
                inputs[name] = tuple(self.cells[i].id for i in sources)
            if name not in effects.implied:
                for source in sources:
                    self.edge(source, here, "data", name)
            if not written.readers or written.readers[-1] != here:
                written.readers.append(here)
        return inputs

    def _passes(
        self, flow: CellFlow, binds: Names, inputs: Collection[str]
    ) -> tuple[dict[str, tuple[str, ...]], Names]:
        """Return the writers above whose values stay where the cell does not bind, and names that nobody above writes."""
        passes: dict[str, tuple[str, ...]] = {}
        leftovers = set()
        for name in binds - flow.surely_binds:
            written = self.names.get(name)
            if written is None or not written.writers:
                leftovers.add(name)
            elif name not in flow.usually_binds and name not in inputs:
                passes[name] = tuple(self.cells[i].id for i in sorted(written.writers))
        return passes, frozenset(leftovers)

    def _write(self, here: int, flow: CellFlow, outputs: Names, mutates: Names, reads: Names, stars: Names) -> None:
        for name in sorted(outputs):
            written = self.names.setdefault(name, _Written())
            for reader in written.readers:
                self.edge(reader, here, "order", name)
            for writer in written.writers:
                self.edge(writer, here, "order", name)
            sure = name in flow.surely_binds or name in stars
            gone = name in flow.surely_deletes
            if sure or gone or name in mutates or name in reads or not written.writers:
                written.writers = [here]
            else:
                if len(written.writers) >= MOST_WRITERS:
                    for writer in written.writers:
                        self.edge(writer, here, "data", name)
                    written.writers = []
                written.writers.append(here)
            written.readers = []
            written.last = here
            if sure or gone:
                written.sure = here
                written.is_module = name in flow.import_names
            written.deleted_by = here if gone else None

    def _barriers(self, here: int, flow: CellFlow, effects: Effects) -> None:
        """Cells that may read or bind anything keep their place among all others."""
        unknown_star = any(self.star_names is None or self.star_names(m) is None for m in flow.star_imports)
        if self.barrier is not None:
            self.edge(self.barrier, here, "order", "*")
        if flow.opaque or effects.opaque or unknown_star:
            for earlier in self.since_barrier:
                self.edge(earlier, here, "order", "*")
            self.since_barrier = []
            if unknown_star:
                self.stars.append(here)
            if flow.opaque or effects.opaque:
                self.opaque.append(here)
                self.barrier = here
        self.since_barrier.append(here)

    # faults

    def _report(self, here: int, flow: CellFlow, effects: Effects) -> None:
        needed: dict[str, str] = dict.fromkeys(sorted(flow.requires), "")
        for name, through in sorted(effects.requires.items()):
            needed.setdefault(name, through)
        mine = _capital(label(self.cells[here], here))
        for name, through in needed.items():
            written = self.names.get(name)
            if name in self.known or name in AMBIENT or _HISTORY.fullmatch(name):
                continue
            verb = f"reads {name!r}" if not through else f"calls {through}(), which reads {name!r}"
            if written is not None and written.writers:
                if written.deleted_by is not None:
                    where = label(self.cells[written.deleted_by], written.deleted_by)
                    text = f"{mine} {verb}: {where} above deletes it; define it again, or move the deletion down."
                    self._problem(here, "deleted", name, text, written.deleted_by)
                continue
            if self.stars or self.opaque:
                continue
            below = [i for i in self.first_binding.get(name, ()) if i > here]
            if below:
                where = label(self.cells[below[0]], below[0])
                text = f"{mine} {verb}: it is defined only below, in {where}; move {where} up."
                self._problem(here, "defined_below", name, text, below[0])
            else:
                text = f"{mine} {verb}: no cell defines it; define it in a cell above."
                self._problem(here, "undefined", name, text, None)

    def _problem(self, here: int, kind: str, name: str, text: str, other: int | None) -> None:
        self.problems.append(
            Problem(
                cell_id=self.cells[here].id,
                kind=kind,  # type: ignore[arg-type]
                name=name,
                message=text,
                other_cell_id=None if other is None else self.cells[other].id,
            )
        )

    def _constants(self, flow: CellFlow, outputs: Names) -> None:
        for name in outputs:
            if name in self.constants:
                del self.constants[name]
        self.constants.update(flow.path_constants)

    # the result

    def graph(self, errors: Mapping[str, CellSyntaxError]) -> CellGraph:
        """Return the finished graph."""
        order = topological_order(self.cells, self.edges)
        ids = tuple(c.id for c in self.cells)
        edges = []
        for (upstream, downstream), kinds in sorted(self.edges.items(), key=lambda e: (e[0][1], e[0][0])):
            kind: EdgeKind = "data" if "data" in kinds else "after" if "after" in kinds else "order"
            names = tuple(sorted(kinds[kind] - {""}))
            edges.append(Edge(upstream=ids[upstream], downstream=ids[downstream], kind=kind, names=names))
        up: dict[str, list[Edge]] = {}
        down: dict[str, list[Edge]] = {}
        for edge in edges:
            up.setdefault(edge.downstream, []).append(edge)
            down.setdefault(edge.upstream, []).append(edge)
        place = {cell_id: position for position, cell_id in enumerate(ids)}
        problems = self.problems + [
            Problem(cell_id=cell_id, kind="syntax", name="", message=error.message) for cell_id, error in errors.items()
        ]
        return CellGraph(
            ids=ids,
            labels={c.id: label(c, i) for i, c in enumerate(self.cells)},
            flows=dict(zip(ids, self.flows, strict=True)),
            links=dict(zip(ids, self.links, strict=True)),
            edges=tuple(edges),
            order=tuple(ids[i] for i in order),
            problems=tuple(sorted(problems, key=lambda p: place[p.cell_id])),
            syntax_errors=dict(errors),
            task_ids=frozenset(c.id for c in self.cells if c.is_task),
            upstream={k: tuple(v) for k, v in up.items()},
            downstream={k: tuple(v) for k, v in down.items()},
        )
