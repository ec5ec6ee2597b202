"""Tables that read well everywhere: text in a terminal, HTML in a notebook, the same words in both."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class TextTable:
    """A small table.

    Parameters
    ----------
    head : sequence of str
    rows : sequence of sequences of str
    note : str, default ""
        A line below it.
    """

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        self.head, self.rows, self.note = tuple(head), [tuple(row) for row in rows], note

    def __repr__(self) -> str:
        table = [self.head, *self.rows]
        widths = [max(len(row[n]) for row in table) for n in range(len(self.head))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n".join(lines + ([self.note] if self.note else []))

    def bundle(self) -> dict[str, str]:
        """Return it as a MIME bundle."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="text-align:left">{escape(text)}</th>' for text in self.head)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{escape(text)}</td>' for text in row) + "</tr>"
            for row in self.rows
        )
        note = f"<div>{escape(self.note)}</div>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
