"""`headrace server …`: Headrace alone, without JupyterLab."""

from __future__ import annotations

import sys

import click

from headrace.core.errors import HeadraceError

#: Where it stands by default (README).
PORT = 4200


@click.group()
def server() -> None:
    """Run Headrace's page and API alone, or see whether they run."""


@server.command(context_settings={"ignore_unknown_options": True})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in the browser.")
@click.option("--root", type=click.Path(exists=True, file_okay=False), default=".", help="Folder of the notebooks.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def start(host: str, port: int, open_browser: bool, root: str, more: tuple[str, ...]) -> int:
    """Serve the page and the API until Ctrl-C; prints the address with its token."""
    from headrace.server.app import HeadraceApp
    from headrace.server.ports import free_or_refuse

    port = free_or_refuse(host, port)
    arguments = [
        f"--ServerApp.ip={host}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.open_browser={open_browser}",
        f"--ServerApp.root_dir={click.format_filename(root)}",
        *more,
    ]
    try:
        HeadraceApp.launch_instance(arguments)
    except SystemExit as error:
        if error.code not in (None, 0):
            raise HeadraceError("The server ended; the lines above say why.") from error
    return 0


@server.command()
def status() -> int:
    """Say which servers run, and how their store is; exit code 1 when there is none."""
    import json

    from headrace.server.ports import running_servers

    found = running_servers()
    for entry in found:
        click.echo(json.dumps(entry) if not sys.stdout.isatty() else f"{entry['url']}  {entry['status']}")
    if not found:
        click.echo("No server with Headrace is running. Start one: headrace server start", err=True)
    return 0 if found else 1
