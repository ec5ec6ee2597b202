"""Imports point down only (DESIGN.md, "The house"): core <- store <- {kernel_magic | server} <- door and command line."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from source_tree import FOLDERS, ROOT, Import, floor_of, imports, modules, python_files, source_files, tree
from source_tree import imports_of as imports_of_file

BELOW = {
    "core": {"core"},
    "store": {"core", "store"},
    "kernel_magic": {"core", "store", "kernel_magic"},
    "server": {"core", "store", "server"},
    "door": {"core", "store", "kernel_magic", "server", "door"},
}
#: What core may ask for inside a function: to find Jupyter's folders where Jupyter is, and TOML before Python 3.11.
CORE_EXCEPTIONS = {"jupyter_core", "tomli", "tomllib"}
#: Comes with the `lab` extra only: kernels and scripts do without.
LAB_ONLY = {
    "jupyter_server",
    "jupyterlab",
    "nbclient",
    "nbconvert",
    "nbformat",
    "papermill",
    "prometheus_client",
    "psutil",
}
OPTIONAL = LAB_ONLY | {
    "IPython",
    "ipykernel",
    "ipywidgets",
    "distributed",
    "dask",
    "ray",
    "pandas",
    "polars",
    "psycopg",
}
UNPICKLERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "_pickle"}
#: Modules of the runner process, which runs user code by design; no module of the server process imports them.
# What runs notebooks: in a process of its own, or in the person's who calls `execute_notebook` or papermill.
RUNNER = (
    "headrace.server.runner",
    "headrace.server.notebooks",
    "headrace.server.notebook_errors",
    "headrace.server.papermill_engine",
)
LONGEST_FILE = 450
#: Files that may be longer, with the reason. Empty on purpose.
LONG_FILES: dict[str, str] = {}
BARE = {"extension", "server", "kernel_magic"}


def listed(found: list[Import]) -> str:
    """Return the offenders, one a line, so that a failure says what to change."""
    return "\n".join(str(item) for item in found)


def ours(item: Import) -> bool:
    return item.package == "headrace"


def is_version(item: Import) -> bool:
    """The version stands in the door's first lines and is everybody's."""
    return item.target == "headrace" and item.names == ("__version__",)


def is_runner(module: str) -> bool:
    return module.startswith(RUNNER)


def test_the_scan_sees_every_folder() -> None:
    floors = {floor_of(name) for name in modules()}
    assert floors == set(BELOW)
    assert any(item.target == "headrace.core.errors" for item in imports())


@pytest.mark.parametrize("floor", sorted(BELOW))
def test_a_floor_imports_only_what_is_below_it(floor: str) -> None:
    bad = [
        item
        for item in imports()
        if ours(item)
        and floor_of(item.importer) == floor
        and floor_of(item.target) not in BELOW[floor]
        and not is_version(item)
    ]
    assert not bad, listed(bad)


def test_core_needs_nothing_but_the_standard_library() -> None:
    bad = [
        item
        for item in imports()
        if floor_of(item.importer) == "core"
        and not ours(item)
        and item.package not in sys.stdlib_module_names
        and (item.top or item.package not in CORE_EXCEPTIONS)
    ]
    assert not bad, listed(bad)


def test_only_the_store_knows_its_database_library() -> None:
    bad = [
        item
        for item in imports()
        if item.package in {"sqlalchemy", "alembic", "psycopg", "sqlite3"} and floor_of(item.importer) != "store"
    ]
    assert not bad, listed(bad)


def test_the_door_and_the_command_line_import_the_upper_floors_inside_functions() -> None:
    bad = [
        item
        for item in imports()
        if item.top
        and floor_of(item.importer) == "door"
        and floor_of(item.target) in {"kernel_magic", "server"}
        and ours(item)
    ]
    assert not bad, listed(bad)


def test_what_a_kernel_or_a_script_imports_is_in_the_bare_install() -> None:
    bad = [
        item
        for item in imports()
        if item.top and floor_of(item.importer) in {"core", "store", "door"} and item.package in OPTIONAL
    ] + [
        item
        for item in imports()
        if item.top and floor_of(item.importer) == "kernel_magic" and item.package in LAB_ONLY
    ]
    assert not bad, listed(bad)


def test_the_server_process_neither_unpickles_nor_runs_text() -> None:
    guarded = {name for name in modules() if floor_of(name) in {"core", "store", "server"} and not is_runner(name)}
    bad = [f"{item}" for item in imports() if item.importer in guarded and item.package in UNPICKLERS]
    bad += [
        f"{name}:{node.lineno} calls {node.func.id}"
        for name in sorted(guarded)
        for node in ast.walk(tree(modules()[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    bad += [f"{item}" for item in imports() if item.importer in guarded and ours(item) and is_runner(item.target)]
    assert not bad, "\n".join(bad)


def test_no_file_imports_a_folder_by_its_bare_name() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{item.line} imports {item.target}"
        for path in python_files()
        for item in imports_of_file(path.stem, path)
        if item.package in BARE
    ]
    assert not bad, "\n".join(bad)


def test_modules_import_each_other_in_no_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for item in imports():
        if item.top and item.target in graph and item.target != item.importer and not is_version(item):
            graph[item.importer].add(item.target)
    circles = [group for group in circular(graph) if len(group) > 1]
    assert not circles, "\n".join(" <-> ".join(sorted(group)) for group in circles)


def circular(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of nodes that reach each other."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += graph[node]
        reach[start] = seen
    groups: list[set[str]] = []
    for node in graph:
        group = {other for other in reach[node] if node in reach[other]}
        if group and group not in groups:
            groups.append(group)
    return groups


def test_the_search_for_circles_finds_one() -> None:
    assert circular({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
    assert circular({"a": {"b"}, "b": set()}) == []


def test_files_are_small_rooms() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()
    }
    long = {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE and name not in LONG_FILES}
    assert not long, f"over {LONGEST_FILE} lines: {long}"
    assert not (stale := {name for name in LONG_FILES if lengths.get(name, 0) <= LONGEST_FILE}), (
        f"no longer long: {stale}"
    )


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_every_folder_of_modules_is_a_package(folder: str) -> None:
    bare = {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "versions" and not (path.parent / "__init__.py").exists()
    }
    assert not bare, f"no __init__.py in: {bare}"


def test_the_checker_tells_imports_inside_functions_from_those_at_the_top(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(
        "import json\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tornado\n"
        "def f():\n    import sqlalchemy\nclass C:\n    import os\n"
    )
    found = {item.target: (item.top, item.typing) for item in imports_of_file("sample", file)}
    assert found == {
        "json": (True, False),
        "typing": (True, False),
        "tornado": (False, True),
        "sqlalchemy": (False, False),
        "os": (True, False),
    }
