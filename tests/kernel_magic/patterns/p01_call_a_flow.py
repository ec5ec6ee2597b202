"""1. A flow is called: it returns its value, the run is Completed, with name and timing."""

from engine_help import Book

from headrace import flow


@flow
def p01_hello(name: str = "world") -> str:
    return f"hello {name}"


assert p01_hello() == "hello world"
assert p01_hello("you") == "hello you"
first, second = Book().of("p01-hello")
assert (first.state_name, second.parameters) == ("Completed", {"name": "you"})
assert first.duration_seconds is not None
assert first.name != second.name
