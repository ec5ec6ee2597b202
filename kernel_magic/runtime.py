"""What code can know about the run it is in: `headrace.runtime.flow_run.name`, `headrace.runtime.task_run.id` …

Outside a run every value is empty: None, an empty text, list or mapping.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headrace.core.clock import instant
from headrace.core.states import State
from headrace.kernel_magic.engine.live import LiveRun, current
from headrace.kernel_magic.notebook_run import NotebookRunValues


class RunView:
    """A run as user code sees it.

    Parameters
    ----------
    run : LiveRun
    """

    __slots__ = ("_run",)

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    @property
    def name(self) -> str:
        """The run's own name."""
        return self._run.name

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return list(self._run.tags)

    @property
    def parameters(self) -> dict[str, Any]:
        """Its arguments by name."""
        return dict(self._run.parameters or {})

    @property
    def run_count(self) -> int:
        """The attempt, counted from 1."""
        return self._run.attempt

    @property
    def state(self) -> State:
        """Its present state."""
        return self._run.state()

    @property
    def state_type(self) -> Any:
        """Its present state's type."""
        return self._run.state_type

    @property
    def state_name(self) -> str:
        """Its present state's name."""
        return self._run.state_name

    @property
    def parent_id(self) -> str | None:
        """The run around it."""
        return None if self._run.parent is None else self._run.parent.id

    @property
    def root_id(self) -> str:
        """The outermost run around it, itself for a root."""
        return self._run.root_id

    @property
    def start_time(self) -> datetime | None:
        """When its first attempt began."""
        started = None if self._run.record is None else self._run.record.values.get("started_at")
        return instant(started or self._run.state_at) if self._run.state_at else None

    def __repr__(self) -> str:
        return f"<{self._run.kind} run {self.name!r} ({self.id})>"


class _Values:
    """Values of the nearest run of one kind."""

    _empty: dict[str, Any] = {
        "id": None,
        "name": None,
        "tags": [],
        "parameters": {},
        "run_count": 0,
        "parent_id": None,
        "root_id": None,
        "start_time": None,
        "state": None,
    }

    def __init__(self, kinds: tuple[str, ...], definition: str) -> None:
        self._kinds = kinds
        self._definition = definition

    def _find(self) -> LiveRun | None:
        run = current()
        while run is not None and run.kind not in self._kinds:
            run = run.parent
        return run

    def __getattr__(self, name: str) -> Any:
        run = self._find()
        if name == self._definition:
            return None if run is None else run.definition.name
        if name == f"{self._kinds[0]}_version":
            return None if run is None else run.definition.version
        if name not in self._empty:
            raise AttributeError(
                f"headrace.runtime has no value {name!r}; known: {', '.join([*self._empty, self._definition])}"
            )
        if run is None:
            value = self._empty[name]
            return value.copy() if isinstance(value, list | dict) else value
        return getattr(RunView(run), name)

    def __dir__(self) -> list[str]:
        return sorted([*self._empty, self._definition])


flow_run = _Values(("flow", "notebook"), "flow_name")
task_run = _Values(("task", "cell"), "task_name")


class _Deployment:
    """Values of the deployment that the run belongs to."""

    @property
    def id(self) -> str | None:
        """Its id."""
        run = current()
        return None if run is None else (run.root.fields or {}).get("deployment_id")

    @property
    def name(self) -> str | None:
        """Its name."""
        run = current()
        return None if run is None else (run.root.fields or {}).get("deployment_name")

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the run was started with."""
        run = current()
        return dict(run.root.parameters or {}) if run is not None and self.id is not None else {}


deployment = _Deployment()
notebook_run = NotebookRunValues()
