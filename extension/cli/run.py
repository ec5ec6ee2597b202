"""`headrace run IN [OUT]`: papermill's options under papermill's names, and what papermill lacks.

Differences from papermill are told where they are: OUT may be left out, unknown
parameters are refused (`--lenient` warns, as papermill does), a run ends with
exit code 130 when it was interrupted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

import click

from headrace import __version__
from headrace.cli.run_values import read_parameters, read_seconds, read_size
from headrace.core.errors import UsageError
from headrace.core.run_spec import BESIDE, CHECKPOINTS, STANDARD, NotebookSpec


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("notebook_path", required=False)
@click.argument("output_path", required=False)
@click.option("--help-notebook", is_flag=True, help="Show the notebook's parameters and end.")
@click.option(
    "-p",
    "--parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter; numbers, True, False and None are recognised.",
)
@click.option(
    "-r",
    "--parameters_raw",
    nargs=2,
    multiple=True,
    metavar="NAME TEXT",
    help="A parameter, as text whatever it looks like.",
)
@click.option(
    "-f", "--parameters_file", multiple=True, metavar="FILE", help="A YAML or JSON file of parameters (a path or URL)."
)
@click.option("-y", "--parameters_yaml", multiple=True, metavar="YAML", help="Parameters as YAML.")
@click.option("-b", "--parameters_base64", multiple=True, metavar="TEXT", help="Parameters as YAML, Base64-encoded.")
@click.option("--inject-input-path", is_flag=True, help="Hand the notebook's path over as PAPERMILL_INPUT_PATH.")
@click.option("--inject-output-path", is_flag=True, help="Hand the output's path over as PAPERMILL_OUTPUT_PATH.")
@click.option("--inject-paths", is_flag=True, help="Both of them.")
@click.option("--lenient", is_flag=True, help="Only warn of unknown and mistyped parameters, as papermill does.")
@click.option(
    "--request-save-on-cell-execute/--no-request-save-on-cell-execute",
    default=True,
    help="Save the output while the notebook runs.",
)
@click.option(
    "--autosave-cell-every",
    type=float,
    default=2,
    show_default=True,
    metavar="SECONDS",
    help="How old the output may be while it runs; 0 saves at the end only.",
)
@click.option(
    "--prepare-only/--prepare-execute", default=False, help="Write the notebook with its parameters and run nothing."
)
@click.option("-k", "--kernel", metavar="NAME", help="The kernel, whatever the notebook says.")
@click.option("-l", "--language", metavar="NAME", help="The language, whatever the notebook says.")
@click.option("--cwd", metavar="FOLDER", help="Working directory of the kernel; the default is the present one.")
@click.option(
    "--env-file", metavar="FILE", help="NAME=value lines for the kernel's environment; only the names are recorded."
)
@click.option(
    "--progress-bar/--no-progress-bar",
    default=None,
    help="Show how far it is; on unless the output is logged or piped.",
)
@click.option("--log-output/--no-log-output", default=False, help="Write what the cells print to standard error.")
@click.option("--stdout-file", type=click.File("w", encoding="utf-8"), help="Write the cells' stdout here.")
@click.option("--stderr-file", type=click.File("w", encoding="utf-8"), help="Write the cells' stderr here.")
@click.option(
    "--log-level",
    type=click.Choice(["NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
    default="INFO",
    help="From WARNING on only warnings are shown.",
)
@click.option(
    "--start-timeout",
    "--start_timeout",
    type=float,
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long the kernel may take to start.",
)
@click.option(
    "--execution-timeout", "--cell-timeout", "cell_timeout", type=float, metavar="SECONDS", help="Limit of each cell."
)
@click.option("--timeout", type=float, metavar="SECONDS", help="Limit of the whole run.")
@click.option("--retries", type=int, default=0, metavar="N", help="Run it again so often when it fails.")
@click.option("--retry-delay", type=float, default=0, metavar="SECONDS", help="Wait so long before each retry.")
@click.option("--report-mode/--no-report-mode", default=False, help="Hide the code in the output.")
@click.option("--name", default="", metavar="NAME", help="The run's name.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag of the run.")
@click.option(
    "--checkpoint",
    type=click.Choice(CHECKPOINTS),
    default="auto",
    help="Whether cells' outputs are saved, so that the run can be continued.",
)
@click.option(
    "--resume", metavar="RUN", help="Continue a run that failed, crashed or was cancelled: id, its beginning, or name."
)
@click.option(
    "--from",
    "from_cell",
    metavar="CELL",
    help="Run from this cell on (number, id or task name); what stands before is restored from the latest run.",
)
@click.option("--cache/--no-cache", default=False, help="Restore cells whose code and inputs are as in the latest run.")
@click.option(
    "--keep-kernel",
    "keep_kernel",
    metavar="TIME",
    default="0",
    help="Keep the kernel of a run that fails so long, e.g. 30m: --resume goes on in it.",
)
@click.option(
    "--html",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[FILE]",
    help="Also write the result as HTML; without a FILE beside the output.",
)
@click.option(
    "--pdf",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[FILE]",
    help="Also write it as PDF (printed by Chromium or Chrome).",
)
@click.option(
    "--watch", is_flag=True, help="Run it again whenever the notebook is saved, only what changed; Ctrl-C ends it."
)
@click.option("--memory-limit", metavar="SIZE", help="Memory that the kernel may allocate, e.g. 2G (Linux).")
@click.option("--cpu-limit", type=int, metavar="SECONDS", help="Processor time that the kernel may use (Linux).")
@click.option("--engine", metavar="NAME", help="Another engine of papermill's: the run is not recorded.")
@click.version_option(__version__, message="headrace %(version)s")
@click.pass_context
def run(ctx: click.Context, /, notebook_path: str | None, output_path: str | None, **options: Any) -> int:
    """Run a notebook: every cell recorded, live, with an honest end.

    NOTEBOOK_PATH and OUTPUT_PATH are paths or URLs; - is standard input or output. Without OUTPUT_PATH the result
    stands beside the notebook, in NAME-runs/TIME.ipynb, and latest.ipynb there points to it.

    Exit codes: 0 completed, 1 failed, 2 asked for wrongly, 130 interrupted, 138 the kernel died.
    """
    merged = read_parameters(options)
    if options["resume"]:
        default = click.core.ParameterSource.DEFAULT
        given = frozenset(name for name in options if ctx.get_parameter_source(name) is not default)
        spec = _continued(options["resume"], notebook_path, output_path, merged.values, options, given)
    else:
        source, target = _paths(notebook_path, output_path)
        spec = _spec(source, target, merged.values, options)
    if options["help_notebook"]:
        return _describe(spec)
    if options["engine"] not in (None, "headrace", "nbclient"):
        return _by_papermill(spec, options)
    if options["log_level"] in ("WARNING", "ERROR", "CRITICAL") and options["progress_bar"] is None:
        options["progress_bar"] = False
    if options["watch"]:
        from headrace.server.runner.watching import watch

        return watch(spec, lambda changed: _run_once(changed, merged.sources, options))
    return _run_once(spec, merged.sources, options)


def _run_once(spec: NotebookSpec, sources: Any, options: Mapping[str, Any]) -> int:
    from headrace.server.runner.prepare import prepare

    prepared = prepare(spec, sources=sources)
    if spec.prepare_only:
        from headrace.server.runner.attempt import write_prepared

        write_prepared(prepared)
        if prepared.output_path != STANDARD:
            click.echo(f"prepared → {prepared.output_path}", err=True)
        return 0
    from headrace.server.runner.process import run_here

    result = run_here(prepared, observer=_observer(options, prepared.output_path))
    if result.ending.exit_code:
        _tell(result)
    return result.ending.exit_code


def _describe(spec: NotebookSpec) -> int:
    """Show what a notebook declares (`--help-notebook`)."""
    from headrace.server.inspection import inspect_notebook_file

    found = inspect_notebook_file(spec.input_path)
    click.echo(f"Parameters of {spec.input_path} (kernel {found.kernel_name or 'not named'}):")
    if found.parameters is None:
        click.echo(f"  those of a notebook in {found.language or 'this language'} cannot be told")
    elif not found.parameters:
        click.echo("  none: tag the cell that sets the defaults `parameters`")
    for parameter in found.parameters or ():
        kind = f": {parameter.annotation}" if parameter.annotation else ""
        default = "required" if parameter.required else f"default {parameter.default_source}"
        choices = f", one of {', '.join(map(repr, parameter.choices))}" if parameter.choices else ""
        shown = "secret" if parameter.secret else default
        click.echo(f"  {parameter.name}{kind} ({shown}{choices}){'  ' + parameter.help if parameter.help else ''}")
    return 0


def _by_papermill(spec: NotebookSpec, options: Mapping[str, Any]) -> int:
    """Leave the run to another engine of papermill's.

    Raises
    ------
    UsageError
        papermill has no such engine.
    """
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillException, PapermillExecutionError

    from headrace.server.notebooks import execute_notebook

    try:
        papermill_engines.get_engine(options["engine"])
    except PapermillException as error:
        raise UsageError(f"--engine: {error}.", field="engine") from error

    try:
        execute_notebook(
            spec.input_path,
            spec.output_path or STANDARD,
            spec.parameters,
            engine_name=options["engine"],
            kernel_name=spec.kernel_name,
            language=spec.language,
            report_mode=spec.report_mode,
            cwd=spec.cwd,
            progress_bar=bool(options["progress_bar"]),
            log_output=options["log_output"],
            start_timeout=spec.start_timeout_seconds,
            execution_timeout=spec.cell_timeout_seconds,
        )
    except PapermillExecutionError as error:
        click.echo(f"{error}\nheadrace run: {error.ename}: {error.evalue}", err=True)
        return 1
    return 0


def _paths(source: str | None, target: str | None) -> tuple[str, str]:
    """Return input and output as papermill reads them: with a pipe on standard input one name is the output's."""
    piped = source is None or target is None
    if piped and stat.S_ISFIFO(os.fstat(0).st_mode) and not os.isatty(0):
        if source is None:
            return STANDARD, STANDARD
        if target is None and not os.path.exists(source):
            return STANDARD, source
    if source is None:
        raise UsageError("Name a notebook: headrace run NOTEBOOK [OUTPUT].", field="notebook_path")
    if target is None:
        return source, STANDARD if source == STANDARD else BESIDE
    return source, target


