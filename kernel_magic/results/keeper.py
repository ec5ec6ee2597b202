"""The engine's side of stored results: what a function task looks up before an attempt and keeps after it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CancelSignal, InvalidOption, StoreError
from headrace.core.settings import flag
from headrace.kernel_magic.results import cache
from headrace.kernel_magic.results.cache import CacheDecision
from headrace.kernel_magic.results.policies import DEFAULT, CachePolicy, KeyContext, parse_policy
from headrace.kernel_magic.results.shelf import until_taken

if TYPE_CHECKING:
    from headrace.kernel_magic.engine.live import LiveRun
    from headrace.kernel_magic.tasks import Task

_TOKEN = re.compile(r"\{(parameters|flow_run|task_run)(?:\[|\.)([A-Za-z_]\w*)\]?\}")


def policy_of(options: Any) -> CachePolicy:
    """Return the policy that a task's options ask for; DEFAULT where results are stored and none is named.

    Raises
    ------
    InvalidOption
        `cache_policy` is no policy.
    """
    policy = options.cache_policy
    if options.cache_key_fn is not None:
        return CachePolicy(key_fn=options.cache_key_fn)
    if policy is None:
        return DEFAULT
    if isinstance(policy, str):
        from headrace.core.cells import READERS

        try:
            return parse_policy(READERS["cache_policy"](policy))
        except ValueError as error:
            raise InvalidOption(f"cache_policy is {policy!r}, but wants {error}.", field="cache_policy") from error
    if not isinstance(policy, CachePolicy):
        raise InvalidOption(
            f"cache_policy is {policy!r}; use INPUTS, TASK_SOURCE, RUN_ID, FLOW_PARAMETERS, DEFAULT or NO_CACHE, "
            "joined by +.",
            field="cache_policy",
        )
    return policy


def _with_self(definition: Any, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inputs, of a method with the object (or class) that it is called on."""
    owner = getattr(getattr(definition, "fn", None), "__self__", None)
    return inputs if owner is None or isinstance(owner, ModuleType) else {"self": owner, **inputs}


def context_of(run: LiveRun, policy: CachePolicy) -> KeyContext:
    """Return what a run's key may be made of, by its policy."""
    flow = run.flow
    flow_parameters = {} if flow is run else flow.parameters
    if flow_parameters is None and policy.looks_at_flow:  # the flow is moved on by another process
        flow_parameters = run.session.shelf.flow_parameters(flow.id)
    return KeyContext(
        definition_key=identity_of(run.definition),
        function=getattr(run.definition, "fn", None),
        inputs=_with_self(run.definition, run.parameters or {}),
        root_id=run.chain_id,
        flow_parameters=flow_parameters or {},
    )


def identity_of(definition: Any) -> str:
    """Return what tells a task's results from all others': its key, and the name that it was given.

    Tasks that one function makes of one inner function share a key; a name of their own tells them apart.
    """
    name = definition.options.name
    return str(definition.key) if name is None else f"{definition.key}#{name}"


def storage_key_of(run: LiveRun) -> str | None:
    """Return the user's own result key with its tokens filled in; None where there is none.

    Tokens: `{parameters[name]}`, `{flow_run.name}`, `{flow_run.id}`, `{task_run.name}`, `{task_run.id}`.

    Raises
    ------
    InvalidOption
        A token is unknown.
    """
    template: str | None = getattr(run.options, "result_storage_key", None)
    return (
        None
        if template is None
        else filled_key(template, run.parameters or {}, {"flow_run": run.flow, "task_run": run})
    )


