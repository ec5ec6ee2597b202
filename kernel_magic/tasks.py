"""`@task`: a function whose calls are runs."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, cast, overload

from headrace.core.errors import InvalidOption
from headrace.core.states import StateType
from headrace.kernel_magic import resolve
from headrace.kernel_magic.definition import FunctionDefinition, claim_name, importable
from headrace.kernel_magic.engine.calls import call
from headrace.kernel_magic.engine.deliver import deliver
from headrace.kernel_magic.engine.drawn import DRAWING
from headrace.kernel_magic.engine.live import LiveRun, current
from headrace.kernel_magic.engine.sync import run_sync
from headrace.kernel_magic.futures import FutureList, TaskFuture
from headrace.kernel_magic.names import check_template, fill_template
from headrace.kernel_magic.options import TaskOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from headrace.kernel_magic.background import BackgroundFuture
    from headrace.kernel_magic.signatures import TaskArguments

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_PLAIN = resolve.PLAIN


class Task(Generic[P, R]):
    """A function whose calls are recorded, retried, limited and cached as its options say.

    Parameters
    ----------
    fn : callable
        Sync or async function, generator function, or method.
    options : TaskOptions
    key : str or None
        Its identity where it was made, when it has travelled; by default its module and name.
    """

    def __init__(self, fn: Callable[P, R], options: TaskOptions | None = None, key: str | None = None) -> None:
        kind: type | None = type(fn) if isinstance(fn, staticmethod | classmethod) else None
        inner = fn.__func__ if isinstance(fn, staticmethod | classmethod) else fn
        if isinstance(inner, Task):
            raise InvalidOption(
                f"{inner.name!r} is a task already; use .with_options(…) for a copy with other options."
            )
        if not callable(inner):
            raise InvalidOption(f"@task decorates functions; this is {inner!r}.")
        self._wrapped_in = kind
        self._key = key
        self._set(cast("Callable[P, R]", inner), options or TaskOptions())
        functools.update_wrapper(self, inner)
        if self.options.name is not None:
            claim_name("task", self.options.name, self)

    def _set(self, fn: Callable[P, R], options: TaskOptions) -> None:
        self.fn = fn
        self.options = options
        name = options.name or str(getattr(fn, "__name__", type(fn).__name__))
        self._definition = FunctionDefinition("task", fn, name, options, self._key)
        self._definition.handle = self
        check_template(
            options.task_run_name,
            self._definition.parameters,
            open_ended=self._definition.open_ended,
            option="task_run_name",
        )

    # ---------------------------------------------------------------- what it is

    @property
    def name(self) -> str:
        """The task's name."""
        return self._definition.name

    @property
    def description(self) -> str | None:
        """What it does: the option, else the docstring."""
        return self.options.description or self.fn.__doc__

    @property
    def task_key(self) -> str:
        """Its identity."""
        return self._definition.key

    @property
    def isasync(self) -> bool:
        """Whether its calls are awaited."""
        return self._definition.is_async

    def __getattr__(self, name: str) -> Any:
        """Show options as attributes: `my_task.retries`, `my_task.tags` …"""
        if not name.startswith("_") and "options" in self.__dict__ and name in TaskOptions.__dataclass_fields__:
            return getattr(self.options, name)
        raise AttributeError(f"{type(self).__name__} {self.__dict__.get('__name__', '')!r} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def __reduce__(self) -> Any:
        """Travel by name where the other process can import it, else with the function itself."""
        module, qualname = self.fn.__module__, getattr(self.fn, "__qualname__", "")
        if importable(module) and "<" not in qualname and _find(module, qualname) is self:
            return (_find, (module, qualname))
        return (_rebuild, (self.fn, self.options, self._definition.key))

    def with_options(self, **options: Unpack[TaskArguments]) -> Task[P, R]:
        """Return a copy with other options.

        Parameters
        ----------
        **options
            As for `task`.

        Raises
        ------
        InvalidOption
        """
        twin = copy.copy(self)
        twin._set(self.fn, self.options.merged(options, f"task {self.name!r}"))
        return twin

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Task[Any, R]:
        """Bind a method to its instance or class."""
        if self._wrapped_in is staticmethod:
            return self
        subject = owner if self._wrapped_in is classmethod else instance
        if subject is None:
            return self
        twin = copy.copy(self)
        twin._set(self.fn.__get__(subject, owner), self.options)
        return twin

    # ---------------------------------------------------------------- calling it

    @overload
    def __call__(self: Task[P, NoReturn], *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it and return its result; `return_state=True` returns the final state instead.

        `wait_for=[…]` names futures that must have completed first.
        """
        if DRAWING.count and (drawn := self._drawn(args, kwargs, "call")) is not NotImplemented:
            return drawn
        return_state, wait_for = False, None
        if kwargs:
            return_state = kwargs.pop("return_state", False)
            wait_for = kwargs.pop("wait_for", None)
        definition = self._definition
        parameters = definition.bind(args, kwargs)
        parent = current()
        named = None if self.options.task_run_name is None else self._named
        if wait_for is not None or definition.is_special or resolve.needs_look(parameters.values()):
            from headrace.kernel_magic.engine.request import Request

            return call(Request(definition, parameters, parent, wait_for, return_state, named=named))
        # The short way of `call_sync`, measured by tests/benchmarks/bench_engine.py: nothing to wait for or to resolve.
        run = LiveRun(definition, parent, parameters=parameters)
        if named is not None:
            named(run)
        body = functools.partial(self.fn, *args, **kwargs) if args or kwargs else self.fn
        return deliver(run, run_sync(run, body), return_state)

    def _drawn(self, args: Any, kwargs: Any, how: str) -> Any:
        from headrace.kernel_magic.sketch import stand_in

        return stand_in(self, args, kwargs, how)

    def _named(self, run: LiveRun) -> LiveRun:
        """Name a run by the template; where futures are among its arguments, that waits until they have values."""
        parameters = run.parameters or {}
        if not any(isinstance(value, TaskFuture) for value in parameters.values()):
            run.name = fill_template(self.options.task_run_name, parameters, "task_run_name", run)
        return run

    @overload
    def submit(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]: ...
    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R]: ...
    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Run it in the flow's task runner and return a future at once.

        `wait_for=[…]` names futures that must have completed first;
        `return_state=True` waits and returns the final state.
        """
        if DRAWING.count and (drawn := self._drawn(args, kwargs, "submit")) is not NotImplemented:
            return drawn
        return_state = kwargs.pop("return_state", False)
        wait_for = kwargs.pop("wait_for", None)
        parameters = self._definition.bind(args, kwargs)
        future = self._submit(parameters, wait_for)
        if return_state:
            future.wait()
            return future.state
        return future

    def delay(self, *args: Any, **kwargs: Any) -> BackgroundFuture[Any]:
        """Hand a run to a worker (`headrace worker`) and return a future at once.

        Raises
        ------
        UsageError
            The task or its arguments cannot be pickled.
        """
        from headrace.kernel_magic.background import delay

        return delay(self, self._definition.bind(args, kwargs))

    def _submit(self, parameters: dict[str, Any], wait_for: Any) -> TaskFuture[Any]:
        from headrace.kernel_magic.runners.job import Job
        from headrace.kernel_magic.runners.open import register, runner_for

        parent = current()
        run = LiveRun(self._definition, parent, parameters=parameters)
        if self.options.task_run_name is not None:
            self._named(run)
        upstream: list[TaskFuture[Any]] = []
        if wait_for is not None or resolve.needs_look(parameters.values()):
            upstream = resolve.upstream_of(run, parameters, wait_for)
        run.move(StateType.PENDING, "Pending")
        future: TaskFuture[Any] = TaskFuture(run)
        register(run, future)
        Job(run, future, self._definition, parameters, wait_for).when_ready(upstream, runner_for(run).start)
        return future

    @overload
    def map(self: Task[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> FutureList[T]: ...
    @overload
    def map(self, *args: Any, **kwargs: Any) -> FutureList[R]: ...
    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Submit one run for each entry of the iterable arguments.

        Numbers, text and `unmapped(…)` values are passed whole to every run;
        `deferred=True` hands the runs to a worker, as `.delay()` does.

        Returns
        -------
        FutureList

        Raises
        ------
        MappingLengthMismatch, MappingMissingIterable
        """
        if DRAWING.count and (drawn := self._drawn(args, kwargs, "map")) is not NotImplemented:
            return drawn
        from headrace.kernel_magic.mapping import calls_of

        return_state = kwargs.pop("return_state", False)
        wait_for = kwargs.pop("wait_for", None)
        deferred = kwargs.pop("deferred", False) if "deferred" not in self._definition.parameters else False
        parameters = self._definition.bind(args, kwargs)
        if deferred:
            return self._delayed(parameters, wait_for)
        futures = FutureList(self._submit(each, wait_for) for each in calls_of(self._definition, parameters))
        if return_state:
            futures.wait()
            return futures.states
        return futures

    def _delayed(self, parameters: dict[str, Any], wait_for: Any) -> FutureList[Any]:
        from headrace.kernel_magic.background import delay
        from headrace.kernel_magic.futures import futures_in, wait
        from headrace.kernel_magic.mapping import calls_of

        if wait_for is not None:
            wait(futures_in(wait_for))
        return FutureList(cast("Any", delay(self, each)) for each in calls_of(self._definition, parameters))

    # ---------------------------------------------------------------- hooks

    def _hooked(self, option: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        hooks = (*getattr(self.options, option), hook)
        self._set(self.fn, self.options.merged({option: hooks}, f"task {self.name!r}"))
        return hook

    def on_completion(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called when a run completed."""
        return self._hooked("on_completion", hook)

    def on_failure(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called when a run failed, after the last retry."""
        return self._hooked("on_failure", hook)

    def on_running(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called when an attempt begins."""
        return self._hooked("on_running", hook)

    def on_cancellation(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called when a run is being cancelled, before it is CANCELLED."""
        return self._hooked("on_cancellation", hook)

    def on_crashed(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called when the process under a run died."""
        return self._hooked("on_crashed", hook)

    def on_rollback(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called with the transaction when it is undone."""
        return self._hooked("on_rollback", hook)

    def on_commit(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a hook that is called with the transaction when it is committed."""
        return self._hooked("on_commit", hook)


def _find(module: str, qualname: str) -> Any:
    """Return a task or flow by name, None where there is none."""
    found: Any = sys.modules.get(module)
    if found is None:
        from importlib import import_module

        found = import_module(module)
    for part in qualname.split("."):
        found = found.__dict__.get(part) if isinstance(found, type) else getattr(found, part, None)
    return found


def _rebuild(fn: Callable[..., Any], options: TaskOptions, key: str | None = None) -> Task[..., Any]:
    return Task(fn, options, key)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(fn: Literal[None] = None, /, **options: Unpack[TaskArguments]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task of a function.

    Parameters
    ----------
    fn : callable, optional
        The function, where the decorator is used bare.
    **options
        The fields of `TaskOptions`: name, retries, retry_delay_seconds, timeout_seconds, log_prints, tags …

    Returns
    -------
    Task
        Or a decorator, when only options were given.

    Raises
    ------
    InvalidOption, InvalidName
        An option is unknown or has a wrong value.

    Examples
    --------
    >>> @task(retries=3, retry_delay_seconds=[1, 2, 4])
    ... def load(day: str) -> list[str]: ...
    """
    checked = TaskOptions.build(options, "@task")
    if fn is not None:
        if not callable(fn) and not isinstance(fn, staticmethod | classmethod):
            raise InvalidOption(f"@task takes options by name only, e.g. @task(name={fn!r}).")
        return Task(fn, checked)
    return lambda inner: Task(inner, checked)
