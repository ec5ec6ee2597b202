"""Understands the annotations of a parameters cell from their text: nothing is imported or evaluated.

A name is taken at its word (`Path` is a path whoever exports it), because the
cell's imports may stand in another cell. What is not known is `any`: it is
shown as it is written and not checked.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from headrace.core.parameters.model import ANY, EnumClass, TypeForm
from headrace.core.parameters.reading import NotALiteral, dotted, parse, read_literal

SIMPLE: dict[str, str] = {
    "None": "none",
    "NoneType": "none",
    "Any": "any",
    "object": "any",
    "bool": "bool",
    "int": "int",
    "Integral": "int",
    "float": "float",
    "Real": "float",
    "Number": "float",
    "complex": "complex",
    "str": "str",
    "AnyStr": "str",
    "bytes": "bytes",
    "date": "date",
    "datetime": "datetime",
    "time": "time",
    "timedelta": "timedelta",
    "Decimal": "decimal",
    "Fraction": "fraction",
    "UUID": "uuid",
    "Path": "path",
    "PurePath": "path",
    "PurePosixPath": "path",
    "PosixPath": "path",
    "PathLike": "path",
    "list": "list",
    "List": "list",
    "Sequence": "list",
    "MutableSequence": "list",
    "Collection": "list",
    "Iterable": "list",
    "tuple": "tuple",
    "Tuple": "tuple",
    "set": "set",
    "Set": "set",
    "MutableSet": "set",
    "AbstractSet": "set",
    "frozenset": "frozenset",
    "FrozenSet": "frozenset",
    "dict": "dict",
    "Dict": "dict",
    "Mapping": "dict",
    "MutableMapping": "dict",
    "Secret": "secret",
    "SecretStr": "secret",
    "SecretBytes": "secret",
}
"""The last part of an annotation's name → the kind of type."""
KINDS = frozenset(SIMPLE.values()) | {"union", "literal", "enum"}
"""All kinds of type."""
MAX_MEMBERS = 100
"""Largest union that is understood: its members are compared with each other."""
ARGUMENTS = {"list": 1, "set": 1, "frozenset": 1, "dict": 2}
"""How many element types a container has."""


def parse_annotation(source: str | ast.expr, enums: Mapping[str, EnumClass] | None = None) -> TypeForm:
    """Understand an annotation.

    Parameters
    ----------
    source : str or ast.expr
        The annotation: an expression, or its text.
    enums : mapping of str to EnumClass or None, default None
        The enums that the same cell defines.

    Returns
    -------
    TypeForm
        The type; kind `any` for what is not known.
    """
    node: ast.expr
    if isinstance(source, str):
        try:
            node = parse(source.strip(), "eval").body
        except SyntaxError:
            return ANY
    else:
        node = source
    try:
        return _form(node, enums or {})
    except RecursionError:  # a chain of a thousand `|` or dots: nothing that a person checks values against
        return ANY


def _form(node: ast.expr, enums: Mapping[str, EnumClass]) -> TypeForm:
    if isinstance(node, ast.Constant):
        if node.value is None:
            return TypeForm(kind="none")
        return parse_annotation(node.value, enums) if isinstance(node.value, str) else ANY
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _bar(node, enums)
    if isinstance(node, ast.Subscript):
        return _subscript(node, enums)
    name = dotted(node)
    if name in enums:
        return TypeForm(kind="enum", enum=enums[name])
    kind = SIMPLE.get(name.rpartition(".")[2], "any")
    # numpy's and pandas' own classes share these words (`pandas.Series` does not, `np.float` once did): taken at their word.
    return TypeForm(kind=kind)


def _bar(node: ast.expr, enums: Mapping[str, EnumClass]) -> TypeForm:
    """Understand `A | B | C`, which the tree holds as `(A | B) | C`, as one union and not as one in another."""
    members: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        members.append(node.right)
        node = node.left
    members.append(node)
    if len(members) > MAX_MEMBERS:
        return ANY
    return union([_form(member, enums) for member in reversed(members)])


def _subscript(node: ast.Subscript, enums: Mapping[str, EnumClass]) -> TypeForm:
    name = dotted(node.value).rpartition(".")[2]
    items = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        return _literal(items, enums)
    if name == "Optional":
        return union([_form(items[0], enums), TypeForm(kind="none")])
    if name == "Union":
        return union([_form(item, enums) for item in items])
    if name in ("Annotated", "Final", "ClassVar", "Required"):
        return _form(items[0], enums)
    kind = SIMPLE.get(name, "any")
    if kind == "tuple":
        variadic = len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is ...
        if not items:
            return TypeForm(kind="tuple")
        return TypeForm(
            kind="tuple", args=tuple(_form(i, enums) for i in (items[:1] if variadic else items)), variadic=variadic
        )
    if ARGUMENTS.get(kind) == len(items):
        return TypeForm(kind=kind, args=tuple(_form(item, enums) for item in items))
    return TypeForm(kind=kind)


def _literal(items: list[ast.expr], enums: Mapping[str, EnumClass]) -> TypeForm:
    values: list[object] = []
    for item in items:
        if isinstance(item, ast.Subscript):  # Literal[Literal["a"], "b"] is Literal["a", "b"] (PEP 586)
            values.extend(_form(item, enums).values)
            continue
        try:
            values.append(read_literal(item, enums=enums))
        except NotALiteral:
            return ANY
    return TypeForm(kind="literal", values=tuple(values))


def union(forms: list[TypeForm]) -> TypeForm:
    """Join types into one, flat and without doubles.

    Parameters
    ----------
    forms : list of TypeForm
        The members.

    Returns
    -------
    TypeForm
        A union, or the only member; `any` if one of them is.
    """
    flat: list[TypeForm] = []
    for form in forms if len(forms) <= MAX_MEMBERS else [ANY]:
        for member in form.args if form.kind == "union" else (form,):
            if member not in flat:
                flat.append(member)
            if len(flat) > MAX_MEMBERS:
                return ANY
    if any(member.kind == "any" for member in flat):
        return ANY
    return flat[0] if len(flat) == 1 else TypeForm(kind="union", args=tuple(flat))


def enum_class(node: ast.ClassDef) -> EnumClass | None:
    """Understand a class definition as an enum.

    Parameters
    ----------
    node : ast.ClassDef
        The definition.

    Returns
    -------
    EnumClass or None
        Its members, or None if no base's name ends in `Enum` or it has no members.
    """
    if not any(dotted(base).rpartition(".")[2] in ("Enum", "IntEnum", "StrEnum", "ReprEnum") for base in node.bases):
        return None
    members: list[tuple[str, object]] = []
    for statement in node.body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if not isinstance(target, ast.Name) or target.id.startswith("_"):
                continue
            try:
                members.append((target.id, read_literal(statement.value)))
            except (NotALiteral, ImportError):
                members.append((target.id, None))
    return EnumClass(name=node.name, members=tuple(members)) if members else None
