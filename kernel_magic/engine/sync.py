"""The sync driver: obeys the brain in the calling thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.states import State
from headrace.kernel_magic.definition import Definition
from headrace.kernel_magic.engine import ending
from headrace.kernel_magic.engine.brain import Brain, Op, decide
from headrace.kernel_magic.engine.call import call, sleep
from headrace.kernel_magic.engine.common import NO_PARENT, begin, break_off, commit, finish, link_upstream, refuse_by
from headrace.kernel_magic.engine.live import LiveRun, current
from headrace.kernel_magic.engine.outcome import Outcome

if TYPE_CHECKING:
    from headrace.store.recorder import RunRecord

_BEGIN, _CALL, _END, _SETTLE, _WAIT, _HOOKS, _ASK = Op.BEGIN, Op.CALL, Op.END, Op.SETTLE, Op.WAIT, Op.HOOKS, Op.ASK


def drive(
    run: LiveRun,
    brain: Brain,
    body: Callable[[], Any],
    *,
    answer: Any = None,
    park: Callable[[float], None] | None = None,
    call_body: Callable[[LiveRun, Callable[[], Any]], Outcome | None] | None = None,
    begin_body: Callable[[LiveRun, int], None] = begin,
) -> Outcome | None:
    """Obey a brain until its run has ended.

    Parameters
    ----------
    run : LiveRun
    brain : Brain
    body : callable
        The run's code, without arguments.
    answer : object, default None
        To the brain's last step, when it goes on after a pause.
    park : callable(seconds) or None
        Takes over a wait between attempts; then this returns None and is called again later.
    call_body : callable(run, body) or None
        Calls the body elsewhere, e.g. in another process. None for an answer: it comes later, as after `park`.
    begin_body : callable(run, attempt), default records RUNNING

    Returns
    -------
    Outcome or None
        None when the run was parked.
    """
    send = brain.send
    while True:
        try:
            step = send(answer)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        op = step[0]
        answer = None
        if op is _CALL:
            if call_body is None:
                answer = call_here(run, body)
            else:
                answer = call_body(run, body)
                if answer is None:
                    return None
        elif op is _BEGIN:
            begin_body(run, step[1])
        elif op is _END:
            finish(run, step[1])
        elif op is _SETTLE:
            answer = ending.settle(run, step[1])
        elif op is _WAIT:
            run.wait(step[1], step[2])
            ending.say_retry(run, step[1], step[2])
            if park is not None:
                park(step[1])
                return None
            answer = sleep(run, step[1])
        elif op is _HOOKS:
            from headrace.kernel_magic.hooks import call_all

            call_all(step[1], run, step[2])
        elif op is _ASK:
            answer = ending.ask(run, step[1], step[2])
        elif op is Op.CANCELLING:
            run.cancelling(step[1])
        else:
            from headrace.kernel_magic.engine import seams

            answer = seams.obey(run, step)


def call_here(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Call the body within its limit, in a process of its own where that was asked for."""
    options = run.options
    if options.timeout_seconds is not None or getattr(options, "isolation", None) is not None:
        from headrace.kernel_magic.timeouts import call_limited

        return call_limited(run, body)
    return call(run, body)


def run_sync(run: LiveRun, body: Callable[[], Any], *, refused: Outcome | None = None) -> Outcome:
    """Run a live run to its end in this thread."""
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
        repeatable=run.repeatable,
    )
    if run.parent is not None:
        return _to_end(run, brain, body)
    from headrace.kernel_magic.engine.interrupt import KEYBOARD

    with KEYBOARD.held_back():
        return _to_end(run, brain, body)


def _to_end(run: LiveRun, brain: Brain, body: Callable[[], Any]) -> Outcome:
    try:
        outcome = drive(run, brain, body)
    except BaseException as error:
        break_off(run, error)
        raise
    assert outcome is not None
    commit(run)
    return outcome


def execute_sync(
    definition: Definition,
    body: Callable[[], Any],
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
    """Run a body as a run: recorded, retried, timed, logged as the definition's options say.

    Parameters
    ----------
    definition : Definition
        Kind, name, key, source and options.
    body : callable
        Without arguments.
    record : RunRecord or None
        An adopted record (`recorder.adopt`), for a run that is in the store already.
    parameters : mapping or None
        Shown with the run, as bounded pictures.
    name : str or None, default made up
    fields : mapping or None
        Further columns of `runs`: cell_id, cell_index, notebook_path, document_id, kernel_id, trigger …
    details : mapping or None
        More for the run's details.
    upstream : iterable of (run id, variable name)
        Runs whose results this one uses; recorded as edges.
    refused_by : State or None
        The state of an upstream run that did not complete: the body is not run.
    parent : LiveRun or None, default the run around the caller

    Returns
    -------
    State
        Its `data` is the result, or the exception. Nothing is raised, not even KeyboardInterrupt: the caller looks at
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
    outcome = run_sync(run, body, refused=refused)
    return ending.state_of(run, outcome)
