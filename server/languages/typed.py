"""Scala, C# and F#: languages whose lists hold one type."""

from __future__ import annotations

from typing import Any

from papermill import translators as papermill

from headrace.server.languages.base import Dialect, coded, utf16_units, words


class Scala(Dialect, papermill.ScalaTranslator):
    r"""Scala: until 2.13.1 `\uXXXX` was replaced before the lexer saw it, so `\u0022` ended a string.

    Quotes, backslashes and line ends therefore have their short escapes (Scala Language Specification 2.12, 1.0 and
    1.3.5), which mean the same in every version.
    """

    widest_int = 2**63 - 1
    not_finite = ("Double.NaN", "Double.PositiveInfinity", "Double.NegativeInfinity")
    reserved = words(
        "abstract case catch class def do else enum export extends false final finally for forSome given if implicit import"
        " lazy macro match new null object override package private protected return sealed super then this throw trait"
        " true try type val var while with yield"
    )
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}

    def text(self, value: str) -> str:
        def escape(char: str) -> str:
            return self.short.get(char) or "".join(f"\\u{unit:04x}" for unit in utf16_units(char))

        return f'"{coded(value, escape)}"'

    def whole(self, value: int, name: str) -> str:
        written = super().whole(value, name)
        return written if -(2**31) <= value < 2**31 else f"{written}L"

    def shape_list(self, items: list[str]) -> str:
        return f"Seq({', '.join(items)})"

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        return f"Map({', '.join(f'{key} -> {value}' for key, value in pairs)})"


class CSharp(Dialect, papermill.CSharpTranslator):
    r"""C#: `\uXXXX` and `\UXXXXXXXX` in a regular string literal (ECMA-334, 6.4.5.6); no verbatim, no interpolation."""

    widest_int = 2**63 - 1
    not_finite = ("double.NaN", "double.PositiveInfinity", "double.NegativeInfinity")
    reserved = words(
        "abstract as base bool break byte case catch char checked class const continue decimal default delegate do double"
        " else enum event explicit extern false finally fixed float for foreach goto if implicit in int interface internal"
        " is lock long namespace new null object operator out override params private protected public readonly ref return"
        " sbyte sealed short sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked"
        " unsafe ushort using virtual void volatile while var dynamic await async"
    )

    def none(self) -> str:
        return "(object)null"

    def whole(self, value: int, name: str) -> str:
        written = super().whole(value, name)
        return written if -(2**31) <= value < 2**31 else f"{written}L"

    def sequence(self, value: list[Any], name: str) -> str:
        items = ", ".join(self.value(item, name) for item in value)
        kinds = {type(item) for item in value}
        # papermill's `new []` finds its type only where all items have one.
        plain_kind = len(kinds) == 1 and kinds <= {int, float, str, bool}
        return f"new [] {{ {items} }}" if plain_kind else f"new object[] {{ {items} }}"

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        items = ", ".join(f"{{ {key}, {value} }}" for key, value in pairs)
        return f"new System.Collections.Generic.Dictionary<string, object> {{ {items} }}"


class FSharp(Dialect, papermill.FSharpTranslator):
    r"""F#: `\uXXXX` and `\UXXXXXXXX` in a plain string (F# specification 3.5); no interpolation without `$`."""

    widest_int = 2**63 - 1
    not_finite = ("System.Double.NaN", "System.Double.PositiveInfinity", "System.Double.NegativeInfinity")
    reserved = words(
        "abstract and as assert base begin class default delegate do done downcast downto elif else end exception extern"
        " false finally fixed for fun function global if in inherit inline interface internal lazy let match member module"
        " mutable namespace new not null of open or override private public rec return sig static struct then to true try"
        " type upcast use val void when while with yield const asr land lor lsl lsr lxor mod atomic break checked component"
        " constraint constructor continue event external functor include method mixin object parallel process protected"
        " pure sealed tailcall trait virtual volatile base"
    )

    def whole(self, value: int, name: str) -> str:
        written = super().whole(value, name)
        return written if -(2**31) <= value < 2**31 else f"{written}L"

    def sequence(self, value: list[Any], name: str) -> str:
        items = [self.value(item, name) for item in value]
        alike = len({(type(item), written.endswith("L")) for item, written in zip(value, items, strict=True)}) <= 1
        if value and not (alike and isinstance(value[0], (bool, int, float, str))):
            items = [self.boxed(item) for item in items]
        return f"[ {'; '.join(items)} ]"

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        items = "; ".join(f"({key}, {self.boxed(value)})" for key, value in pairs)
        return f"([ {items} ] : (string * obj) list) |> Map.ofList"

    @staticmethod
    def boxed(written: str) -> str:
        """Return a value as `obj`: lists and maps of F# hold one type."""
        return "(null : obj)" if written == "None" else f"box ({written})"
