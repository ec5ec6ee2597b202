"""12, 13. Run names by template and callable; tags of the decorator and of `with tags` together."""

import datetime

from engine_help import Book

from headrace import flow, runtime, tags, task


@task(task_run_name="hello-{name}-on-{date:%A}", tags=["greeting"])
def p12_greet(name: str, date: datetime.date) -> None: ...


@task(task_run_name=lambda: "made up")
def p12_made() -> None: ...


def p12_from_context() -> str:
    return f"{runtime.task_run.task_name}-of-{runtime.task_run.parameters['n']}-in-{runtime.flow_run.name}"


@task(task_run_name=p12_from_context)
def p12_told(n: int) -> int:
    return n


@flow(flow_run_name="p12-for-{day}", tags={"daily"})
def p12_flow(day: str) -> None:
    with tags("inner"):
        p12_greet("Ada", datetime.date(2026, 11, 24))
    p12_made.submit().wait()
    p12_told(1)
    p12_told.submit(p12_told.submit(2)).wait()


@flow(
    name="p12-called",
    flow_run_name=lambda: f"called-{runtime.flow_run.parameters['day']}",
    version="7",
    description="d",
)
def p12_called(day: str) -> None:
    """Something else."""


p12_called("friday")
called = Book().one("p12-called")
assert (called.name, called.version, p12_called.description) == ("called-friday", "7", "d")
assert p12_flow.with_options(name="p12-copy").name == "p12-copy"

with tags("outer"):
    p12_flow("monday")
book = Book()
assert book.one("p12-flow").name == "p12-for-monday"
assert set(book.one("p12-flow").tags) == {"daily", "outer"}
greet = book.one("p12_greet")
assert greet.name == "hello-Ada-on-Tuesday"
assert set(greet.tags) == {"greeting", "inner", "outer"}
assert book.one("p12_made").name == "made up"
assert [run.name for run in book.of("p12_told")] == [f"p12_told-of-{n}-in-p12-for-monday" for n in (1, 2, 2)]
