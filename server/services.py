"""What the handlers share: the store (opened when it is first needed), the threads, the owner, the root, the background.

Nothing here is done before somebody asks: an unused extension costs Jupyter no
database, no thread and hardly any memory.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import StoreCorrupt, StoreError, StoreTooNew
from headrace.core.settings import StorePlace, find_store, user_name

if TYPE_CHECKING:
    from headrace.server.managers.deployments import DeploymentsManager
    from headrace.server.managers.interpreters import Interpreters
    from headrace.server.managers.notebook_graph import NotebookGraphs
    from headrace.server.managers.notebooks import NotebooksManager
    from headrace.server.managers.run_parts import RunPartsManager
    from headrace.server.managers.runs import RunsManager
    from headrace.server.managers.schedules import SchedulesManager
    from headrace.server.managers.system import SystemManager
    from headrace.server.paths import Root
    from headrace.server.quotas import Quotas
    from headrace.store import Store

T = TypeVar("T")
#: Threads for the store: SQLite has one writer anyway, and PostgreSQL's pool is of this size.
THREADS = 4
#: A store that could not be opened is tried again after so long, seconds.
REOPEN_SECONDS = 2.0


class Services:
    """One server's access to everything.

    Parameters
    ----------
    root : Root
        The folder that paths of requests are below.
    place : StorePlace or None, default what `find_store` finds
    owner : str or None, default the login name
        Whose runs and deployments these are.
    all_owners : bool, default False
        Show everybody's.
    kernel_finder : KernelSpecManager or None, default a new one
    pools : tuple of str, default ()
        Pools besides the default one that workers are started for.
    install_source : str, default ""
        What is installed into kernels that lack Headrace; empty: this one.
    require_trust : bool, default False
        Refuse to schedule a notebook that Jupyter does not trust and nobody has agreed to.
    """

    def __init__(
        self,
        root: Root,
        *,
        place: StorePlace | None = None,
        owner: str | None = None,
        all_owners: bool = False,
        kernel_finder: Any = None,
        pools: tuple[str, ...] = (),
        runtime_dir: Path | None = None,
        install_source: str = "",
        require_trust: bool = False,
    ) -> None:
        self.root = root
        #: Where kernels say which store they record into; None: not looked at.
        self.runtime_dir = runtime_dir
        self.place = place or find_store()
        self.owner = owner or user_name()
        self.all_owners = all_owners
        self.require_trust = require_trust
        self.background: Any = None
        self._kernel_finder = kernel_finder
        self._pools = frozenset(pools)
        self._install_source = install_source
        self._store: Store | None = None
        self._failed: tuple[float, StoreError] | None = None
        self._opening = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    @property
    def seen_owner(self) -> str | None:
        """Whose records are shown; None: everybody's."""
        return None if self.all_owners else self.owner

    @property
    def store(self) -> Store:
        """The store; call it from a thread, never from the event loop.

        Raises
        ------
        StoreError
            It cannot be opened; what Headrace shows says why, and Jupyter goes on.
        """
        if self._store is None:
            with self._opening:
                if self._store is None:
                    self._open()
        assert self._store is not None
        return self._store

    def _open(self) -> None:
        now = SYSTEM_CLOCK.monotonic()
        if self._failed is not None and now - self._failed[0] < REOPEN_SECONDS:
            raise self._failed[1]
        from headrace.store import Store

        try:
            self._store = Store(self.place)
        except StoreError as error:
            self._failed = (now, error)
            raise
        self._failed = None

    def owns_pool(self, pool: str) -> bool:
        """Return whether workers of a pool are started here."""
        return pool in self._pools

    @property
    def is_open(self) -> bool:
        """Whether the store was opened."""
        return self._store is not None

    @property
    def is_degraded(self) -> str | None:
        """Why the store cannot be used until somebody acts, None when it can (or was not asked for yet)."""
        if self._failed is not None and isinstance(self._failed[1], StoreTooNew | StoreCorrupt):
            return self._failed[1].message
        return None

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in one of the store's threads: the event loop never waits for a database."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="headrace-store")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def begin_request(self, key: str, digest: str) -> str | None:
        """Take an idempotency key; see Idempotency.begin."""
        return self.store.idempotency.begin(self.owner, key, digest)

    def finish_request(self, key: str, status: int, answer: str) -> None:
        """Keep the answer to a request with a key."""
        self.store.idempotency.finish(self.owner, key, status, answer)

    def forget_request(self, key: str) -> None:
        """Give a key back whose request was refused."""
        self.store.idempotency.forget(self.owner, key)

    @cached_property
    def default_kernel(self) -> str:
        """The kernel of notebooks that name none."""
        return str(getattr(self.kernel_finder, "default_kernel_name", "") or "python3")

    def kernelspecs(self) -> dict[str, dict[str, Any]]:
        """Return the installed kernelspecs by name."""
        found: dict[str, dict[str, Any]] = {}
        for name, entry in self.kernel_finder.get_all_specs().items():
            spec = entry.get("spec", {})
            found[name] = dict(spec) if isinstance(spec, dict) else {}
        return found

    def kernel_spec(self, name: str) -> dict[str, Any]:
        """Return a kernelspec whole, its program by its path: what a worker in another environment can start too."""
        spec = dict(self.kernel_finder.get_kernel_spec(name).to_dict())
        argv = [str(word) for word in spec.get("argv") or []]
        if argv and not os.path.isabs(argv[0]):
            named_python = re.fullmatch(r"python(\d(\.\d+)?)?(\.exe)?", argv[0]) is not None
            argv[0] = sys.executable if named_python else (shutil.which(argv[0]) or argv[0])
        return {**spec, "argv": argv}

    @cached_property
    def kernel_finder(self) -> Any:
        """What finds kernelspecs: Jupyter's own with its settings where there is one."""
        if self._kernel_finder is not None:
            return self._kernel_finder
        from jupyter_client.kernelspec import KernelSpecManager

        return KernelSpecManager()

    def wake(self) -> None:
        """Say that something waits to be run: a worker is started where none is alive."""
        if self.background is not None:
            self.background.wake()

    @cached_property
    def runs(self) -> RunsManager:
        """Runs."""
        from headrace.server.managers.runs import RunsManager

        return RunsManager(self)

    @cached_property
    def interpreters(self) -> Interpreters:
        """The Pythons of kernels."""
        from headrace.server.managers.interpreters import Interpreters

        return Interpreters(self, self._install_source)

    @cached_property
    def run_parts(self) -> RunPartsManager:
        """What belongs to one run."""
        from headrace.server.managers.run_parts import RunPartsManager

        return RunPartsManager(self)

    @cached_property
    def deployments(self) -> DeploymentsManager:
        """Deployments."""
        from headrace.server.managers.deployments import DeploymentsManager

        return DeploymentsManager(self)

    @cached_property
    def schedules(self) -> SchedulesManager:
        """Schedules."""
        from headrace.server.managers.schedules import SchedulesManager

        return SchedulesManager(self)

    @cached_property
    def notebooks(self) -> NotebooksManager:
        """Notebooks."""
        from headrace.server.managers.notebooks import NotebooksManager

        return NotebooksManager(self)

    @cached_property
    def notebook_graphs(self) -> NotebookGraphs:
        """The flows of notebooks."""
        from headrace.server.managers.notebook_graph import NotebookGraphs

        return NotebookGraphs(self)

    @cached_property
    def quotas(self) -> Quotas:
        """What this person may still have."""
        from headrace.server.quotas import Quotas

        return Quotas(self)

    @cached_property
    def system(self) -> SystemManager:
        """Health, counts, workers, limits."""
        from headrace.server.managers.system import SystemManager

        return SystemManager(self)

    def close(self) -> None:
        """Stop the background and give back what is held."""
        if self.background is not None:
            self.background.stop()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None
        interpreters = self.__dict__.get("interpreters")
        if interpreters is not None:
            interpreters.close()
        if self._store is not None:
            self._store.close()
            self._store = None
