"""`headrace export` and `headrace strip`: a notebook as a script, and a notebook without Headrace."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.core.errors import StoreUnavailable


def _write(target: str, text: str) -> None:
    if target == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}.") from error


@click.command()
@click.argument("notebook")
@click.argument("output", default="-")
def export(notebook: str, output: str) -> None:
    """Write NOTEBOOK as a Python module: task cells become @task functions, the notebook a @flow.

    OUTPUT is a .py file, or `-` (the default) for the terminal.
    """
    from headrace.kernel_magic.cells import export as exporting

    _write(output, exporting.export(notebook))


@click.command()
@click.argument("notebook")
@click.argument("output", default="-")
def strip(notebook: str, output: str) -> None:
    """Write NOTEBOOK so that it runs the same without Headrace.

    Magic lines become comments, our metadata goes. OUTPUT is a file, or `-` (the default) for the terminal.
    """
    from headrace.kernel_magic.cells import export as exporting

    found = exporting.strip(exporting.read_notebook(notebook))
    _write(output, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
