"""The one error of the analysis: code that is no Python."""

from __future__ import annotations

from headrace.core.errors import UsageError


class CellSyntaxError(UsageError):
    """A cell's source is not Python.

    Parameters
    ----------
    message : str
        The parser's own words, or with a cell's label before them.
    filename : str, default "<cell>"
        What the source was called by the caller.
    line : int, default 1
        Line of the fault, counted from 1 in the analysed (transformed) source.
    column : int, default 1
        Column of the fault, counted from 1 in characters.
    cell_id : str or None, default None
        The cell, where the caller said which it is.
    """

    code = "cell_syntax"

    def __init__(
        self, message: str, *, filename: str = "<cell>", line: int = 1, column: int = 1, cell_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.filename = filename
        self.line = line
        self.column = column
        self.cell_id = cell_id
