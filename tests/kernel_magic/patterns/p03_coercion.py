"""3. Parameters are coerced by annotations; what cannot be is an error before the body runs, and the run is Failed."""

import pytest
from engine_help import Book

from headrace import flow
from headrace.core.errors import ParameterTypeError

ran = []


@flow
def p03_typed(x: int, names: list[str] | None = None) -> tuple:
    ran.append(x)
    return x, names


@flow(validate_parameters=False)
def p03_loose(x: int) -> object:
    return x


assert p03_typed("5", ["a"]) == (5, ["a"])
with pytest.raises(ParameterTypeError, match="x: "):
    p03_typed("abc")
assert ran == [5]
assert [run.state_name for run in Book().of("p03-typed")] == ["Completed", "Failed"]
assert p03_loose("5") == "5"
