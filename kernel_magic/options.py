"""What a definition asks of the engine, as frozen records that cannot be built wrong.

A wrong type, a value out of range or an unknown option is an error when the
decorator (or the magic line of a cell) is read: before any user code runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from os import PathLike
from typing import Any, TypeVar

from headrace.core.errors import InvalidOption
from headrace.core.hints import did_you_mean
from headrace.kernel_magic.names import check_name
from headrace.kernel_magic.retries import plan

Hook = Callable[..., Any]
O = TypeVar("O", bound="RunOptions")  # noqa: E741

#: A limit above this is a mistake in the unit, seconds (100 years).
_LONGEST = 100 * 366 * 86_400.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options that flows and tasks share.

    Parameters
    ----------
    name : str or None, default the function's name with `-` for `_`
    description : str or None, default the docstring
    version : str or None, default the hash of the source
    tags : collection of str, default none
    retries : int, default 0
        How often a failed attempt is tried again.
    retry_delay_seconds : number, list or callable(retries) → list, default 0
        Seconds before each retry; the last entry repeats.
    retry_jitter_factor : float or None, default None
        Stretch each delay by a random factor between 1 and 1 + this.
    retry_condition_fn : callable(definition, run, state) → bool, or None
        Asked before each retry; any callable, sync or async. An exception in it means no retry.
    timeout_seconds : float or None
        Limit of one attempt.
    log_prints : bool or None, default as the run around it
        Record what `print` prints.
    persist_result : bool or None, default None
        Store the result before COMPLETED is announced.
    result_storage : str, path or None
        Where to, as an fsspec URL.
    result_serializer : object or None
        "pickle", "json", "compressed/pickle", "compressed/json" or a serializer.
    cache_result_in_memory : bool, default True
    on_running, on_completion, on_failure, on_cancellation, on_crashed : iterable of callables
        Called with (definition, run, state). An error in one is logged and changes nothing.
    on_crash : "retries" or "fail", default "retries"
        Whether a crash of the machinery uses up a retry.
    """

    name: str | None = None
    description: str | None = None
    version: str | None = None
    tags: Collection[str] = ()
    retries: int = 0
    retry_delay_seconds: Any = None
    retry_jitter_factor: float | None = None
    retry_condition_fn: Callable[..., Any] | None = None
    timeout_seconds: float | None = None
    log_prints: bool | None = None
    persist_result: bool | None = None
    result_storage: Any = None
    result_serializer: Any = None
    cache_result_in_memory: bool = True
    on_running: Iterable[Hook] | None = None
    on_completion: Iterable[Hook] | None = None
    on_failure: Iterable[Hook] | None = None
    on_cancellation: Iterable[Hook] | None = None
    on_crashed: Iterable[Hook] | None = None
    on_crash: str = "retries"
    #: Seconds before each retry, made from `retry_delay_seconds`.
    delays: tuple[float, ...] = field(default=(0.0,), init=False, repr=False, compare=False)
    #: Whether it has hooks of transactions.
    undoable: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def what(self) -> str:
        """The kind of definition, for messages."""
        return "run"

    @property
    def where(self) -> str:
        """The definition, for messages."""
        return f"{self.what} {self.name!r}" if isinstance(self.name, str) else f"a {self.what}"

    def __post_init__(self) -> None:
        if self.name is not None:
            check_name(self.name, self.what)
        self._check("description", str, "text")
        self._check("version", str, "text")
        self._set("tags", self._checked_tags())
        self._check_count("retries")
        self._set("delays", plan(self.retries, self.retry_delay_seconds, where=self.where))
        self._check_seconds("retry_jitter_factor", zero=True)
        self._check_seconds("timeout_seconds", zero=False)
        self._check_callable("retry_condition_fn")
        for name in ("log_prints", "persist_result"):
            self._check(name, bool, "True, False or None")
        self._check("cache_result_in_memory", bool, "True or False", none=False)
        for name in HOOKS:
            self._set(name, self._checked_hooks(name))
        self._one_of("on_crash", ("retries", "fail"))
        self._check_results()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _bad(self, name: str, wanted: str) -> InvalidOption:
        return InvalidOption(f"{self.where}: {name} must be {wanted}; it is {getattr(self, name)!r}.", field=name)

    def _check(self, name: str, kind: type | tuple[type, ...], wanted: str, *, none: bool = True) -> None:
        value = getattr(self, name)
        if not (isinstance(value, kind) or (none and value is None)):
            raise self._bad(name, wanted)

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if value is None:
            self._set(name, 0)
        elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._bad(name, "a whole number, 0 or more")

    def _check_seconds(self, name: str, *, zero: bool) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if isinstance(value, timedelta):
            value = value.total_seconds()
        ok = isinstance(value, int | float) and not isinstance(value, bool) and (value >= 0 if zero else value > 0)
        if not ok or value > _LONGEST:
            raise self._bad(name, "a number, 0 or more" if zero else "seconds, more than 0")
        self._set(name, float(value))

    def _check_callable(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and not callable(value):
            raise self._bad(name, "something that can be called")

    def _one_of(self, name: str, choices: tuple[Any, ...]) -> None:
        if getattr(self, name) not in choices:
            raise self._bad(name, " or ".join(map(repr, choices)))

    def _check_results(self) -> None:
        """Look at where and how results are stored; what that takes is loaded only where an option asks for it."""
        if self.result_serializer is not None:
            from headrace.kernel_magic.results.serializers import get_serializer

            get_serializer(self.result_serializer)
        if self.result_storage is not None:
            if not isinstance(self.result_storage, str | PathLike):
                raise self._bad("result_storage", "a folder or an fsspec URL, e.g. 's3://bucket/results'")
            from headrace.kernel_magic.results.storage import Storage

            Storage(str(self.result_storage))

    def _checked_tags(self) -> tuple[str, ...]:
        tags = self.tags
        if tags is None:
            return ()
        if isinstance(tags, str) or not isinstance(tags, Iterable):
            raise self._bad("tags", "a list or set of texts")
        found = sorted(set(tags)) if all(isinstance(tag, str) for tag in tags) else None
        if found is None or "" in found:
            raise self._bad("tags", "a list or set of texts, none of them empty")
        return tuple(found)

    def _checked_hooks(self, name: str) -> tuple[Hook, ...]:
        hooks = getattr(self, name)
        if hooks is None:
            return ()
        if callable(hooks) or not isinstance(hooks, Iterable):
            raise self._bad(name, "a list of callables (a single one goes into a list, too)")
        found = tuple(hooks)
        for hook in found:
            if not callable(hook):
                raise InvalidOption(f"{self.where}: {name} holds {hook!r}, which cannot be called.", field=name)
        return found

    @classmethod
    def build(cls: type[O], options: Mapping[str, Any], where: str) -> O:
        """Make the record from keyword arguments.

        Raises
        ------
        InvalidOption
            A name is unknown (the message has the nearest known one) or a value is wrong.
        """
        known = [f.name for f in fields(cls) if f.init]
        for name in options:
            if name not in known:
                hint = did_you_mean(name, known, f"known: {', '.join(known)}.")
                raise InvalidOption(f"{where} has no option {name!r}; {hint}", field=name)
        return cls(**options)

    def merged(self: O, changes: Mapping[str, Any], where: str) -> O:
        """Return a copy with some options changed."""
        type(self).build(changes, where)
        return replace(self, **changes)


#: Options that hold hooks, and the state types after which the engine calls them.
HOOKS = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")


@dataclass(frozen=True, kw_only=True)
class TaskOptions(RunOptions):
    """Options of a task, and of a task cell.

    Parameters
    ----------
    task_run_name : str, callable or None
        Template over the parameters, or a callable, for the run's name.
    on_stuck : "wait" or "fail", default "wait"
        What a retry does when the timed-out body of the attempt before still runs.
    isolation : "process" or None, default None
        Run each attempt in a process of its own: a timeout kills it.
    cache_policy, cache_key_fn, cache_expiration, refresh_cache, result_storage_key
        See `headrace.kernel_magic.results`.
    on_rollback, on_commit : iterable of callables
        Called with the transaction.
    viz_return_value : object or None
        An example of what it returns, for `my_flow.visualize()`.
    """

    task_run_name: Any = None
    on_stuck: str = "wait"
    isolation: str | None = None
    cache_policy: Any = None
    cache_key_fn: Callable[..., Any] | None = None
    cache_expiration: timedelta | None = None
    refresh_cache: bool | None = None
    result_storage_key: str | None = None
    on_rollback: Iterable[Hook] | None = None
    on_commit: Iterable[Hook] | None = None
    viz_return_value: Any = None
    #: Whether any option asks for stored results: only then the results side is loaded.
    keeps: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def what(self) -> str:
        return "task"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_of("on_stuck", ("wait", "fail"))
        self._one_of("isolation", (None, "process"))
        self._check_callable("cache_key_fn")
        self._check("cache_expiration", timedelta, "a timedelta")
        self._check("refresh_cache", bool, "True, False or None")
        self._check("result_storage_key", str, "text")
        if self.cache_policy is not None:
            from headrace.kernel_magic.results.keeper import policy_of

            policy_of(self)
        for name in ("on_rollback", "on_commit"):
            self._set(name, self._checked_hooks(name))
        self._set("undoable", bool(self.on_rollback or self.on_commit))
        asked = (self.cache_policy, self.cache_key_fn, self.result_storage, self.result_storage_key)
        wants = any(value is not None for value in asked) or self.result_serializer is not None
        self._set("keeps", self.persist_result is True or (self.persist_result is None and wants))


@dataclass(frozen=True, kw_only=True)
class FlowOptions(RunOptions):
    """Options of a flow.

    Parameters
    ----------
    flow_run_name : str, callable or None
        Template over the parameters, or a callable, for the run's name.
    task_runner : object or None, default threads
        What `.submit` and `.map` run on: a runner or a runner class.
    validate_parameters : bool, default True
        Check and coerce arguments by the annotations.
    """

    flow_run_name: Any = None
    task_runner: Any = None
    validate_parameters: bool = True

    @property
    def what(self) -> str:
        return "flow"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("validate_parameters", bool, "True or False", none=False)
        runner = self.task_runner
        if runner is not None:
            if isinstance(runner, type):
                runner = runner()
                self._set("task_runner", runner)
            if not callable(getattr(runner, "open", None)):
                raise self._bad("task_runner", "a task runner such as ThreadPoolTaskRunner(max_workers=8)")
