"""The brain alone: which steps follow which answers, without a store, a clock or a thread."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.core.errors import CancelSignal, CrashedRun, StopSignal
from headrace.core.states import StateType
from headrace.kernel_magic.engine.brain import Op, decide
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised, timed_out, upstream_failed
from headrace.kernel_magic.options import TaskOptions

S = StateType
VALUE, ERROR = Outcome(Kind.VALUE, 5), ValueError("no")


def hook(*_: Any) -> None: ...


def steps(options: TaskOptions, answers: dict[Op, list[Any]], **given: Any) -> tuple[list[str], Outcome]:
    """Play a driver that answers from lists; return the names of the steps and the outcome."""
    brain = decide(options, draw=lambda: 0.5, **given)
    left = {op: list(found) for op, found in answers.items()}
    said: list[str] = []
    answer: Any = None
    while True:
        try:
            step = brain.send(answer)
        except StopIteration as stop:
            return said, stop.value
        op = step[0]
        said.append(op.name)
        answer = left[op].pop(0) if left.get(op) else None
        if op is Op.SETTLE and answer is None:
            answer = step[1]


def fail() -> Outcome:
    return raised(ValueError("no"))


CASES: dict[str, tuple[dict[str, Any], dict[Op, list[Any]], dict[str, Any], str, tuple[StateType, str]]] = {
    "a value": ({}, {Op.CALL: [VALUE]}, {}, "BEGIN CALL END", (S.COMPLETED, "Completed")),
    "an error": ({}, {Op.CALL: [fail()]}, {}, "BEGIN CALL END", (S.FAILED, "Failed")),
    "a flow settles": ({}, {Op.CALL: [VALUE]}, {"settles": True}, "BEGIN CALL SETTLE END", (S.COMPLETED, "Completed")),
    "retried, then good": (
        {"retries": 2},
        {Op.CALL: [fail(), VALUE]},
        {},
        "BEGIN CALL WAIT BEGIN CALL END",
        (S.COMPLETED, "Completed"),
    ),
    "retried in vain": (
        {"retries": 1},
        {Op.CALL: [fail(), fail()]},
        {},
        "BEGIN CALL WAIT BEGIN CALL END",
        (S.FAILED, "Failed"),
    ),
    "the condition says no": (
        {"retries": 2, "retry_condition_fn": hook},
        {Op.CALL: [fail()], Op.ASK: [False]},
        {},
        "BEGIN CALL ASK END",
        (S.FAILED, "Failed"),
    ),
    "not repeatable": (
        {"retries": 2},
        {Op.CALL: [fail()]},
        {"repeatable": lambda: False},
        "BEGIN CALL END",
        (S.FAILED, "Failed"),
    ),
    "cancelled while it waits": (
        {"retries": 2},
        {Op.CALL: [fail()], Op.WAIT: [raised(CancelSignal("enough"))]},
        {},
        "BEGIN CALL WAIT END",
        (S.CANCELLED, "Cancelled"),
    ),
    "a timeout is retried": (
        {"retries": 1},
        {Op.CALL: [timed_out("it", 1), timed_out("it", 1)]},
        {},
        "BEGIN CALL WAIT BEGIN CALL END",
        (S.FAILED, "TimedOut"),
    ),
    "a crash uses up a retry": (
        {"retries": 1},
        {Op.CALL: [Outcome(Kind.CRASH, None, CrashedRun("died")), VALUE]},
        {},
        "BEGIN CALL WAIT BEGIN CALL END",
        (S.COMPLETED, "Completed"),
    ),
    "or does not": (
        {"retries": 1, "on_crash": "fail"},
        {Op.CALL: [Outcome(Kind.CRASH, None, CrashedRun("died"))]},
        {},
        "BEGIN CALL END",
        (S.CRASHED, "Crashed"),
    ),
    "a cancel is not retried": (
        {"retries": 3},
        {Op.CALL: [raised(CancelSignal("enough"))]},
        {},
        "BEGIN CALL END",
        (S.CANCELLED, "Cancelled"),
    ),
    "clean-up before CANCELLED": (
        {"on_cancellation": [hook]},
        {Op.CALL: [raised(CancelSignal("enough"))]},
        {},
        "BEGIN CALL CANCELLING HOOKS END",
        (S.CANCELLED, "Cancelled"),
    ),
    "stop is no failure": (
        {"retries": 3},
        {Op.CALL: [raised(StopSignal("nothing new"))]},
        {},
        "BEGIN CALL END",
        (S.COMPLETED, "Skipped"),
    ),
    "upstream failed": (
        {"retries": 3, "on_failure": [hook]},
        {},
        {"refused": upstream_failed("it", "that", "Failed")},
        "END HOOKS",
        (S.FAILED, "UpstreamFailed"),
    ),
    "hooks": (
        {"on_running": [hook], "on_completion": [hook]},
        {Op.CALL: [VALUE]},
        {},
        "BEGIN HOOKS CALL END HOOKS",
        (S.COMPLETED, "Completed"),
    ),
    "hooks of a failure only at its end": (
        {"retries": 1, "on_failure": [hook]},
        {Op.CALL: [fail(), fail()]},
        {},
        "BEGIN CALL WAIT BEGIN CALL END HOOKS",
        (S.FAILED, "Failed"),
    ),
    "a hit": ({}, {Op.LOOKUP: [Outcome(Kind.HIT, 5)]}, {"keeps": True}, "LOOKUP END", (S.COMPLETED, "Cached")),
    "a miss is kept": (
        {},
        {Op.CALL: [VALUE], Op.KEEP: [VALUE]},
        {"keeps": True},
        "LOOKUP BEGIN CALL KEEP END",
        (S.COMPLETED, "Completed"),
    ),
    "a failure is not kept": ({}, {Op.CALL: [fail()]}, {"keeps": True}, "LOOKUP BEGIN CALL END", (S.FAILED, "Failed")),
    "a slot for each attempt": (
        {"retries": 1},
        {Op.CALL: [fail(), VALUE]},
        {"limited": True},
        "ACQUIRE BEGIN CALL WAIT ACQUIRE BEGIN CALL END",
        (S.COMPLETED, "Completed"),
    ),
    "cancelled while it waits for a slot": (
        {},
        {Op.ACQUIRE: [raised(CancelSignal("enough"))]},
        {"limited": True},
        "ACQUIRE END",
        (S.CANCELLED, "Cancelled"),
    ),
    "an attempt that went on elsewhere": (
        {"retries": 1},
        {Op.CALL: [fail(), VALUE]},
        {"attempt": 3},
        "BEGIN CALL WAIT BEGIN CALL END",
        (S.COMPLETED, "Completed"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_brain_answers_each_outcome_with_the_right_steps(case: str) -> None:
    options, answers, given, expected, (state_type, name) = CASES[case]
    said, outcome = steps(TaskOptions(**options), answers, **given)
    assert " ".join(said) == expected
    assert (outcome.ending.type, outcome.ending.name) == (state_type, name)


def test_delays_come_from_the_list_and_jitter_stretches_them() -> None:
    options = TaskOptions(retries=3, retry_delay_seconds=[1, 2], retry_jitter_factor=1.0)
    brain = decide(options, draw=lambda: 0.5)
    waits, answer = [], None
    for _ in range(10):
        step = brain.send(answer)
        answer = fail() if step[0] is Op.CALL else None
        if step[0] is Op.WAIT:
            waits.append((step[1], step[2]))
        if step[0] is Op.END:
            break
    assert [seconds for seconds, _ in waits] == [1.5, 3.0, 3.0]
    assert waits[0][1] == "attempt 1 of 4 ended Failed: ValueError: no"
