"""Tasks outside a flow: called, submitted, mapped; their runs are roots."""

from engine_help import Book

from headrace import task


@task
def p55_alone(x: int) -> int:
    return x + 1


assert p55_alone(1) == 2
assert p55_alone.submit(2).result() == 3
assert p55_alone.map([3, 4]).result() == [4, 5]
runs = Book().of("p55_alone")
assert len(runs) == 4
assert {run.parent_id for run in runs} == {None}
