"""A submitted run on its way: arguments that may still be futures, then a body, then a final state."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic import resolve
from headrace.kernel_magic.definition import FunctionDefinition
from headrace.kernel_magic.engine import ending
from headrace.kernel_magic.engine.brain import Brain, decide
from headrace.kernel_magic.engine.common import begin
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised
from headrace.kernel_magic.engine.sync import drive
from headrace.kernel_magic.futures import TaskFuture

Park = Callable[[float], None]
CallBody = Callable[[LiveRun, Callable[[], Any]], "Outcome | None"]
BeginBody = Callable[[LiveRun, int], None]


class Job:
    """A submitted run.

    Parameters
    ----------
    run : LiveRun
        Born PENDING.
    future : TaskFuture
    definition : FunctionDefinition
    parameters : mapping
        Arguments by name, futures in them.
    wait_for : object
        What must have completed first.
    """

    __slots__ = (
        "_taken",
        "body",
        "brain",
        "context",
        "definition",
        "future",
        "is_async",
        "parameters",
        "run_",
        "wait_for",
    )

    def __init__(
        self,
        run: LiveRun,
        future: TaskFuture[Any],
        definition: FunctionDefinition,
        parameters: Mapping[str, Any],
        wait_for: Any,
    ) -> None:
        self.run_ = run
        self.future = future
        self.definition = definition
        self.parameters = parameters
        self.wait_for = wait_for
        self.is_async = definition.is_async
        self.context = contextvars.copy_context()
        self._taken = threading.Lock()
        run.handle = self
        self.brain: Brain | None = None
        self.body: Callable[[], Any] = _nothing

    def when_ready(self, upstream: Sequence[TaskFuture[Any]], start: Callable[[Job], None]) -> None:
        """Call `start(self)` once everything upstream has ended; nothing waits in a thread for it."""
        waiting = [future for future in upstream if not future.done()]
        if not waiting:
            start(self)
            return
        left = len(waiting)
        lock = threading.Lock()

        def one_less(_: Any) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = left == 0
            if last:
                start(self)

        for future in waiting:
            future._when_done(one_less)

    def take(self) -> bool:
        """Return whether the caller is the one to run it: a place that became free, or a cancel."""
        if not self._taken.acquire(blocking=False):
            return False
        self.run_.handle = None
        return True

    def interrupt(self, run: LiveRun, reason: str) -> None:
        """End it before it has begun."""
        if self.take():
            self.run()

    def prepare(self) -> Brain:
        """Put values in the place of futures, and make the brain."""
        run = self.run_
        refused: Outcome | None = None
        try:
            if run.cancelled_above():
                refused = Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
            else:
                parameters: Mapping[str, Any] = self.parameters
                if self.wait_for is not None or resolve.needs_look(parameters.values()):
                    refused, parameters = resolve.values(run, parameters, self.wait_for)
                run.renamed(parameters)
                args, kwargs = self.definition.arguments(parameters)
                self.body = _Call(self.definition.fn, args, kwargs)
        except Exception as error:
            refused = raised(error)
        self.parameters = {}
        self.brain = decide(
            run.options,
            judge=ending.judge_task,
            settles=run.flow is run,
            keeps=run.keeps,
            limited=bool(run.tags),
            attempt=run.attempt,
            refused=refused,
            repeatable=run.repeatable,
        )
        return self.brain

    def run(self, park: Park | None = None, call_body: CallBody | None = None, begin_body: BeginBody = begin) -> None:
        """Run it in this thread, its body perhaps elsewhere."""
        self._drive(self.prepare(), None, park, call_body, begin_body)

    def go_on(
        self,
        answer: Any,
        park: Park | None = None,
        call_body: CallBody | None = None,
        begin_body: BeginBody = begin,
    ) -> None:
        """Go on after a wait between attempts, or with an outcome that came from elsewhere."""
        assert self.brain is not None
        self._drive(self.brain, answer, park, call_body, begin_body)

    def _drive(
        self, brain: Brain, answer: Any, park: Park | None, call_body: CallBody | None, begin_body: BeginBody
    ) -> None:
        try:
            outcome = drive(
                self.run_, brain, self.body, answer=answer, park=park, call_body=call_body, begin_body=begin_body
            )
        except BaseException as error:
            self.broke(error)
            return
        if outcome is not None:
            self.finish(outcome)
        if self.run_.left is not None:
            from headrace.kernel_magic.timeouts import keep_place

            keep_place(self.run_)

    def finish(self, outcome: Outcome) -> None:
        """Set the future's state."""
        run = self.run_
        state = ending.state_of(run, outcome)
        if type(outcome.value) not in resolve.PLAIN:
            resolve.link(run, outcome.value)
        self.body = _nothing
        self.future._finish(state)

    def broke(self, error: BaseException) -> None:
        """End the run as CRASHED: the engine itself failed, and nobody may wait for ever."""
        from headrace.core.states import TERMINAL, StateType
        from headrace.kernel_magic.engine.outcome import Ending

        run = self.run_
        outcome = Outcome(Kind.CRASH, None, error)
        outcome.ending = Ending(StateType.CRASHED, "Crashed", f"the engine failed: {type(error).__name__}: {error}")
        if run.state_type not in TERMINAL:
            run.end(outcome)
        self.finish(outcome)


class _Call:
    """A function with its arguments."""

    __slots__ = ("args", "fn", "kwargs")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs

    def __call__(self) -> Any:
        return self.fn(*self.args, **self.kwargs)


def _nothing() -> None:
    return None
