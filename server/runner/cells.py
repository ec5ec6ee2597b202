"""The cells of a run, one after another: policies, adoption by the kernel, and how each ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError, DeadKernelError

from headrace.core.cells import options_dict
from headrace.core.run_spec import NotebookSpec
from headrace.core.states import StateType
from headrace.server.kernels import Kernel
from headrace.server.output_file import OutputFile
from headrace.server.runner import metadata
from headrace.server.runner.checkpoints import Checkpoints, touch
from headrace.server.runner.client import CellClient
from headrace.server.runner.continuing import KEPT, RESTORE, Continuation
from headrace.server.runner.kernel_side import KernelSide
from headrace.server.runner.observer import Observer
from headrace.server.runner.outcome import COMPLETED, Ending, of_notebook, of_reply, where
from headrace.server.runner.outputs import Outputs
from headrace.server.runner.plan import CellPlan
from headrace.server.runner.recording import CellRun, Recording
from headrace.server.runner.stopping import Stopper
from headrace.server.runner.values import Values, last_parameters

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph

#: A kernel that adopted a cell has this long after its reply to have written how it ended, seconds.
ADOPTION_SECONDS = 2.0
#: A kernel that began a cell in the background has this long after its reply to have written that it runs, seconds.
BEGINNING_SECONDS = 10.0
#: So long after the limits of all its attempts the runner ends a task that its kernel could not end, seconds.
KERNEL_GRACE_SECONDS = 10.0


class CellLoop:
    """Executes the code cells of a notebook in a ready kernel.

    Parameters
    ----------
    notebook : nbformat notebook
    kernel : Kernel
    recording : Recording
        With the rows of the cells.
    file : OutputFile
    observer : Observer
    spec : NotebookSpec
    folder : str
        The notebook's folder, for hints.
    traits : mapping
        For nbclient.
    graph : CellGraph or None
        By run id; without it nothing is saved for a continuation.
    continuation : Continuation or None
        What an earlier run has done already.
    shown : mapping of str to list
        What restored cells had shown, by run id.
    values : Values
        The run's parameters: the secret ones are given to the kernel between the cells.
    """

    def __init__(
        self,
        notebook: Any,
        *,
        kernel: Kernel,
        recording: Recording,
        file: OutputFile,
        observer: Observer,
        spec: NotebookSpec,
        folder: str,
        traits: Mapping[str, Any],
        graph: CellGraph | None = None,
        continuation: Continuation | None = None,
        shown: Mapping[str, list[Any]] | None = None,
        values: Values = Values(),
    ) -> None:
        self._notebook = notebook
        self._kernel = kernel
        self._recording = recording
        self._file = file
        self._observer = observer
        self._spec = spec
        self._folder = folder
        self._outputs = Outputs(notebook["cells"], recording, file, observer.printed, observer.displayed)
        self._client = CellClient(
            notebook, manager=kernel.manager, client=kernel.client, sink=self._outputs, **dict(traits)
        )
        self._client.reset_execution_trackers()
        self._kernel_side = KernelSide(kernel)
        self._values = values if values.secret_code else None
        self._checkpoints = Checkpoints(recording, self._kernel_side, graph, spec.checkpoint, values.secrets)
        self._continuation = continuation
        self._graph = graph
        self._stopped: list[CellRun] = []
        self._shown = shown or {}
        self._stopper = Stopper(kernel, lambda: self._client.executing)
        self._input_asked = False

    def stop(self, ending: Ending, *, now: bool = False) -> None:
        """End the cell that runs, and run no further one."""
        self._stopper.stop(ending, now=now)

    async def run(self) -> Ending:
        """Execute the cells.

        Returns
        -------
        Ending
            Of the notebook.
        """
        stdin = asyncio.ensure_future(self._watch_stdin())
        try:
            for cell in self._recording.cells:
                if self._stopper.ending is not None:
                    return self._stopper.ending
                if self._is_behind_a_stop(cell):
                    continue
                if not await self._give_secrets(cell):
                    return of_notebook(cell.plan, _NO_SECRETS)
                ending = await self._restore(cell) or await self._run_cell(cell)
                if cell.state_name == "Skipped" and not cell.plan.skip:
                    self._stopped.append(cell)
                if self._stopper.ending is not None:
                    return self._stopper.ending
                if ending.rest:
                    return of_notebook(cell.plan, ending)
            return await self._wait_for_background()
        finally:
            stdin.cancel()
            await asyncio.gather(stdin, return_exceptions=True)
            self._outputs.flush()
            self._stopper.close()

    async def _give_secrets(self, cell: CellRun) -> bool:
        """Set the secret parameters before the first cell behind those that set the others; False where that fails."""
        if self._values is None or cell.plan.index <= last_parameters(self._notebook["cells"]):
            return True
        code, self._values = self._values.secret_code, None
        return await self._kernel_side.evaluate(code, "1") is not None

    def _is_behind_a_stop(self, cell: CellRun) -> bool:
        """Skip a cell that uses what a cell would have made that stopped itself (`headrace.stop()`)."""
        stopped = [c for c in self._recording.cells if c.state_name == "Skipped" and not c.plan.skip]
        if not stopped:
            return False
        first = stopped[0]
        if self._graph is not None:
            behind = self._graph.downstream_closure(
                [c.plan.run_id for c in stopped if c.plan.run_id in self._graph.ids]
            )
            if cell.plan.run_id not in behind:
                return False
        message = f"It uses what {where(first.plan)} did not make: {first.message}"
        self._recording.end_cell(cell, StateType.COMPLETED, "Skipped", message)
        self._note_end(cell)
        return True

    async def save_before_release(self, ending: Ending) -> None:
        """Save what has no checkpoint yet, where the run may be continued; remove all where it need not be."""
        if ending.state_type is StateType.COMPLETED and not (self._spec.cache or self._spec.checkpoint == "always"):
            self._checkpoints.remove()
        elif not ending.kernel_died and await self._kernel.alive():
            index = (ending.error or {}).get("cell_index")
            failed = next((cell for cell in self._recording.cells if cell.plan.index == index), None)
            await self._checkpoints.before_release(failed)

    async def _restore(self, cell: CellRun) -> Ending | None:
        """Bring back what the cell left behind in an earlier run; None where it has to run."""
        decision = None if self._continuation is None else self._continuation.decisions.get(cell.plan.run_id)
        if decision is None or decision.action not in (RESTORE, KEPT) or decision.earlier is None:
            return None
        checkpoint = decision.earlier.details.get("checkpoint") or {}
        if decision.action == RESTORE:
            fault = await self._checkpoints.restore(checkpoint)
            if fault:
                self._recording.log(cell, 30, "headrace", f"It runs again: {fault}.")
                return None
        touch([checkpoint])
        node = self._notebook["cells"][cell.plan.index]
        self._outputs.bring_back(cell.plan.index, self._shown.get(cell.plan.run_id, []))
        node["execution_count"] = decision.earlier.details.get("execution_count")
        earlier = decision.earlier
        self._recording.end_cell(
            cell,
            StateType.COMPLETED,
            "Cached",
            f"restored from {self._continuation.earlier.name if self._continuation else earlier.name}",
            details={"checkpoint": dict(checkpoint), "execution_count": node["execution_count"]},
            columns={
                "cache": {"hit": True, "from_run_id": earlier.id, "reason": "it was done in the run that is continued"},
                "resumed_from_id": earlier.id,
            },
        )
        self._note_end(cell)
        return COMPLETED

    def close(self, ending: Ending) -> None:
        """Record the cells that were not reached, and keep the widgets' state."""
        skipped = ending.state_type is StateType.COMPLETED
        for cell in self._recording.cells:
            if cell.is_final:
                continue
            if cell.adopted and cell.state_type is StateType.RUNNING:
                self._recording.look_up(cell)
            if cell.adopted and cell.plan.options.background and not cell.is_final and not ending.kernel_died:
                message = f"The notebook ended before it: {ending.message}"
                self._recording.end_cell(cell, StateType.CANCELLED, "Cancelled", message)
            elif skipped and not cell.is_final:
                self._recording.end_cell(cell, StateType.COMPLETED, "Skipped", ending.message)
            elif cell.started_at is None:
                self._recording.end_cell(cell, StateType.CANCELLED, "NotRun", ending.message)
            else:
                self._recording.end_cell(cell, ending.state_type, ending.state_name, ending.message, error=ending.error)
            self._note_end(cell)
        self._client.set_widgets_metadata()

    async def _run_cell(self, cell: CellRun) -> Ending:
        plan = cell.plan
        if plan.skip:
            self._recording.end_cell(cell, StateType.COMPLETED, "Skipped", f"It is {plan.skip}.")
            self._note_end(cell)
            return COMPLETED
        while True:
            ending, facts = await self._one_attempt(cell)
            if cell.is_final or (cell.adopted and ending.state_type is StateType.COMPLETED):
                self._note_end(cell)
                if cell.state_type is StateType.COMPLETED and cell.state_name != "Skipped" and not ending.rest:
                    await self._checkpoints.after(cell)
                return ending
            if not (ending.retry and cell.attempt <= plan.options.retries and self._stopper.ending is None):
                break
            delay = retry_delay(plan, cell.attempt)
            self._recording.retry_cell(cell, ending.message, delay)
            self._observer.cell_retries(cell, delay)
            await self._stopper.sleep(delay)
            if self._stopper.ending is not None:
                break
        stopped = self._stopper.ending
        if stopped is not None and stopped.state_type is not StateType.CRASHED:
            ending = Ending(
                state_type=stopped.state_type,
                state_name=stopped.state_name,
                message=stopped.message,
                error=ending.error,
            )
        facts["execution_count"] = self._notebook["cells"][plan.index].get("execution_count")
        self._recording.end_cell(
            cell, ending.state_type, ending.state_name, ending.message, error=ending.error, details=facts
        )
        self._note_end(cell)
        if ending.state_type is StateType.COMPLETED and not ending.rest:
            await self._checkpoints.after(cell)
        return ending

    def _note_end(self, cell: CellRun) -> None:
        node = self._notebook["cells"][cell.plan.index]
        metadata.cell_ended(node, cell)
        self._file.touched(node)
        self._observer.cell_ended(cell)

    async def _one_attempt(self, cell: CellRun) -> tuple[Ending, dict[str, Any]]:
        plan, index = cell.plan, cell.plan.index
        ours = await self._kernel_side.has_headrace(plan)
        adopting = ours and plan.task is not None
        node = self._notebook["cells"][index]
        self._outputs.begin(index)
        self._client.clear_display_id_mapping(index)
        self._recording.start_cell(cell, announce=not adopting)
        metadata.cell_started(node, cell)
        self._observer.cell_started(cell)
        ending = await self._execute(cell, None if ours else plan.plain_code())
        facts = self._outputs.end(index)
        if adopting:
            await self._take_over(cell, is_begun=ending.state_type is StateType.COMPLETED)
            if cell.is_final:
                facts["execution_count"] = node.get("execution_count")
                self._recording.patch_cell(cell, facts)
        return ending, facts

    async def _take_over(self, cell: CellRun, *, is_begun: bool) -> None:
        """Learn how a cell ended that the kernel may have adopted; of one in the background, that it began."""
        background = cell.plan.options.background
        deadline = asyncio.get_running_loop().time() + (BEGINNING_SECONDS if background else ADOPTION_SECONDS)
        while True:
            self._recording.look_up(cell)
            waiting = is_begun and not cell.adopted if background else cell.adopted and not cell.is_final
            if not waiting or asyncio.get_running_loop().time() > deadline or not await self._kernel.alive():
                return
            await asyncio.sleep(0.02)

    async def _wait_for_background(self) -> Ending:
        """Wait for cells that go on in the background: the notebook ends when they have."""
        waiting = [cell for cell in self._recording.cells if cell.adopted and not cell.is_final]
        while waiting and self._stopper.ending is None:
            await self._stopper.sleep(0.1)
            await self._client.drain_late()
            for cell in waiting:
                self._recording.look_up(cell)
                if cell.is_final:
                    self._outputs.end(cell.plan.index)
                    self._note_end(cell)
                    if cell.state_type is not StateType.COMPLETED:
                        return of_notebook(cell.plan, _of_record(cell))
            waiting = [cell for cell in waiting if not cell.is_final]
            if waiting and not await self._kernel.alive():
                return of_notebook(waiting[0].plan, await self._died(waiting[0].plan))
        return self._stopper.ending or COMPLETED

    async def _execute(self, cell: CellRun, code: str | None) -> Ending:
        plan = cell.plan
        limit = plan.options.timeout_seconds or self._spec.cell_timeout_seconds
        if code is None and plan.task is not None and plan.options.timeout_seconds:
            # The kernel keeps the limit of a task that it adopts; we step in only where it cannot.
            waits = sum(retry_delay(plan, attempt) for attempt in range(1, plan.options.retries + 1))
            limit = plan.options.timeout_seconds * (plan.options.retries + 1) + waits + KERNEL_GRACE_SECONDS
        request = {
            "headrace": {
                "run_id": plan.run_id,
                "root_id": self._recording.run.root_id,
                "notebook_run_id": self._recording.run.id,
                "document_id": self._recording.run.id,
                "attempt": cell.attempt,
                "cell_id": plan.cell_id,
                "cell_index": plan.index,
                "revision": 0,
                **_task_of(plan),
            }
        }
        with self._stopper.watching(limit):
            try:
                reply = await self._client.run_cell(plan.index, code, request)
            except CellExecutionError:
                reply = self._client.reply
            except DeadKernelError:
                await self._client.drain()
                if self._stopper.timed_out:
                    return _timed_out(plan, limit, killed=True)
                return self._stopper.ending or await self._died(plan)
        if self._stopper.timed_out:
            return _timed_out(plan, limit)
        if self._input_asked:
            reply = {**reply, "status": "error", "ename": "StdinNotImplementedError", "evalue": "input was asked for"}
        return of_reply(plan, reply, folder=self._folder, cwd=str(self._recording.details.get("cwd", "")))

    async def _died(self, plan: CellPlan) -> Ending:
        death = await self._kernel.death()
        if "SIGXCPU" in death and self._spec.cpu_limit_seconds is not None:
            return _timed_out(plan, self._spec.cpu_limit_seconds, what="processor time")
        error = {
            "type": "KernelDied",
            "message": f"The kernel died: {death}.",
            "traceback": self._kernel.tail(),
            "cell_id": plan.cell_id,
            "cell_index": plan.index,
        }
        return Ending(
            state_type=StateType.CRASHED,
            state_name="Crashed",
            message=f"The kernel died: {death}.",
            error=error,
            rest="NotRun",
            retry=True,
            kernel_died=True,
        )

    async def _watch_stdin(self) -> None:
        """A kernel that asks for input although nobody can answer would wait for ever: interrupt it."""
        await self._kernel.client.stdin_channel.get_msg(timeout=None)
        self._input_asked = True
        await self._kernel.interrupt()


