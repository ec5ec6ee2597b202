"""`headrace doctor`: what is where, and what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from headrace.cli.checks import CHECKS, Finding
from headrace.core.errors import one_line

SIGNS = {"ok": "ok", "note": "--", "wrong": "!!"}


def findings() -> list[Finding]:
    """Run every check.

    Returns
    -------
    list of Finding
        A check that breaks is itself a finding: the others are still wanted.
    """
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += check()
        except Exception as error:
            text = f"the check itself failed: {type(error).__name__}: {one_line(error)}"
            found.append(Finding(topic=check.__name__.replace("_", " "), text=text, level="wrong"))
    return found


def lines(found: list[Finding]) -> list[str]:
    """Return the report for a person: one line a finding, its remedy below it."""
    width = max(len(item.topic) for item in found)
    said = []
    for item in found:
        said.append(f"{SIGNS[item.level]}  {item.topic:<{width}}  {item.text}")
        if item.remedy:
            said.append(f"    {'':<{width}}  → {item.remedy}")
    return said


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Say which store, versions, worker and kernels are used, and what is wrong (exit code 1)."""
    found = findings()
    wrong = sum(item.level == "wrong" for item in found)
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(found)))
        click.echo("all is well" if not wrong else f"{wrong} thing{'s' if wrong > 1 else ''} wrong")
    return 1 if wrong else 0
