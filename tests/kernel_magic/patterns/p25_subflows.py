"""25, 26. Subflows nest; async ones gather; a failure goes up."""

import asyncio

from engine_help import Book

from headrace import flow, task


@task
async def p25_task(x: int) -> int:
    await asyncio.sleep(0)
    return x


@flow
async def p25_child(x: int) -> int:
    return await p25_task(x) + p25_sync(x)


@flow
def p25_sync(x: int) -> int:
    return p25_submits(x)


@flow
def p25_submits(x: int) -> int:
    return p25_task.submit(x).result()


@flow
async def p25_parent() -> list:
    return list(await asyncio.gather(p25_child(1), p25_child(2), p25_task(3)))


@flow
def p25_bad() -> None:
    raise OSError("inner")


@flow
def p25_outer() -> None:
    p25_bad()


async def main() -> None:
    assert await p25_parent() == [2, 4, 3]
    book = Book()
    parent = book.one("p25-parent")
    assert {run.parent_id for run in book.of("p25-child")} == {parent.id}
    assert {run.root_id for run in book.of("p25-submits")} == {parent.id}
    assert {run.parent_id for run in book.of("p25-submits")} == {run.id for run in book.of("p25-sync")}
    try:
        p25_outer()
    except OSError:
        pass
    assert [book.one(name).state_name for name in ("p25-bad", "p25-outer")] == ["Failed", "Failed"]
