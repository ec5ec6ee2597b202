"""`headrace worker`: claim due runs of a pool and give each a process."""

from __future__ import annotations

import click

from headrace.core.deployments import DEFAULT_POOL


@click.command()
@click.option("--pool", default=DEFAULT_POOL, show_default=True, help="Whose runs it takes.")
@click.option("--limit", type=click.IntRange(1, 1000), default=None, help="Runs at once [default: number of cores].")
@click.option("--name", default="", help="Shown in the panel.")
@click.option("--any-owner", is_flag=True, help="Take other people's runs of this pool too: their code runs as you.")
@click.option("--idle-seconds", type=float, default=None, help="Leave after so long with nothing to do or to wait for.")
def worker(pool: str, limit: int | None, name: str, any_owner: bool, idle_seconds: float | None) -> int:
    """Claim due runs of a pool and give each a process, until Ctrl-C."""
    from headrace.server.worker.__main__ import main

    arguments = ["--pool", pool]
    if limit is not None:
        arguments += ["--limit", str(limit)]
    if name:
        arguments += ["--name", name]
    if any_owner:
        arguments.append("--any-owner")
    if idle_seconds is not None:
        arguments += ["--idle-seconds", str(idle_seconds)]
    return main(arguments)
