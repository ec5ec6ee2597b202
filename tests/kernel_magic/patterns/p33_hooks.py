"""33. Hooks: which, when, how often, in which form; an error in one changes nothing."""

import functools

from engine_help import Book

from headrace import flow, task

told = []


def note(word, definition, run, state):
    told.append((word, definition.name, run.run_count, state.name))


def broken(_definition, _run, _state):
    raise RuntimeError("the hook itself")


async def later(definition, _run, state):
    told.append(("later", definition.name, 0, state.name))


@task(
    retries=1,
    on_running=[functools.partial(note, "running")],
    on_failure=[broken, functools.partial(note, "failure")],
    on_completion=[functools.partial(note, "completion")],
)
def p33_bad():
    raise ValueError


@flow(on_completion=[later, functools.partial(note, "completion")], on_running=[functools.partial(note, "running")])
def p33_flow():
    p33_bad(return_state=True)


@p33_flow.on_completion
def decorated(_flow, run, _state):
    told.append(("decorated", run.name, 0, ""))


p33_flow()
run = Book().one("p33-flow")
assert told == [
    ("running", "p33-flow", 1, "Running"),
    ("running", "p33_bad", 1, "Running"),
    ("running", "p33_bad", 2, "Retrying"),
    ("failure", "p33_bad", 2, "Failed"),
    ("later", "p33-flow", 0, "Completed"),
    ("completion", "p33-flow", 1, "Completed"),
    ("decorated", run.name, 0, ""),
], told
book = Book()
assert any("RuntimeError: the hook itself" in line for line in book.lines(book.one("p33_bad")))
