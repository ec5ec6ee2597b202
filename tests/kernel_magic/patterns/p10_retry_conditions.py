"""10. A retry condition decides; any callable counts; an error in it means no retry."""

import functools

from engine_help import Book

from headrace import task


def only(kind, _task, _run, state):
    try:
        state.result()
    except kind:
        return True
    return False


class Never:
    def __call__(self, _task, _run, _state):
        return False


async def later(_task, _run, _state):
    return True


def broken(_task, _run, _state):
    raise LookupError("the condition itself")


def attempts(condition) -> int:
    @task(retries=2, retry_condition_fn=condition, name="p10_task")
    def p10_task():
        raise KeyError("x")

    assert p10_task(return_state=True).is_failed()
    return Book().of("p10_task")[-1].attempt


assert attempts(functools.partial(only, KeyError)) == 3
assert attempts(functools.partial(only, ValueError)) == 1
assert attempts(Never()) == 1
assert attempts(later) == 3
assert attempts(broken) == 1
