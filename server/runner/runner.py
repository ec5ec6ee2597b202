"""One notebook run from beginning to end: kernel, cells, records, output file, and an honest last state.

Responsibilities: the order of things. Executing is `client`, what is recorded
`recording`, where outputs go `outputs`, what an end means `outcome`, how a
cell's end is brought about `stopping`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from headrace.core.errors import one_line
from headrace.core.failpoints import reach
from headrace.core.run_spec import BESIDE, STANDARD, NotebookSpec
from headrace.core.runs import Run
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.server import kernels
from headrace.server.kernels import Kernel, KernelStartError
from headrace.server.output_file import OutputFile, OutputUnwritable
from headrace.server.runner.prepare import Prepared, claim_place, point_latest

if TYPE_CHECKING:
    from headrace.server.runner.cells import CellLoop
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
    signals : bool, default False
        Turn SIGINT and SIGTERM into the run's end.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        observer: Observer | None = None,
        run: Run | None = None,
        traits: Mapping[str, Any] | None = None,
        signals: bool = False,
    ) -> None:
        self.prepared = prepared
        self.spec: NotebookSpec = prepared.spec
        self.kernel: Kernel | None = None
        self.stop_ending: Ending | None = None
        self._taken = run
        self._observer = observer
        self._signals = signals
        self._traits = dict(traits or {})
        self._loop: CellLoop | None = None
        self._stop_now = False
        self._stop_asked: asyncio.Event | None = None

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
        self._stop_asked = asyncio.Event()
        place = find_store()
        env = kernels.kernel_environment(place, self.prepared.input_path, self.spec.env)
        failure: KernelStartError | None = None
        try:
            self.kernel = await kernels.launch(
                self.prepared.kernel_name, path=self.prepared.input_path, cwd=self.spec.cwd, env=env
            )
        except KernelStartError as error:
            failure = error
        # From here on the kernel's process starts up beside us while the rest is imported.
        try:
            if self.spec.output_path == BESIDE and self.prepared.output_path not in (None, STANDARD):
                self.prepared.output_path = claim_place(self.prepared.output_path)
            return await self._with_kernel(failure)
        finally:
            await self._drop_kernel(now=True)

    async def _drop_kernel(self, *, now: bool) -> None:
        kernel, self.kernel = self.kernel, None
        if kernel is not None:
            await kernel.stop(now=now)

    async def _with_kernel(self, failure: KernelStartError | None) -> Result:
        from nbformat import from_dict

        from headrace.server.runner import metadata
        from headrace.server.runner.observer import Observer
        from headrace.server.runner.plan import plan_cells
        from headrace.server.runner.process import leave_facts
        from headrace.server.runner.recording import Recording
        from headrace.server.runner.values import put_in
        from headrace.server.runner.watch import Watch, signals
        from headrace.store import get_store

        if self.kernel is not None:
            leave_facts(self.kernel.facts())
        observer = self._observer or Observer()
        notebook = from_dict(self.prepared.notebook.content)
        metadata.clean(notebook)
        notebook = put_in(notebook, self.prepared.values, self.spec, self.prepared.kernel_name, self.prepared.language)
        metadata.begin(
            notebook,
            parameters=self.prepared.values.shown,
            input_path=self.prepared.input_path,
            output_path=self.prepared.output_path,
            report_mode=self.spec.report_mode,
        )
        store = get_store()
        run, is_new = self._the_run(store, notebook), self._taken is None
        # After the run's own id, so that ids sort as the tree is read.
        plans = plan_cells(notebook["cells"], allow_errors=self.spec.allow_errors)
        recording = Recording(store, self.spec, run, is_new=is_new)
        recording.details.update(self._details())
        recording.open(plans, self._edges(plans))
        observer.started(run, recording.cells, self.prepared.output_path)
        for message in self.prepared.warnings:
            recording.log(None, 30, "headrace", message)
            observer.warned(message)
        file = OutputFile(self.prepared.output_path, autosave_seconds=self.spec.autosave_seconds)
        loop = asyncio.get_running_loop()
        watch = Watch(self, recording, loop)
        watch.start()
        try:
            with signals(self, loop) if self._signals else nullcontext():
                try:
                    ending = await self._attempt(notebook, recording, file, observer, failure)
                except Exception as error:
                    # A fault of ours must not leave a run that says it runs.
                    ending = _our_fault(error)
                ending = await self._finish(notebook, recording, file, ending)
        finally:
            watch.close()
            file.close()
        observer.ended(ending, run, self.prepared.output_path)
        return Result(ending=ending, run=run, notebook=notebook, output_path=self.prepared.output_path)

    def _details(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "output_path": self.prepared.output_path,
            "cwd": os.path.abspath(self.spec.cwd or os.getcwd()),
            "runner": kernels.process_facts(os.getpid()),
            "spec": {k: v for k, v in self.spec.to_dict().items() if k not in ("parameters", "env")},
        }
        if self.spec.env:
            found["env"] = sorted(self.spec.env)
        if self.prepared.warnings:
            found["warnings"] = list(self.prepared.warnings)
        if self.kernel is not None:
            found["kernel"] = self.kernel.facts()
        return found

    def _the_run(self, store: Store, notebook: Any) -> Run:
        """Return the notebook's run, and store the document that it is about to execute."""
        from headrace.server.runner.document import save_document
        from headrace.server.runner.recording import new_notebook_run

        path = self.prepared.input_path
        known = store.documents.at_path(path) if path else None
        if self._taken is not None:
            run = self._taken
        else:
            stem = PurePath(path).name.removesuffix(".ipynb") or "notebook"
            run = new_notebook_run(
                self.spec,
                now=store.clock.now_us(),
                name=self.spec.name or f"{stem}-{secrets.token_hex(2)}",
                notebook_path=path,
                digest=self.prepared.notebook.digest,
                document_id=known.id if known else None,
                parameters=self.prepared.values.shown,
            )
        save_document(store, run.id, self.prepared, notebook, self.kernel.manager.kernel_id if self.kernel else None)
        return run

    def _edges(self, plans: Any) -> list[Any]:
        from headrace.server.runner.edges import cell_edges

        return cell_edges(plans, self.prepared.language)

    def request_stop(self, ending: Ending, *, now: bool = False) -> None:
        """Ask that the run ends so; to be called in the run's event loop.

        Parameters
        ----------
        ending : Ending
            What the notebook becomes.
        now : bool, default False
            Kill the kernel at once instead of interrupting it first.
        """
        self._stop_now = self._stop_now or now
        if self.stop_ending is None:
            self.stop_ending = ending
        if self._stop_asked is not None:
            self._stop_asked.set()
        if self._loop is not None:
            self._loop.stop(self.stop_ending, now=self._stop_now)

    async def _attempt(
        self,
        notebook: Any,
        recording: Recording,
        file: OutputFile,
        observer: Observer,
        failure: KernelStartError | None,
    ) -> Ending:
        from headrace.server.runner import metadata
        from headrace.server.runner.cells import CellLoop
        from headrace.server.runner.outcome import Ending
        from headrace.server.runner.saving import saving

        try:
            if failure is not None or self.kernel is None:
                raise failure or KernelStartError("No kernel was started.")
            await self._until_ready(self.kernel)
        except KernelStartError as error:
            if self.stop_ending is not None:
                return self.stop_ending
            facts = {"type": "KernelStartError", "message": one_line(error), "traceback": ""}
            return Ending(
                state_type=StateType.CRASHED,
                state_name="Crashed",
                message=one_line(error),
                error=facts,
                rest="NotRun",
                retry=True,
                kernel_died=True,
            )
        if self.stop_ending is not None:
            return self.stop_ending
        kernel = self.kernel
        language_info = kernel.info.get("language_info")
        if language_info:
            notebook["metadata"]["language_info"] = language_info
        recording.start(kernel_id=kernel.manager.kernel_id)
        metadata.notebook_started(notebook, recording.run.id, recording.now())
        observer.kernel_ready(kernel.facts())
        self._loop = CellLoop(
            notebook,
            kernel=kernel,
            recording=recording,
            file=file,
            observer=observer,
            spec=self.spec,
            folder=self.prepared.folder,
            traits=self._traits,
        )
        deadline = None
        if self.spec.timeout_seconds:
            late = Ending(
                state_type=StateType.FAILED,
                state_name="TimedOut",
                message=f"It took longer than {self.spec.timeout_seconds:g} s, its limit.",
                rest="NotRun",
                retry=True,
            )
            deadline = asyncio.get_running_loop().call_later(self.spec.timeout_seconds, self.request_stop, late)
        try:
            async with saving(notebook, file, recording, observer, self.spec):
                return await self._loop.run()
        finally:
            if deadline is not None:
                deadline.cancel()

    async def _until_ready(self, kernel: Kernel) -> None:
        """Wait for the kernel, or for a request to stop."""
        assert self._stop_asked is not None
        ready = asyncio.ensure_future(kernel.ready(self.spec.start_timeout_seconds))
        stop = asyncio.ensure_future(self._stop_asked.wait())
        try:
            await asyncio.wait({ready, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise KernelStartError("The run was stopped while its kernel started.")
            ready.result()
        finally:
            for task in (ready, stop):
                task.cancel()
            await asyncio.gather(ready, stop, return_exceptions=True)

    async def _finish(self, notebook: Any, recording: Recording, file: OutputFile, ending: Ending) -> Ending:
        """Give the kernel back, write the output, and record the last state: in this order."""
        from headrace.server.runner import metadata
        from headrace.server.runner.outcome import Ending

        loop = self._loop
        leaving = asyncio.ensure_future(self._drop_kernel(now=ending.kernel_died or self._stop_now))
        try:
            if loop is not None:
                loop.close(ending)
            else:
                _never_ran(recording, ending)
            metadata.notebook_ended(
                notebook,
                recording.run.id,
                started_at=recording.started_at,
                ended_at=recording.now(),
                state=ending.state_type,
                name=ending.state_name,
                message=ending.message,
            )
            culprit = _culprit(recording, ending)
            if culprit is not None:
                metadata.mark_error(notebook, culprit, notebook["cells"][culprit.index])
            reach("after_cell_before_save")
            try:
                file.save(notebook, final=True)
                if self.spec.output_path == BESIDE and self.prepared.output_path not in (None, STANDARD):
                    point_latest(self.prepared.output_path)
            except OutputUnwritable as error:
                recording.log(None, 40, "headrace", str(error))
                if ending.state_type is StateType.COMPLETED:
                    facts = {"type": "OutputUnwritable", "message": str(error), "traceback": ""}
                    ending = Ending(state_type=StateType.FAILED, state_name="Failed", message=str(error), error=facts)
            reach("after_save_before_terminal")
        finally:
            await asyncio.gather(leaving, return_exceptions=True)
        recording.end(ending.state_type, ending.state_name, ending.message, error=ending.error)
        return ending


def _never_ran(recording: Recording, ending: Ending) -> None:
    for cell in recording.cells:
        recording.end_cell(cell, StateType.CANCELLED, "NotRun", ending.message)


def _culprit(recording: Recording, ending: Ending) -> Any:
    """Return the plan of the cell that ended the run, None where none did."""
    index = (ending.error or {}).get("cell_index")
    if ending.state_type is StateType.COMPLETED or index is None:
        return None
    return next((cell.plan for cell in recording.cells if cell.plan.index == index), None)


def _our_fault(error: Exception) -> Ending:
    import traceback

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
