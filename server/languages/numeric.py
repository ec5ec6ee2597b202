"""R, Julia, MATLAB and Octave."""

from __future__ import annotations

from typing import Any

from papermill import translators as papermill

from headrace.core.errors import InvalidParameter
from headrace.server.languages.base import EXACT, SAFE, Dialect, coded, octal, runs, utf16_units, words


class R(Dialect, papermill.RTranslator):
    r"""R: `\uXXXX` in double quotes (R-lang 10.3.1, ?Quotes); numbers are doubles."""

    initial = "[A-Za-z]"
    widest_int = EXACT
    empty_keys = False  # a list's zero-length tag is a syntax error
    reserved = words(
        "if else repeat while function for next break TRUE FALSE NULL Inf NaN NA NA_integer_ NA_real_ NA_complex_"
        " NA_character_ in"
    )
    piece = 400
    """Characters in one literal: R's reader breaks escapes where a source line is longer than 4,096 bytes."""

    def text(self, value: str) -> str:
        if len(value) <= self.piece:
            return super().text(value)
        pieces = (super(R, self).text(value[at : at + self.piece]) for at in range(0, len(value), self.piece))
        return f"paste0(\n{','.join(f'{piece}{chr(10)}' for piece in pieces)})"

    def mapping(self, value: dict[str, Any], name: str) -> str:
        if any(len(key) > self.piece for key in value):
            raise InvalidParameter(f"parameter {name!r} has a key of more than {self.piece} characters", field=name)
        return super().mapping(value, name)

    def shape_list(self, items: list[str]) -> str:
        return f"list({', '.join(items)})"

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        return f"list({', '.join(f'{key} = {value}' for key, value in pairs)})"


class Julia(Dialect, papermill.JuliaTranslator):
    r"""Julia: `$` interpolates in double quotes, so it is `$`'s number (manual, Strings: `\u` up to 4, `\U` up to 8 digits)."""

    reserved = words(
        "baremodule begin break catch const continue do else elseif end export false finally for function global if"
        " import let local macro module quote return struct true try using while in isa where abstract mutable primitive"
        " outer public ccall"
    )

    def shape_list(self, items: list[str]) -> str:
        return f"[{', '.join(items)}]"

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        return f"Dict({', '.join(f'{key} => {value}' for key, value in pairs)})"


class Matlab(Dialect, papermill.MatlabTranslator):
    """MATLAB: strings know no escapes, so unsafe characters are added by their numbers.

    `"a" + char(10)` joins a string and characters (MATLAB, `plus` for strings). The backslash counts as unsafe, so that
    the same cell cannot end its string early in Octave, where `\\"` does not.
    """

    initial = "[A-Za-z]"
    longest = 63
    widest_int = EXACT
    end = ";"
    reserved = words(
        "break case catch classdef continue else elseif end for function global if otherwise parfor persistent return spmd"
        " switch try while"
    )

    def text(self, value: str) -> str:
        parts = [
            f'"{run}"' if run[0] in SAFE else f"char([{' '.join(map(str, utf16_units(run)))}])" for run in runs(value)
        ]
        if not parts:
            return '""'
        if not parts[0].startswith('"'):
            parts.insert(0, '""')  # the first operand decides that + joins text
        return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"

    def key(self, value: str) -> str:
        """Return a map's key: a row of characters."""
        parts = [
            f"'{run}'" if run[0] in SAFE else f"char([{' '.join(map(str, self.codes(run)))}])" for run in runs(value)
        ]
        return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]" if parts else "''"

    def codes(self, run: str) -> list[int]:
        """Return the numbers that `char` makes these characters from."""
        return utf16_units(run)

    def shape_list(self, items: list[str]) -> str:
        return f"{{{', '.join(items)}}}"

    def mapping(self, value: dict[str, Any], name: str) -> str:
        if not value:
            return "containers.Map('KeyType', 'char', 'ValueType', 'any')"
        keys = ", ".join(self.key(key) for key in value)
        items = ", ".join(self.value(item, name) for item in value.values())
        return f"containers.Map({{{keys}}}, {{{items}}}, 'UniformValues', false)"


class Octave(Matlab):
    """Octave: not in papermill's registry; characters are bytes, so text is UTF-8 in octal escapes of three digits."""

    longest = 64
    initial = "[A-Za-z_]"
    reserved = Matlab.reserved | words(
        "do until unwind_protect unwind_protect_cleanup end_unwind_protect end_try_catch endif endwhile endfor endfunction"
        " endswitch endparfor endclassdef endenumeration endevents endmethods endproperties endspmd"
    )

    def text(self, value: str) -> str:
        return f'"{coded(value, octal)}"'

    def codes(self, run: str) -> list[int]:
        return list(run.encode())
