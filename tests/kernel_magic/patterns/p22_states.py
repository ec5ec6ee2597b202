"""22. return_state gives a State with questions and a result."""

from headrace import State, StateType, flow, task


@task
def p22_good() -> int:
    return 5


@task
def p22_bad() -> None:
    raise KeyError("gone")


@flow
def p22_flow() -> str:
    good, bad = p22_good(return_state=True), p22_bad(return_state=True)
    assert isinstance(good, State)
    assert (good.is_completed(), good.result(), good.type) == (True, 5, StateType.COMPLETED)
    assert bad.is_failed()
    assert isinstance(bad.result(raise_on_failure=False), KeyError)
    try:
        bad.result()
    except KeyError:
        return "raised"
    return "nothing"


state = p22_flow(return_state=True)
assert state.result() == "raised"
assert state.timestamp.tzinfo is not None
