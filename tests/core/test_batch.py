"""A batch is the same after its way through a journal's line."""

from __future__ import annotations

import json

import pytest

from headrace.core.batch import Batch, Change
from headrace.core.runs import RUN_COLUMNS


def full_batch() -> Batch:
    change = Change("r", "r", 1, "COMPLETED", "Completed", "ü\n", 5, {"ended_at": 5})
    return Batch(
        runs=[tuple(f"v{i}" for i in range(len(RUN_COLUMNS)))],
        births=[change],
        changes=[change],
        edges=[("a", "b", "data", "x")],
        logs=[("a", "b", 1, 20, "print", "line\nwith \x1b[31m")],
        outputs=[("a", "b", 0, 1, "{}")],
        events=[(1, "k", None, None, None, None, "{}")],
    )


def test_a_batch_comes_back_from_its_line() -> None:
    line = full_batch().to_json()
    assert "\n" not in line
    assert Batch.from_json(line) == full_batch()


def test_columns_of_another_version_are_matched_by_name() -> None:
    data = json.loads(full_batch().to_json())
    data["columns"].insert(0, "from_the_future")
    data["runs"][0].insert(0, "?")
    data["columns"].remove("heartbeat_at")
    del data["runs"][0][RUN_COLUMNS.index("heartbeat_at") + 1]
    row = Batch.from_json(json.dumps(data)).runs[0]
    assert row[RUN_COLUMNS.index("heartbeat_at")] is None
    assert row[RUN_COLUMNS.index("id")] == "v0"


@pytest.mark.parametrize("line", ["[]", "{}", "", "not json"])
def test_what_is_no_batch_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        Batch.from_json(line)


def test_an_empty_batch_is_false() -> None:
    assert not Batch()
    assert full_batch()
