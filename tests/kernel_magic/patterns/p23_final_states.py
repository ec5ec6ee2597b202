"""23, 24. The final state of a flow, row by row, and states that user code makes."""

from dataclasses import dataclass

from engine_help import Book

from headrace import Cancelled, Completed, Failed, flow, task


@dataclass
class Box:
    inner: object


@task
def p23_good() -> int:
    return 1


@task
def p23_bad() -> None:
    raise ValueError("bad")


def failed():
    future = p23_bad.submit()
    future.wait()
    return future


def swallowed():
    p23_bad(return_state=True)
    return "fine"


def raises():
    raise ValueError("bad")


ROWS = [
    ("raises", lambda: raises(), "Failed"),
    ("plain data", lambda: 5, "Completed"),
    ("nothing", lambda: None, "Completed"),
    ("a failure that was looked at", lambda: swallowed(), "Completed"),
    ("a failed state", lambda: p23_bad(return_state=True), "Failed"),
    ("a good future", lambda: p23_good.submit(), "Completed"),
    ("a failed future", lambda: failed(), "Failed"),
    ("a list of good and bad", lambda: [p23_good.submit(), failed()], "Failed"),
    ("a dict with a failed state", lambda: {"a": 1, "b": p23_bad(return_state=True)}, "Failed"),
    ("a tuple of data and a failed state", lambda: (1, p23_bad(return_state=True)), "Failed"),
    ("deep inside", lambda: [{"x": (Box([failed()]), 1)}], "Failed"),
    ("a cancelled state among others", lambda: [Cancelled(), p23_bad(return_state=True)], "Cancelled"),
    ("a future that nobody looked at", lambda: p23_bad.submit() and None, "Failed"),
    ("good futures that nobody looked at", lambda: p23_good.submit() and None, "Completed"),
    ("Completed, made", lambda: Completed(message="by hand", data=3), "Completed"),
    ("Failed, made", lambda: Failed(message="no data"), "Failed"),
    ("a name of its own", lambda: Completed(name="NothingToDo"), "NothingToDo"),
    ("a generator", lambda: list(range(3)), "Completed"),
]
for what, body, expected in ROWS:
    state = flow(name="p23")(body)(return_state=True)
    assert state.name == expected, (what, state)
assert flow(name="p23")(lambda: Completed(data=3))() == 3
assert flow(name="p23")(lambda: {"x": [p23_good.submit(), 2]})() == {"x": [1, 2]}
assert flow(name="p23")(lambda: p23_good.submit())() == 1
message = Book().of("p23")[12].state_message
assert "nothing looked at" in message
assert "ValueError: bad" in message


@task(retries=1)
def p23_returns_failed():
    return Failed(message="by hand", name="Refused")


state = p23_returns_failed(return_state=True)
assert (state.name, state.message) == ("Refused", "by hand")
assert Book().one("p23_returns_failed").attempt == 2
