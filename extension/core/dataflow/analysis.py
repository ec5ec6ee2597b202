"""The analysis of one cell: source in, names out."""

from __future__ import annotations

import ast
from collections.abc import Callable

from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.files import resolve_path
from headrace.core.dataflow.ipython import visit_shell_call
from headrace.core.dataflow.keys import outer_names, without_locals
from headrace.core.dataflow.mutations import AMBIENT
from headrace.core.dataflow.parsing import parse, too_deep
from headrace.core.dataflow.records import CellFlow, PathTemplate
from headrace.core.dataflow.specials import namespace_method, visit_special
from headrace.core.dataflow.state import State
from headrace.core.dataflow.statements import StatementWalker

Transform = Callable[[str], str]

#: Magics within magics are followed so far.
_DEEPEST_TEXT = 8


def analyse(
    source: str, *, filename: str = "<cell>", transform: Transform | None = None, future_annotations: bool = False
) -> CellFlow:
    """Find the names through which a cell depends on its surroundings.

    Parameters
    ----------
    source : str
        The cell's code: plain Python, or anything that `transform` turns into it.
    filename : str, default "<cell>"
        What errors call the source.
    transform : callable, optional
        Turns IPython's syntax into Python (`TransformerManager().transform_cell`); also used for the bodies of
        magics such as `%%time`.
    future_annotations : bool, default False
        Whether an earlier cell ran `from __future__ import annotations`, which IPython keeps for later cells.

    Returns
    -------
    CellFlow

    Raises
    ------
    CellSyntaxError
        The source is no Python; line and column refer to the transformed source.

    Examples
    --------
    >>> flow = analyse("total = sum(prices) * (1 + rate)")
    >>> sorted(flow.reads), sorted(flow.binds)
    (['prices', 'rate'], ['total'])
    """
    plain = transformed(source, transform, filename)
    tree = parse(plain, filename)
    walker = CellWalker(
        walrus=":=" in source, future_annotations=future_annotations, filename=filename, transform=transform
    )
    try:
        walker.block(tree.body)
        return walker.flow()
    except RecursionError:
        raise too_deep(filename) from None


def transformed(source: str, transform: Transform | None, filename: str) -> str:
    """Return a cell's plain Python; the transformer's own complaints become the same error as the parser's."""
    if transform is None:
        return source
    try:
        return transform(source)
    except SyntaxError as error:
        raise CellSyntaxError(
            error.msg or "invalid syntax", filename=filename, line=error.lineno or 1, column=error.offset or 1
        ) from None


class CellWalker(StatementWalker):
    """Responsibilities: code within strings (magics, `exec`), and putting the finds together."""

    def __init__(self, *, walrus: bool, future_annotations: bool, filename: str, transform: Transform | None) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations, filename=filename)
        self.transform = transform
        self.text_depth = 0

    def special_call(self, node: ast.Call, name: str) -> bool:
        return visit_special(self, node, name)

    def shell_call(self, node: ast.Call, func: ast.Attribute) -> bool:
        return visit_shell_call(self, node, func) or namespace_method(self, node, func)

    def text(self, source: str, *, lenient: bool = False) -> None:
        """Visit code that stands in a string, as part of the cell."""
        try:
            if self.text_depth >= _DEEPEST_TEXT:
                raise too_deep(self.filename)
            tree = parse(transformed(source, self.transform, self.filename), self.filename)
        except CellSyntaxError:
            if lenient:
                return
            raise
        self.walrus = self.walrus or ":=" in source
        self.text_depth += 1
        self.block(tree.body)
        self.text_depth -= 1

    def isolated(self, source: str) -> None:
        """Visit code that runs in a function of its own (`%timeit`): what it binds is gone afterwards."""
        try:
            tree = parse(transformed(source, self.transform, self.filename), self.filename)
        except CellSyntaxError:
            return
        from headrace.core.dataflow.scopes import bound_names

        names, declared = bound_names(tree.body, walrus=True)
        before = self.here.copy()
        self.scopes.append(self.new_scope("function", names, declared))
        self.depth += 1
        self.block(tree.body)
        self.depth -= 1
        self.scopes.pop()
        self.state = before

    def flow(self) -> CellFlow:
        """Return the cell's record."""
        cell, state = self.cell, self.state
        gone = set(state.gone) if state is not None else set()
        sure = {k for k in state.sure if type(k) is str} if state is not None else set()
        binds = cell.binds - gone
        deletes = {n for n in cell.deletes if n not in sure}
        ambient = (cell.reads & AMBIENT) - cell.binds
        reads = cell.reads - ambient
        mutates = outer_names(cell.changes)
        return CellFlow(
            reads=frozenset(reads),
            requires=frozenset((cell.requires & reads) - self.guarded),
            ambient_reads=frozenset(ambient),
            binds=frozenset(binds),
            surely_binds=frozenset(sure & cell.binds),
            usually_binds=frozenset((sure | self.loop_bound) & binds),
            deletes=frozenset(deletes),
            surely_deletes=frozenset((deletes & gone) - self.scratch),
            scratch=frozenset((deletes & self.scratch) - self.plain_deletes),
            mutates=frozenset(mutates - AMBIENT),
            augments=frozenset(cell.augments),
            calls_defer={
                name: frozenset().union(*(d.reads for d in code)) - AMBIENT
                for name, code in self.code.items()
                if name in self.functions or name in self.classes
            },
            imports=frozenset(self.imports),
            import_names={n: m for n, m in self.modules.items() if n in binds},
            star_imports=tuple(dict.fromkeys(self.star_imports)),
            file_reads=self._paths(self.file_reads),
            path_templates=self._open_paths(self.file_reads),
            path_constants={n: v for n, v in self.constants.items() if n in sure},
            file_writes=self._paths(self.file_writes),
            write_templates=self._open_paths(self.file_writes),
            defines_functions=frozenset(self.functions & binds),
            defines_classes=frozenset(self.classes & binds),
            opaque=frozenset(cell.opaque),
            method_only_mutations=frozenset(mutates - self.strong_mutations),
            carries=tuple(c for c in self.carries if c.target in binds or c.target in cell.reads),
            calls=tuple(cell.sites),
            called=frozenset(cell.called),
            aliases=tuple((n, r) for n, r in (state or self.last_state).alias.items() if isinstance(n, str)),
            changes=without_locals(cell.changes),
            read_at=self.read_at,
            bound_at=self.bound_at,
        )

    def _paths(self, templates: list[PathTemplate]) -> tuple[str, ...]:
        paths = (resolve_path(t, self.constants) for t in templates)
        return tuple(dict.fromkeys(p for p in paths if p is not None))

    def _open_paths(self, templates: list[PathTemplate]) -> tuple[PathTemplate, ...]:
        return tuple(t for t in templates if resolve_path(t, self.constants) is None and has_names(t))


def has_names(template: PathTemplate) -> bool:
    return any(is_name for _, is_name in template.parts)


__all__ = ["CellWalker", "State", "Transform", "analyse", "transformed"]
