"""A notebook as readable Python: task cells become `@task` functions, the notebook a `@flow` with its parameters.

Imports, functions and classes come to the top of the module; other plain code
stands in the flow's body where it stood in the notebook. A task's arguments
are the names it reads from other cells, its results those that later cells use;
what functions of the notebook use as globals stays global. Caching is left out:
a function's results are stored by other rules than a cell's.
"""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.cells import CellOptions, split_magic
from headrace.core.dataflow import CellFlow, CellInput, analyse, build_graph
from headrace.core.errors import HeadraceError, InvalidNotebook, NotFound
from headrace.kernel_magic.cells.notebook import Cell, read_cells

_TOP = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: Lines that have a meaning only in a notebook, left out.
_NOTEBOOK_ONLY = re.compile(
    r"^\s*(%%time|%(load_ext|reload_ext|matplotlib|config|autoreload|flow|headrace))\b.*$", re.MULTILINE
)
_KNOWN = frozenset(dir(builtins)) | {"display"}


@dataclass(frozen=True, slots=True)
class _Part:
    """A cell on its way into the module."""

    cell: Cell
    python: str
    flow: CellFlow
    name: str


def read_notebook(path: str | Path) -> dict[str, Any]:
    """Return a notebook's JSON.

    Raises
    ------
    NotFound, InvalidNotebook
    """
    file = Path(path)
    if not file.is_file():
        raise NotFound(f"There is no notebook {file}.", field="notebook")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidNotebook(f"{file} is no notebook: {error}.", field="notebook") from error
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        raise InvalidNotebook(f"{file} is no notebook of format 4: it has no list of cells.", field="notebook")
    return found


def plain_python(source: str) -> str:
    """Return a cell's code without what only a notebook knows.

    Raises
    ------
    InvalidNotebook
        A line has no meaning in plain Python.
    """
    text = _NOTEBOOK_ONLY.sub("", source)
    from IPython.core.inputtransformer2 import TransformerManager

    python = TransformerManager().transform_cell(text)
    if "get_ipython()" in python:
        line = next(line for line in python.splitlines() if "get_ipython()" in line)
        raise InvalidNotebook(
            f"it uses IPython ({line.strip()[:60]}), which a script has not; write it in Python first"
        )
    return python


def export(path: str | Path) -> str:
    """Return a notebook as the text of a Python module.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str

    Raises
    ------
    NotFound, InvalidNotebook
        The message names the cell.
    """
    notebook = read_notebook(path)
    parts: list[_Part] = []
    names: set[str] = set()
    parameters = ""
    for cell in read_cells(notebook["cells"]):
        try:
            if cell.error:
                raise InvalidNotebook(cell.error)
            python = plain_python(cell.task.body if cell.task is not None else cell.source)
            flow = analyse(python)
        except HeadraceError as error:
            raise InvalidNotebook(f"{path}, {cell.name}: {error}") from error
        tags = cell.metadata.get("tags") or ()
        if "parameters" in tags and not parameters:
            parameters = python
            continue
        parts.append(_Part(cell, python, flow, _identifier(cell.name, names)))
    return _module(Path(path), parts, parameters)


def _identifier(name: str, taken: set[str]) -> str:
    word = re.sub(r"\W", "_", name)
    word = f"cell_{word}" if not word.isidentifier() or keyword.iskeyword(word) else word
    while word in taken:
        word += "_"
    taken.add(word)
    return word


def _split(python: str) -> tuple[list[str], list[str]]:
    """Return a cell's definitions and imports, and the rest, statement by statement."""
    lines = python.splitlines()
    top: list[str] = []
    rest: list[str] = []
    for node in ast.parse(python).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        (top if isinstance(node, _TOP) else rest).append(text)
    return top, rest


