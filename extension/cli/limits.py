"""`headrace limit …`: how many runs may hold a name, or have a tag, at the same time."""

from __future__ import annotations

import click

from headrace.cli import show

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group("limit", context_settings=_CONTEXT)
def limit() -> None:
    """List, set and delete concurrency and rate limits."""


@limit.command("ls", context_settings=_CONTEXT)
@show.output
def ls(output: str) -> None:
    """List limits with the slots that are taken."""
    from headrace.store import get_store

    found = get_store().limits.all()
    if output == "json":
        names = ("name", "limit", "active", "slot_decay_per_second")
        show.print_json([{name: getattr(each, name) for name in names} for each in found])
        return
    show.table(
        ("name", "limit", "taken", "slots freed per second"),
        (
            (show.plain(each.name), str(each.limit), f"{each.active:g}", f"{each.slot_decay_per_second:g}")
            for each in found
        ),
        empty="There are no limits. Set one: headrace limit set database 3",
    )


@limit.command("set", context_settings=_CONTEXT)
@click.argument("name")
@click.argument("slots", type=int)
@click.option("--per-second", type=float, default=0.0, help="Slots that come free each second: a rate limit.")
def set_(name: str, slots: int, per_second: float) -> None:
    """Let NAME be held SLOTS times at once; a NAME tag:TAG holds for the runs of tasks with that tag."""
    from headrace.store import get_store

    saved = get_store().limits.save(name, slots, slot_decay_per_second=per_second)
    click.echo(f"{saved.name}: {saved.limit}" + (f", {per_second:g} per second" if per_second else ""))


@limit.command("delete", context_settings=_CONTEXT)
@click.argument("names", nargs=-1, required=True)
def delete(names: tuple[str, ...]) -> int:
    """Delete limits; whoever waits for a slot goes on."""
    from headrace.store import get_store

    limits = get_store().limits

    def act(name: str) -> str:
        limits.delete(name)
        return f"{name}: deleted"

    return show.each(names, act)
