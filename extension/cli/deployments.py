"""`headrace deploy` and `headrace deployment …`: what runs by itself, made and looked after from a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import show
from headrace.core.errors import UsageError

if TYPE_CHECKING:
    from headrace.server.services import Services


def _services(folder: str | None = None) -> Services:
    from headrace.server.anywhere import local_services

    return local_services(folder)


def _timing(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the schedules that the options ask for: one for each --cron, --interval, --rrule and --at."""
    zone = {"timezone": options["timezone"]} if options["timezone"] else {}
    found: list[dict[str, Any]] = []
    for name, key in (("cron", "cron"), ("interval", "interval_seconds"), ("rrule", "rrule"), ("at", "at")):
        found += [{key: value, **zone} for value in options[name]]
    return found


def typed_parameters(target: str, pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the values of `-p NAME VALUE`, typed as the notebook declares them.

    Raises
    ------
    InvalidParameter
    """
    from headrace.core.parameters import merge_parameters, prepare

    merged = merge_parameters(typed=pairs)
    declared = None
    if target.endswith(".ipynb"):
        from headrace.server.managers.notebooks import inspect_file

        declared = inspect_file(_services().root.notebook(target)).parameters
    return prepare(declared, merged.values, source=merged.sources, complete=False).values


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", required=False, metavar="[NOTEBOOK | PATH.py:FLOW | MODULE:FLOW]")
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="A YAML file with `deployments:` instead.")
@click.option("--dry-run", is_flag=True, help="With -f: only say what would change.")
@click.option("--prune", is_flag=True, help="With -f: delete deployments that an earlier version of the file made.")
@click.option("--name", help="The deployment's name; the default is the notebook's or flow's.")
@click.option("--cron", multiple=True, metavar="TEXT", help='Five fields, e.g. "0 6 * * 1-5"; may be repeated.')
@click.option("--interval", multiple=True, type=float, metavar="SECONDS", help="Every so many seconds.")
@click.option("--rrule", multiple=True, metavar="TEXT", help="An iCalendar recurrence rule.")
@click.option("--at", multiple=True, metavar="TIME", help="Once, e.g. 2026-12-01T09:00.")
@click.option("--timezone", metavar="ZONE", help="IANA name for the schedules, e.g. Europe/Berlin [default: UTC].")
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A default value.")
@click.option("-k", "--kernel", metavar="NAME", help="The kernel, whatever the notebook says.")
@click.option("--pool", metavar="NAME", help="Whose workers run it.")
@click.option("--retries", type=click.IntRange(0, 100), help="Further attempts of a failed run.")
@click.option("--retry-delay", type=float, metavar="SECONDS", help="Wait before each of them.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Limit of a run.")
@click.option("--overlap", type=click.Choice(["skip", "queue", "allow", "cancel_running"]), help="While a run is on.")
@click.option("--catch-up", type=click.Choice(["latest", "skip", "all"]), help="What happens to missed slots.")
@click.option("--tag", "tags", multiple=True, metavar="TAG")
@click.option("--description", metavar="TEXT")
@click.option("--output", metavar="PATH", help="Where executed notebooks go; may hold {scheduled_at:%Y-%m-%d}.")
@click.option("--pin", is_flag=True, help="Keep running the notebook as it is now, whatever becomes of the file.")
def deploy(target: str | None, files: tuple[str, ...], **options: Any) -> int:
    """Make a notebook or a flow run by itself; told the same twice, nothing changes."""
    if files:
        from headrace.cli.deploy_files import deploy_files

        if target is not None:
            raise UsageError("Give a notebook or flow, or -f FILE, not both.", field="file")
        return deploy_files(files, dry_run=options["dry_run"], prune=options["prune"])
    if target is None:
        raise UsageError("Name a notebook, a flow as path.py:flow, or a file with -f.", field="target")
    body: dict[str, Any] = {
        "name": options["name"] or _name_of(target),
        ("notebook" if target.endswith(".ipynb") else "entrypoint"): target,
        "parameters": typed_parameters(target, options["parameters"]) or None,
        "schedules": _timing(options) or None,
        "kernel_name": options["kernel"],
        "pool": options["pool"],
        "retries": options["retries"],
        "retry_delay_seconds": options["retry_delay"],
        "timeout_seconds": options["timeout"],
        "overlap": options["overlap"],
        "catch_up": options["catch_up"],
        "tags": list(options["tags"]) or None,
        "description": options["description"],
        "output_path": options["output"],
        "source": "pinned" if options["pin"] else None,
    }
    services = _services()
    from headrace.server.handlers.forms import NEW_DEPLOYMENT

    deployed = services.deployments.apply(NEW_DEPLOYMENT.read({k: v for k, v in body.items() if v is not None}))
    verb = "deployed" if deployed.created else ("changed" if deployed.changes else "unchanged")
    show.echo(
        f"{deployed.deployment.name}: {verb}" + (f" ({', '.join(deployed.changes)})" if verb == "changed" else "")
    )
    say_next(services, deployed.deployment.id)
    return 0


def _name_of(target: str) -> str:
    import os

    if target.endswith(".ipynb"):
        return os.path.basename(target).removesuffix(".ipynb")
    return target.rpartition(":")[2]


def say_next(services: Services, deployment_id: str) -> None:
    """Say when it fires next, and see that a worker is there to fire it."""
    rows = services.store.schedules.of_deployments([deployment_id])[deployment_id]
    for row in rows:
        shown = services.schedules.to_wire(row, None)
        show.echo(f"  {shown['sentence']}; next {shown['next_fire_at'] or 'never'}")
    if any(row.next_fire_at for row in rows):
        start_worker_for(services)


def start_worker_for(services: Services) -> None:
    """See that a worker is there to fire schedules; where one had to be started, say how long it will."""
    from headrace.server.worker.install import starts_with_machine
    from headrace.server.worker.start import ensure_worker

    if ensure_worker(services.store, owner=services.owner):
        click.echo("  A worker was started: schedules fire until this computer is switched off.")
        click.echo(f"  {starts_with_machine()}")


@click.group()
def deployment() -> None:
    """List, inspect, run, pause, resume, export and delete deployments."""


@deployment.command("ls")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_deployments(as_json: bool) -> None:
    """List deployments with their schedules."""

    services = _services()
    shown: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = services.deployments.page({"limit": 200, "cursor": cursor})
        shown += page["deployments"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if as_json:
        show.print_json(shown)
        return
    for one in shown:
        what = one["notebook_path"] or one["entrypoint"] or ""
        state = "paused" if one["paused"] else f"next {one['next_fire_at'] or '-'}"
        show.echo(f"{one['name']}  {state}  {what}" + (f"  ! {one['error']}" if one["error"] else ""))
    if not shown:
        click.echo("No deployments. Make one: headrace deploy NOTEBOOK --cron '0 6 * * *'", err=True)


@deployment.command()
@click.argument("name")
def inspect(name: str) -> None:
    """Show a deployment as JSON."""

    services = _services()
    show.print_json(services.deployments.show(services.deployments.resolve(name))["deployment"])


@deployment.command("run")
@click.argument("name")
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE")
@click.option("--start-at", metavar="TIME", help="Not before, e.g. 2026-12-01T09:00Z.")
@click.option("--watch", is_flag=True, help="Wait for the run's end; the exit code is 1 unless it completed.")
def run_deployment(name: str, parameters: tuple[tuple[str, str], ...], start_at: str | None, watch: bool) -> int:
    """Run a deployment now."""
    from headrace.core.clock import parse_iso
    from headrace.server.worker.start import ensure_worker

    services = _services()
    found = services.deployments.resolve(name)
    body: dict[str, Any] = {"parameters": typed_parameters(found.notebook_path or "", parameters)}
    if start_at is not None:
        try:
            body["scheduled_at"] = parse_iso(start_at)
        except ValueError as error:
            raise UsageError(f"--start-at {start_at} is no time with its offset.", field="start_at") from error
    run = services.runs.start_deployment(found, body)
    ensure_worker(services.store, owner=services.owner, pool=run.pool or "default")
    show.echo(f"{run.name}  {run.id}")
    return watch_run(services, run.id) if watch else 0


def watch_run(services: Services, run_id: str) -> int:
    """Wait for a run's end, its log lines on the way; return the exit code."""
    store, seen = services.store, 0
    seq = store.journal.last_seq()
    while True:
        run = store.runs.get(run_id)
        for line in store.logs.lines(run_id, offset=seen, limit=1000):
            show.echo(line.message)
            seen += 1
        if run.is_final:
            show.echo(
                f"{run.name}: {run.state_name}" + (f" ({run.state_message})" if run.state_message else ""), err=True
            )
            return 0 if run.state_type.value == "COMPLETED" else 1
        store.journal.wait(seq, timeout_seconds=1.0)
        seq = store.journal.last_seq()


_ALL = click.option("--all", "everything", is_flag=True, help="Every deployment.")


def _one_or_all(name: str | None, everything: bool) -> None:
    if (name is None) != everything:
        raise UsageError("Name a deployment, or say --all.", field="name")


@deployment.command()
@click.argument("name", required=False)
@_ALL
def pause(name: str | None, everything: bool) -> None:
    """Fire none of its schedules until it is resumed."""
    _one_or_all(name, everything)
    services = _services()
    if name is None:
        show.echo(f"{services.deployments.set_all_paused(True)} paused")
        return
    services.deployments.set_paused(services.deployments.resolve(name).id, True)
    show.echo(f"{name}: paused")


@deployment.command()
@click.argument("name", required=False)
@_ALL
def resume(name: str | None, everything: bool) -> None:
    """Let its schedules fire again from now on."""
    _one_or_all(name, everything)
    services = _services()
    if name is None:
        show.echo(f"{services.deployments.set_all_paused(False)} resumed")
        if services.store.schedules.next_due() is not None:
            start_worker_for(services)
        return
    found = services.deployments.set_paused(services.deployments.resolve(name).id, False)
    show.echo(f"{name}: resumed")
    say_next(services, found.id)


@deployment.command()
@click.argument("names", nargs=-1, required=True)
def delete(names: tuple[str, ...]) -> None:
    """Delete deployments with their schedules; their runs stay."""
    services = _services()
    for found in [services.deployments.resolve(name) for name in names]:
        services.deployments.delete(found.id)
        show.echo(f"{found.name}: deleted")


@deployment.command()
@click.argument("names", nargs=-1)
def export(names: tuple[str, ...]) -> None:
    """Write deployments (all, or these) as YAML that `headrace deploy -f` takes."""
    from headrace.cli.deploy_files import export_yaml

    click.echo(export_yaml(_services(), names), nl=False)


@deployment.command()
@click.argument("name")
@click.option("--from", "start", required=True, metavar="TIME", help="First slot, e.g. 2026-11-01T00:00Z.")
@click.option("--to", "end", required=True, metavar="TIME", help="Last slot.")
def backfill(name: str, start: str, end: str) -> None:
    """Run every slot between two times that has no run yet, oldest first."""
    from headrace.core.clock import parse_iso

    services = _services()
    try:
        bounds = parse_iso(start), parse_iso(end)
    except ValueError as error:
        raise UsageError(
            "--from and --to are times with their offset, e.g. 2026-11-01T00:00Z.", field="from"
        ) from error
    made = services.deployments.backfill(services.deployments.resolve(name).id, *bounds)
    show.echo(f"{name}: {made} runs")