def _module(path: Path, parts: Sequence[_Part], parameters: str) -> str:
    inputs = [CellInput(id=p.name, name=p.name, flow=p.flow, is_task=p.cell.task is not None, after=()) for p in parts]
    params = _parameters(parameters)
    graph = build_graph(inputs, known=_KNOWN | params.keys(), keep_going=True)
    imports: list[str] = []
    definitions: list[str] = []
    functions: list[str] = []
    body: list[str] = []
    top_names: set[str] = set()
    for part in parts:
        for text in _split(part.python)[0]:
            (imports if text.startswith(("import ", "from ")) else definitions).append(text)
            top_names |= analyse(text).binds
    shared = sorted((_globals_of(definitions) & _bound(parts)) - top_names)
    wanted = _wanted(parts, top_names)
    last: str | None = None
    for part in parts:
        _top, rest = _split(part.python)
        if not rest:
            continue
        if part.cell.task is None:
            body += rest
            continue
        reads = sorted(
            ((part.flow.reads | part.flow.mutates) - top_names - _KNOWN - set(shared)) & (set(params) | _bound(parts))
        )
        results = [name for name in wanted[part.name] if name not in shared]
        options = part.cell.task.options
        functions.append(_function(part, reads, results, shared, rest, options))
        call = f"{'await ' if _awaits(part.python) else ''}{part.name}_task({', '.join(f'{n}={n}' for n in reads)})"
        line = f"{', '.join(results)} = {call}" if results else call
        body.append(f"if not ({options.skip_if}):\n    {line}" if options.skip_if else line)
        last = wanted[part.name][-1] if wanted[part.name] and not options.skip_if else last
    awaits = any("await " in text for text in body)
    signature = ", ".join(params.values())
    head = [f'"""Made from {path.name} by `headrace export`."""', "", "from __future__ import annotations", ""]
    lines = [*dict.fromkeys(imports), "", "from headrace import flow, task", "", "", *definitions, ""]
    name = _identifier(path.stem.replace("-", "_"), set())
    made = [f"@flow\n{'async ' if awaits else ''}def {name}({signature}):"]
    own = [name for name in shared if name not in params]
    begin = [f"global {', '.join(own)}"] if own else []
    # A parameter cannot be declared global.
    begin += [f"globals()[{name!r}] = {name}" for name in shared if name in params]
    made.append(_indent("\n".join([*begin, *body, f"return {last}"] if last else [*begin, *body] or ["pass"])))
    call = f"asyncio.run({name}())" if awaits else f"{name}()"
    tail = ["", "", 'if __name__ == "__main__":', *(["    import asyncio", ""] if awaits else []), f"    {call}", ""]
    if graph.syntax_errors:
        raise InvalidNotebook(f"{path}: {next(iter(graph.syntax_errors.values()))}")
    return "\n".join([*head, *lines, *functions, *made, *tail])


def _bound(parts: Sequence[_Part]) -> set[str]:
    return {name for part in parts for name in part.flow.binds | part.flow.mutates}


def _parameters(source: str) -> dict[str, str]:
    """Return parameter name → its text in a signature, from the cell tagged `parameters`."""
    found: dict[str, str] = {}
    if not source:
        return found
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            default = f" = {ast.unparse(node.value)}" if node.value is not None else ""
            found[node.target.id] = f"{node.target.id}: {ast.unparse(node.annotation)}{default}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = f"{node.targets[0].id}={ast.unparse(node.value)}"
    return found


def _wanted(parts: Sequence[_Part], top_names: set[str]) -> dict[str, list[str]]:
    """Return part → the names that it hands on; the last task hands on what it assigned last, the flow's result."""
    read_later: set[str] = set()
    found: dict[str, list[str]] = {}
    for part in reversed(parts):
        wrote = part.flow.binds | part.flow.mutates
        found[part.name] = sorted((wrote & read_later) - top_names)
        read_later |= part.flow.reads | part.flow.mutates
    for part in reversed(parts):
        if part.cell.task is None or part.cell.task.options.skip_if:
            continue
        assigned = [name for name in _assigned(part.python) if name not in top_names]
        if assigned and assigned[-1] not in found[part.name]:
            found[part.name].append(assigned[-1])
        if found[part.name]:
            break
    return found


