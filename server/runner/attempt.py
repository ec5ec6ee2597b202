"""One attempt of a notebook run: its kernel, its cells, and what is written at its end.

Responsibilities: the order of things inside an attempt. Executing is `cells`,
where outputs go `outputs`, what an end means `outcome`, how a cell's end is
brought about `stopping`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nbformat import from_dict

from headrace.core.errors import one_line
from headrace.core.failpoints import reach
from headrace.core.run_spec import BESIDE, STANDARD
from headrace.core.states import StateType
from headrace.server.kernels import Kernel, KernelStartError
from headrace.server.output_file import OutputFile, OutputUnwritable
from headrace.server.runner import metadata
from headrace.server.runner.cells import CellLoop
from headrace.server.runner.continuing import AGAIN, KEPT, RESTORE, Continuation, continue_run, earlier_outputs
from headrace.server.runner.document import save_document
from headrace.server.runner.edges import analyse_cells, cell_edges
from headrace.server.runner.keeping import watch_over
from headrace.server.runner.observer import Observer
from headrace.server.runner.outcome import Ending
from headrace.server.runner.plan import CellPlan, plan_cells
from headrace.server.runner.prepare import Prepared, claim_place, point_latest
from headrace.server.runner.recording import Recording
from headrace.server.runner.saving import saving
from headrace.server.runner.values import put_in

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph
    from headrace.server.runner.runner import NotebookRunner


class Attempt:
    """One attempt.

    Parameters
    ----------
    runner : NotebookRunner
    kernel : Kernel or KernelStartError
        A kernel that was launched, or why it was not.
    recording : Recording
    file : OutputFile
    observer : Observer
    """

    def __init__(
        self,
        runner: NotebookRunner,
        kernel: Kernel | KernelStartError,
        recording: Recording,
        file: OutputFile,
        observer: Observer,
    ) -> None:
        self._runner = runner
        self._kernel: Kernel | None = kernel if isinstance(kernel, Kernel) else None
        self._failure = kernel if isinstance(kernel, KernelStartError) else None
        self._recording = recording
        self._file = file
        self._observer = observer
        self._loop: CellLoop | None = None
        self._graph: CellGraph | None = None
        self._continuation: Continuation | None = None
        self._shown: dict[str, list[Any]] = {}
        self.notebook = prepared_notebook(runner.prepared)

    def open(self) -> None:
        """Put the attempt into the store: the document, and a row for each cell.

        Raises
        ------
        InvalidNotebook
            A cell's options are wrong.
        StoreError
        """
        from headrace.server.runner.process import leave_facts

        recording, prepared = self._recording, self._runner.prepared
        if self._kernel is not None:
            if self._runner.spec.keep_kernel_seconds > 0 and self._kernel.watched is None:
                watch_over(self._kernel, recording.store.place.data_dir, recording.run.id)
            facts = self._kernel.facts()
            leave_facts(facts)
            recording.details["kernel"] = facts
        kernel_id = self._kernel.manager.kernel_id if self._kernel is not None else None
        save_document(recording.store, recording.run.id, prepared, self.notebook, kernel_id)
        plans = plan_cells(self.notebook["cells"], allow_errors=prepared.spec.allow_errors)
        self._graph = analyse_cells(plans, prepared.language)
        notes = self._continue(plans)
        values = prepared.values
        recording.open(plans, cell_edges(plans, self._graph), values.shown if values.secrets else None)
        self._file.forget()
        self._observer.started(recording.run, recording.cells, prepared.output_path)
        for message in [*prepared.warnings, *notes]:
            recording.log(None, 30, "headrace", message)
            self._observer.warned(message)

    def _continue(self, plans: list[CellPlan]) -> list[str]:
        """Find out what an earlier run has done already; return what a person is told of it."""
        recording, spec = self._recording, self._runner.spec
        earlier = self._runner.earlier
        if earlier is None or recording.attempt > recording.run.attempt:
            return []
        in_memory = self._kernel is not None and self._kernel.continued
        self._continuation = continue_run(recording.store, earlier, plans, self._graph, spec, in_memory=in_memory)
        decisions = self._continuation.decisions
        self._shown = earlier_outputs(recording.store, earlier, decisions)
        recording.details["continues"] = {
            "run_id": earlier.id,
            "restored": len(self._continuation.of(RESTORE, plans)) + len(self._continuation.of(KEPT, plans)),
            "kept_kernel": in_memory,
            "again": [plan.name for plan in self._continuation.of(AGAIN, plans)][:100],
        }
        return self._continuation.sentences(plans)

    def stop(self, ending: Ending, *, now: bool) -> None:
        """End the cell that runs, and run no further one."""
        if self._loop is not None:
            self._loop.stop(ending, now=now)

    async def run(self) -> Ending:
        """Execute the cells.

        Returns
        -------
        Ending
            Of the notebook.
        """
        runner, recording = self._runner, self._recording
        try:
            if self._kernel is None:
                raise self._failure or KernelStartError("No kernel was started.")
            await self._until_ready(self._kernel)
        except KernelStartError as error:
            return runner.stop_ending or _no_kernel(error)
        if runner.stop_ending is not None:
            return runner.stop_ending
        kernel, spec = self._kernel, runner.spec
        language_info = kernel.info.get("language_info")
        if language_info:
            self.notebook["metadata"]["language_info"] = language_info
        recording.start(kernel_id=kernel.manager.kernel_id)
        metadata.notebook_started(self.notebook, recording.run.id, recording.now())
        self._observer.kernel_ready(kernel.facts())
        self._loop = CellLoop(
            self.notebook,
            kernel=kernel,
            recording=recording,
            file=self._file,
            observer=self._observer,
            spec=spec,
            folder=runner.prepared.folder,
            traits=runner.traits,
            graph=self._graph,
            continuation=self._continuation,
            shown=self._shown,
            values=runner.prepared.values,
        )
        deadline = None
        if spec.timeout_seconds:
            late = Ending(
                state_type=StateType.FAILED,
                state_name="TimedOut",
                message=f"It took longer than {spec.timeout_seconds:g} s, its limit.",
                rest="NotRun",
                retry=True,
            )
            deadline = asyncio.get_running_loop().call_later(spec.timeout_seconds, runner.request_stop, late)
        try:
            async with saving(self.notebook, self._file, recording, self._observer, spec):
                return await self._loop.run()
        finally:
            if deadline is not None:
                deadline.cancel()

    async def _until_ready(self, kernel: Kernel) -> None:
        """Wait for the kernel, or for a request to stop."""
        ready = asyncio.ensure_future(kernel.ready(self._runner.spec.start_timeout_seconds))
        stop = asyncio.ensure_future(self._runner.stop_asked.wait())
        try:
            await asyncio.wait({ready, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise KernelStartError("The run was stopped while its kernel started.")
            ready.result()
        finally:
            for task in (ready, stop):
                task.cancel()
            await asyncio.gather(ready, stop, return_exceptions=True)

    async def finish(self, ending: Ending, *, last: bool) -> Ending:
        """Give the kernel back, write the output, and record the last state: in this order.

        Parameters
        ----------
        ending : Ending
        last : bool
            False where another attempt follows: the run's state is left to the caller.

        Returns
        -------
        Ending
            The same, or why the output could not be written.
        """
        recording, runner = self._recording, self._runner
        if self._loop is not None and not runner.stop_now:
            await self._loop.save_before_release(ending)
        if last and await self._is_kept(ending):
            self._keep()
        leaving = asyncio.ensure_future(self._drop_kernel(now=ending.kernel_died or runner.stop_now))
        try:
            if self._loop is not None:
                self._loop.close(ending)
            else:
                for cell in recording.cells:
                    recording.end_cell(cell, StateType.CANCELLED, "NotRun", ending.message)
            metadata.notebook_ended(
                self.notebook,
                recording.run.id,
                started_at=recording.started_at,
                ended_at=recording.now(),
                state=ending.state_type,
                name=ending.state_name,
                message=ending.message,
            )
            self._mark_error(ending)
            reach("after_cell_before_save")
            ending = self._save(ending)
            reach("after_save_before_terminal")
        finally:
            await asyncio.gather(leaving, return_exceptions=True)
        if last:
            self._export()
            self._note_published()
            recording.end(ending.state_type, ending.state_name, ending.message, error=ending.error)
        return ending

    def _export(self) -> None:
        """Write the pages that were asked for; a page that cannot be made does not change how the run ended."""
        spec, recording = self._runner.spec, self._recording
        if spec.html is None and spec.pdf is None:
            return
        from headrace.server.runner.exporting import ExportFailed, export

        try:
            recording.details.update(export(self.notebook, spec, self._runner.prepared.output_path))
        except ExportFailed as error:
            recording.log(None, 40, "headrace", str(error))
            self._observer.warned(str(error))

    def _note_published(self) -> None:
        """Name what the notebook has published (see `headrace.publish`)."""
        results = self._recording.store.results.latest(f"published:{self._recording.run.id}", limit=100)
        if results:
            self._recording.details["published"] = sorted({result.definition for result in results})

    async def _is_kept(self, ending: Ending) -> bool:
        """Whether the kernel is left running: the run failed or was interrupted, and it lives on a machine of ours.

        Not where the run was cancelled from elsewhere: who cancels wants it gone.
        """
        wanted = ending.state_type is StateType.FAILED or ending.interrupted
        if not wanted or self._runner.spec.keep_kernel_seconds <= 0 or self._loop is None:
            return False
        if self._kernel is None or self._kernel.pid is None:
            return False
        return not ending.kernel_died and not self._runner.stop_now and await self._kernel.alive()

    def _keep(self) -> None:
        from headrace.server.runner.keeping import keep
        from headrace.server.runner.process import forget_facts

        kernel, self._kernel = self._kernel, None
        assert kernel is not None
        recording, seconds = self._recording, self._runner.spec.keep_kernel_seconds
        recording.details["kept_kernel"] = keep(kernel, recording.store.place.data_dir, recording.run, seconds)
        kernel.let_go()
        # Whoever reaps what this process leaves behind must not take the kept kernel for it.
        forget_facts()
        message = (
            f"Its kernel is kept for {seconds / 60:g} min: `headrace run --resume {recording.run.name}` goes on in it."
        )
        recording.log(None, 20, "headrace", message)
        self._observer.warned(message)

    async def _drop_kernel(self, *, now: bool) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            await kernel.stop(now=now)

    def _mark_error(self, ending: Ending) -> None:
        """Point at the cell that ended the run."""
        index = (ending.error or {}).get("cell_index")
        if ending.state_type is StateType.COMPLETED or index is None or self._runner.prepared.by_papermill:
            return
        for cell in self._recording.cells:
            if cell.plan.index == index:
                metadata.mark_error(self.notebook, cell.plan, self.notebook["cells"][index])

    def _save(self, ending: Ending) -> Ending:
        spec, path = self._runner.spec, self._runner.prepared.output_path
        try:
            self._file.save(self.notebook, final=True)
            if spec.output_path == BESIDE and path not in (None, STANDARD):
                point_latest(path)
        except OutputUnwritable as error:
            self._recording.log(None, 40, "headrace", str(error))
            if ending.state_type is StateType.COMPLETED:
                facts = {"type": "OutputUnwritable", "message": str(error), "traceback": ""}
                return Ending(state_type=StateType.FAILED, state_name="Failed", message=str(error), error=facts)
        return ending


def prepared_notebook(prepared: Prepared) -> Any:
    """Return the notebook as it will be executed: clean, with its parameters and papermill's metadata."""
    notebook = from_dict(prepared.notebook.content)
    metadata.clean(notebook)
    if not prepared.by_papermill:
        notebook = put_in(notebook, prepared.values, prepared.spec, prepared.kernel_name, prepared.language)
    metadata.begin(
        notebook,
        parameters=None if prepared.by_papermill else prepared.values.shown,
        input_path=prepared.input_path,
        output_path=prepared.output_path,
        report_mode=prepared.spec.report_mode,
    )
    return notebook


def write_prepared(prepared: Prepared) -> Any:
    """Write a notebook with its parameters, and run nothing.

    Returns
    -------
    nbformat notebook

    Raises
    ------
    OutputUnwritable, UsageError
    """
    if prepared.spec.output_path == BESIDE and prepared.output_path not in (None, STANDARD):
        prepared.output_path = claim_place(prepared.output_path)
    notebook = prepared_notebook(prepared)
    file = OutputFile(prepared.output_path)
    file.save(notebook, final=True)
    file.close()
    return notebook


def _no_kernel(error: KernelStartError) -> Ending:
    return Ending(
        state_type=StateType.CRASHED,
        state_name="Crashed",
        message=one_line(error),
        error={"type": "KernelStartError", "message": one_line(error), "traceback": ""},
        rest="NotRun",
        retry=True,
        kernel_died=True,
    )