def filled_key(template: str, parameters: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """Return a result key with its tokens filled in (see `storage_key_of`)."""

    def fill(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        if kind == "parameters" and name in parameters:
            return str(parameters[name])
        if kind in runs and name in ("name", "id"):
            return str(getattr(runs[kind], name))
        raise InvalidOption(
            f"result_storage_key {template!r} has the token {match[0]!r}; known: {{parameters[{'|'.join(parameters)}]}}, "
            "{flow_run.name}, {flow_run.id}, {task_run.name}, {task_run.id}.",
            field="result_storage_key",
        )

    return _TOKEN.sub(fill, template)


def _own_or_flows(run: LiveRun, option: str) -> Any:
    """Return a task's option, else that of the flow around it."""
    found = getattr(run.options, option)
    return getattr(run.flow.options, option) if found is None else found


class FunctionKeeper:
    """Looks up and keeps the results of function tasks."""

    def lookup(self, run: LiveRun) -> CacheDecision:
        """Return what the cache knows about a run; a SERIALIZABLE key is held until the run lets go."""
        options: Any = run.options
        shelf = run.session.shelf
        policy = policy_of(options)
        where: dict[str, Any] = {
            "refresh": flag("TASKS_REFRESH_CACHE") if options.refresh_cache is None else options.refresh_cache,
            "storage_key": storage_key_of(run),
            "result_storage": _own_or_flows(run, "result_storage"),
            "serializer": _own_or_flows(run, "result_serializer"),
        }
        if where["result_storage"] is not None:
            shelf.prepare(where["result_storage"])
        context = context_of(run, policy)
        decision = cache.lookup(shelf, policy, context, **where)
        if not decision.hit and decision.key is not None and policy.isolation == "SERIALIZABLE":
            _hold(run, decision.key)
            again = cache.lookup(shelf, policy, context, **where)
            decision = again if again.hit else decision
        return decision

    def keep(self, run: LiveRun, value: Any, decision: CacheDecision | None) -> Mapping[str, Any]:
        """Store a run's result and return its `result` column."""
        options: Any = run.options
        expiration = options.cache_expiration
        key = decision.key if decision is not None and decision.key is not None else run.id
        return cache.save(
            run.session.shelf,
            value,
            key=key,
            definition=run.definition.name,
            definition_key=identity_of(run.definition),
            run_id=run.id,
            parts=decision.parts if decision is not None else None,
            notebook_path=(run.fields or {}).get("notebook_path"),
            expiration_seconds=None if expiration is None else expiration.total_seconds(),
            result_storage=_own_or_flows(run, "result_storage"),
            serializer=_own_or_flows(run, "result_serializer"),
        )


def _hold(run: LiveRun, key: str) -> None:
    """Wait until nobody else computes a key; the run holds it until its attempt has ended."""
    shelf = run.session.shelf
    for pause in until_taken(shelf, key, run.id):
        if run.cancelled_above():
            raise CancelSignal(run.reason_above())
        time.sleep(pause)
    run.hold(partial(shelf.give_back, key))


FUNCTIONS = FunctionKeeper()


def lookup(run: LiveRun) -> Any:
    """Answer the brain's LOOKUP: the outcome of a hit, or None.

    Returns
    -------
    Outcome or None
    """
    from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised
    from headrace.kernel_magic.run_logging import say

    keeper = run.definition.keeper or FUNCTIONS
    try:
        decision = keeper.lookup(run)
    except (InvalidOption, StoreError, CancelSignal) as error:
        return raised(error)
    run.cached = decision
    run.decision = {"cache": decision.to_record()}
    if decision.warning:
        say(run, logging.WARNING, f"This run cannot be resumed from its result: {decision.warning}")
        run.details(resumable=False, warnings=[decision.warning])
    if decision.hit:
        return Outcome(Kind.HIT, decision.value)
    return None


def keep(run: LiveRun, outcome: Any) -> Any:
    """Answer the brain's KEEP: the same outcome; the result is stored, or one warning says why not."""
    from headrace.kernel_magic.run_logging import say

    keeper = run.definition.keeper or FUNCTIONS
    decision: CacheDecision | None = run.cached
    record = dict(keeper.keep(run, outcome.value, decision))
    error = record.get("error")
    if error is not None:
        say(run, logging.WARNING, f"The result is not stored, so this run cannot be resumed from it: {error}")
        run.details(resumable=False, warnings=[error])
    if record:
        run.decision = {**(run.decision or {}), "result": record}
    return outcome


def explain_cache(task: Task[Any, Any], *args: Any, **kwargs: Any) -> CacheDecision:
    """Say whether a call here would hit, and if not, which part differs; nothing is run.

    Parameters
    ----------
    task : Task
    *args, **kwargs
        As for a call.

    Returns
    -------
    CacheDecision
        `hit`, `reason`, `changed`, `parts`.
    """
    from headrace.kernel_magic.engine.live import current, kept_by_flow
    from headrace.kernel_magic.engine.session import session

    definition = task._definition
    around = current()
    context = KeyContext(
        definition_key=identity_of(definition),
        function=definition.fn,
        inputs=_with_self(definition, definition.bind(args, kwargs)),
        root_id=around.chain_id if around is not None else None,
        flow_parameters=(around.flow.parameters or {}) if around is not None else {},
    )
    options = task.options
    where: Any = options if around is None else around.flow.options
    if not (options.keeps or kept_by_flow(options, where)):
        return CacheDecision(reason="not cached: no cache policy, and persist_result is not set")
    key = options.result_storage_key
    if key is not None:
        key = filled_key(key, context.inputs, {} if around is None else {"flow_run": around.flow})
    return cache.lookup(
        (session() if around is None else around.session).shelf,
        policy_of(options),
        context,
        refresh=bool(flag("TASKS_REFRESH_CACHE") if options.refresh_cache is None else options.refresh_cache),
        storage_key=key,
        result_storage=options.result_storage or where.result_storage,
        serializer=options.result_serializer or where.result_serializer,
    )
