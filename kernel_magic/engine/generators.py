"""Generator functions as runs: lazy, the run ends when they are exhausted or closed.

A retry begins the generator anew; it is only made while nothing was yielded,
because what a caller has received cannot be taken back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from typing import Any

from headrace.kernel_magic.engine import ending, seams
from headrace.kernel_magic.engine.brain import Brain, Op, decide
from headrace.kernel_magic.engine.call import sleep
from headrace.kernel_magic.engine.common import begin, commit, finish
from headrace.kernel_magic.engine.deliver import deliver
from headrace.kernel_magic.engine.live import CURRENT, LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised
from headrace.kernel_magic.engine.request import Request


class _Progress:
    """Whether a body has yielded anything yet."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


def _brain(run: LiveRun, refused: Outcome | None, progress: _Progress) -> Brain:
    settles = run.flow is run
    return decide(
        run.options,
        judge=ending.judge_flow if settles else ending.judge_task,
        settles=settles,
        attempt=run.attempt,
        refused=refused,
        repeatable=lambda: not progress.begun,
    )


def iterate(request: Request) -> Generator[Any, Any, Any]:
    """Run a generator function; yield what it yields."""
    definition = request.definition
    run, futures = request.begin()
    for future in futures:
        future._wait()
    refused, args, kwargs = request.resolved(run)
    progress = _Progress()
    brain = _brain(run, refused, progress)
    answer: Any = None
    while True:
        try:
            step = brain.send(answer)
        except StopIteration as stop:
            commit(run)
            return deliver(run, stop.value)
        answer = None
        if step[0] is Op.CALL:
            try:
                answer = yield from _steps(run, definition.fn(*args, **kwargs), progress)
            except GeneratorExit:  # closed by its consumer: it has done what was wanted
                answer = Outcome(Kind.VALUE)
        else:
            answer = _obey(run, step)


def _steps(run: LiveRun, body: Generator[Any, Any, Any], progress: _Progress) -> Generator[Any, Any, Outcome]:
    """Take a body's steps inside the run's context, and yield outside of it."""
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        token = CURRENT.set(run)
        try:
            item = body.send(sent) if thrown is None else body.throw(thrown)
        except StopIteration as stop:
            return Outcome(Kind.VALUE, stop.value)
        except GeneratorExit as error:
            return Outcome(Kind.VALUE if thrown is error else Kind.ERROR, None, None if thrown is error else error)
        except BaseException as error:
            return raised(error)
        finally:
            CURRENT.reset(token)
        progress.begun, sent, thrown = True, None, None
        try:
            sent = yield item
        except GeneratorExit:
            body.close()
            raise
        except BaseException as error:
            thrown = error


def _obey(run: LiveRun, step: tuple[Any, ...]) -> Any:
    op = step[0]
    if op is Op.BEGIN:
        begin(run, step[1])
    elif op is Op.END:
        finish(run, step[1])
    elif op is Op.SETTLE:
        return ending.settle(run, step[1])
    elif op is Op.WAIT:
        run.wait(step[1], step[2])
        ending.say_retry(run, step[1], step[2])
        return sleep(run, step[1])
    elif op is Op.HOOKS:
        from headrace.kernel_magic.hooks import call_all

        call_all(step[1], run, step[2])
    elif op is Op.ASK:
        return ending.ask(run, step[1], step[2])
    elif op is Op.CANCELLING:
        run.cancelling(step[1])
    elif op is Op.SUSPEND:
        seams.obey(run, step)
    return None


async def iterate_async(request: Request) -> AsyncIterator[Any]:
    """Run an async generator function; yield what it yields."""
    from headrace.kernel_magic.engine import asynchronous
    from headrace.kernel_magic.engine.loops import ended
    from headrace.kernel_magic.hooks import call_all_async

    definition = request.definition
    run, futures = request.begin()
    for future in futures:
        await ended(future)
    refused, args, kwargs = request.resolved(run)
    progress = _Progress()
    brain = _brain(run, refused, progress)
    answer: Any = None
    while True:
        try:
            step = brain.send(answer)
        except StopIteration as stop:
            commit(run)
            deliver(run, stop.value)
            return
        op, answer = step[0], None
        if op is Op.CALL:
            body: Any = definition.fn(*args, **kwargs)
            outcome = Outcome(Kind.VALUE)
            try:
                while True:
                    token = CURRENT.set(run)
                    try:
                        item = await body.__anext__()
                    except StopAsyncIteration:
                        break
                    except BaseException as error:
                        outcome = raised(error)
                        break
                    finally:
                        CURRENT.reset(token)
                    progress.begun = True
                    yield item
            except GeneratorExit:
                await body.aclose()
                finish_closed(run, outcome)
                raise
            answer = outcome
        elif op is Op.SETTLE:
            answer = await asynchronous.settle(run, step[1])
        elif op is Op.WAIT:
            run.wait(step[1], step[2])
            ending.say_retry(run, step[1], step[2])
            answer = await asynchronous.sleep(run, step[1])
        elif op is Op.HOOKS:
            await call_all_async(step[1], run, step[2])
        elif op is Op.ASK:
            answer = await asynchronous.ask(run, step[1], step[2])
        elif op is Op.CANCELLING:
            run.cancelling(step[1])
        elif op is Op.SUSPEND:
            seams.obey(run, step)
        elif op is Op.BEGIN:
            begin(run, step[1])
        elif op is Op.END:
            finish(run, step[1])


def finish_closed(run: LiveRun, outcome: Outcome) -> None:
    """End a run whose consumer has closed it."""
    finish(run, outcome)
    commit(run)
