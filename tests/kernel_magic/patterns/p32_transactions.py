"""32. Transactions: hooks in order and in reverse, keys that are remembered, what a block's end waits for."""

from engine_help import Book

from headrace import INPUTS, TransactionRolledBack, flow, get_transaction, task, transaction

told = []


@task(persist_result=True, cache_policy=INPUTS)
def p32_write(name):
    get_transaction().set("file", name)
    return name


@p32_write.on_rollback
def p32_remove(txn):
    told.append(("remove", txn.get("file"), txn.get("place", "nowhere")))


@p32_write.on_commit
def p32_announce(txn):
    told.append(("announce", txn.get("file")))


@task
def p32_fail():
    raise ValueError("no")


@flow
def p32_undone():
    with transaction() as txn:
        txn.set("place", "disk")
        p32_write("a")
        p32_write("b")
        p32_fail()


try:
    p32_undone()
except ValueError:
    pass
else:
    raise AssertionError("the block's error goes on")
assert told == [("remove", "b", "disk"), ("remove", "a", "disk")], told
book = Book()
assert [(run.state_type.value, run.state_name) for run in book.of("p32_write")] == [("COMPLETED", "RolledBack")] * 2
told.clear()


@flow
def p32_done():
    with transaction():
        p32_write("a")
        with transaction():
            p32_write.submit("c")
        assert told == [], "an inner block commits with the outer one"


p32_done()
# The result of the undone run of "a" is gone: it was computed again.
assert told == [("announce", "a"), ("announce", "c")], told
told.clear()

works = []


@flow
def p32_once():
    with transaction(key="p32", isolation_level="SERIALIZABLE") as txn:
        if txn.is_committed():
            return txn.read()
        works.append(1)
        txn.stage({"rows": 3})
        return None


assert p32_once() is None
assert p32_once() == {"rows": 3}
assert works == [1]


@task(on_commit=[lambda txn: 1 / 0], on_rollback=[lambda txn: told.append("undone")])
def p32_badly():
    return 1


@flow
def p32_bad_hook():
    with transaction():
        p32_badly()


try:
    p32_bad_hook()
except TransactionRolledBack:
    pass
else:
    raise AssertionError("a failing commit hook undoes the block and says so")
assert told == ["undone"], told
(run,) = Book().of("p32_badly")
assert run.state_name == "RolledBack"
assert any("ZeroDivisionError" in line for line in Book().lines(run)), Book().lines(run)
told.clear()


async def note(txn):
    told.append(txn.get("who"))


@task(on_commit=[note])
async def p32_later(who):
    get_transaction().set("who", who)


@flow
async def p32_async():
    async with transaction():
        await p32_later("x")
        p32_later.submit("y")


async def main():
    await p32_async()
    assert told == ["x", "y"], told
