"""`headrace db …`: the store's schema, size, and old runs."""

from __future__ import annotations

import click

from headrace.cli import show

_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group("db", context_settings=_CONTEXT)
def db() -> None:
    """Look after the store: schema, size, old runs."""


@db.command("info", context_settings=_CONTEXT)
@show.output
def info(output: str) -> None:
    """Say where the store is and what it holds."""
    from headrace.core.settings import masked_url
    from headrace.store import get_store
    from headrace.store.housekeeping import info as facts

    store = get_store()
    found = {"url": masked_url(store.place.url), "source": store.place.source, **facts(store)}
    if output == "json":
        show.print_json(found)
        return
    rows = found.pop("rows")
    click.echo(f"store   {found['url']} (from {found['source']})")
    click.echo(f"schema  {found['schema']}")
    if found["size_bytes"] is not None:
        click.echo(f"size    {show.size(found['size_bytes'])}, {show.size(found['free_bytes'])} of it free")
    click.echo(f"since   {show.moment(found['oldest_at']) or '—'}")
    for name, count in rows.items():
        click.echo(f"  {name:<12} {count:>10,}")


@db.command("upgrade", context_settings=_CONTEXT)
def upgrade() -> None:
    """Bring the store's schema up to this version (a copy of an SQLite file is kept beside it)."""
    from headrace.core.settings import find_store
    from headrace.store import Store

    store = Store(find_store(), upgrade=True)
    try:
        click.echo(f"The store is at schema {store.schema}.")
    finally:
        store.close()


@db.command("vacuum", context_settings=_CONTEXT)
@click.option("--older-than", type=float, metavar="DAYS", help="Delete runs that ended so long ago. [retention_days]")
@click.option("--dry-run", is_flag=True, help="Only say how many runs that would be.")
def vacuum(older_than: float | None, dry_run: bool) -> None:
    """Delete old runs (by --older-than or the setting retention_days) and give free space back to the disk."""
    from headrace.core import settings
    from headrace.core.errors import UsageError
    from headrace.store import get_store, housekeeping

    days = older_than if older_than is not None else settings.number("RETENTION_DAYS", 0) or None
    if days is not None and days <= 0:
        raise UsageError(f"--older-than is {days:g}; it wants a number of days above 0.", field="older_than")
    store = get_store()
    if dry_run:
        count = 0 if days is None else sum(1 for _ in housekeeping.old_roots(store, older_than_days=days))
        click.echo(f"{count} root runs would be deleted.")
        return
    before = housekeeping.info(store)["size_bytes"]
    deleted = 0 if days is None else housekeeping.prune(store, older_than_days=days)
    housekeeping.vacuum(store)
    after = housekeeping.info(store)["size_bytes"]
    text = f"{deleted} runs deleted"
    click.echo(f"{text}; {show.size(before)} → {show.size(after)}" if before is not None else text)
