"""What a notebook run is asked to do, as plain data: the contract between who wants a run and the runner.

The same spec travels as an argument (`headrace run`, `execute_notebook`), as a
JSON file (`python -m headrace.server.runner SPEC.json`) and inside a run's row
(`details["spec"]`, written by the server, the scheduler or a flow).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from headrace.core.errors import InvalidOption

#: Output path that means: `<stem>-runs/<time>.ipynb` beside the notebook, with `latest.ipynb` pointing to it.
BESIDE = ""
#: Input or output path that means standard input or output (papermill's sign).
STANDARD = "-"

CHECKPOINTS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSpec:
    """One notebook run.

    Parameters
    ----------
    input_path : str
        A path, an fsspec URL, or "-" for standard input. May hold `{name}` fields, filled from the parameters
        and papermill's built-ins (`pm[run_uuid]`, `pm[current_datetime_local]`, `pm[current_datetime_utc]`).
    output_path : str or None, default ""
        Where the executed notebook goes, with the same fields; "" is beside the notebook, None nowhere, "-"
        standard output.
    parameters : mapping, default {}
        Values for the notebook's parameters.
    secrets : tuple of str, default ()
        Parameters that are secret although the notebook does not say so.
    strict : bool, default True
        Refuse unknown, missing and mistyped parameters; else warn, as papermill does.
    kernel_name, language : str or None, default None
        Override what the notebook says.
    cwd : str or None, default None
        The kernel's working directory; None is this process's.
    env : mapping of str to str, default {}
        Variables for the kernel. Their names are recorded, never their values.
    env_file : str or None, default None
        A file of `NAME=value` lines, read when the kernel starts.
    start_timeout_seconds : float, default 60
        How long the kernel may take to answer.
    cell_timeout_seconds : float or None, default None
        Limit of each cell that names none.
    timeout_seconds : float or None, default None
        Limit of the whole run.
    retries : int, default 0
        Further attempts of the whole run.
    retry_delay_seconds : float, default 0
    on_crash : str, default "retries"
        "retries": a crash uses up a retry; "fail": it ends the run.
    allow_errors : bool, default False
        Go on after a cell that raised, as every cell were tagged `raises-exception`.
    report_mode : bool, default False
        Hide the inputs in the output (papermill's `jupyter.source_hidden`).
    autosave_seconds : float, default 2
        How old the output file may be while a cell runs; 0 saves between cells only.
    save_on_cell : bool, default True
        Save while the notebook runs at all (papermill's `request_save_on_cell_execute`).
    prepare_only : bool, default False
        Write the notebook with its parameters and run nothing.
    inject_input_path, inject_output_path : bool, default False
        Hand the paths over as PAPERMILL_INPUT_PATH and PAPERMILL_OUTPUT_PATH.
    resume_from : str or None, default None
        Id of a run to continue.
    from_cell : str or None, default None
        Id, task name or number (from 1) of the first cell to run; cells before it are restored or run again.
    checkpoint : str, default "auto"
        "auto" (where saving costs under 5 % of the cell's time), "always" or "never".
    keep_kernel_seconds : float, default 0
        How long the kernel of a failed run is kept.
    cache : bool, default False
        Take cells whose source, inputs and upstream are unchanged from an earlier run.
    memory_limit_bytes, cpu_limit_seconds : int or None, default None
        Limits of the kernel's process, where the operating system has them.
    html, pdf : str or None, default None
        Also write the output as HTML or PDF, here; "" is beside the output.
    name : str, default ""
        The run's name; "" makes one.
    tags : tuple of str, default ()
    run_id, parent_id, root_id : str or None, default None
        The run's place in the store; made where absent.
    deployment_id, schedule_id : str or None, default None
    scheduled_at, interval_start_at, interval_end_at : int or None, default None, µs
        When it was due, and the stretch of time that a schedule's slot stands for.
    trigger : str, default "cli"
        See `headrace.core.runs.Run`.
    """

    input_path: str
    output_path: str | None = BESIDE
    parameters: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    strict: bool = True
    kernel_name: str | None = None
    language: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str | None = None
    start_timeout_seconds: float = 60
    cell_timeout_seconds: float | None = None
    timeout_seconds: float | None = None
    retries: int = 0
    retry_delay_seconds: float = 0
    on_crash: str = "retries"
    allow_errors: bool = False
    report_mode: bool = False
    autosave_seconds: float = 2
    save_on_cell: bool = True
    prepare_only: bool = False
    inject_input_path: bool = False
    inject_output_path: bool = False
    resume_from: str | None = None
    from_cell: str | None = None
    checkpoint: str = "auto"
    keep_kernel_seconds: float = 0
    cache: bool = False
    memory_limit_bytes: int | None = None
    cpu_limit_seconds: int | None = None
    html: str | None = None
    pdf: str | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    run_id: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    deployment_id: str | None = None
    schedule_id: str | None = None
    scheduled_at: int | None = None
    interval_start_at: int | None = None
    interval_end_at: int | None = None
    trigger: str = "cli"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(self.tags))
        object.__setattr__(self, "secrets", tuple(self.secrets))
        for name in ("start_timeout_seconds", "cell_timeout_seconds", "timeout_seconds"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise InvalidOption(f"{name} is {value!r}; give a number of seconds above 0.", field=name)
        if not isinstance(self.retries, int) or self.retries < 0:
            raise InvalidOption(f"retries is {self.retries!r}; give a whole number from 0 on.", field="retries")
        if self.checkpoint not in CHECKPOINTS:
            raise InvalidOption(
                f"checkpoint is {self.checkpoint!r}; choose one of {', '.join(CHECKPOINTS)}.", field="checkpoint"
            )
        if self.on_crash not in ("retries", "fail"):
            raise InvalidOption(f"on_crash is {self.on_crash!r}; choose retries or fail.", field="on_crash")

    @property
    def has_limits(self) -> bool:
        """Whether the kernel's process is to be limited, which is done when it starts."""
        return self.memory_limit_bytes is not None or self.cpu_limit_seconds is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, JSON where the parameters are."""
        data = asdict(self)
        kept = {f.name: data[f.name] for f in fields(self) if getattr(self, f.name) != _default(f)}
        kept.update({name: list(kept[name]) for name in ("tags", "secrets") if name in kept})
        return kept

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NotebookSpec:
        """Rebuild a spec.

        Raises
        ------
        InvalidOption
            A name is unknown or a value cannot be.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise InvalidOption(f"A notebook run has no option {unknown[0]!r}.", field=unknown[0])
        if not isinstance(data.get("input_path"), str):
            raise InvalidOption("A notebook run needs input_path.", field="input_path")
        return cls(**data)

    @classmethod
    def from_json(cls, text: str) -> NotebookSpec:
        """Rebuild a spec from a JSON object's text; with `"encoded": true` the parameters are `encode`'s.

        Raises
        ------
        InvalidOption
            It is no JSON object, or no spec.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InvalidOption(f"The spec of the notebook run is no JSON: {error}.") from error
        if not isinstance(data, dict):
            raise InvalidOption("The spec of the notebook run is no JSON object.")
        if data.pop("encoded", False):
            from headrace.core.parameters import decode

            data["parameters"] = {name: decode(value, name=name) for name, value in data["parameters"].items()}
        return cls.from_dict(data)


def _default(f: Any) -> Any:
    return {} if f.name in ("parameters", "env") else f.default
