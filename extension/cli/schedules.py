"""`headrace schedule …`: schedules of deployments, from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headrace.cli import show
from headrace.core.errors import UsageError

if TYPE_CHECKING:
    from headrace.server.services import Services


def _services() -> Services:
    from headrace.server.anywhere import local_services

    return local_services()


def _body(
    cron: str | None, interval: float | None, rrule: str | None, at: str | None, zone: str | None
) -> dict[str, Any]:
    values = {"cron": cron, "interval_seconds": interval, "rrule": rrule, "at": at, "timezone": zone}
    return {name: value for name, value in values.items() if value is not None}


def _timing(command: Any) -> Any:
    """Add the options that say when."""
    for option in (
        click.option("--timezone", metavar="ZONE", help="IANA name [default: UTC]."),
        click.option("--at", metavar="TIME", help="Once, e.g. 2026-12-01T09:00."),
        click.option("--rrule", metavar="TEXT", help="An iCalendar recurrence rule."),
        click.option("--interval", type=float, metavar="SECONDS", help="Every so many seconds."),
        click.option("--cron", metavar="TEXT", help='Five fields, e.g. "0 6 * * 1-5".'),
    ):
        command = option(command)
    return command


@click.group()
def schedule() -> None:
    """Make, list, preview, pause, resume and delete schedules."""


@schedule.command("ls")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_schedules(as_json: bool) -> None:
    """List schedules with their next fire times."""

    services = _services()
    shown: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = services.schedules.page({"limit": 200, "cursor": cursor})
        shown += page["schedules"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if as_json:
        show.print_json(shown)
        return
    for one in shown:
        state = "paused" if not one["active"] else f"next {one['next_fire_at'] or '-'}"
        error = f"  ! {one['error']}" if one["error"] else ""
        show.echo(f"{one['id']}  {one['deployment_name'] or '?'}  {one['sentence']}  {state}{error}")
    if not shown:
        click.echo("No schedules. Make one: headrace deploy NOTEBOOK --cron '0 6 * * *'", err=True)


@schedule.command()
@click.argument("target", metavar="DEPLOYMENT|NOTEBOOK")
@_timing
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE")
def create(target: str, parameters: tuple[tuple[str, str], ...], timezone: str | None, **when: Any) -> None:
    """Add a schedule to a deployment, or to a notebook (which becomes one)."""
    from headrace.cli.deployments import say_next, typed_parameters
    from headrace.server.handlers.forms import NEW_SCHEDULE

    services = _services()
    body = _body(zone=timezone, **when)
    if target.endswith(".ipynb"):
        body["notebook"] = target
        body["parameters"] = typed_parameters(target, parameters)
    else:
        found = services.deployments.resolve(target)
        body["deployment_id"] = found.id
        body["parameters"] = typed_parameters(found.notebook_path or "", parameters)
    row = services.schedules.create(NEW_SCHEDULE.read(body))
    shown = services.schedules.show(row)["schedule"]
    show.echo(f"{row.id}  {shown['deployment_name']}")
    say_next(services, row.deployment_id)


@schedule.command()
@_timing
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE")
@click.option("--output", metavar="PATH", help="May hold {scheduled_at:%Y-%m-%d}.")
def preview(timezone: str | None, parameters: tuple[tuple[str, str], ...], output: str | None, **when: Any) -> None:
    """Say a schedule in words, and its next five fire times, with what tokens come to at each."""
    from headrace.server.handlers.forms import PREVIEW

    body = {**_body(zone=timezone, **when), "parameters": dict(parameters), "output_path": output}
    shown = _services().schedules.preview(PREVIEW.read(body))
    show.echo(shown["sentence"])
    for at, (wall, fire) in enumerate(zip(shown["wall"], shown["fires"], strict=True)):
        show.echo(f"  {wall}  ({fire})")
        for name, value in shown["parameters"][at].items() if parameters else ():
            show.echo(f"    {name} = {value}")
        if output:
            show.echo(f"    {shown['output_paths'][at]}")


@schedule.command()
@click.argument("schedule_id")
def pause(schedule_id: str) -> None:
    """Fire it no more until it is resumed."""
    _set_active(schedule_id, False)


@schedule.command()
@click.argument("schedule_id")
def resume(schedule_id: str) -> None:
    """Let it fire again from now on."""
    from headrace.cli.deployments import say_next

    say_next(_services(), _set_active(schedule_id, True)["deployment_id"])


def _set_active(schedule_id: str, active: bool) -> dict[str, Any]:
    services = _services()
    shown = services.schedules.show(services.schedules.set_active(_whole(services, schedule_id), active))["schedule"]
    show.echo(f"{shown['id']}: {'next ' + str(shown['next_fire_at']) if active else 'paused'}")
    found: dict[str, Any] = shown
    return found


@schedule.command()
@click.argument("schedule_id")
def delete(schedule_id: str) -> None:
    """Delete a schedule; its runs stay."""
    services = _services()
    found = _whole(services, schedule_id)
    services.schedules.delete(found)
    show.echo(f"{found}: deleted")


@schedule.command()
@click.argument("schedule_id")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
def slots(schedule_id: str, limit: int) -> None:
    """Show what became of its last slots."""
    services = _services()
    for slot in services.schedules.slots(_whole(services, schedule_id), {"limit": limit})["slots"]:
        show.echo(f"{slot['slot_at']}  {slot['decision']}  {slot['reason'] or slot['run_id'] or ''}")


def _whole(services: Services, text: str) -> str:
    """Return the one schedule id that begins (or ends) so.

    Raises
    ------
    UsageError
    """
    rows = [row.id for row in services.store.schedules.page(owner=services.seen_owner, limit=100_000)]
    found = [i for i in rows if i.startswith(text) or i.endswith(text)]
    if len(found) != 1:
        what = "More than one schedule fits" if found else "There is no schedule"
        raise UsageError(f"{what} {text!r}; `headrace schedule ls` lists them.", field="schedule_id")
    return found[0]
