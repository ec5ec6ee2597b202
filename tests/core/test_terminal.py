"""Text of others on a terminal: colours stay, everything else that a terminal obeys is shown instead."""

from __future__ import annotations

import json

import pytest

from headrace.core.terminal import safe_json, safe_text

HOSTILE = [
    pytest.param("\x1b]0;title\x07", "␛]0;title␇", id="window title"),
    pytest.param("\x1b]52;c;ZXZpbA==\x07", "␛]52;c;ZXZpbA==␇", id="clipboard"),
    pytest.param("\x1b]8;;file:///etc\x1b\\go", "␛]8;;file:///etc␛\\go", id="link"),
    pytest.param("\x1b[2J\x1b[1;1H", "␛[2J␛[1;1H", id="clear and move"),
    pytest.param("\x1b[?1049h\x1b[6n\x1bc", "␛[?1049h␛[6n␛c", id="modes, questions, reset"),
    pytest.param("\x9b2J\x90q\x9d0;x\x9c", "⟨U+009B⟩2J⟨U+0090⟩q⟨U+009D⟩0;x⟨U+009C⟩", id="one-byte controls"),
    pytest.param("good\rbad", "good␍bad", id="overwritten line"),
    pytest.param("a\bb\x00\x7f", "a␈b␀␡", id="backspace, NUL, DEL"),
    pytest.param("a\u202eb\u2066c", "a⟨U+202E⟩b⟨U+2066⟩c", id="text that runs backwards"),
    pytest.param("\ud800", "⟨U+D800⟩", id="half a character"),
    pytest.param("\x1b[31mred\x1b[0m\n\tx", "\x1b[31mred\x1b[0m\n\tx", id="colours, newline and tab stay"),
    pytest.param("one\r\ntwo ✓ 😀", "one\ntwo ✓ 😀", id="Windows' newline"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_a_terminal_obeys_nothing_but_colours(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize("text", [case.values[0] for case in HOSTILE])
def test_json_on_a_terminal_is_harmless_and_the_same_value(text: object) -> None:
    shown = safe_json(json.dumps({"a": text}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {"a": text}
    assert not [ch for ch in shown if ch != "\n" and (ord(ch) < 32 or 0x7F <= ord(ch) < 0xA0 or ch == "\u202e")]
