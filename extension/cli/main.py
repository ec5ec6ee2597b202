"""`headrace …`: the group that finds its commands when they are called, and the one place that turns errors into words.

Exit codes: 0 done, 1 a run failed or Headrace could not, 2 the command was asked for wrongly, 130 interrupted.
A command returns None or its exit code, and raises `HeadraceError` for everything that a person has to know.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from headrace.core import settings
from headrace.core.errors import HeadraceError, one_line

INTERRUPTED = 130


class Entry(NamedTuple):
    """Where a command is, and its line in `headrace --help` (so that the help imports no command)."""

    target: str
    help: str


# A new command is one line here: name → "module:click command", help.
COMMANDS: dict[str, Entry] = {
    "deploy": Entry("headrace.cli.deployments:deploy", "Make a notebook or a flow run by itself."),
    "deployment": Entry("headrace.cli.deployments:deployment", "List, inspect, run, pause and delete deployments."),
    "schedule": Entry("headrace.cli.schedules:schedule", "Make, list, preview, pause and delete schedules."),
    "config": Entry("headrace.cli.config:config", "View and change settings."),
    "db": Entry("headrace.cli.database:db", "Look after the store: schema, size, old runs."),
    "doctor": Entry("headrace.cli.doctor:doctor", "Say which store, worker and kernels are used, and what is wrong."),
    "flow": Entry("headrace.cli.flows:flow", "List the flows that have run."),
    "flow-run": Entry("headrace.cli.runs:flow_run", "List, inspect, export, cancel, retry and delete runs."),
    "limit": Entry("headrace.cli.limits:limit", "List, set and delete concurrency and rate limits."),
    "run": Entry("headrace.cli.run:run", "Run a notebook, recorded cell by cell."),
    "server": Entry("headrace.cli.server:server", "Run Headrace's page and API alone, or see whether they run."),
    "storage": Entry("headrace.cli.storage:storage", "See what stored results take, and make room."),
    "task-run": Entry("headrace.cli.runs:task_run", "List, inspect and cancel the runs of tasks and cells."),
    "worker": Entry("headrace.cli.worker:worker", "Claim due runs of a pool and give each a process."),
    "export": Entry("headrace.cli.notebooks:export", "Write a notebook as a Python module with @task and @flow."),
    "strip": Entry("headrace.cli.notebooks:strip", "Write a notebook that runs the same without Headrace."),
    "version": Entry("headrace.cli.version:version", "Print the versions of Headrace and Python."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        from headrace.extras import lab_extra

        module, _, attribute = entry.target.partition(":")
        with lab_extra():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        from headrace.extras import lab_extra

        with lab_extra():
            return super().invoke(ctx)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from headrace import __version__

        click.echo(f"headrace {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, name="headrace", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error (HEADRACE_DEBUG=1 does the same).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
@click.pass_context
def headrace(ctx: click.Context, debug: bool) -> None:
    """Workflow orchestration that lives in Jupyter: run, schedule and watch flows and notebooks."""
    ctx.ensure_object(dict)["debug"] = debug


def _say(program: str, text: str) -> None:
    from headrace.core.terminal import safe_text

    text = safe_text(text)
    click.echo(text if text.startswith("headrace") else f"{program}: {text}", err=True)


def _usage(error: click.ClickException, program: str) -> str:
    """One line for a command line that cannot be: what is wrong, and where the right form stands."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else program
    return f"{where}: {error.format_message().rstrip('.')} (see {where} --help)"


def run(arguments: Sequence[str], program: str = "headrace") -> int:
    """Run a command line.

    Parameters
    ----------
    arguments : sequence of str
        The words after the program's name.
    program : str, default "headrace"
        The name shown in help and errors.

    Returns
    -------
    int
        The exit code.
    """
    debug = settings.flag("DEBUG") or "--debug" in arguments[:1]
    try:
        code = headrace.main(args=list(arguments), prog_name=program, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.ClickException as error:
        _say(program, _usage(error, program))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say(program, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `headrace … | head`: nobody reads on, and Python would complain at exit too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except HeadraceError as error:
        if debug:
            raise
        _say(program, one_line(error))
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        _say(
            program,
            f"internal error: {type(error).__name__}: {one_line(error)} (for the traceback: {program} --debug …)",
        )
        return 1
    return code if isinstance(code, int) else 0


def main() -> int:
    """Entry point of `headrace`.

    Returns
    -------
    int
        The exit code.
    """
    return run(sys.argv[1:])


def jupyter_main() -> int:
    """Entry point of `jupyter headrace`: the server, as Jupyter's other applications; with a command's name that command.

    Returns
    -------
    int
        The exit code.
    """
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words = ["server", "start", *words]
    return run(words, "jupyter headrace")


if __name__ == "__main__":
    sys.exit(main())
