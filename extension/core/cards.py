"""How records show themselves in a notebook: a small table of words, states by sign and word."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from headrace.core.drawing import SIGNS


def state_words(state_type: str, state_name: str) -> str:
    """Return a state's sign and name, e.g. "✔ Completed"."""
    return f"{SIGNS.get(state_type, SIGNS[''])[0]} {state_name}"


def card(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a small HTML table.

    Parameters
    ----------
    title : str
        Its caption.
    rows : iterable of (what, words)
        Rows without words are left out.
    """
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(what)}</th><td style="text-align:left">{escape(words)}</td></tr>'
        for what, words in rows
        if words
    )
    return f'<table><caption style="text-align:left"><b>{escape(title)}</b></caption><tbody>{body}</tbody></table>'
