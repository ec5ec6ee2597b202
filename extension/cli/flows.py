"""`headrace flow ls`: the flows and notebooks that have run."""

from __future__ import annotations

from dataclasses import asdict

import click

from headrace.cli import show


@click.group("flow", context_settings={"help_option_names": ["-h", "--help"]})
def flow() -> None:
    """List the flows that have run."""


@flow.command("ls", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-n", "--limit", default=50, show_default=True, help="How many, the latest first.")
@show.output
def ls(limit: int, output: str) -> None:
    """List flows and notebooks, the one that ran last first."""
    from headrace.cli.runs import open_store
    from headrace.core.clock import iso
    from headrace.store.housekeeping import definitions

    found = definitions(open_store(), limit=max(1, limit))
    if output == "json":
        show.print_json([{**asdict(row), "last_at": iso(row.last_at)} for row in found])
        return
    show.table(
        ("flow", "kind", "runs", "last run", "state", "when"),
        (
            (
                show.plain(row.definition),
                row.kind,
                str(row.runs),
                show.plain(row.last_name),
                show.state(row.last_state_type, row.last_state_name),
                show.moment(row.last_at),
            )
            for row in found
        ),
        empty="No flow has run yet.",
    )
