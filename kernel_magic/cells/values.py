"""A cell's outputs as something that can be stored and brought back: values, definitions, what was shown.

Functions, classes and imports are brought back by running their own statements
again (so that their source is known and their digest the same); everything
else is pickled together, so that names which share an object still do.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.dataflow import CellFlow
from headrace.core.errors import UnserializableResult
from headrace.kernel_magic.cells.last_value import LastValue
from headrace.kernel_magic.cells.routing import show
from headrace.kernel_magic.results.serializers import PickleSerializer

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession

WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(slots=True)
class CellValues:
    """What a cell left behind.

    Attributes
    ----------
    names : dict of str to object
        Values by name, mutated inputs included.
    deleted : tuple of str
        Names that it unbound.
    definitions : str
        Source of its functions, classes and imports.
    outputs : list of dict
        What it showed, as nbformat outputs.
    made_at : int, µs
    last : LastValue or None
        The value of its last expression.
    """

    names: dict[str, Any] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    definitions: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    made_at: int = 0
    last: LastValue | None = None

    def __repr__(self) -> str:
        # Shown with the run: the values' own texts may be long, and long in the making.
        return ", ".join(self.names) or "no variables"


def definitions_of(python: str) -> tuple[str, frozenset[str]]:
    """Return the top-level definitions and imports of a cell: their source, and the names that they bind.

    Parameters
    ----------
    python : str
        Plain Python.
    """
    nodes = [node for node in ast.parse(python).body if isinstance(node, _DEFINES)]
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name.partition(".")[0]) for alias in node.names if alias.name != "*")
        else:
            names.add(node.name)
    lines = python.splitlines()
    found = []
    for node in nodes:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n".join(found), frozenset(names)


def collect(
    flow: CellFlow,
    python: str,
    namespace: Mapping[str, Any],
    outputs: list[dict[str, Any]],
    made_at: int,
    extra: Sequence[str] = (),
) -> CellValues:
    """Return what a cell that has just ended left behind.

    Parameters
    ----------
    flow : CellFlow
    python : str
        Its plain Python.
    namespace : mapping
        The user's.
    outputs : list of dict
    made_at : int, µs
    extra : sequence of str
        Further names it changed (`--mutates`, or inputs whose digest differs afterwards).
    """
    source, defined = definitions_of(python)
    wanted = (flow.binds | flow.mutates | frozenset(extra)) - defined
    names = {
        name: namespace[name]
        for name in sorted(wanted)
        if name in namespace and not isinstance(namespace[name], types.ModuleType)
    }
    deleted = tuple(sorted(name for name in flow.deletes if name not in namespace))
    return CellValues(names=names, deleted=deleted, definitions=source, outputs=outputs, made_at=made_at)


def culprits(values: CellValues) -> list[str]:
    """Return the names whose values cannot be stored, with their types."""
    serializer, found = PickleSerializer(), []
    for name, value in values.names.items():
        try:
            serializer.dumps(value)
        except UnserializableResult:
            found.append(f"{name} (a {type(value).__qualname__})")
    return found


def put_back(values: CellValues, shell: Any) -> None:
    """Put a cell's outputs back into the user's namespace."""
    shell.user_ns.update(values.names)
    if values.definitions:
        name = shell.compile.cache(values.definitions)
        exec(shell.compile(ast.parse(values.definitions), name, "exec"), shell.user_global_ns, shell.user_ns)  # noqa: S102
    for gone in values.deleted:
        shell.user_ns.pop(gone, None)


def has_widgets(outputs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether outputs show widgets: those live with their kernel, and cannot be shown again."""
    return any(WIDGET_TYPE in output.get("data", ()) for output in outputs)


def show_again(values: CellValues, session: CellSession) -> None:
    """Show again what the cell showed."""
    shell = session.shell
    for output in values.outputs:
        kind = output["output_type"]
        if kind == "stream":
            (sys.stderr if output["name"] == "stderr" else sys.stdout).write(output["text"])
        elif kind == "execute_result":
            show(session, {name: value for name, value in output.items() if name != "execution_count"}, session.request)
        elif kind == "display_data":
            shell.display_pub.publish(output["data"], output.get("metadata") or {})
