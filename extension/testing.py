"""`from headrace.testing import headrace_test, headrace_store`: help for tests of flows (see headrace.kernel_magic.testing)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.kernel_magic.run_logging import disable_run_logger as disable_run_logger
    from headrace.kernel_magic.testing import headrace_test as headrace_test

    headrace_store: Any

__all__ = ["disable_run_logger", "headrace_store", "headrace_test"]


def __getattr__(name: str) -> Any:
    """Look the name up where it is made, at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "run_logging" if name == "disable_run_logger" else "testing"
    return getattr(import_module(f"headrace.kernel_magic.{home}"), name)
