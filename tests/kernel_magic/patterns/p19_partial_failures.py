"""19, 20. A batch with failures: wait, then part by state; allow_failure hands the exception on."""

from headrace import allow_failure, flow, task, wait


@task
def p19_even(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


@task
def p19_describe(value: object) -> str:
    return f"{type(value).__name__}: {value}"


@flow
def p19_flow() -> tuple:
    futures = p19_even.map(range(4))
    wait(futures)
    good = [future.result() for future in futures if future.state.is_completed()]
    bad = [future for future in futures if future.state.is_failed()]
    told = p19_describe.submit(allow_failure(bad[0])).result()
    return good, len(bad), told, bad[1].result(raise_on_failure=False).args


assert p19_flow() == ([0, 2], 2, "ValueError: 1 is odd", ("3 is odd",))
