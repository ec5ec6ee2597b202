"""What all languages share: the walk over the values, the checks, the closed alphabet of text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.parameters.names import validate_name
from headrace.server.languages.plain_values import plain

SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;/_+=()[]<>?@&|~^*-")
"""Characters that stand for themselves: no quote, backslash, `$`, `#`, `%`, `!`, backtick, brace, control or non-ASCII."""
EXACT = 2**53
"""Largest whole number up to which a language whose numbers are doubles keeps them exact."""


def coded(text: str, escape: Callable[[str], str], safe: frozenset[str] = SAFE) -> str:
    """Write text with an escape for every character that is not safe.

    Parameters
    ----------
    text : str
        The text.
    escape : callable
        Takes one character, returns its escape sequence.
    safe : frozenset of str, default SAFE
        Characters that stand for themselves.

    Returns
    -------
    str
        The body of a literal.
    """
    return "".join(char if char in safe else escape(char) for char in text)


def unicode_escape(char: str) -> str:
    r"""Return `\uXXXX` or `\UXXXXXXXX`: always of full length, so that a digit that follows is not taken in."""
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def utf16_units(text: str) -> list[int]:
    """Return the UTF-16 code units of a text."""
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def runs(value: str) -> list[str]:
    """Split a text into runs of safe and of unsafe characters."""
    found: list[str] = []
    for char in value:
        if found and (found[-1][0] in SAFE) == (char in SAFE):
            found[-1] += char
        else:
            found.append(char)
    return found


def octal(char: str) -> str:
    r"""Return a character's UTF-8 bytes as `\ooo`: always three digits, so that a digit that follows is not taken in."""
    return "".join(f"\\{byte:03o}" for byte in char.encode())


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


class Dialect:
    """One language's way to write names and values: mixed in before papermill's translator.

    Subclasses say what their language needs; the walk over the values and all checks are here.
    """

    reserved = frozenset[str]()
    initial = r"[A-Za-z_]"
    longest = 64
    fold_case = False
    widest_int: int | None = None
    end = ""
    empty_keys = True

    def write(self, values: Mapping[str, Any], comment: str) -> str:
        """Return the source of a cell that sets the values."""
        lines = [str(self.comment(comment))]  # type: ignore[attr-defined]
        seen: dict[str, str] = {}
        for name, value in values.items():
            self.check_name(name)
            key = name.casefold() if self.fold_case else name
            if key in seen:
                raise InvalidParameter(
                    f"parameters {seen[key]!r} and {name!r} are one name in this language", field=name
                )
            seen[key] = name
            lines.append(self.assignment(name, plain(value, name)) + self.end)
        return "\n".join(lines) + "\n"

    def assignment(self, name: str, value: Any) -> str:
        """Return the statement that sets one parameter."""
        return str(self.assign(name, self.value(value, name)))  # type: ignore[attr-defined]

    def check_name(self, name: str) -> None:
        """Refuse a name that the language reads differently."""
        validate_name(name)
        folded = name.casefold() if self.fold_case else name
        if not re.fullmatch(rf"{self.initial}[A-Za-z0-9_]*", name) or len(name) > self.longest:
            raise InvalidParameter(
                f"parameter {name!r} is not a name in {self.language}; use letters a-z first", field=name
            )
        if folded in self.reserved or self.has_meaning(name):
            raise InvalidParameter(
                f"parameter {name!r} has a meaning of its own in {self.language}; rename it", field=name
            )

    def has_meaning(self, _name: str) -> bool:
        """Tell whether the language gives a name a meaning beyond its list of reserved words."""
        return False

    @property
    def language(self) -> str:
        """The language's name, for messages."""
        return type(self).__name__

    def value(self, value: Any, name: str) -> str:
        """Return a plain value as source."""
        if value is None:
            return self.none()
        if isinstance(value, bool):
            return str(self.translate_bool(value))  # type: ignore[attr-defined]
        if isinstance(value, int):
            return self.whole(value, name)
        if isinstance(value, float):
            return self.number(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return self.sequence(value, name)
        if not self.empty_keys and "" in value:
            raise InvalidParameter(
                f"parameter {name!r} has an empty key, which {self.language} cannot name", field=name
            )
        return self.mapping(value, name)

    def none(self) -> str:
        """Return the language's nothing."""
        return str(self.translate_none(None))  # type: ignore[attr-defined]

    def whole(self, value: int, name: str) -> str:
        """Return a whole number, or refuse one that the language would round."""
        if self.widest_int is not None and not -self.widest_int <= value <= self.widest_int:
            raise InvalidParameter(
                f"parameter {name!r} holds {value}, which {self.language} cannot keep exactly; pass it as text",
                field=name,
            )
        return str(value)

    def number(self, value: float) -> str:
        """Return a number; the three that are no literals have names."""
        if math.isfinite(value):
            return repr(value)
        return self.not_finite[0 if math.isnan(value) else (1 if value > 0 else 2)]

    not_finite = ("NaN", "Inf", "-Inf")

    def text(self, value: str) -> str:
        """Return a text literal."""
        return f'"{coded(value, unicode_escape)}"'

    def sequence(self, value: list[Any], name: str) -> str:
        """Return a list in papermill's shape."""
        return self.shape_list([self.value(item, name) for item in value])

    def shape_list(self, items: list[str]) -> str:
        """Join written items."""
        raise NotImplementedError

    def mapping(self, value: dict[str, Any], name: str) -> str:
        """Return a dict in papermill's shape."""
        return self.shape_dict([(self.text(key), self.value(item, name)) for key, item in value.items()])

    def shape_dict(self, pairs: list[tuple[str, str]]) -> str:
        """Join written keys and values."""
        raise NotImplementedError
