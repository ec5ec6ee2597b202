"""`headrace version`."""

from __future__ import annotations

import platform
import sys

import click


@click.command()
def version() -> None:
    """Print the versions of Headrace and Python, and which Python it is."""
    from headrace import __version__

    click.echo(f"headrace {__version__} · Python {platform.python_version()} · {sys.executable}")
