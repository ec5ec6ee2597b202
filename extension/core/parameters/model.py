"""The records of this package: a type, an enum of the parameters cell, one of its members, a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enum that the notebook itself defines: only its kernel has the class.

    Parameters
    ----------
    enum : str
        The class's name in the parameters cell.
    name : str
        The member's name.
    """

    enum: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumClass:
    """An `Enum` that a parameters cell defines.

    Parameters
    ----------
    name : str
        The class's name.
    members : tuple of (str, object)
        Names and values; the value is None where it is computed (`auto()`).
    """

    name: str
    members: tuple[tuple[str, object], ...]

    @property
    def labels(self) -> tuple[object, ...]:
        """What a person chooses from: the values where all are plain and distinct, else the names."""
        values = [value for _, value in self.members]
        plain = all(type(value) in (str, int) for value in values) and len({str(v) for v in values}) == len(values)
        return tuple(values) if plain else tuple(name for name, _ in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeForm:
    """A parameter's type, as far as it can be checked without running the notebook.

    Parameters
    ----------
    kind : str
        One of `annotations.KINDS`; `any` is a type that is not checked.
    args : tuple of TypeForm, default ()
        Element types of containers, members of a union.
    values : tuple of object, default ()
        The values of a `Literal`.
    enum : EnumClass or None, default None
        The class, for an enum of the parameters cell.
    variadic : bool, default False
        True for `tuple[T, ...]`.
    """

    kind: str
    args: tuple[TypeForm, ...] = ()
    values: tuple[object, ...] = ()
    enum: EnumClass | None = None
    variadic: bool = False

    @property
    def nullable(self) -> bool:
        """True if None is among the type's values."""
        if self.kind == "literal":
            return None in self.values
        return self.kind in ("none", "any") or (self.kind == "union" and any(arg.nullable for arg in self.args))

    def walk(self) -> Iterator[TypeForm]:
        """Yield this type and all types inside it."""
        yield self
        for arg in self.args:
            yield from arg.walk()


ANY = TypeForm(kind="any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter that a notebook declares in its `parameters` cell.

    Parameters
    ----------
    name : str
        The variable's name.
    annotation : str, default ""
        The annotation's source text (or the type comment's); "" where there is none.
    type : TypeForm, default ANY
        The annotation, understood.
    default : object, default None
        The default's value where it is a literal, else None.
    default_source : str, default ""
        The default's source text; "" where there is none.
    default_known : bool, default False
        True if `default` is the value, False if there is no default or only its source text is known.
    required : bool, default False
        True if there is no default, or the default is `...`.
    help : str, default ""
        The comment at the end of the line.
    secret : bool, default False
        True if annotated `Secret`/`SecretStr` or the help says so: the value must never enter a cell.
    line : int, default 0
        Line in the cell, from 1.
    """

    name: str
    annotation: str = ""
    type: TypeForm = ANY
    default: object = None
    default_source: str = ""
    default_known: bool = False
    required: bool = False
    help: str = ""
    secret: bool = False
    line: int = 0

    @property
    def choices(self) -> tuple[object, ...]:
        """The values to choose from (`Literal`, `Enum`, also inside `Optional`), without None; () where it is free."""
        forms = self.type.args if self.type.kind == "union" else (self.type,)
        found: list[object] = []
        for form in forms:
            if form.kind == "literal":
                found.extend(value for value in form.values if value is not None)
            elif form.kind == "enum" and form.enum is not None:
                found.extend(form.enum.labels)
            elif form.kind != "none":
                return ()
        return tuple(found)

    @property
    def nullable(self) -> bool:
        """True if None is allowed: by the annotation, or because it is the default (PEP 484's old implicit Optional)."""
        return self.type.nullable or (self.default_known and self.default is None)