def _assigned(python: str) -> list[str]:
    """Return the names that statements of a cell assign whatever happens, in order."""
    found: list[str] = []
    for node in ast.parse(python).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def _globals_of(definitions: Sequence[str]) -> set[str]:
    """Return the global names that functions use when they are called."""

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        for inner in table.get_children():
            yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
            yield from names(inner)

    return {name for text in definitions for name in names(symtable.symtable(text, "<cell>", "exec"))}


def _indent(python: str) -> str:
    """Return code four spaces to the right, the lines within its texts as they are."""
    within: set[int] = set()
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.JoinedStr | ast.Constant) and node.end_lineno is not None:
            within.update(range(node.lineno + 1, node.end_lineno + 1))
    lines = python.split("\n")
    return "\n".join(
        line if number in within or not line.strip() else f"    {line}" for number, line in enumerate(lines, 1)
    )


def _awaits(python: str) -> bool:
    return any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for node in ast.walk(ast.parse(python)))


def _function(
    part: _Part, reads: list[str], results: list[str], shared: list[str], rest: list[str], options: CellOptions
) -> str:
    """Return a task cell as a decorated function."""
    arguments = _decorator(part.cell.name, options)
    awaits = _awaits(part.python)
    lines = [f"@task({arguments})", f"{'async ' if awaits else ''}def {part.name}_task({', '.join(reads)}):"]
    makes = sorted((part.flow.binds | part.flow.deletes) & set(shared))
    if makes:
        lines.append(f"    global {', '.join(makes)}")
    lines.append(_indent("\n".join(rest)))
    if results:
        lines.append(f"    return {', '.join(results)}")
    return "\n".join([*lines, "", ""])


def _decorator(name: str, options: CellOptions) -> str:
    words = [f"name={name!r}"]
    for option in ("retries", "retry_jitter_factor", "timeout_seconds", "log_prints", "persist_result", "description"):
        value = getattr(options, option)
        if value != getattr(CellOptions(), option) or option == "log_prints":
            words.append(f"{option}={value!r}")
    delays = options.retry_delay_seconds
    if delays:
        words.append(f"retry_delay_seconds={list(delays) if isinstance(delays, tuple) else delays!r}")
    if options.tags:
        words.append(f"tags={list(options.tags)!r}")
    return ", ".join(words)


def notebook_flow(path: str | Path) -> Any:
    """Return a notebook's cells as a flow, for scripts and tests.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Flow
        Called with the notebook's parameters; it runs in this process.
    """
    import linecache

    text = export(path)
    filename = f"<{Path(path).name} as a flow>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space: dict[str, Any] = {"__name__": f"headrace_notebook_{Path(path).stem}"}
    exec(compile(text, filename, "exec"), space)  # noqa: S102
    return space[_identifier(Path(path).stem.replace("-", "_"), set())]


def strip(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook that runs the same without Headrace: magic lines become comments, our metadata goes.

    Parameters
    ----------
    notebook : mapping
        The notebook's JSON; it is not changed.
    """
    found: dict[str, Any] = json.loads(json.dumps(notebook))
    found.get("metadata", {}).pop("headrace", None)
    for cell in found["cells"]:
        metadata = cell.get("metadata", {})
        metadata.pop("headrace", None)
        if "task" in metadata.get("tags", ()):
            metadata["tags"] = [tag for tag in metadata["tags"] if tag != "task"]
        if cell.get("cell_type") != "code":
            continue
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        split = split_magic(source.lstrip("\n"))
        if split is not None:
            kind, line, rest = split
            # Another cell magic is only one on the first line.
            source = rest.lstrip("\n") if rest.lstrip().startswith("%%") else f"# %%{kind} {line}".rstrip() + rest
        cell["source"] = re.sub(
            r"^(\s*)%((re)?load_ext headrace|flow|headrace)\b", r"\1# %\2", source, flags=re.MULTILINE
        )
    return found
