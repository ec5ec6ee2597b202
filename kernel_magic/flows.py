"""`@flow`: a function whose calls are runs that hold other runs."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, cast, overload

from headrace.core.errors import InvalidOption
from headrace.core.states import StateType
from headrace.kernel_magic.definition import FunctionDefinition, claim_name, importable
from headrace.kernel_magic.engine.calls import call
from headrace.kernel_magic.engine.drawn import DRAWING
from headrace.kernel_magic.engine.live import LiveRun, current
from headrace.kernel_magic.engine.outcome import Kind, Outcome
from headrace.kernel_magic.engine.request import Request
from headrace.kernel_magic.names import check_template, fill_template
from headrace.kernel_magic.options import FlowOptions
from headrace.kernel_magic.origin import keep
from headrace.kernel_magic.tasks import _find

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from headrace.kernel_magic.deploying import DeploymentPlan
    from headrace.kernel_magic.signatures import FlowArguments
    from headrace.kernel_magic.sketch import Sketch

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A function whose calls are runs that hold the runs of the tasks and flows that it calls.

    Parameters
    ----------
    fn : callable
        Sync or async function, generator function, or method.
    options : FlowOptions
    key : str or None
        Its identity where it was made, when it has travelled; by default its module and name.
    """

    def __init__(self, fn: Callable[P, R], options: FlowOptions | None = None, key: str | None = None) -> None:
        kind: type | None = type(fn) if isinstance(fn, staticmethod | classmethod) else None
        inner = fn.__func__ if isinstance(fn, staticmethod | classmethod) else fn
        if isinstance(inner, Flow):
            raise InvalidOption(
                f"{inner.name!r} is a flow already; use .with_options(…) for a copy with other options."
            )
        if not callable(inner):
            raise InvalidOption(f"@flow decorates functions; this is {inner!r}.")
        self._wrapped_in = kind
        self._key = key
        self._set(cast("Callable[P, R]", inner), options or FlowOptions())
        functools.update_wrapper(self, inner)
        if self.options.name is not None:
            claim_name("flow", self.options.name, self)

    def _set(self, fn: Callable[P, R], options: FlowOptions) -> None:
        self.fn = fn
        self.options = options
        name = options.name or str(getattr(fn, "__name__", type(fn).__name__)).replace("_", "-").strip("<>")
        self._definition = FunctionDefinition("flow", fn, name, options, self._key)
        self._definition.handle = self
        check_template(
            options.flow_run_name,
            self._definition.parameters,
            open_ended=self._definition.open_ended,
            option="flow_run_name",
        )

    # ---------------------------------------------------------------- what it is

    @property
    def name(self) -> str:
        """The flow's name."""
        return self._definition.name

    @property
    def description(self) -> str | None:
        """What it does: the option, else the docstring."""
        return self.options.description or self.fn.__doc__

    @property
    def version(self) -> str | None:
        """The option, else the hash of the source."""
        return self._definition.version

    @property
    def isasync(self) -> bool:
        """Whether its calls are awaited."""
        return self._definition.is_async

    def __getattr__(self, name: str) -> Any:
        """Show options as attributes: `my_flow.retries`, `my_flow.timeout_seconds` …"""
        if not name.startswith("_") and "options" in self.__dict__ and name in FlowOptions.__dataclass_fields__:
            return getattr(self.options, name)
        raise AttributeError(f"{type(self).__name__} {self.__dict__.get('__name__', '')!r} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Flow {self.name}>"

    def __reduce__(self) -> Any:
        """Travel by name where the other process can import it, else with the function itself."""
        module, qualname = self.fn.__module__, getattr(self.fn, "__qualname__", "")
        if importable(module) and "<" not in qualname and _find(module, qualname) is self:
            return (_find, (module, qualname))
        return (_rebuild, (self.fn, self.options, self._definition.key))

    def with_options(self, **options: Unpack[FlowArguments]) -> Flow[P, R]:
        """Return a copy with other options.

        Parameters
        ----------
        **options
            As for `flow`.

        Raises
        ------
        InvalidOption
        """
        twin = copy.copy(self)
        twin._set(self.fn, self.options.merged(options, f"flow {self.name!r}"))
        return twin

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Flow[..., R]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Flow[Any, R]:
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
    def __call__(self: Flow[P, NoReturn], *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it and return its result; `return_state=True` returns the final state instead.

        `wait_for=[…]` names futures that must have completed first.
        """
        if DRAWING.count:
            from headrace.kernel_magic.sketch import stand_in

            drawn = stand_in(self, args, kwargs, "call")
            if drawn is not NotImplemented:
                return drawn
        return_state = kwargs.pop("return_state", False)
        wait_for = kwargs.pop("wait_for", None)
        parameters = self._definition.bind(args, kwargs)
        return self._call(parameters, wait_for, return_state)

    def _call(
        self, parameters: Mapping[str, Any], wait_for: Any = None, return_state: bool = False, **live: Any
    ) -> Any:
        return call(
            Request(
                self._definition,
                parameters,
                current(),
                wait_for,
                return_state,
                check=self._validated,
                live=live,
            )
        )

    def _validated(self, run: LiveRun, parameters: dict[str, Any]) -> Outcome | None:
        """Check the arguments and name the run; return why it must not start, if so."""
        try:
            if self.options.validate_parameters and parameters:
                from headrace.kernel_magic.parameters import validate

                parameters = validate(self._definition, parameters)
            run.parameters = parameters
            if self.options.flow_run_name is not None:
                run.name = fill_template(self.options.flow_run_name, parameters, "flow_run_name", run)
            if run.parent is None and run.record is None:
                keep(self, run, parameters)
        except Exception as error:
            return Outcome(Kind.ERROR, None, error)
        return None

    # ---------------------------------------------------------------- running by itself

    def to_deployment(self, name: str, **options: Any) -> DeploymentPlan:
        """Say how this flow runs by itself, for `headrace.deploy` and `headrace.serve`.

        Parameters
        ----------
        name : str
            The deployment's name, unique for you.
        cron : str or list of str
            A five-field rule, or several.
        interval : number of seconds or timedelta
        rrule : str
        at : datetime or str
            Once.
        schedule, schedules : mapping, or list of them
            `{"cron": "0 6 * * *", "timezone": "Europe/Berlin", "parameters": {…}, "active": True, "jitter_seconds": 5}`.
        timezone : str, default UTC
            IANA name, for schedules that name none.
        parameters : mapping
            Default parameters; text may hold tokens such as `{scheduled_at:%Y-%m}`.
        description, tags, version
        work_pool_name : str, default "default"
        priority, retries : int, default 0
        retry_delay_seconds, timeout_seconds, grace_seconds : float, seconds
        concurrency_limit : int or None
        overlap : "skip", "queue", "allow" or "cancel_running", default "skip"
        catch_up : "latest", "skip" or "all", default "latest"
        paused : bool, default False
        retention : mapping, `{"runs": int, "days": float}`
        env_file : str
            File of NAME=value lines.

        Returns
        -------
        DeploymentPlan

        Raises
        ------
        InvalidOption, InvalidParameter, InvalidSchedule
        """
        from headrace.kernel_magic.deploying import plan

        return plan(self, name, **options)

    def deploy(self, name: str, **options: Any) -> str:
        """Make (or change) the deployment of this name; return its id. Options as for `to_deployment`."""
        return self.to_deployment(name, **options).apply()

    def serve(self, name: str | None = None, **options: Any) -> str:
        """Make (or change) the deployment of this name, see that a worker is there, and return its id at once.

        Parameters
        ----------
        name : str or None, default the flow's name
        **options
            As for `to_deployment`.
        """
        from headrace.kernel_magic.deploying import serve

        return serve(self.to_deployment(self.name if name is None else name, **options))[0]

    def resume(self, run_id: str, /, *, return_state: bool = False, **changed: Any) -> Any:
        """Continue an earlier run of this flow: what its tasks have stored is not computed again.

        Parameters
        ----------
        run_id : str
            A run that did not complete, or the beginning of its id, or its name.
        return_state : bool, default False
        **changed
            Arguments to change; the others are those of the earlier run.

        Returns
        -------
        object
            As a call: the new run is a run of its own, linked to the earlier one.

        Raises
        ------
        NotFound
        Conflict
            It has not ended, or it completed.
        """
        from headrace.core.errors import Conflict
        from headrace.kernel_magic.engine.session import session
        from headrace.kernel_magic.origin import chain_of, parameters_of
        from headrace.store.reaping import reap

        here = session()
        here.recorder.flush()
        reap(here.store)
        run = here.store.runs.by_prefix(run_id)
        if not run.is_final or run.state_type is StateType.COMPLETED:
            raise Conflict(
                f"Run {run.name} is {run.state_name}; only a failed, crashed or cancelled run can be resumed.",
                field="run_id",
            )
        parameters = self._definition.bind((), {**parameters_of(here.store, run), **changed})
        fields = {"resumed_from_id": run.id, "trigger": "retry"}
        chain_id = chain_of(here.store, run.id)
        return self._call(parameters, return_state=return_state, fields=fields, chain_id=chain_id)

    def visualize(self, *args: P.args, **kwargs: P.kwargs) -> Sketch:
        """Draw the graph of the tasks and flows that a call would make; no task runs, nothing is recorded.

        Parameters
        ----------
        *args, **kwargs
            As for a call.

        Returns
        -------
        Sketch
            Drawn by notebooks; `.svg`, `.mermaid`, `str()`.

        Raises
        ------
        UsageError
            The body needs a real value: give it by `@task(viz_return_value=…)`.
        """
        from headrace.kernel_magic.sketch import draw

        return draw(self, args, kwargs)

    def generate_mermaid_graph(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the graph that `visualize` draws as Mermaid text."""
        return self.visualize(*args, **kwargs).mermaid

    # ---------------------------------------------------------------- hooks

    def _hooked(self, option: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        hooks = (*getattr(self.options, option), hook)
        self._set(self.fn, self.options.merged({option: hooks}, f"flow {self.name!r}"))
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


def _rebuild(fn: Callable[..., Any], options: FlowOptions, key: str | None = None) -> Flow[..., Any]:
    return Flow(fn, options, key)


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(fn: Literal[None] = None, /, **options: Unpack[FlowArguments]) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a flow of a function.

    Parameters
    ----------
    fn : callable, optional
        The function, where the decorator is used bare.
    **options
        The fields of `FlowOptions`: name, retries, timeout_seconds, task_runner, log_prints, flow_run_name …

    Returns
    -------
    Flow
        Or a decorator, when only options were given.

    Raises
    ------
    InvalidOption, InvalidName
        An option is unknown or has a wrong value.

    Examples
    --------
    >>> @flow(log_prints=True)
    ... def nightly(day: str) -> None: ...
    """
    checked = FlowOptions.build(options, "@flow")
    if fn is not None:
        if not callable(fn) and not isinstance(fn, staticmethod | classmethod):
            raise InvalidOption(f"@flow takes options by name only, e.g. @flow(name={fn!r}).")
        return Flow(fn, checked)
    return lambda inner: Flow(inner, checked)
