"""`from headrace.runtime import flow_run, task_run, notebook_run, deployment`: what code can know about its run.

The values are made in headrace.kernel_magic.runtime and looked up at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.kernel_magic.runtime import deployment as deployment
    from headrace.kernel_magic.runtime import flow_run as flow_run
    from headrace.kernel_magic.runtime import notebook_run as notebook_run
    from headrace.kernel_magic.runtime import task_run as task_run

__all__ = ["deployment", "flow_run", "notebook_run", "task_run"]


def __getattr__(name: str) -> Any:
    """Look a value up at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("headrace.kernel_magic.runtime"), name)
