"""`headrace config …`: what is set, where, and how to change it for good."""

from __future__ import annotations

import click

from headrace.cli import show
from headrace.core import configuring

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group("config", context_settings=_CONTEXT)
def config() -> None:
    """View and change configuring."""


@config.command("view", context_settings=_CONTEXT)
@click.option("--all", "everything", is_flag=True, help="Also what has its default.")
@show.output
def view(everything: bool, output: str) -> None:
    """Show settings and where they come from."""
    found = [
        (name, *configuring.look_up(name), known.help)
        for name, known in configuring.KNOWN.items()
        if everything or configuring.look_up(name)[1] != "default"
    ]
    if output == "json":
        show.print_json([{"name": n, "value": v, "source": s, "help": h} for n, v, s, h in found])
        return
    show.table(
        ("setting", "value", "from", "meaning"),
        ((name, show.plain(str(value)), show.plain(source), show.plain(text)) for name, value, source, text in found),
        empty="Everything has its default (headrace config view --all).",
    )


@config.command("set", context_settings=_CONTEXT)
@click.argument("name")
@click.argument("value")
def set_(name: str, value: str) -> None:
    """Set a setting for every process of this person, in headrace.toml."""
    path = configuring.write(name, configuring.checked(name, value))
    click.echo(f"{name} = {value}  ({path})")


@config.command("unset", context_settings=_CONTEXT)
@click.argument("name")
def unset(name: str) -> None:
    """Give a setting its default again."""
    path = configuring.write(name, None)
    click.echo(f"{name} has its default again ({path})")
