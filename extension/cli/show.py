"""How commands show things: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from headrace.core.terminal import safe_json, safe_text

#: Colours of state types, those of the panel.
COLOURS = {
    "SCHEDULED": "yellow",
    "PENDING": "yellow",
    "RUNNING": "blue",
    "PAUSED": "magenta",
    "CANCELLING": "magenta",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "bright_black",
    "CRASHED": "dark_orange",
}
#: Columns of a table that goes to a file or another program.
WIDE = 200

output = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print it."
)


def echo(text: str, *, err: bool = False) -> None:
    """Print text that others may have written: the terminal obeys nothing in it."""
    click.echo(safe_text(text), err=err)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(safe_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", empty: str = "") -> None:
    """Print a table; a cell may carry rich's markup.

    Parameters
    ----------
    columns : sequence of str
        The first one is never cut.
    rows : iterable of sequences of str
    title : str, default ""
    empty : str, default ""
        Printed instead when there are no rows.
    """
    found = list(rows)
    if not found:
        click.echo(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    made = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        made.add_column(name, no_wrap=index == 0, overflow="fold")
    for row in found:
        made.add_row(*(safe_text(cell) for cell in row))
    console.print(made)


def state(state_type: str, name: str) -> str:
    """Return a state's name with its colour."""
    colour = COLOURS.get(state_type, "white")
    return f"[{colour}]{name}[/{colour}]"


def plain(text: str) -> str:
    """Return text whose brackets are no markup."""
    from rich.markup import escape

    return escape(text)


def moment(us: int | None) -> str:
    """Return an instant for people, in local time."""
    return "" if us is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(us / 1_000_000))


def span(seconds: float | None) -> str:
    """Return a duration for people."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int | None) -> str:
    """Return a number of bytes for people."""
    if count is None:
        return ""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def each(ids: Iterable[str], act: Callable[[str], str]) -> int:
    """Do something for each id, say what came of it, and go on after an error.

    Returns
    -------
    int
        The exit code: the highest of the errors', 0 without one.
    """
    from headrace.core.errors import HeadraceError, one_line

    code = 0
    for run_id in ids:
        try:
            echo(act(run_id))
        except HeadraceError as error:
            echo(one_line(error), err=True)
            code = max(code, error.exit_code)
    return code