#: A field of the spec → the option that gives it.
_FIELDS = {
    "kernel_name": "kernel",
    "language": "language",
    "cwd": "cwd",
    "start_timeout_seconds": "start_timeout",
    "cell_timeout_seconds": "cell_timeout",
    "timeout_seconds": "timeout",
    "retries": "retries",
    "retry_delay_seconds": "retry_delay",
    "report_mode": "report_mode",
    "autosave_seconds": "autosave_cell_every",
    "save_on_cell": "request_save_on_cell_execute",
    "prepare_only": "prepare_only",
    "checkpoint": "checkpoint",
    "cache": "cache",
    "from_cell": "from_cell",
    "name": "name",
    "html": "html",
    "pdf": "pdf",
    "cpu_limit_seconds": "cpu_limit",
}


def _spec(source: str, target: str, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> NotebookSpec:
    return NotebookSpec(
        input_path=source,
        output_path=target,
        parameters=parameters,
        **{field: options[option] for field, option in _FIELDS.items()},
        **_other_fields(options),
    )


def _other_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "strict": not options["lenient"],
        "env": _environment(options["env_file"]),
        "inject_input_path": options["inject_input_path"] or options["inject_paths"],
        "inject_output_path": options["inject_output_path"] or options["inject_paths"],
        "tags": tuple(options["tags"]),
        "keep_kernel_seconds": read_seconds(options["keep_kernel"]),
        "memory_limit_bytes": read_size(options["memory_limit"]),
    }


