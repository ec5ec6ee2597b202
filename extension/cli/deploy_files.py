"""`headrace deploy -f headrace.yaml`: a file says which deployments there are; `headrace deployment export` writes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headrace.core import notices
from headrace.core.errors import UsageError, one_line
from headrace.store import timetable

if TYPE_CHECKING:
    from headrace.server.services import Services

#: A deployment remembers which file made it, so that `--prune` deletes what the file no longer has.
FILE_KEY = "deployed_from"
#: What an export leaves out where it is the default.
_PLAIN = (
    *("description", "pool", "priority", "retries", "timeout_seconds", "cell_timeout_seconds", "concurrency_limit"),
    *("overlap", "catch_up", "catch_up_limit", "grace_seconds", "output_path", "cwd", "env_file", "kernel_name"),
    *("retention", "paused"),
)


def _read(path: str) -> list[dict[str, Any]]:
    import yaml  # type: ignore[import-untyped]

    try:
        with open(path, encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read ({error.strerror}).", field="file") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {one_line(error)}.", field="file") from error
    items = data.get("deployments") if isinstance(data, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UsageError(f"{path} must have a list `deployments:` of mappings.", field="file")
    return items


def deploy_files(paths: Sequence[str], *, dry_run: bool, prune: bool) -> int:
    """Make what files describe; everything is checked before anything is changed.

    Parameters
    ----------
    paths : sequence of str
    dry_run : bool
        Only say what would change.
    prune : bool
        Delete deployments that these files made before and no longer have.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    UsageError, NotFound
        With the file and the deployment's name in front.
    """
    from headrace.server.anywhere import local_services

    work: list[tuple[Services, dict[str, Any], str]] = []
    for path in paths:
        full = os.path.realpath(path)
        services = local_services(os.path.dirname(full))
        work += [(services, _checked(services, item, path, full), full) for item in _read(path)]
    names = {(body["name"], full) for _, body, full in work}
    for services, body, _ in work:
        deployed = services.deployments.apply(body, dry_run=dry_run)
        what = "new" if deployed.created else ", ".join(deployed.changes) or "unchanged"
        click.echo(f"{body['name']}: {what}")
    services = local_services()
    if prune:
        files = {os.path.realpath(path) for path in paths}
        for held in services.store.deployments.all_of(services.owner):
            full = str(held.details.get(FILE_KEY) or "")
            if full in files and (held.name, full) not in names:
                click.echo(f"{held.name}: deleted")
                if not dry_run:
                    services.store.deployments.delete(held.id)
    if not dry_run and services.store.schedules.next_due() is not None:
        from headrace.cli.deployments import start_worker_for

        start_worker_for(services)
    return 0


def _checked(services: Services, item: dict[str, Any], path: str, full: str) -> dict[str, Any]:
    """Return a deployment's body, checked as a request to the server is."""
    from headrace.server.forms import FormError
    from headrace.server.handlers.forms import NEW_DEPLOYMENT

    name = item.get("name", "?")
    try:
        body = NEW_DEPLOYMENT.read(item)
        body.setdefault("schedules", ())
        services.deployments.apply(body, dry_run=True)
    except FormError as error:
        raise UsageError(f"{path}, deployment {name!r}: {error.message}", field=error.field) from error
    except UsageError as error:
        raise UsageError(f"{path}, deployment {name!r}: {one_line(error)}", field=error.field) from error
    body["details"] = {FILE_KEY: full}
    return body


def export_yaml(services: Services, names: Sequence[str]) -> str:
    """Return deployments as YAML that `deploy_files` takes, all but those of flows that were defined in a cell."""
    import yaml

    from headrace.core.deployments import Deployment

    chosen = (
        [services.deployments.resolve(name) for name in names]
        if names
        else services.store.deployments.all_of(services.owner)
    )
    defaults = Deployment(id="", name="")
    items = []
    for one in chosen:
        if one.notebook_path is None and one.entrypoint is None:
            click.echo(f"{one.name}: left out, its flow was defined in a cell; deploy it from there", err=True)
            continue
        item: dict[str, Any] = {"name": one.name}
        item["notebook" if one.kind == "notebook" else "entrypoint"] = one.notebook_path or one.entrypoint
        if one.parameters:
            item["parameters"] = dict(one.parameters)
        if one.tags:
            item["tags"] = list(one.tags)
        if one.retry_delay_seconds is not None:
            delay = one.retry_delay_seconds
            item["retry_delay_seconds"] = list(delay) if isinstance(delay, tuple) else delay
        if one.source_mode == "pinned":
            item["source"] = "pinned"
        item.update({n: getattr(one, n) for n in _PLAIN if getattr(one, n) != getattr(defaults, n)})
        rules, _ = notices.rules_of(one.details)
        if rules:
            item["notify"] = [{"events": [*rule.events], "to": rule.to} for rule in rules]
        rows = services.store.schedules.of_deployments([one.id])[one.id]
        item["schedules"] = [
            {name: value for name, value in timetable.as_body(row).items() if value is not True and value != {}}
            for row in rows
        ]
        items.append(item)
    return yaml.safe_dump({"deployments": items}, sort_keys=False, allow_unicode=True)
