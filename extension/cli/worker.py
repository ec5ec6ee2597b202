"""`headrace worker`: claim due runs of a pool and give each a process; `headrace worker install|start|status|stop|uninstall`."""

from __future__ import annotations

from typing import Any

import click

from headrace.core.deployments import DEFAULT_POOL

_POOL = click.option("--pool", default=DEFAULT_POOL, show_default=True, help="Whose runs it takes.")


@click.group(invoke_without_command=True)
@_POOL
@click.option("--limit", type=click.IntRange(1, 1000), default=None, help="Runs at once [default: number of cores].")
@click.option("--name", default="", help="Shown in the panel.")
@click.option("--any-owner", is_flag=True, help="Take other people's runs of this pool too: their code runs as you.")
@click.option(
    "--pool-type", type=click.Choice(["local", "dask"]), default="local", show_default=True, help="Where runs go."
)
@click.option(
    "--address", default="", metavar="tls://HOST:PORT", help="With --pool-type dask: the cluster's scheduler."
)
@click.option("--allow-insecure", is_flag=True, help="That cluster may be another machine's, without TLS.")
@click.option("--idle-seconds", type=float, default=None, help="Leave after so long with nothing to do or to wait for.")
@click.pass_context
def worker(ctx: click.Context, /, pool: str, **options: Any) -> int:
    """Claim due runs of a pool and give each a process, until Ctrl-C."""
    if ctx.invoked_subcommand is not None:
        return 0
    from headrace.server.worker.__main__ import main

    arguments = ["--pool", pool]
    for name in ("limit", "name", "idle_seconds", "pool_type", "address"):
        if options[name]:
            arguments += [f"--{name.replace('_', '-')}", str(options[name])]
    arguments += [f"--{name.replace('_', '-')}" for name in ("any_owner", "allow_insecure") if options[name]]
    return main(arguments)


@worker.command()
@_POOL
def install(pool: str) -> None:
    """Make a worker start with this machine, so that schedules fire with JupyterLab closed."""
    from headrace.core.settings import find_store
    from headrace.server.worker import install as installing

    found = installing.install(find_store(), pool=pool)
    click.echo(f"A worker of pool {pool} starts with this machine ({found.way}: {found.where}).")
    if found.note:
        click.echo(found.note)


@worker.command()
@_POOL
def uninstall(pool: str) -> None:
    """Let no worker start with this machine any more."""
    from headrace.server.worker import install as installing

    found = installing.uninstall(pool=pool)
    click.echo("There was nothing to undo." if found is None else f"Removed {found.where} ({found.way}).")


@worker.command()
def status() -> int:
    """Say which workers run, and whether one starts with the machine; exit code 1 when none runs."""
    from headrace.server.anywhere import local_services

    found = local_services().system.workers()
    alive = [one for one in found["workers"] if one["alive"]]
    for one in alive:
        click.echo(
            f"{one['name']}  pool {one['pool']}  pid {one['pid']} on {one['host']}  {one['running']} of {one['limit']} runs"
        )
    click.echo(found["why"])
    return 0 if alive else 1


@worker.command()
@_POOL
def start(pool: str) -> None:
    """Start a worker in the background, unless one of the pool is alive."""
    from headrace.core.settings import user_name
    from headrace.server.worker.install import starts_with_machine
    from headrace.server.worker.start import ensure_worker
    from headrace.store import get_store

    if ensure_worker(get_store(), owner=user_name(), pool=pool):
        click.echo(
            f"A worker of pool {pool} was started; it goes by itself when there is nothing to do or to wait for."
        )
        click.echo(starts_with_machine())
    else:
        click.echo(f"A worker of pool {pool} is alive.")


@worker.command()
@_POOL
def stop(pool: str) -> int:
    """Ask the workers of a pool on this machine to leave; their runs go on."""
    import os
    import signal

    from headrace.core.settings import user_name
    from headrace.store import get_store, liveness

    told = 0
    for one in get_store().workers.alive(pool=pool, owner=user_name()):
        if liveness.is_local(one.owner_id):
            os.kill(liveness.pid_of(one.owner_id), signal.SIGTERM)
            told += 1
    click.echo(f"{told} asked to leave.")
    return 0 if told else 1
