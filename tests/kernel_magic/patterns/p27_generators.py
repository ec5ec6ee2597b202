"""27. Generator flows and tasks are lazy; their runs end when they are exhausted."""

from engine_help import Book

from headrace import flow, task

made = []


@task
def p27_numbers(count: int):
    for n in range(count):
        made.append(n)
        yield n


@flow
def p27_doubled(count: int):
    for n in p27_numbers(count):
        yield 2 * n


@task
async def p27_later(count: int):
    for n in range(count):
        yield n


@task
def p27_breaks():
    yield 1
    raise ValueError("after one")


async def main() -> None:
    found = p27_doubled(3)
    assert next(found) == 0
    assert made == [0]
    assert list(found) == [2, 4]
    book = Book()
    assert [book.one(name).state_name for name in ("p27-doubled", "p27_numbers")] == ["Completed", "Completed"]
    assert [n async for n in p27_later(3)] == [0, 1, 2]
    assert book.one("p27_later").state_name == "Completed"
    broken = p27_breaks()
    assert next(broken) == 1
    try:
        next(broken)
    except ValueError:
        pass
    assert book.one("p27_breaks").state_name == "Failed"
    stopped = p27_numbers(10)
    next(stopped)
    stopped.close()
    assert book.of("p27_numbers")[-1].state_name == "Completed"
