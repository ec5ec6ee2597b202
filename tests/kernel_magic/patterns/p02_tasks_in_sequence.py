"""2. A flow calls tasks in sequence: each a run, values are plain Python."""

from engine_help import Book

from headrace import flow, task


@task
def p02_extract() -> dict:
    return {"rows": [1, 2, 3]}


@task
def p02_total(data: dict) -> int:
    assert type(data) is dict
    return sum(data["rows"])


@flow
def p02_pipeline() -> int:
    return p02_total(p02_extract())


assert p02_pipeline() == 6
book = Book()
(edge,) = book.edges(book.one("p02_total"))
assert edge.upstream_id == book.one("p02_extract").id
