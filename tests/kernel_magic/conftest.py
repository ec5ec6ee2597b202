"""Fixtures of the engine's tests: a store of the test's own, and short ways to read it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from engine_help import Book

#: The development environment brings Ray wherever that is made for.
collect_ignore = ["test_ray.py"] if sys.platform == "win32" else []


@pytest.fixture
def book(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """What the test's runs recorded."""
    monkeypatch.setenv("HEADRACE_LOGGING_TO_CONSOLE", "0")
    return Book()
