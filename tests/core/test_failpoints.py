"""Failpoints act once, where they are named, and are absent otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core import failpoints
from headrace.core.errors import StoreUnavailable


def test_nothing_happens_in_a_normal_run() -> None:
    failpoints.reach("before_commit")


def test_an_action_happens_at_the_time_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_points", failpoints._parse("before_commit=raise@2"))
    monkeypatch.setattr(failpoints, "_seen", failpoints.Counter())
    failpoints.reach("before_commit")
    with pytest.raises(StoreUnavailable, match="before_commit"):
        failpoints.reach("before_commit")
    failpoints.reach("before_commit")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="known: "):
        failpoints._parse("nowhere=kill")


def test_a_death_at_every_point_is_tried_by_a_test() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name in sorted(failpoints.NAMES) if f"{name}=kill" not in tests] == []
