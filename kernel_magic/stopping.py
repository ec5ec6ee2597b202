"""`stop`: a run that ends itself, without being a failure."""

from __future__ import annotations

from typing import NoReturn

from headrace.core.errors import MissingContextError, StopSignal
from headrace.kernel_magic.engine.live import current
from headrace.kernel_magic.notebook_run import notebook_run_id


def stop(reason: str = "") -> NoReturn:
    """End the run around the caller as COMPLETED, named Skipped; runs that depend on it are skipped, too.

    Parameters
    ----------
    reason : str, default ""
        Shown with the state.

    Raises
    ------
    MissingContextError
        There is no run around the caller.
    """
    if current() is None and notebook_run_id() is None:
        raise MissingContextError(
            "headrace.stop() ends the run around it, and there is none; call it in a flow, a task or a notebook run."
        )
    raise StopSignal(reason)
