"""Headrace: workflow orchestration that lives in Jupyter.

Importing it is cheap: a public name is looked up in `_MODULES` at its first
use, so `import headrace` loads neither SQLAlchemy nor tornado nor IPython.
The door also holds Jupyter's and IPython's hooks, each lazy.

>>> from headrace import flow, task
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.errors import CancelledRun as CancelledRun
    from headrace.core.errors import ConcurrencySlotAcquisitionError as ConcurrencySlotAcquisitionError
    from headrace.core.errors import CrashedRun as CrashedRun
    from headrace.core.errors import FailedRun as FailedRun
    from headrace.core.errors import HeadraceError as HeadraceError
    from headrace.core.errors import MissingContextError as MissingContextError
    from headrace.core.errors import PausedRun as PausedRun
    from headrace.core.errors import RunError as RunError
    from headrace.core.errors import StoreError as StoreError
    from headrace.core.errors import TaskTimeout as TaskTimeout
    from headrace.core.errors import TransactionRolledBack as TransactionRolledBack
    from headrace.core.errors import UnfinishedRun as UnfinishedRun
    from headrace.core.errors import UpstreamFailed as UpstreamFailed
    from headrace.core.errors import UsageError as UsageError
    from headrace.core.states import State as State
    from headrace.core.states import StateType as StateType
    from headrace.kernel_magic.cells.export import notebook_flow as notebook_flow
    from headrace.kernel_magic.concurrency import concurrency as concurrency
    from headrace.kernel_magic.concurrency import rate_limit as rate_limit
    from headrace.kernel_magic.concurrency import rate_limit_async as rate_limit_async
    from headrace.kernel_magic.deployed import run_deployment as run_deployment
    from headrace.kernel_magic.deploying import deploy as deploy
    from headrace.kernel_magic.deploying import serve as serve
    from headrace.kernel_magic.flows import Flow as Flow
    from headrace.kernel_magic.flows import flow as flow
    from headrace.kernel_magic.futures import FutureList as FutureList
    from headrace.kernel_magic.futures import TaskFuture as TaskFuture
    from headrace.kernel_magic.futures import allow_failure as allow_failure
    from headrace.kernel_magic.futures import as_completed as as_completed
    from headrace.kernel_magic.futures import quote as quote
    from headrace.kernel_magic.futures import unmapped as unmapped
    from headrace.kernel_magic.futures import wait as wait
    from headrace.kernel_magic.made_states import Cancelled as Cancelled
    from headrace.kernel_magic.made_states import Completed as Completed
    from headrace.kernel_magic.made_states import Crashed as Crashed
    from headrace.kernel_magic.made_states import Failed as Failed
    from headrace.kernel_magic.notebook_task import notebook_task as notebook_task
    from headrace.kernel_magic.notebook_task import publish as publish
    from headrace.kernel_magic.pausing import RunInput as RunInput
    from headrace.kernel_magic.pausing import pause_flow_run as pause_flow_run
    from headrace.kernel_magic.pausing import suspend_flow_run as suspend_flow_run
    from headrace.kernel_magic.results.keeper import explain_cache as explain_cache
    from headrace.kernel_magic.results.policies import DEFAULT as DEFAULT
    from headrace.kernel_magic.results.policies import FLOW_PARAMETERS as FLOW_PARAMETERS
    from headrace.kernel_magic.results.policies import INPUTS as INPUTS
    from headrace.kernel_magic.results.policies import NO_CACHE as NO_CACHE
    from headrace.kernel_magic.results.policies import RUN_ID as RUN_ID
    from headrace.kernel_magic.results.policies import TASK_SOURCE as TASK_SOURCE
    from headrace.kernel_magic.results.policies import CachePolicy as CachePolicy
    from headrace.kernel_magic.results.policies import task_input_hash as task_input_hash
    from headrace.kernel_magic.retries import exponential_backoff as exponential_backoff
    from headrace.kernel_magic.run_logging import disable_run_logger as disable_run_logger
    from headrace.kernel_magic.run_logging import get_run_logger as get_run_logger
    from headrace.kernel_magic.runners.dask import DaskTaskRunner as DaskTaskRunner
    from headrace.kernel_magic.runners.processes import ProcessPoolTaskRunner as ProcessPoolTaskRunner
    from headrace.kernel_magic.runners.ray import RayTaskRunner as RayTaskRunner
    from headrace.kernel_magic.runners.threads import ThreadPoolTaskRunner as ThreadPoolTaskRunner
    from headrace.kernel_magic.stopping import stop as stop
    from headrace.kernel_magic.tagging import tags as tags
    from headrace.kernel_magic.tasks import Task as Task
    from headrace.kernel_magic.tasks import task as task
    from headrace.kernel_magic.transactions import CommitMode as CommitMode
    from headrace.kernel_magic.transactions import IsolationLevel as IsolationLevel
    from headrace.kernel_magic.transactions import Transaction as Transaction
    from headrace.kernel_magic.transactions import get_transaction as get_transaction
    from headrace.kernel_magic.transactions import transaction as transaction
    from headrace.server.notebooks import execute_notebook as execute_notebook
    from headrace.server.notebooks import execute_notebook_async as execute_notebook_async
    from headrace.server.notebooks import inspect_notebook as inspect_notebook

__version__ = "0.1.0"

# Public name → the module that defines it. The imports above repeat it for type checkers; a test keeps the two equal.
_MODULES = {
    "CachePolicy": "headrace.kernel_magic.results.policies",
    "Cancelled": "headrace.kernel_magic.made_states",
    "CancelledRun": "headrace.core.errors",
    "CommitMode": "headrace.kernel_magic.transactions",
    "Completed": "headrace.kernel_magic.made_states",
    "ConcurrencySlotAcquisitionError": "headrace.core.errors",
    "Crashed": "headrace.kernel_magic.made_states",
    "CrashedRun": "headrace.core.errors",
    "DEFAULT": "headrace.kernel_magic.results.policies",
    "DaskTaskRunner": "headrace.kernel_magic.runners.dask",
    "FLOW_PARAMETERS": "headrace.kernel_magic.results.policies",
    "Failed": "headrace.kernel_magic.made_states",
    "FailedRun": "headrace.core.errors",
    "Flow": "headrace.kernel_magic.flows",
    "FutureList": "headrace.kernel_magic.futures",
    "HeadraceError": "headrace.core.errors",
    "INPUTS": "headrace.kernel_magic.results.policies",
    "IsolationLevel": "headrace.kernel_magic.transactions",
    "MissingContextError": "headrace.core.errors",
    "NO_CACHE": "headrace.kernel_magic.results.policies",
    "PausedRun": "headrace.core.errors",
    "ProcessPoolTaskRunner": "headrace.kernel_magic.runners.processes",
    "RUN_ID": "headrace.kernel_magic.results.policies",
    "RayTaskRunner": "headrace.kernel_magic.runners.ray",
    "RunError": "headrace.core.errors",
    "RunInput": "headrace.kernel_magic.pausing",
    "State": "headrace.core.states",
    "StateType": "headrace.core.states",
    "StoreError": "headrace.core.errors",
    "TASK_SOURCE": "headrace.kernel_magic.results.policies",
    "Task": "headrace.kernel_magic.tasks",
    "TaskFuture": "headrace.kernel_magic.futures",
    "TaskTimeout": "headrace.core.errors",
    "ThreadPoolTaskRunner": "headrace.kernel_magic.runners.threads",
    "Transaction": "headrace.kernel_magic.transactions",
    "TransactionRolledBack": "headrace.core.errors",
    "UnfinishedRun": "headrace.core.errors",
    "UpstreamFailed": "headrace.core.errors",
    "UsageError": "headrace.core.errors",
    "allow_failure": "headrace.kernel_magic.futures",
    "as_completed": "headrace.kernel_magic.futures",
    "concurrency": "headrace.kernel_magic.concurrency",
    "deploy": "headrace.kernel_magic.deploying",
    "disable_run_logger": "headrace.kernel_magic.run_logging",
    "execute_notebook": "headrace.server.notebooks",
    "execute_notebook_async": "headrace.server.notebooks",
    "explain_cache": "headrace.kernel_magic.results.keeper",
    "exponential_backoff": "headrace.kernel_magic.retries",
    "flow": "headrace.kernel_magic.flows",
    "get_run_logger": "headrace.kernel_magic.run_logging",
    "get_transaction": "headrace.kernel_magic.transactions",
    "inspect_notebook": "headrace.server.notebooks",
    "notebook_flow": "headrace.kernel_magic.cells.export",
    "notebook_task": "headrace.kernel_magic.notebook_task",
    "pause_flow_run": "headrace.kernel_magic.pausing",
    "publish": "headrace.kernel_magic.notebook_task",
    "quote": "headrace.kernel_magic.futures",
    "rate_limit": "headrace.kernel_magic.concurrency",
    "rate_limit_async": "headrace.kernel_magic.concurrency",
    "run_deployment": "headrace.kernel_magic.deployed",
    "serve": "headrace.kernel_magic.deploying",
    "stop": "headrace.kernel_magic.stopping",
    "suspend_flow_run": "headrace.kernel_magic.pausing",
    "tags": "headrace.kernel_magic.tagging",
    "task": "headrace.kernel_magic.tasks",
    "task_input_hash": "headrace.kernel_magic.results.policies",
    "transaction": "headrace.kernel_magic.transactions",
    "unmapped": "headrace.kernel_magic.futures",
    "wait": "headrace.kernel_magic.futures",
}

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CachePolicy",
    "Cancelled",
    "CancelledRun",
    "CommitMode",
    "Completed",
    "ConcurrencySlotAcquisitionError",
    "Crashed",
    "CrashedRun",
    "DaskTaskRunner",
    "Failed",
    "FailedRun",
    "Flow",
    "FutureList",
    "HeadraceError",
    "IsolationLevel",
    "MissingContextError",
    "PausedRun",
    "ProcessPoolTaskRunner",
    "RayTaskRunner",
    "RunError",
    "RunInput",
    "State",
    "StateType",
    "StoreError",
    "Task",
    "TaskFuture",
    "TaskTimeout",
    "ThreadPoolTaskRunner",
    "Transaction",
    "TransactionRolledBack",
    "UnfinishedRun",
    "UpstreamFailed",
    "UsageError",
    "__version__",
    "allow_failure",
    "as_completed",
    "concurrency",
    "deploy",
    "disable_run_logger",
    "execute_notebook",
    "execute_notebook_async",
    "explain_cache",
    "exponential_backoff",
    "flow",
    "get_run_logger",
    "get_transaction",
    "inspect_notebook",
    "notebook_flow",
    "notebook_task",
    "pause_flow_run",
    "publish",
    "quote",
    "rate_limit",
    "rate_limit_async",
    "run_deployment",
    "serve",
    "stop",
    "suspend_flow_run",
    "tags",
    "task",
    "task_input_hash",
    "transaction",
    "unmapped",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, and remember it."""
    from importlib import import_module

    if name == "runtime":
        return import_module("headrace.runtime")
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server what to load.

    Returns
    -------
    list of dict
        One entry: the module and the `ExtensionApp` class.

    Raises
    ------
    MissingDependency
        The `lab` extra is not installed; Jupyter Server logs the message, which has the command that brings it.
    """
    from importlib import import_module

    from headrace.extras import REMEDY, lab_extra, missing_for_notebook_runs

    with lab_extra():
        module = import_module("headrace.server.app")
    if missing := missing_for_notebook_runs():
        from logging import getLogger

        text = "%s not installed: the panel shows runs, and notebooks cannot be run. Bring it with: %s"
        getLogger("headrace").warning(f"headrace: {text}", " and ".join(missing), REMEDY)
    return [{"module": module.__name__, "app": module.HeadraceApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell `jupyter-builder develop` where the prebuilt panel of a checkout is."""
    return [{"src": "../labextension/dist/lab", "dest": "headrace"}]


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: `%load_ext headrace`.

    Parameters
    ----------
    ipython : IPython.core.interactiveshell.InteractiveShell
        The running shell.
    """
    from importlib import import_module

    import_module("headrace.kernel_magic.magics").load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics out again: `%unload_ext headrace`.

    Parameters
    ----------
    ipython : IPython.core.interactiveshell.InteractiveShell
        The running shell.
    """
    from importlib import import_module

    import_module("headrace.kernel_magic.magics").unload(ipython)


def _join_running_shell() -> None:
    """Register the magics where `import headrace` is run in a notebook: a person who imports it means to use it.

    IPython is only asked, never imported. A fault here must not take the import down with it, so it is a warning.
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython else None
    if shell is None:
        return
    try:
        load_ipython_extension(shell)
    except Exception as error:
        from warnings import warn

        warn(f"headrace: its magics are not registered in this kernel: {error!r}", RuntimeWarning, stacklevel=3)


_join_running_shell()
