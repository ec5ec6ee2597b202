"""What runners on clusters share: a body is handed over, and its outcome comes later; nothing waits in a thread for it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from headrace.core.errors import CancelSignal, one_line
from headrace.core.states import StateType
from headrace.kernel_magic.engine import common
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, crashed, raised, timed_out
from headrace.kernel_magic.engine.timers import timers
from headrace.kernel_magic.runners.job import Job
from headrace.kernel_magic.runners.pool import shared_pool
from headrace.kernel_magic.runners.relay import Gate
from headrace.kernel_magic.runners.wire import pack_call, unpack_outcome


class ClusterRunner(ABC):
    """A flow run's way to a cluster."""

    def __init__(self) -> None:
        self.gate: Gate | None = None
        self._calls: dict[str, RemoteCall] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def connect(self, run: LiveRun) -> None:
        """Start or join the cluster, once."""

    @abstractmethod
    def hand_over(self, call: RemoteCall, data: bytes) -> None:
        """Give a packed body to the cluster; `call.came(future)` is called with what it gives back."""

    @abstractmethod
    def stop(self, call: RemoteCall, reason: str) -> None:
        """Interrupt a body, or take it back before it has begun. May block."""

    @abstractmethod
    def close(self) -> None:
        """Leave the cluster; one that was made for this flow run is closed."""

    @abstractmethod
    def answer(self, gate: Gate, asked: Any) -> None:
        """Answer a worker's question, called in a thread of the gate's."""

    def hear(self, kind: str, text: Any) -> None:
        """Take in what a worker said: that a body began, what it recorded, or that it asks something."""
        gate = self.gate
        if kind == "records" and gate is not None:
            gate.take_in(text)
        elif kind == "asks" and gate is not None:
            gate.clerks.do(lambda: self._answer(gate, text))
        elif kind == "begun" and text in self._calls:
            self._calls[text].begun()

    def _answer(self, gate: Gate, asked: Any) -> None:
        try:
            self.answer(gate, asked)
        except Exception:  # the cluster is gone: the calls end by that
            return

    def ended(self, call: RemoteCall) -> None:
        """Forget a call whose outcome has come."""
        self._calls.pop(call.token, None)

    def start(self, job: Job) -> None:
        """Run a job on the cluster."""
        shared_pool().do(lambda: job.context.run(self._run, job))

    def _run(self, job: Job) -> None:
        if job.take():
            job.run(self._park(job), self._caller(job), self._begin)

    def _go_on(self, job: Job, answer: Any) -> None:
        shared_pool().do(
            lambda: job.context.copy().run(job.go_on, answer, self._park(job), self._caller(job), self._begin)
        )

    def _park(self, job: Job) -> Callable[[float], None]:
        return lambda seconds: timers().add(seconds, job.run_, lambda answer: self._go_on(job, answer))

    def _begin(self, run: LiveRun, attempt: int) -> None:
        """Record that the attempt waits for a worker: it runs when one has begun."""
        run.attempt = attempt
        run.move(StateType.PENDING, "Submitted", "waits for a worker of the cluster")

    def _caller(self, job: Job) -> Callable[[LiveRun, Callable[[], Any]], Outcome | None]:
        def call_there(run: LiveRun, body: Callable[[], Any]) -> Outcome | None:
            try:
                data = pack_call(run, body)
                with self._lock:
                    self.connect(run)
            except Exception as error:
                return raised(error)
            call = RemoteCall(self, run, lambda outcome: self._go_on(job, outcome))
            self._calls[call.token] = call
            run.handle = call
            try:
                self.hand_over(call, data)
            except Exception as error:
                run.handle = None
                self.ended(call)
                return crashed(f"the cluster could not take {run.kind} run {run.name!r}: {one_line(error)}")
            return None

        return call_there


class RemoteCall:
    """One body on a cluster.

    Parameters
    ----------
    runner : ClusterRunner
    run : LiveRun
    go_on : callable(Outcome)
        Called once, with the outcome.
    """

    def __init__(self, runner: ClusterRunner, run: LiveRun, go_on: Callable[[Outcome], None]) -> None:
        self.token = f"{run.id}-{run.attempt}"
        self.run = run
        self.is_begun = False
        #: What the cluster gave for it: a future of Dask's, a reference of Ray's.
        self.future: Any = None
        #: What else belongs to it and is closed at its end.
        self.extra: Any = None
        self._runner = runner
        self._go_on = go_on
        self._lock = threading.Lock()
        self._over = False

    def begun(self) -> None:
        """Record that the body runs; its limit counts from now."""
        with self._lock:
            if self.is_begun or self._over:
                return
            self.is_begun = True
            common.begin(self.run, self.run.attempt)
        limit = self.run.options.timeout_seconds
        if limit is not None:
            timers().add(limit, self.run, self._on_limit)

    def _on_limit(self, answer: Any) -> None:
        if answer is None and not self._over:
            self._end(timed_out(f"{self.run.kind} run {self.run.name!r}", self.run.options.timeout_seconds or 0.0))
            self.interrupt(self.run, "the time limit has passed")

    def came(self, future: Any) -> None:
        """Take the outcome from a future that is done."""
        run = self.run
        try:
            outcome = unpack_outcome(*future.result())
        except BaseException as error:
            if run.cancelled_above():
                outcome = raised(CancelSignal(run.reason_above()))
            else:
                why = f"{type(error).__name__}: {one_line(error).partition('. ')[0]}"
                outcome = crashed(f"the worker that ran {run.kind} run {run.name!r} was lost ({why})")
        if outcome.kind is Kind.CANCEL and run.cancelled_above():
            outcome.error = CancelSignal(run.reason_above())
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            if not self.is_begun:
                self.run.begin(self.run.attempt)
        self.run.handle = None
        self._runner.ended(self)
        if outcome.kind is Kind.CRASH and self._runner.gate is not None:
            self._runner.gate.crash(str(outcome.error), below=self.run.id)
        self._go_on(outcome)

    def interrupt(self, run: LiveRun, reason: str) -> None:
        """Interrupt the body, or take it back before it has begun."""
        threading.Thread(target=self._runner.stop, args=(self, reason), daemon=True).start()
