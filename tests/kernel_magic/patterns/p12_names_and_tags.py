"""12, 13. Run names by template and callable; tags of the decorator and of `with tags` together."""

import datetime

from engine_help import Book

from headrace import flow, tags, task


@task(task_run_name="hello-{name}-on-{date:%A}", tags=["greeting"])
def p12_greet(name: str, date: datetime.date) -> None: ...


@task(task_run_name=lambda: "made up")
def p12_made() -> None: ...


@flow(flow_run_name="p12-for-{day}", tags={"daily"})
def p12_flow(day: str) -> None:
    with tags("inner"):
        p12_greet("Ada", datetime.date(2026, 11, 24))
    p12_made.submit().wait()


with tags("outer"):
    p12_flow("monday")
book = Book()
assert book.one("p12-flow").name == "p12-for-monday"
assert set(book.one("p12-flow").tags) == {"daily", "outer"}
greet = book.one("p12_greet")
assert greet.name == "hello-Ada-on-Tuesday"
assert set(greet.tags) == {"greeting", "inner", "outer"}
assert book.one("p12_made").name == "made up"
