"""The notebook run around a cell: what the runner says of it, read in the kernel."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from headrace.core.clock import instant


def notebook_run_id() -> str | None:
    """Return the id of the notebook run whose cell is executed now, None where no runner executes it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    ours = ((shell.get_parent() or {}).get("metadata") or {}).get("headrace")
    run_id = ours.get("notebook_run_id") if isinstance(ours, dict) else None
    return str(run_id) if run_id else None


class NotebookRunValues:
    """Values of the notebook run (`headrace.runtime.notebook_run`); empty outside of one."""

    def __init__(self) -> None:
        self._known: tuple[str, Any] | None = None

    def _run(self) -> Any:
        run_id = notebook_run_id()
        if run_id is None:
            return None
        if self._known is None or self._known[0] != run_id:
            from headrace.kernel_magic.engine.session import session

            store = session().store
            self._known = (run_id, None if store is None else store.runs.find(run_id))
        return self._known[1]

    def _value(self, name: str, empty: Any = None) -> Any:
        run = self._run()
        value = None if run is None else getattr(run, name)
        return empty if value is None else value

    def _instant(self, name: str) -> datetime | None:
        run = self._run()
        spec = {} if run is None else run.details.get("spec") or {}
        at = spec.get(name, getattr(run, name, None))
        return None if at is None else instant(at)

    @property
    def id(self) -> str | None:
        """The run's id."""
        return notebook_run_id()

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self._value("name", ""))

    @property
    def parameters(self) -> dict[str, Any]:
        """What the run was given, as JSON values."""
        return dict(self._value("parameters", {}))

    @property
    def attempt(self) -> int:
        """The attempt as it was when the values were first asked for, from 1; 0 outside a run."""
        return int(self._value("attempt", 0))

    @property
    def path(self) -> str:
        """The notebook's path."""
        return str(self._value("notebook_path", ""))

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule started it."""
        return self._value("schedule_id") is not None

    @property
    def scheduled_at(self) -> datetime | None:
        """When it was due."""
        return self._instant("scheduled_at")

    @property
    def interval_start(self) -> datetime | None:
        """Where the stretch of time begins that a schedule's slot stands for."""
        return self._instant("interval_start_at")

    @property
    def interval_end(self) -> datetime | None:
        """Where it ends."""
        return self._instant("interval_end_at")
