"""15, 16. Mapping: constants and text go whole, unmapped lists too; wrong lengths and nothing to map are errors."""

import pytest

from headrace import flow, task, unmapped
from headrace.core.errors import MappingLengthMismatch, MappingMissingIterable


@task
def p15_join(x: int, y: object, z: str = "-") -> str:
    return f"{x}{y}{z}"


@flow
def p15_flow() -> list:
    plain = p15_join.map([1, 2], 5).result()
    whole = p15_join.map([1, 2], unmapped([7, 8]), z="!").result()
    chained = p15_join.map(p15_join.map([1, 2], 0), [3, 4]).result()
    for call, error in (
        (lambda: p15_join.map([1, 2], [1, 2, 3]), MappingLengthMismatch),
        (lambda: p15_join.map(1, 2), MappingMissingIterable),
    ):
        with pytest.raises(error, match="p15_join"):
            call()
    return [plain, whole, chained]


assert p15_flow() == [["15-", "25-"], ["1[7, 8]!", "2[7, 8]!"], ["10-3-", "20-4-"]]
