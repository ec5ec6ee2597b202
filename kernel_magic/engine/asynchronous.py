"""The async driver: obeys the brain in an event loop."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CancelSignal
from headrace.core.states import State
from headrace.kernel_magic.definition import Definition
from headrace.kernel_magic.engine import ending
from headrace.kernel_magic.engine.brain import Brain, Op, decide
from headrace.kernel_magic.engine.common import NO_PARENT, begin, break_off, commit, finish, link_upstream, refuse_by
from headrace.kernel_magic.engine.live import CANCELS, CURRENT, LiveRun, current
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised, timed_out

if TYPE_CHECKING:
    from headrace.kernel_magic.runners.job import Job
    from headrace.store.recorder import RunRecord

#: How often a wait between attempts looks whether the run was asked to end, seconds.
LOOK_SECONDS = 0.2


async def drive(run: LiveRun, brain: Brain, body: Callable[[], Any]) -> Outcome:
    """Obey a brain until its run has ended."""
    answer: Any = None
    while True:
        try:
            step = brain.send(answer)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        op = step[0]
        answer = None
        if op is Op.CALL:
            answer = await call(run, body)
        elif op is Op.BEGIN:
            begin(run, step[1])
        elif op is Op.END:
            finish(run, step[1])
        elif op is Op.SETTLE:
            answer = await settle(run, step[1])
        elif op is Op.WAIT:
            run.wait(step[1], step[2])
            ending.say_retry(run, step[1], step[2])
            answer = await sleep(run, step[1])
        elif op is Op.HOOKS:
            from headrace.kernel_magic.hooks import call_all_async

            await call_all_async(step[1], run, step[2])
        elif op is Op.ASK:
            answer = await ask(run, step[1], step[2])
        elif op is Op.CANCELLING:
            run.cancelling(step[1])
        else:
            from headrace.kernel_magic.engine import seams

            answer = await seams.obey_async(run, step)


async def call(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Await a body, within its limit; a cancel of the run cancels this task only while the body runs."""
    limit = run.options.timeout_seconds
    if getattr(run.options, "isolation", None) is not None:
        from headrace.kernel_magic.timeouts import call_limited

        return await asyncio.get_running_loop().run_in_executor(None, call_limited, run, body)
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    passed = False
    timer: asyncio.TimerHandle | None = None

    def on_limit() -> None:
        nonlocal passed
        passed = True
        task.cancel()

    token = CURRENT.set(run)
    run.handle = (loop, task)
    try:
        if CANCELS.asked and run.cancelled_above():
            return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
        if limit is not None:
            timer = loop.call_later(limit, on_limit)
        value = body()
        if inspect.isawaitable(value):
            value = await value
        outcome = Outcome(Kind.VALUE, value)
    except BaseException as error:
        outcome = raised(error)
        if isinstance(error, asyncio.CancelledError):
            if passed:
                _uncancel(task)
            elif run.cancel_reason is not None:
                _uncancel(task)
                outcome.error = CancelSignal(run.cancel_reason)
            elif CANCELS.asked and run.cancelled_above():
                outcome.error = asyncio.CancelledError(run.reason_above())
    finally:
        run.handle = None
        if timer is not None:
            timer.cancel()
        CURRENT.reset(token)
    if passed and limit is not None:
        return timed_out(f"{run.kind} run {run.name!r}", limit)
    return outcome


def _uncancel(task: asyncio.Task[Any]) -> None:
    if sys.version_info >= (3, 11):
        task.uncancel()


async def sleep(run: LiveRun, seconds: float) -> Outcome | None:
    """Sleep between attempts; a cancel ends it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    try:
        while not run.cancelled_above():
            left = deadline - loop.time()
            if left <= 0:
                return None
            await asyncio.sleep(min(left, LOOK_SECONDS))
    except asyncio.CancelledError as error:
        return raised(error)
    return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))


async def settle(run: LiveRun, outcome: Outcome) -> Outcome:
    """Await what a flow's body submitted, then look through what it returned."""
    from headrace.kernel_magic.engine.loops import ended

    if outcome.kind is Kind.TIMEOUT and run.futures:
        from headrace.kernel_magic.futures import LATE_SECONDS, LIMIT_PASSED, end_all

        end_all(run, LIMIT_PASSED)
        await asyncio.wait([asyncio.ensure_future(ended(f)) for f in run.futures], timeout=LATE_SECONDS)
        return ending.conclude(run, outcome)
    index = 0
    while run.futures and index < len(run.futures):
        future = run.futures[index]
        index += 1
        if outcome.kind is Kind.CANCEL:
            future.cancel("the flow around it was cancelled")
        await ended(future)
    return ending.conclude(run, outcome)


async def ask(run: LiveRun, condition: Any, outcome: Outcome) -> bool:
    """Call a retry condition; an error in it means no retry."""
    from headrace.kernel_magic.hooks import arguments

    try:
        answer = condition(*arguments(run, outcome))
        return bool(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:
        ending.say_condition_failed(run, error)
        return False


async def run_async(run: LiveRun, body: Callable[[], Any], *, refused: Outcome | None = None) -> Outcome:
    """Run a live run to its end in this event loop."""
    options = run.options
    settles = run.flow is run
    brain = decide(
        options,
        judge=ending.judge_flow if settles else ending.judge_task,
        settles=settles,
        keeps=run.keeps,
        limited=bool(run.tags) and run.kind != "flow",
        attempt=run.attempt,
        refused=refused,
    )
    try:
        outcome = await drive(run, brain, body)
    except BaseException as error:
        break_off(run, error)
        raise
    commit(run)
    return outcome


async def drive_job(job: Job) -> None:
    """Run a submitted async task."""
    if not job.take():
        return
    try:
        brain = job.prepare()
        job.finish(await drive(job.run_, brain, job.body))
    except BaseException as error:
        job.broke(error)
        if not isinstance(error, Exception):
            raise


async def execute_async(
    definition: Definition,
    body: Callable[[], Awaitable[Any]],
    *,
    record: RunRecord | None = None,
    parameters: Mapping[str, Any] | None = None,
    name: str | None = None,
    fields: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    upstream: Iterable[tuple[str, str]] = (),
    refused_by: State | None = None,
    parent: LiveRun | object | None = NO_PARENT,
) -> State:
    """Run an async body as a run; as `execute_sync`, but awaited.

    Returns
    -------
    State
        Its `data` is the result, or the exception. Nothing is raised, not even CancelledError: the caller looks at
        the state.
    """
    run = LiveRun(
        definition,
        current() if parent is NO_PARENT else parent,  # type: ignore[arg-type]
        parameters=parameters,
        name=name,
        record=record,
        fields=fields,
    )
    if details:
        run.details(**details)
    refused = refuse_by(run, refused_by)
    link_upstream(run, upstream)
    outcome = await run_async(run, body, refused=refused)
    return ending.state_of(run, outcome)