def _continued(
    run_text: str,
    source: str | None,
    target: str | None,
    parameters: Mapping[str, Any],
    options: Mapping[str, Any],
    given: frozenset[str],
) -> NotebookSpec:
    """Return the spec that continues a run: as that run was asked for, but for what is given now."""
    from headrace.server.runner.continuing import spec_to_continue
    from headrace.store import get_store

    values = spec_to_continue(get_store().runs.by_prefix(run_text))
    values["parameters"] = {**values["parameters"], **parameters}
    values.update({field: options[option] for field, option in _FIELDS.items() if option in given})
    others = _other_fields(options)
    asked = {
        "strict": "lenient",
        "env": "env_file",
        "tags": "tags",
        "keep_kernel_seconds": "keep_kernel",
        "memory_limit_bytes": "memory_limit",
    }
    values.update({field: others[field] for field, option in asked.items() if option in given})
    if source is not None:
        values["input_path"] = source
    if target is not None:
        values["output_path"] = target
    return NotebookSpec.from_dict({**values, "trigger": "cli"})


def _observer(options: Mapping[str, Any], output_path: str | None) -> Any:
    from headrace.server.runner.progress import choose_observer

    wanted = options["progress_bar"]
    if wanted is None:
        wanted = not options["log_output"] and output_path != STANDARD
    return choose_observer(
        progress=wanted, log=options["log_output"], stdout=options["stdout_file"], stderr=options["stderr_file"]
    )


def _tell(result: Any) -> None:
    """Say what went wrong: the traceback of the cell, then one line."""
    error = result.ending.error or {}
    if error.get("traceback"):
        click.echo(error["traceback"], err=True)
    click.echo(f"headrace run: {result.ending.message or result.ending.state_name}", err=True)


def _environment(path: str | None) -> dict[str, str]:
    """Return the variables of `--env-file`."""
    if path is None:
        return {}
    from headrace.server.worker.environment import read_env_file

    return read_env_file(path)
