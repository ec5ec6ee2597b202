"""The shared fixtures give what they promise."""

from __future__ import annotations

import os
from pathlib import Path

from headrace.core.settings import find_store
from headrace.store import get_store


def test_a_test_sees_no_setting_of_the_person_who_runs_it(data_dir: Path) -> None:
    mine = {name for name in os.environ if name.startswith("HEADRACE_")}
    assert mine <= {
        "HEADRACE_DATA_DIR",
        "HEADRACE_RUNTIME_DIR",
        "HEADRACE_CHROMIUM",
        "HEADRACE_KEEP_KERNEL_SECONDS",
        "HEADRACE_POSTGRES_BIN",
    }
    assert Path(os.environ["HOME"]) in data_dir.parents
    assert find_store().data_dir == data_dir


def test_each_database_is_empty_and_is_the_one_that_is_found(database_url: str) -> None:
    store = get_store()
    assert store.runs.page()[0] == []
    assert store.database.dialect == database_url.partition(":")[0]


def test_a_second_test_gets_another_database(database_url: str) -> None:
    assert get_store().runs.page()[0] == []
