"""Futures: runs that were submitted and may not have ended yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from headrace.core.states import State

if TYPE_CHECKING:
    from headrace.kernel_magic.engine.live import LiveRun
    from headrace.kernel_magic.engine.outcome import Outcome

R = TypeVar("R")

#: Guards the callbacks of every future; held for a few instructions only.
_lock = threading.Lock()
#: A thread that waits looks this often whether it is asked to end, seconds: an interrupt reaches a thread only
#: when it runs Python code.
SLICE_SECONDS = 0.2
#: A flow whose limit has passed waits so long for what it submitted (0.5 s are promised for everything), seconds.
LATE_SECONDS = 0.3
#: After Ctrl-C a flow waits so long for what it submitted and cannot be interrupted, seconds.
INTERRUPT_SECONDS = 2.0
LIMIT_PASSED = "the time limit of the flow around it has passed"


class TaskFuture(Generic[R]):
    """A run of a task that was submitted.

    Parameters
    ----------
    run : LiveRun
    """

    __slots__ = ("__weakref__", "_callbacks", "_looked_at", "_run", "_state", "name", "task_run_id")

    def __init__(self, run: LiveRun) -> None:
        self.task_run_id = run.id
        self.name = run.name
        self._run: LiveRun | None = run
        self._state: State | None = None
        self._callbacks: list[Callable[[TaskFuture[Any]], Any]] = []
        self._looked_at = False

    @property
    def state(self) -> State:
        """The run's present state."""
        self._looked_at = True
        return self._now()

    def _now(self) -> State:
        state, run = self._state, self._run
        if state is not None:
            return state
        assert run is not None
        return run.state()

    def done(self) -> bool:
        """Return whether the run has ended."""
        return self._state is not None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended.

        Parameters
        ----------
        timeout : float or None, seconds
            How long at most; passing it is no error.
        """
        self._looked_at = True
        self._wait(timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait, and return what the run returned.

        Parameters
        ----------
        timeout : float or None, seconds
        raise_on_failure : bool, default True
            Raise what the run raised; False returns the exception instead.

        Returns
        -------
        object

        Raises
        ------
        TimeoutError
            It has not ended after `timeout`.
        Exception
            What the run raised, or a `RunError` that says how it ended.
        """
        self._looked_at = True
        if self._state is None and not self._wait(timeout):
            raise TimeoutError(f"{self.name} has not ended after {timeout:g} s.")
        assert self._state is not None
        value: R = self._state.result(raise_on_failure)
        return value

    def add_done_callback(self, fn: Callable[[TaskFuture[R]], object]) -> None:
        """Call `fn(future)` when the run has ended, at once if it has."""
        self._looked_at = True
        self._when_done(fn)

    def cancel(self, reason: str = "cancelled by the program") -> None:
        """Ask the run to end; it is CANCELLED when it has."""
        run = self._run
        if self._state is None and run is not None:
            from headrace.kernel_magic.control import cancel

            cancel(run, reason)

    def __await__(self) -> Generator[Any, None, R]:
        from headrace.kernel_magic.engine.loops import await_future

        return await_future(self).__await__()

    def _when_done(self, fn: Callable[[TaskFuture[Any]], Any]) -> None:
        with _lock:
            if self._state is None:
                self._callbacks.append(fn)
                return
        fn(self)

    def _finish(self, state: State) -> None:
        """Set the final state; the first one counts."""
        with _lock:
            if self._state is not None:
                return
            self._state = state
            self._run = None
            callbacks, self._callbacks = self._callbacks, []
        for fn in callbacks:
            try:
                fn(self)
            except Exception as error:
                import warnings

                warnings.warn(f"A callback of {self.name} raised {error!r}.", RuntimeWarning, stacklevel=2)

    def _wait(self, timeout: float | None = None) -> bool:
        if self._state is not None:
            return True
        event = threading.Event()
        self._when_done(lambda _: event.set())
        if event.is_set():
            return True
        from headrace.kernel_magic.runners.threads import lending

        with lending():
            return wait_event(event, timeout)

    def __repr__(self) -> str:
        return f"<TaskFuture {self.name} {self._now().name}>"

    def _repr_html_(self) -> str:
        from headrace.core.cards import card, state_words

        state = self._now()
        return card(f"task {self.name}", [("state", state_words(state.type.value, state.name)), ("why", state.message)])


