"""A store on each database, and factories of what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.ids import new_id
from headrace.core.runs import Run, RunKind
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.store import Store

MakeRun = Callable[..., Run]


@pytest.fixture
def store(database_url: str, data_dir: Path) -> Iterator[Store]:
    opened = Store(find_store(database_url))
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(sqlite_url: str, data_dir: Path) -> Iterator[Store]:
    opened = Store(find_store(sqlite_url))
    yield opened
    opened.close()


def make_run(**values: Any) -> Run:
    run_id = values.pop("id", None) or new_id()
    state = values.pop("state", StateType.RUNNING)
    defaults: dict[str, Any] = {
        "id": run_id,
        "root_id": run_id,
        "kind": RunKind.FLOW,
        "name": "quick-heron",
        "definition": "etl",
        "owner": "ada",
        "state_type": state,
        "state_name": state.value.title(),
        "state_at": 1_000_000,
        "created_at": 1_000_000,
    }
    return Run(**{**defaults, **values})
