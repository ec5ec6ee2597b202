"""The distribution as a person gets it: a wheel and a source archive, built from a copy, and fresh environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".types", ".cache", "node_modules", "build", "*.egg-info", "__pycache__"
)
Run = Callable[..., str]


def run(*command: object, path: str | None = None, expect: int = 0, cwd: Path | None = None) -> str:
    """Run a command outside of the checkout and return what it said.

    Parameters
    ----------
    command : object
        Program and arguments.
    path : str or None, default None
        What `PATH` is, None for this process's.
    expect : int, default 0
        The exit code it must have.
    cwd : Path or None, default None
        The folder it runs in, None for the file system's root.
    """
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "HEADRACE_SKIP_FRONT"}}
    if path is not None:
        env["PATH"] = path
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd or Path("/"),
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=300,
    )
    assert done.returncode == expect, f"{command} → {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the panel as built: a build writes into its tree, and this one must stay as it is."""
    copy = tmp_path_factory.mktemp("source") / "headrace"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the copy."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def source_archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, made from the copy."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, source)
    (built,) = folder.glob("*.tar.gz")
    return built


def fresh_environment(folder: Path) -> Path:
    """Make an environment and return its folder of programs."""
    run(sys.executable, "-m", "venv", folder)
    return folder / "bin"


@pytest.fixture(scope="session")
def lab_programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and, by a path entry, the packages of this one: the `lab` extra without its minutes."""
    folder = tmp_path_factory.mktemp("lab") / "venv"
    programs = fresh_environment(folder)
    site = Path(run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "this_environment.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
    return programs
