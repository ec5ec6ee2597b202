"""17, 18. Futures as arguments (nested too) wait and give values; wait_for gives order; both are edges."""

from dataclasses import dataclass

from engine_help import Book

from headrace import flow, quote, task

order = []


@dataclass
class Pair:
    left: object
    right: object


@task
def p17_one(x: int) -> int:
    order.append(x)
    return x


@task
def p17_sum(pair: Pair, more: dict, raw: object = None) -> int:
    assert raw is None or type(raw).__name__ == "TaskFuture"
    return pair.left + pair.right + sum(more["list"])


@task
def p17_last() -> str:
    return f"after {sorted(order)}"


@flow
def p17_flow() -> tuple:
    a, b, c = p17_one.submit(1), p17_one.submit(2), p17_one.submit(3)
    total = p17_sum.submit(Pair(a, 10), {"list": [b, c, 4]}, quote(a))
    last = p17_last.submit(wait_for=[total, [a, b]])
    return total.result(), last.result()


assert p17_flow() == (20, "after [1, 2, 3]")
book = Book()
ones = {run.id for run in book.of("p17_one")}
assert {edge.upstream_id for edge in book.edges(book.one("p17_sum"))} == ones
kinds = {(edge.upstream_id, edge.kind.value) for edge in book.edges(book.one("p17_last"))}
assert (book.one("p17_sum").id, "order") in kinds
assert len(kinds) == 3
