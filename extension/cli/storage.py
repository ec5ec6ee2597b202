"""`headrace storage …`: what stored results take, and room made."""

from __future__ import annotations

import re

import click

from headrace.cli import show

_CONTEXT = {"help_option_names": ["-h", "--help"]}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)?\s*", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def size(text: str) -> int:
    """Return the bytes that a text such as 500MB means."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no size; write it as 500MB, 2.5GB or a number of bytes.")
    return int(float(match[1]) * _UNITS[(match[2] or "B").lower()])


@click.group("storage", context_settings=_CONTEXT)
def storage() -> None:
    """See what stored results take, and make room."""


@storage.command("ls", context_settings=_CONTEXT)
@show.output
def ls(output: str) -> None:
    """Show the bytes of stored results by flow, notebook and task, the largest first."""
    from headrace.kernel_magic.results.retention import max_bytes
    from headrace.store import get_store

    store = get_store()
    found = store.results.usage()
    total, cap = sum(use.size_bytes for use in found), max_bytes(store)
    if output == "json":
        names = ("flow", "notebook_path", "task", "results", "size_bytes", "used_at")
        rows = [dict(zip(names, use, strict=True)) for use in found]
        show.print_json({"total_bytes": total, "max_bytes": cap, "used_by": rows})
        return
    show.table(
        ("flow", "notebook", "task", "results", "size", "last used"),
        (
            (
                show.plain(use.flow or "(deleted runs)"),
                show.plain(use.notebook_path or ""),
                show.plain(use.definition),
                f"{use.results:,}",
                show.size(use.size_bytes),
                show.moment(use.used_at),
            )
            for use in found
        ),
        empty="No results are stored.",
    )
    click.echo(f"{show.size(total)} of at most {show.size(cap)} (setting results_max_bytes)")


@storage.command("prune", context_settings=_CONTEXT)
@click.option("--to", "limit", type=size, metavar="SIZE", help="Remove until so much is left, e.g. 2GB. [the cap]")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@show.output
def prune(limit: int | None, dry_run: bool, output: str) -> None:
    """Remove expired results and, above the cap, the longest unused; a task's newest result goes last."""
    from headrace.kernel_magic.results import retention
    from headrace.store import get_store

    removed = retention.prune(get_store(), limit_bytes=limit, dry_run=dry_run)
    freed = sum(result.size_bytes for result in removed)
    if output == "json":
        show.print_json({"removed": len(removed), "size_bytes": freed, "keys": [result.key for result in removed]})
        return
    would = "would be removed" if dry_run else "removed"
    click.echo(f"{len(removed)} results {would}, {show.size(freed)}")