def wait_event(event: threading.Event, timeout: float | None) -> bool:
    """Wait for an event in slices, so that an interrupt of this thread is noticed."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE_SECONDS if deadline is None else min(SLICE_SECONDS, deadline - time.monotonic())
        if event.wait(max(0.0, left)):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False


class FutureList(list[TaskFuture[R]]):
    """What `.map` returns: a list of futures with the verbs of one."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, at most `timeout` seconds."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[R]:
        """Wait for all and return their results, in order.

        Raises
        ------
        TimeoutError
            Not all have ended after `timeout` seconds.
        Exception
            What the first failed one raised.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        found = []
        for future in self:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            found.append(future.result(left, raise_on_failure))
        return found

    @property
    def states(self) -> list[State]:
        """The present state of each."""
        return [future.state for future in self]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns."""

    done: set[TaskFuture[Any]]
    not_done: set[TaskFuture[Any]]


def wait(futures: Iterable[TaskFuture[Any]], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all runs have ended.

    Parameters
    ----------
    futures : iterable of TaskFuture
    timeout : float or None, seconds

    Returns
    -------
    (done, not_done)
        Two sets.
    """
    listed = list(futures)
    deadline = None if timeout is None else time.monotonic() + timeout
    for future in listed:
        future.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    done = {future for future in listed if future.done()}
    return DoneAndNotDone(done, {future for future in listed if future not in done})


def as_completed(futures: Iterable[TaskFuture[R]], timeout: float | None = None) -> Iterator[TaskFuture[R]]:
    """Yield futures in the order in which their runs end.

    Parameters
    ----------
    futures : iterable of TaskFuture
    timeout : float or None, seconds
        For all of them together.

    Raises
    ------
    TimeoutError
        Some have not ended after `timeout`.
    """
    import queue

    listed = list(futures)
    ended: queue.SimpleQueue[TaskFuture[R]] = queue.SimpleQueue()
    for future in listed:
        future.add_done_callback(ended.put)
    from headrace.kernel_magic.runners.threads import lending

    deadline = None if timeout is None else time.monotonic() + timeout
    for count in range(len(listed)):
        with lending():
            while True:
                left = SLICE_SECONDS if deadline is None else min(SLICE_SECONDS, deadline - time.monotonic())
                try:
                    found = ended.get(timeout=max(0.0, left))
                    break
                except queue.Empty:
                    if deadline is not None and time.monotonic() >= deadline:
                        message = f"{len(listed) - count} of {len(listed)} runs have not ended after {timeout:g} s."
                        raise TimeoutError(message) from None
        yield found


def settle_all(run: LiveRun, outcome: Outcome) -> None:
    """Wait for everything that a flow's body submitted.

    When the flow was cancelled or its limit has passed, what it submitted is
    cancelled; a limit that has passed waits no longer than its promise allows.
    """
    from headrace.kernel_magic.engine.outcome import Kind

    if outcome.kind is Kind.TIMEOUT:
        end_all(run, LIMIT_PASSED)
        deadline = time.monotonic() + LATE_SECONDS
        for future in run.futures or ():
            future._wait(max(0.0, deadline - time.monotonic()))
        return
    index = 0
    until: float | None = None
    if outcome.kind is Kind.CANCEL:
        end_all(run, "the flow around it was cancelled")
        if isinstance(outcome.error, KeyboardInterrupt):
            # Somebody sits at the keyboard: what cannot be interrupted does not hold them up.
            until = time.monotonic() + INTERRUPT_SECONDS
    while run.futures and index < len(run.futures):  # runs that end may have submitted more
        future = run.futures[index]
        index += 1
        if outcome.kind is Kind.CANCEL:
            future.cancel("the flow around it was cancelled")
        future._wait(None if until is None else max(0.0, until - time.monotonic()))


def end_all(run: LiveRun, reason: str) -> None:
    """Cancel what a flow submitted."""
    for future in run.futures or ():
        future.cancel(reason)


class _Wrapper(Generic[R]):
    """A value with an instruction."""

    __slots__ = ("value",)

    def __init__(self, value: R) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class unmapped(_Wrapper[R]):
    """Pass an iterable whole to every run of a `.map`.

    Parameters
    ----------
    value : object
    """


class allow_failure(_Wrapper[R]):
    """Run although the wrapped future failed: the argument is the exception then.

    Parameters
    ----------
    value : object
        A future, a state, or a collection of them.
    """


class quote(_Wrapper[R]):
    """Pass a value as it is, without looking for futures in it.

    Parameters
    ----------
    value : object
    """

    def unquote(self) -> R:
        """Return the value."""
        return self.value


@overload
def futures_in(value: TaskFuture[R]) -> list[TaskFuture[R]]: ...
@overload
def futures_in(value: Any) -> list[TaskFuture[Any]]: ...
def futures_in(value: Any) -> list[TaskFuture[Any]]:
    """Return every future in a value."""
    from headrace.kernel_magic.resolve import rebuild

    found: list[TaskFuture[Any]] = []

    def leaf(item: Any) -> Any:
        if isinstance(item, TaskFuture):
            found.append(item)
        elif isinstance(item, _Wrapper):
            rebuild(item.value, leaf)
        return item

    rebuild(value, leaf)
    return found
