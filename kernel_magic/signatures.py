"""The options of `@flow` and `@task` as type checkers and editors see them; the records are in headrace.kernel_magic.options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypedDict

Hook = Callable[..., Any]
Delay = float | int | Sequence[float | int] | Callable[[int], Sequence[float | int]]


class RunArguments(TypedDict, total=False):
    """Options that flows and tasks share."""

    name: str | None
    description: str | None
    version: str | None
    tags: Collection[str] | None
    retries: int | None
    retry_delay_seconds: Delay | None
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[..., Any] | None
    timeout_seconds: float | timedelta | None
    log_prints: bool | None
    persist_result: bool | None
    result_storage: Any
    result_serializer: Any
    cache_result_in_memory: bool
    on_running: Iterable[Hook] | None
    on_completion: Iterable[Hook] | None
    on_failure: Iterable[Hook] | None
    on_cancellation: Iterable[Hook] | None
    on_crashed: Iterable[Hook] | None
    on_crash: str


class TaskArguments(RunArguments, total=False):
    """Options of a task."""

    task_run_name: str | Callable[..., str] | None
    on_stuck: str
    isolation: str | None
    cache_policy: Any
    cache_key_fn: Callable[..., str | None] | None
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    result_storage_key: str | None
    on_rollback: Iterable[Hook] | None
    on_commit: Iterable[Hook] | None
    viz_return_value: Any


class FlowArguments(RunArguments, total=False):
    """Options of a flow."""

    flow_run_name: str | Callable[..., str] | None
    task_runner: Any
    validate_parameters: bool
