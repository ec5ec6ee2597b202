"""Errors say what happened, cross processes, and carry their HTTP status."""

from __future__ import annotations

import pickle

import pytest

from headrace.core import errors


def leaves() -> list[type[errors.HeadraceError]]:
    found, todo = [], [errors.HeadraceError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    found = [kind for kind in found if kind.__module__ == errors.__name__]
    return sorted(set(found), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_after_a_trip_to_another_process(kind: type[errors.HeadraceError]) -> None:
    error = kind("what happened")
    error.field = "cron"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.field) == ("what happened", "cron")


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_modules_tree(kind: type[errors.HeadraceError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.InvalidSchedule, 422, 2),
        (errors.NotFound, 404, 2),
        (errors.Conflict, 409, 1),
        (errors.StoreUnavailable, 503, 1),
        (errors.StoreFull, 507, 1),
        (errors.FailedRun, 500, 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_error_has_the_status_and_exit_code_of_its_branch(kind: type, status: int, code: int) -> None:
    assert (kind.http_status, kind.exit_code) == (status, code)


@pytest.mark.parametrize("signal", [errors.CancelSignal("x"), errors.StopSignal("x")], ids=["cancel", "stop"])
def test_user_code_cannot_swallow_a_control_signal(signal: BaseException) -> None:
    assert not isinstance(signal, Exception)
