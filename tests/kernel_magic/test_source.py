"""The digest of a function follows what it reaches: an edited helper is another function."""

from __future__ import annotations

import textwrap
import types
from typing import Any

import pytest

from headrace.kernel_magic.results.source import is_installed, source_digest, source_parts


def load(text: str, name: str = "task", **values: Any) -> Any:
    """Define a function from text as a notebook does: its source is known to `linecache`."""
    import linecache

    text = textwrap.dedent(text)
    filename = f"<cell-{hash(text)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space: dict[str, Any] = {"__name__": "__main__", **values}
    exec(compile(text, filename, "exec"), space)
    return space[name]


BASE = """
    import math
    RATE = 0.2
    def helper(x):
        return x * RATE
    class Model:
        def run(self, x):
            return helper(x)
    def task(x, extra=1):
        return Model().run(x) + math.sqrt(extra)
    """

CHANGES = [
    ("a comment", BASE.replace("return x * RATE", "return x * RATE  # note"), True),
    ("blank lines", BASE.replace("class Model", "\n\n\n    class Model"), True),
    ("own body", BASE.replace("+ math", "- math"), False),
    ("a helper of a helper", BASE.replace("x * RATE", "x / RATE"), False),
    ("a global of a helper", BASE.replace("0.2", "0.3"), False),
    ("a method of a class", BASE.replace("return helper(x)", "return helper(x) + 1"), False),
    ("a default", BASE.replace("extra=1", "extra=2"), False),
    ("something it does not reach", BASE + "\n    UNUSED = 5\n", True),
]


@pytest.mark.parametrize(("text", "same"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_only_what_is_reached_and_what_matters_changes_the_digest(text: str, same: bool) -> None:
    assert (source_digest(load(BASE)) == source_digest(load(text))) is same


def test_the_parts_name_what_changed() -> None:
    before, after = source_parts(load(BASE)), source_parts(load(BASE.replace("0.2", "0.3")))
    assert {name for name in before if before[name] != after[name]} == {"RATE"}


def test_closure_values_count() -> None:
    def make(rate: float) -> Any:
        def inner(x: float) -> float:
            return x * rate

        return inner

    assert source_digest(make(1.0)) == source_digest(make(1.0))
    assert source_digest(make(1.0)) != source_digest(make(2.0))


def test_a_module_of_ones_own_counts_by_its_content(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    (tmp_path / "my_own_helpers_x.py").write_text("def f(): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("my_own_helpers_x")
    text = "def task(): return m.f()"
    before = source_digest(load(text, m=module))
    (tmp_path / "my_own_helpers_x.py").write_text("def f(): return 2\n")
    assert source_digest(load(text, m=module)) != before


def test_functions_that_call_each_other_have_a_digest() -> None:
    text = """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        """
    assert source_digest(load(text, "even")) != source_digest(load(text, "odd"))


def test_a_function_without_source_is_told_by_its_code() -> None:
    def make(text: str) -> Any:
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(text, space)
        return space["f"]

    assert source_digest(make("def f(x): return x + 1")) == source_digest(make("def f(x): return x + 1"))
    assert source_digest(make("def f(x): return x + 1")) != source_digest(make("def f(x): return x + 2"))


@pytest.mark.parametrize(
    ("name", "known"), [("os", True), ("numpy", True), ("__main__", False), ("nowhere_at_all", True)]
)
def test_installed_modules_are_told_from_ones_own(name: str, known: bool) -> None:
    import numpy  # noqa: F401

    assert is_installed(name) is known


def test_a_partial_module_is_no_crash() -> None:
    assert source_digest(load("def task(): return m.f()", m=types.ModuleType("ghost")))
