"""What papermill has, `headrace run` and `headrace.execute_notebook` have under the same names."""

from __future__ import annotations

import inspect

import click
import papermill
from papermill.cli import papermill as papermill_command

import headrace
from headrace.cli.run import run


def options(command: click.Command) -> dict[str, click.Option]:
    return {name: p for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}


def test_every_option_of_papermills_command_is_ours_too() -> None:
    theirs, ours = options(papermill_command), options(run)
    # `-h` is click's own here.
    assert set(theirs) - {"-h", "--help"} <= set(ours)
    for name in set(theirs) & set(ours):
        same = (theirs[name].nargs, theirs[name].multiple, theirs[name].is_flag)
        assert (ours[name].nargs, ours[name].multiple, ours[name].is_flag) == same, name


def test_the_call_has_papermills_signature() -> None:
    theirs = inspect.signature(papermill.execute_notebook).parameters
    ours = inspect.signature(headrace.execute_notebook).parameters
    common = [name for name, p in theirs.items() if p.kind is not p.VAR_KEYWORD]
    assert list(ours)[: len(common)] == common
    assert [ours[name].default for name in common] == [theirs[name].default for name in common]
    assert list(inspect.signature(headrace.inspect_notebook).parameters)[:2] == ["notebook_path", "parameters"]
