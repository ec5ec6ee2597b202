"""Fixtures of the engine's tests: a store of the test's own, and short ways to read it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from engine_help import Book

#: Ray is an extra that the development environment does not bring: its test belongs to environments that have it.
collect_ignore = [] if find_spec("ray") else ["test_ray.py"]


@pytest.fixture
def book(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """What the test's runs recorded."""
    monkeypatch.setenv("HEADRACE_LOGGING_TO_CONSOLE", "0")
    return Book()
