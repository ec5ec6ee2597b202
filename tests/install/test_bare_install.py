"""The bare `pip install headrace`: slim, and enough for scripts, kernels and the command line (issue: at most 16 packages)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import ROOT, fresh_environment, run

MOST_PACKAGES = 16
#: The standard library's own in later Pythons.
BACKPORTS = {"tomli"}
#: Not for Headrace: what its tests look at (values of other libraries) and are run by.
FOR_TESTS = ("pytest", "hypothesis", "numpy", "pandas", "polars", "pyarrow", "matplotlib")
#: What of the engine's tests runs here; clusters, processes and the patterns run in the full environment.
ENGINE = (
    *("brain", "engine", "small_parts", "results", "task_cache", "source", "testing", "transactions", "pausing"),
    *("artifacts", "pickling"),
)
NOT_WANTED = {
    "jupyter-server",
    "jupyterlab",
    "nbclient",
    "nbconvert",
    "nbformat",
    "papermill",
    "psycopg",
    "distributed",
}
PIP = ("-m", "pip", "--disable-pip-version-check")


def packages(python: Path) -> set[str]:
    listed = json.loads(run(python, *PIP, "list", "--format=json"))
    return {package["name"].lower().replace("_", "-") for package in listed}


@pytest.fixture(scope="module")
def grown(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """An environment with ipykernel, then headrace; its Python, and what headrace brought."""
    python = fresh_environment(tmp_path_factory.mktemp("bare") / "venv") / "python"
    run(python, *PIP, "install", "--quiet", "ipykernel")
    before = packages(python)
    run(python, *PIP, "install", "--quiet", wheel, path="/nonexistent")
    return python, packages(python) - before - {"headrace"}


def test_it_brings_few_packages_beside_ipykernels(grown: tuple[Path, set[str]]) -> None:
    _, brought = grown
    assert len(brought - BACKPORTS) <= MOST_PACKAGES, sorted(brought)


def test_it_brings_nothing_of_the_server_side(grown: tuple[Path, set[str]]) -> None:
    python, _ = grown
    assert not packages(python) & NOT_WANTED


def test_the_command_line_works(grown: tuple[Path, set[str]]) -> None:
    python, _ = grown
    assert run(python.parent / "headrace", "version").startswith("headrace 0.1.0 ")


def test_the_engine_and_the_cells_pass_their_tests_in_it(grown: tuple[Path, set[str]]) -> None:
    python, _ = grown
    run(python, *PIP, "install", "--quiet", *FOR_TESTS)
    suite = ROOT / "tests" / "kernel_magic"
    parts = [
        suite / "cells" / "test_cell_tasks.py",
        suite / "cells" / "test_flow_magic.py",
        suite / "cells" / "test_views.py",
    ]
    parts += [suite / f"test_{name}.py" for name in ENGINE]
    run(
        python, "-m", "pytest", "-q", "-x", "-m", "not postgres and not lab", "-p", "no:cacheprovider", *parts, cwd=ROOT
    )
