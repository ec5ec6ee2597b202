"""Finds the parameters that a cell declares, from its syntax tree; nothing of it is executed.

papermill's inspection is one regular expression over lines: `x = dict(a=1)`,
`x: str | None = None` and `x = 'a=b'` are invisible to it, a `#` in a string is
a comment to it, and statements inside `if` are parameters (notebooks.md, 2.11).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from headrace.core.errors import InvalidNotebook
from headrace.core.parameters.annotations import enum_class, parse_annotation
from headrace.core.parameters.model import ANY, EnumClass, EnumMember, Parameter, TypeForm
from headrace.core.parameters.reading import NotALiteral, dotted, parse, read_literal

_SECRET = re.compile(r"\bsecret\b", re.IGNORECASE)
_IPYTHON = re.compile(r"^\s*[%!?]|\?\s*$")


class Binding(NamedTuple):
    """One name that an assignment binds."""

    name: str
    annotation: ast.expr | None
    value: ast.expr | None
    whole: bool = True
    """False if the name gets a part of the value that cannot be told (`a, b = f()`)."""


def inspect_source(source: str) -> list[Parameter]:
    """Return the parameters that a `parameters` cell declares.

    A parameter is a name bound by an assignment at the top level of the cell: `x = 1`, `x: int = 1`, `x: int` and
    `x = ...` (required), `a, b = 1, 2`. Imports, calls, definitions and everything inside `if`, `for` or `with` are
    not parameters. The comment at the end of the line is the help; `# type: int …` gives a type where there is no
    annotation.

    Parameters
    ----------
    source : str
        The cell's source. Lines for IPython (`%magic`, `!command`, `name?`) are ignored.

    Returns
    -------
    list of Parameter
        In the order of their first binding; a name bound twice has its last default.

    Raises
    ------
    InvalidNotebook
        If the source is not Python.
    """
    source, tree = _parsed(source)
    notes = _notes(source, tree)
    lines = _Lines(source)
    enums: dict[str, EnumClass] = {}
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            cls = enum_class(statement)
            if cls is not None:
                enums[cls.name] = cls
        elif isinstance(statement, ast.Delete):
            for target in statement.targets:
                found.pop(dotted(target), None)
        else:
            note = notes.get(id(statement), "")
            for binding in _bindings(statement):
                if not binding.name.startswith("__"):
                    earlier = found.get(binding.name)
                    found[binding.name] = _parameter(binding, note, statement.lineno, lines, enums, earlier)
    return list(found.values())


def source_enums(source: str) -> dict[str, EnumClass]:
    """Return the enums that a cell defines at its top level.

    Parameters
    ----------
    source : str
        The cell's source.

    Returns
    -------
    dict of str to EnumClass
        By class name.

    Raises
    ------
    InvalidNotebook
        If the source is not Python.
    """
    _, tree = _parsed(source)
    classes = [enum_class(node) for node in tree.body if isinstance(node, ast.ClassDef)]
    return {cls.name: cls for cls in classes if cls is not None}


def read_assignments(source: str, enums: dict[str, EnumClass] | None = None) -> dict[str, object]:
    """Return the values that a cell of plain assignments gives to its names, as far as they are literals.

    Parameters
    ----------
    source : str
        The source of an injected cell, ours or papermill's, perhaps edited by hand.
    enums : dict of str to EnumClass or None, default None
        The enums that the parameters cell defines.

    Returns
    -------
    dict of str to object
        Names whose values could be read without running anything.

    Raises
    ------
    InvalidNotebook
        If the source is not Python.
    """
    _, tree = _parsed(source)
    values: dict[str, object] = {}
    for statement in tree.body:
        for binding in _bindings(statement):
            if binding.value is not None and binding.whole:
                try:
                    values[binding.name] = read_literal(binding.value, enums=enums or {})
                except (NotALiteral, ImportError):
                    values.pop(binding.name, None)
    return values


def _parsed(source: str) -> tuple[str, ast.Module]:
    try:
        return source, parse(source)
    except SyntaxError:
        # Only now: a line that starts with % may as well be part of a text.
        blanked = "\n".join("" if _IPYTHON.search(line) else line for line in source.split("\n"))
    try:
        return blanked, parse(blanked)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise InvalidNotebook(f"the parameters cell is not Python: {where}{error.msg}") from error


def _notes(source: str, tree: ast.Module) -> dict[int, str]:
    """The comment that belongs to each statement (by id): after its end, else on its first line.

    Comments are found by tokens, for a `#` inside a string is none. Where several statements share a line, the comment
    belongs to the last one.
    """
    comments: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                comments[token.start[0]] = token.string.lstrip("#").strip()
    except (tokenize.TokenError, SyntaxError):
        pass  # what parses and does not tokenize (a form feed in an odd place) has no help, that is all
    owners = {line: node for node in tree.body for line in (node.end_lineno or node.lineno,)}
    notes: dict[int, str] = {}
    for node in tree.body:
        end = node.end_lineno or node.lineno
        note = comments.get(end, "") if owners[end] is node else ""
        if not note and end != node.lineno:
            note = comments.get(node.lineno, "")
        notes[id(node)] = note
    return notes


def _bindings(statement: ast.stmt) -> Iterator[Binding]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield Binding(statement.target.id, statement.annotation, statement.value)
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _unpacked(target, statement.value, True)


def _unpacked(target: ast.expr, value: ast.expr, whole: bool) -> Iterator[Binding]:
    if isinstance(target, ast.Name):
        yield Binding(target.id, None, value, whole)
    elif isinstance(target, ast.Starred):
        yield from _unpacked(target.value, value, False)
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        starred = any(isinstance(part, ast.Starred) for part in (*parts, *target.elts))
        matched = whole and len(parts) == len(target.elts) and not starred
        for index, element in enumerate(target.elts):
            yield from _unpacked(element, parts[index] if matched else value, matched)


def _parameter(
    binding: Binding, note: str, line: int, lines: _Lines, enums: dict[str, EnumClass], earlier: Parameter | None
) -> Parameter:
    annotation = lines.text(binding.annotation)
    if note.startswith("type:"):
        comment, note = _type_comment(note)
        annotation = annotation or comment
    form = parse_annotation(annotation, enums) if annotation else ANY
    if not annotation and earlier is not None:  # `x: int` on one line, `x = 3` on a later one: one declaration
        annotation, form, note = earlier.annotation, earlier.type, note or earlier.help
    value = binding.value
    required = value is None or (isinstance(value, ast.Constant) and value.value is ...)
    if value is None and earlier is not None:  # a bare annotation after the assignment takes no value away
        value, required = None, earlier.required
    default, known, text = None, False, ""
    if value is not None and not required:
        text = lines.text(value)
        if binding.whole:
            try:
                default, known = read_literal(value, enums=enums), True
            except (NotALiteral, ImportError):
                pass  # a call or expression: its text is all that can be told without running it
        if isinstance(default, EnumMember) and form is ANY:
            form = TypeForm(kind="enum", enum=enums[default.enum])
    elif earlier is not None and binding.value is None:
        default, known, text = earlier.default, earlier.default_known, earlier.default_source
    return Parameter(
        name=binding.name,
        annotation=annotation,
        type=form,
        default=default,
        default_known=known,
        default_source=text,
        required=required,
        help=note,
        secret=_is_secret(form, note),
        line=line,
    )


class _Lines:
    """The cell's lines, split once.

    `ast.get_source_segment` splits the whole source at every call: inspecting 4,000 parameters took minutes.
    """

    def __init__(self, source: str) -> None:
        # Python ends lines at \n, \r and \r\n only, str.splitlines at eight more characters.
        self.lines = [line.encode("utf-8", "surrogatepass") for line in io.StringIO(source, newline="")]

    def text(self, node: ast.expr | None) -> str:
        """Return a node's source text, "" for no node. Columns of the tree count bytes of UTF-8."""
        if node is None:
            return ""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        parts = self.lines[first : last + 1]
        parts[-1] = parts[-1][: node.end_col_offset]
        parts[0] = parts[0][node.col_offset :]
        return b"".join(parts).decode("utf-8", "surrogatepass")


def _type_comment(note: str) -> tuple[str, str]:
    """Split `type: Dict[str, int] the help` into the type and the help; `type: ignore` is no type (PEP 484)."""
    text = note.removeprefix("type:").strip()
    depth = 0
    for index, char in enumerate(text):
        depth += (char in "[(") - (char in "])")
        # A blank ends the type, but not around the | of `int | None`.
        around = text[:index].rstrip().endswith("|") or text[index:].lstrip().startswith("|")
        if char.isspace() and depth == 0 and not around:
            head, tail = text[:index], text[index:].strip().lstrip("#").strip()
            break
    else:
        head, tail = text, ""
    return ("", tail) if head.startswith("ignore") else (head, tail)


def _is_secret(form: TypeForm, note: str) -> bool:
    return any(part.kind == "secret" for part in form.walk()) or bool(_SECRET.search(note))
