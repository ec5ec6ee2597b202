"""29. persist_result: the second identical call in the same run is Cached; a flow's setting is its tasks' default."""

from engine_help import Book

from headrace import flow, task


@task(persist_result=True)
def p29_kept(x: int) -> int:
    return x


@task
def p29_by_flow(x: int) -> int:
    return x


@task(persist_result=False)
def p29_not(x: int) -> int:
    return x


@flow(persist_result=True)
def p29_flow() -> list:
    return [which(1) for which in (p29_kept, p29_kept, p29_by_flow, p29_by_flow, p29_not, p29_not)]


assert p29_flow() == [1] * 6
book = Book()
for name, second in (("p29_kept", "Cached"), ("p29_by_flow", "Cached"), ("p29_not", "Completed")):
    assert [run.state_name for run in book.of(name)] == ["Completed", second], name
