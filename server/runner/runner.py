"""One notebook run from beginning to end: attempts, records, output file, and an honest last state.

Responsibilities: the order of things between attempts. One attempt is
`attempt`, what is recorded `recording`, what comes from outside `watch`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from headrace.core.errors import one_line
from headrace.core.run_spec import BESIDE, STANDARD, NotebookSpec
from headrace.core.runs import Run
from headrace.core.settings import find_store, user_name
from headrace.core.states import StateType
from headrace.server import kernels
from headrace.server.kernels import Kernel, KernelStartError
from headrace.server.output_file import OutputFile
from headrace.server.processes import process_facts
from headrace.server.runner.prepare import Prepared, claim_place, limits_of
from headrace.server.runner.signals import Signals

if TYPE_CHECKING:
    from headrace.server.runner.attempt import Attempt
    from headrace.server.runner.observer import Observer
    from headrace.server.runner.outcome import Ending
    from headrace.server.runner.recording import Recording
    from headrace.store import Store


@dataclass(slots=True)
class Result:
    """What became of a run.

    Attributes
    ----------
    ending : Ending
    run : Run
        The notebook's run as it began.
    notebook : nbformat notebook
        As it was executed.
    output_path : str or None
    """

    ending: Ending
    run: Run
    notebook: Any
    output_path: str | None


class NotebookRunner:
    """Runs one prepared notebook.

    Parameters
    ----------
    prepared : Prepared
    observer : Observer or None, default None
    run : Run or None, default None
        A run of the store that this process has taken over; None makes a new one.
    traits : mapping or None, default None
        Traits for nbclient.
    own_process : bool, default False
        The process is there for this run alone: what no run needs is not imported.
    signals : Signals or None, default None
        Which signals end the run; all of them in a process of its own, none elsewhere.
    kernel : Kernel or None, default None
        A warm one, taken where it fits.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        observer: Observer | None = None,
        run: Run | None = None,
        traits: Mapping[str, Any] | None = None,
        own_process: bool = False,
        signals: Signals | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self.prepared = prepared
        self.spec: NotebookSpec = prepared.spec
        self.traits = dict(traits or {})
        self.stop_ending: Ending | None = None
        self.stop_now = False
        self.stop_asked: asyncio.Event = asyncio.Event()
        self.earlier: Run | None = None
        self._taken = run
        self._warm = kernel
        self._observer = observer
        self._own_process = own_process
        self._signals = signals if signals is not None else Signals.ALL if own_process else Signals.NONE
        self._attempt: Attempt | None = None

    @property
    def is_taken_over(self) -> bool:
        """Whether the run was made by somebody else, and waited in the store."""
        return self._taken is not None

    async def run(self) -> Result:
        """Run it.

        Returns
        -------
        Result
            Whatever became of it; the store has its last state.

        Raises
        ------
        UnknownKernel, UsageError
            Nothing was begun.
        """
        kernel = await self._launch()
        # From here on the kernel's process starts up beside us while the rest is imported.
        try:
            if self.spec.output_path == BESIDE and self.prepared.output_path not in (None, STANDARD):
                self.prepared.output_path = claim_place(self.prepared.output_path)
            return await self._recorded(kernel)
        except BaseException:
            if isinstance(kernel, Kernel):
                await kernel.stop(now=True)
            raise

    async def _launch(self) -> Kernel | KernelStartError:
        """Start a kernel; a kernel that does not start is a crash of the run, not a wrong request."""
        env = kernels.kernel_environment(find_store(), self.prepared.input_path, self.spec.env)
        kept = await self._kept_kernel()
        if kept is not None:
            if self._warm is not None:
                await self._warm.stop(now=True)
            return kept
        warm = await self._warm_kernel()
        if warm is not None:
            return warm
        try:
            return await kernels.launch(
                self.prepared.kernel_name,
                path=self.prepared.input_path,
                cwd=self.spec.cwd,
                env=env,
                independent=self.spec.keep_kernel_seconds > 0,
                limits=limits_of(self.spec),
            )
        except KernelStartError as error:
            return error

    async def _warm_kernel(self) -> Kernel | None:
        """Return the kernel that waits for us, if it is the right one; each is used once."""
        kernel, self._warm = self._warm, None
        if kernel is None:
            return None
        here = self.spec.cwd is None or os.path.samefile(self.spec.cwd, os.getcwd())
        if kernel.name != self.prepared.kernel_name or not here or self.spec.env or self.spec.has_limits:
            await kernel.stop(now=True)
            return None
        await kernel.set_variable("JPY_SESSION_NAME", self.prepared.input_path)
        return kernel

    async def _kept_kernel(self) -> Kernel | None:
        """Return the kernel of the run that is continued, if it still lives; asked for once."""
        run_id, place = self.spec.resume_from, find_store()
        if run_id is None or self._attempt is not None:
            return None
        from headrace.server.runner.keeping import note_path, take_kept

        if not note_path(place.data_dir, run_id).exists():
            return None
        from headrace.store import get_store

        earlier = get_store().runs.find(run_id)
        return None if earlier is None or not earlier.is_final else await take_kept(place.data_dir, earlier)

    async def _recorded(self, kernel: Kernel | KernelStartError) -> Result:
        with without_iri_grammar() if self._own_process else nullcontext():
            from headrace.server.runner.attempt import Attempt
            from headrace.server.runner.checkpoints import remove_old
            from headrace.server.runner.continuing import find_earlier
            from headrace.server.runner.observer import Observer
            from headrace.server.runner.outcome import cancelled
            from headrace.server.runner.recording import Recording
            from headrace.server.runner.signals import signals
            from headrace.server.runner.watch import Watch
            from headrace.server.secret_values import forget
            from headrace.store import get_store

        observer = self._observer or Observer()
        store = get_store()
        self.earlier = find_earlier(store, self.spec, self.prepared.input_path)
        run = self._taken or self._new_run(store)
        recording = Recording(store, self.spec, run, is_new=self._taken is None)
        recording.details.update(self._details())
        file = OutputFile(self.prepared.output_path, autosave_seconds=self.spec.autosave_seconds)
        loop = asyncio.get_running_loop()
        watch = Watch(self, recording, loop)
        try:
            with signals(self, loop, self._signals):
                while True:
                    self._attempt = Attempt(self, kernel, recording, file, observer)
                    self._attempt.open()
                    watch.start()
                    # A task of its own: nbclient takes a cancelled task for a dead kernel.
                    work = asyncio.ensure_future(self._attempt.run())
                    try:
                        ending = await asyncio.shield(work)
                    except asyncio.CancelledError:
                        # Whoever awaits us has given up: what was done is recorded before we go.
                        self.request_stop(cancelled("the caller gave up"), now=True)
                        await self._attempt.finish(await work, last=True)
                        raise
                    except Exception as error:
                        # A fault of ours must not leave a run that says it runs.
                        ending = _our_fault(error)
                    again = self._tries_again(recording, ending)
                    ending = await self._attempt.finish(ending, last=not again)
                    if not again or self._hand_back(recording, ending):
                        break
                    await self._pause(recording, ending)
                    if self.stop_ending is not None:
                        ending = self.stop_ending
                        recording.end(ending.state_type, ending.state_name, ending.message)
                        break
                    kernel = await self._launch()
        finally:
            watch.close()
            file.close()
            remove_old(store.place.data_dir, now=time.time())
            forget(store)
        observer.ended(ending, run, self.prepared.output_path)
        return Result(ending=ending, run=run, notebook=self._attempt.notebook, output_path=self.prepared.output_path)

    def _new_run(self, store: Store) -> Run:
        from headrace.server.runner.recording import new_notebook_run

        path = self.prepared.input_path
        known = store.documents.at_path(path, owner=user_name()) if path else None
        stem = "notebook" if path == STANDARD else PurePath(path).name.removesuffix(".ipynb") or "notebook"
        return new_notebook_run(
            self.spec,
            now=store.clock.now_us(),
            name=self.spec.name or f"{stem}-{secrets.token_hex(2)}",
            notebook_path=path,
            digest=self.prepared.notebook.digest,
            document_id=known.id if known else None,
            parameters=self.prepared.values.shown,
            resumed_from_id=self.earlier.id if self.earlier is not None and not self.spec.cache else None,
        )

    def _details(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "output_path": self.prepared.output_path,
            "cwd": os.path.abspath(self.spec.cwd or os.getcwd()),
            "runner": process_facts(os.getpid()),
            "spec": {k: v for k, v in self.spec.to_dict().items() if k not in ("parameters", "env")},
        }
        if self.spec.env:
            found["env"] = sorted(self.spec.env)
        if self.prepared.warnings:
            found["warnings"] = list(self.prepared.warnings)
        return found

    def request_stop(self, ending: Ending, *, now: bool = False) -> None:
        """Ask that the run ends so; to be called in the run's event loop.

        Parameters
        ----------
        ending : Ending
            What the notebook becomes.
        now : bool, default False
            Kill the kernel at once instead of interrupting it first.
        """
        self.stop_now = self.stop_now or now
        if self.stop_ending is None:
            self.stop_ending = ending
        self.stop_asked.set()
        if self._attempt is not None:
            self._attempt.stop(self.stop_ending, now=self.stop_now)

    def _tries_again(self, recording: Recording, ending: Ending) -> bool:
        if not ending.retry or recording.attempt >= recording.run.max_attempts:
            return False
        return ending.state_type is not StateType.CRASHED or self.spec.on_crash == "retries"

    def _hand_back(self, recording: Recording, ending: Ending) -> bool:
        """Leave the next attempt to the worker that started this process; False where this process makes it itself."""
        if self._taken is None or self._taken.lease_owner is None:
            return False
        recording.await_retry(ending, self.spec.retry_delay_seconds, hand_back=True)
        return True

    async def _pause(self, recording: Recording, ending: Ending) -> None:
        recording.await_retry(ending, self.spec.retry_delay_seconds)
        self.stop_ending = None
        self.stop_now = False
        self.stop_asked.clear()
        try:
            await asyncio.wait_for(self.stop_asked.wait(), max(0.0, self.spec.retry_delay_seconds))
        except asyncio.TimeoutError:
            pass


@contextmanager
def without_iri_grammar() -> Iterator[None]:
    """Keep jsonschema from building its grammar of IRIs, which takes 0.6 s: more than a kernel's start.

    nbformat imports jsonschema; notebooks' schemas have no `iri` in them. Only for processes of our own, for
    jsonschema then accepts any text as an IRI (measured by tests/benchmarks/bench_notebooks.py, "cold").
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _our_fault(error: Exception) -> Ending:
    from headrace.server.runner.outcome import Ending

    facts = {"type": type(error).__name__, "message": one_line(error), "traceback": traceback.format_exc()}
    return Ending(
        state_type=StateType.CRASHED,
        state_name="Crashed",
        message=f"The runner failed: {type(error).__name__}: {one_line(error)}",
        error=facts,
        rest="NotRun",
        retry=True,
    )