_NO_SECRETS = Ending(
    state_type=StateType.FAILED,
    state_name="Failed",
    message="The secret parameters could not be set in the kernel.",
    rest="NotRun",
)


def _task_of(plan: CellPlan) -> dict[str, Any]:
    """Return what the kernel cannot see of a task that no magic line marks: its options, spelled as in metadata."""
    if plan.task is None or plan.task.origin == "magic":
        return {}
    return {"task": options_dict(plan.options) or True}


def retry_delay(plan: CellPlan, attempt: int) -> float:
    """Return how long to wait after this attempt of a cell, seconds."""
    options = plan.options
    delays: Sequence[float] = (
        options.retry_delay_seconds
        if isinstance(options.retry_delay_seconds, tuple)
        else (float(options.retry_delay_seconds),)
    )
    delay = delays[min(attempt, len(delays)) - 1] if delays else 0.0
    return delay * (1 + random.random() * options.retry_jitter_factor)


def _timed_out(plan: CellPlan, limit: float | None, *, killed: bool = False, what: str = "") -> Ending:
    message = f"It took longer than {limit:g} s, its limit." if limit else "It took longer than its limit."
    if what:
        message, killed = f"It used more than {limit:g} s of {what}, the run's limit.", False
    error = {
        "type": "CellTimeout",
        "message": message,
        "traceback": "",
        "cell_id": plan.cell_id,
        "cell_index": plan.index,
    }
    if killed:
        message += " It did not answer an interrupt, so its kernel was killed."
    return Ending(
        state_type=StateType.FAILED,
        state_name="TimedOut",
        message=message,
        error=error,
        rest="NotRun",
        retry=not killed and not what,
        kernel_died=killed or bool(what),
    )


def _of_record(cell: CellRun) -> Ending:
    """Return the ending that the kernel recorded of a cell."""
    return Ending(
        state_type=cell.state_type, state_name=cell.state_name, message=cell.message, error=cell.error, rest="NotRun"
    )
