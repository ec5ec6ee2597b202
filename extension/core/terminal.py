"""Text of unknown origin made safe for a terminal (reliability.md, S-31).

A log line or a run's name may hold what a terminal obeys: titles, clipboard,
links, cursor moves, text that runs backwards. Colours stay; every other
control character becomes visible, by the panel's rule (`labextension/src/pure/ansi.ts`).
"""

from __future__ import annotations

import re

#: Colours and the like (ECMA-48, SGR): harmless, and wanted in tracebacks.
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"⟨U+{code:04X}⟩"


def safe_text(text: str) -> str:
    """Return text with every control character but newline, tab and colours made visible."""
    if text.isascii() and text.isprintable():
        return text
    parts = _COLOUR.split(text.replace("\r\n", "\n"))
    return "".join(part if index % 2 else _CONTROL.sub(_visible, part) for index, part in enumerate(parts))


def safe_json(text: str) -> str:
    """Return JSON text whose controls and half characters are written as escapes: the same value, harmless to show."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
