"""The lanes of `make test`: what each runs, and the seconds it may take on 2 cores."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
FRONT = ROOT / "labextension"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:schemathesis", "--color=no")
# pytest-jupyter and pytest-playwright in one process break each other ("event loop is already running").
NO_BROWSER = ("-p", "no:playwright")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a lane.

    Parameters
    ----------
    name : str
        Shown when it fails.
    command : tuple of str
        Program and arguments; `{junit}` stands for the path of the report it writes.
    cwd : Path, default the checkout
    """

    name: str
    command: tuple[str, ...]
    cwd: Path = ROOT

    @property
    def reports(self) -> bool:
        """It writes a JUnit report; else it counts as one test."""
        return any("{junit}" in word for word in self.command)


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Steps that run one after another, in processes of their own.

    Parameters
    ----------
    name : str
    budget_seconds : float
        More is said loudly, and is no failure: the machine may be shared.
    steps : tuple of Step
    folders : tuple of str
        The folders of test files it covers; () for none. A lane with files that runs no test fails.
    needs : tuple of str
        What is brought before any lane starts: "chromium", "postgres".
    alone : bool, default False
        It measures time or fills both cores, so nothing runs beside it.
    """

    name: str
    budget_seconds: float
    steps: tuple[Step, ...]
    folders: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    alone: bool = False

    @property
    def files(self) -> list[Path]:
        """The test files it has to run."""
        return [path for folder in self.folders for path in (ROOT / folder).rglob("test_*.py")]

    @property
    def present(self) -> bool:
        """Whether there is something to run."""
        return bool(self.steps) and (not self.folders or bool(self.files))


def pytest_lane(
    name: str,
    budget_seconds: float,
    *folders: str,
    plugins: tuple[str, ...] = NO_BROWSER,
    needs: tuple[str, ...] = ("postgres",),
    alone: bool = False,
) -> Lane:
    """Return a lane that runs pytest on the folders that exist."""
    paths = tuple(f"tests/{folder}" for folder in folders)
    found = tuple(path for path in paths if (ROOT / path).is_dir())
    command = (*PYTEST, *plugins, "--junitxml={junit}", *found)
    steps = (Step(name="pytest", command=command),) if found else ()
    return Lane(name=name, budget_seconds=budget_seconds, steps=steps, folders=paths, needs=needs, alone=alone)


def lint_lane() -> Lane:
    ruff = (sys.executable, "-m", "ruff")
    return Lane(
        name="lint",
        budget_seconds=10,
        steps=(
            Step(name="ruff check", command=(*ruff, "check", "--quiet", ".")),
            Step(name="ruff format", command=(*ruff, "format", "--quiet", "--check", ".")),
        ),
    )


def types_lane() -> Lane:
    return Lane(
        name="types",
        budget_seconds=30,
        steps=(
            Step(name="links", command=(sys.executable, "tests/tools/link_types.py")),
            Step(name="mypy", command=(sys.executable, "-m", "mypy")),
        ),
    )


def front_lane() -> Lane:
    """Lint, types and unit tests of the panel, with the Node.js of the environment."""
    node = shutil.which("node") or "node"
    modules = FRONT / "node_modules"
    steps: tuple[Step, ...] = ()
    if (FRONT / "package.json").exists():
        vitest = str(modules / "vitest/vitest.mjs")
        steps = (
            Step(name="tsc, eslint, prettier, stylelint", command=(node, "lint.mjs"), cwd=FRONT),
            Step(
                name="vitest",
                command=(node, vitest, "run", "--reporter=default", "--reporter=junit", "--outputFile.junit={junit}"),
                cwd=FRONT,
            ),
        )
    return Lane(name="front", budget_seconds=75, steps=steps)


def lanes() -> list[Lane]:
    """Return every lane, in the order of their report."""
    jupyter = ("-p", "pytest_jupyter.jupyter_server", *NO_BROWSER)
    return [
        lint_lane(),
        types_lane(),
        pytest_lane("house", 30, "test_house"),
        pytest_lane("core", 67, "core", "cli"),
        pytest_lane("store", 85, "store", "contract"),
        pytest_lane("kernel_magic", 300, "kernel_magic"),
        pytest_lane("server", 130, "server", plugins=jupyter),
        pytest_lane("acceptance", 430, "acceptance", "binder"),
        pytest_lane("install", 110, "install"),
        front_lane(),
        pytest_lane("browser", 260, "browser", plugins=(), needs=("chromium",), alone=True),
    ]
