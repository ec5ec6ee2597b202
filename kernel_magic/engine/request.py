"""A call of a flow or task, before it is a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.kernel_magic import resolve
from headrace.kernel_magic.definition import FunctionDefinition
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome
from headrace.kernel_magic.futures import TaskFuture


@dataclass(slots=True)
class Request:
    """A call.

    Parameters
    ----------
    definition : FunctionDefinition
    parameters : mapping
        Arguments by name.
    parent : LiveRun or None
        The run around it.
    wait_for : object
        What must have completed first.
    return_state : bool, default False
    name : str or None, default made up
    check : callable(run, parameters) → Outcome or None
        Checks the arguments; returns why the run must not start, if so.
    named : callable(run) or None
        Gives the run its name.
    live : mapping
        Further arguments of LiveRun: record, fields, chain_id, adopted.
    """

    definition: FunctionDefinition
    parameters: Mapping[str, Any]
    parent: LiveRun | None
    wait_for: Any = None
    return_state: bool = False
    name: str | None = None
    check: Callable[[LiveRun, dict[str, Any]], Outcome | None] | None = None
    named: Callable[[LiveRun], Any] | None = None
    live: Mapping[str, Any] = field(default_factory=dict)

    def begin(self) -> tuple[LiveRun, list[TaskFuture[Any]]]:
        """Return the run, not recorded yet, and the futures that it has to wait for."""
        run = LiveRun(self.definition, self.parent, parameters=self.parameters, name=self.name, **self.live)
        if self.named is not None:
            self.named(run)
        if self.wait_for is None and not resolve.needs_look(self.parameters.values()):
            return run, []
        return run, resolve.upstream_of(run, self.parameters, self.wait_for)

    def resolved(self, run: LiveRun) -> tuple[Outcome | None, tuple[Any, ...], dict[str, Any]]:
        """Return why the run must not start, if so, and the arguments of its function."""
        refused: Outcome | None = None
        if self.wait_for is not None or resolve.needs_look(self.parameters.values()):
            refused, run.parameters = resolve.values(run, self.parameters, self.wait_for)
        if self.check is not None and refused is None:
            refused = self.check(run, dict(run.parameters or {}))
        return (refused, *self.definition.arguments(run.parameters or {}))
