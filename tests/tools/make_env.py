"""Make or refresh `.venv`: the first step of every `make` command. Standard library only, any Python from 3.10.

The environment has two halves, each with a stamp that holds a digest of what decides it:

- `packages`: the dependencies and the install itself (pyproject.toml, setup.py, the folders of packages);
- `panel`: the compiled panel (labextension's sources), copied into the environment by the install.

A half whose digest is unchanged costs nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLDEST = (3, 10)
FRONT = ROOT / "labextension"


def say(text: str) -> None:
    """Print a progress line at once, also into a pipe."""
    print(f"headrace: {text}", flush=True)


def fail(text: str) -> None:
    """End with one clear line."""
    sys.exit(f"headrace: {text}")


def python_of(venv: Path) -> Path:
    """Return the interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def digest(paths: Iterable[Path], *words: str) -> str:
    """Return a digest of files and words."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def packages_digest(extras: str) -> str:
    """Return what decides the installed packages.

    Parameters
    ----------
    extras : str
        The extras that are installed, separated by commas.

    Returns
    -------
    str
        Hexadecimal digest. Folders count by name only: an editable install sees changed files by itself.
    """
    names = [
        init.parent.relative_to(ROOT).as_posix()
        for folder in ("extension", "kernel_magic", "server")
        for init in (ROOT / folder).rglob("__init__.py")
    ]
    files = [ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "server" / "jupyter-config" / "headrace.json"]
    return digest(files, extras, str(ROOT), *sorted(names))


def version_of(venv: Path) -> tuple[int, ...]:
    """Return the Python version that an environment was made with, as (major, minor); () where there is none."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    settings = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    return tuple(int(part) for part in settings.get("version", "").split(".")[:2] if part.isdigit())


def panel_digest() -> str:
    """Return what decides the compiled panel."""
    files = [p for p in FRONT.glob("*") if p.suffix in {".json", ".mjs", ".cjs"}] if FRONT.is_dir() else []
    for folder in ("src", "style", "schema"):
        files += [p for p in (FRONT / folder).rglob("*") if p.is_file()]
    return digest(files, os.environ.get("HEADRACE_SKIP_FRONT", ""))


def check_python() -> None:
    """Refuse, in one line, an interpreter that cannot make the environment."""
    if sys.version_info < OLDEST:
        fail(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and {sys.executable} is {sys.version.split()[0]}. "
            "Name another one: make PYTHON=/path/to/python3.12 …"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        fail(
            f"{sys.executable} has no venv module. On Debian and Ubuntu: apt-get install python{version}-venv. "
            "Or name another Python: make PYTHON=/path/to/python3 …"
        )


def run(command: list[str], what: str, *, quiet: bool = True, env: dict[str, str] | None = None) -> None:
    """Run a step; its output is shown only where it failed.

    Parameters
    ----------
    command : list of str
        The program and its arguments.
    what : str
        The step, for the progress line.
    quiet : bool, default True
        Keep the output back unless the step fails.
    env : dict or None, default None
        The environment, None for this process's.
    """
    started = time.monotonic()
    say(f"{what} …")
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        check=False,
    )
    if done.returncode:
        if done.stdout:
            print(done.stdout, flush=True)
        fail(f"{what} failed (exit code {done.returncode}); the lines above say why. Command: {' '.join(command)}")
    say(f"{what}: {time.monotonic() - started:.0f} s")


def make(venv: Path, extras: str, *, this_python: bool = False) -> Path:
    """Make or refresh an environment with an editable install.

    Parameters
    ----------
    venv : Path
        Its folder.
    extras : str
        The extras to install, separated by commas.
    this_python : bool, default False
        The interpreter was named on purpose: an environment made with another version is made anew.

    Returns
    -------
    Path
        The environment's interpreter.
    """
    python = python_of(venv)
    if this_python and version_of(venv) not in {(), sys.version_info[:2]}:
        shutil.rmtree(venv)
    packages, panel = venv / ".headrace-packages", venv / ".headrace-panel"
    wanted = {packages: packages_digest(extras), panel: panel_digest()}
    stale = {stamp for stamp, value in wanted.items() if not stamp.exists() or stamp.read_text() != value}
    if not stale and python.exists():
        return python
    if not python.exists():
        check_python()
        shutil.rmtree(venv, ignore_errors=True)
        version = sys.version.split()[0]
        run([sys.executable, "-m", "venv", str(venv)], f"making {venv.relative_to(ROOT)} with Python {version}")
        stale = set(wanted)
    for stamp in stale:
        stamp.unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input"]
    env = dict(os.environ)
    # The environment's own Node.js (a development dependency) comes first, so that a build downloads it once only.
    env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", os.defpath)])
    if packages in stale:
        run([*pip, "-e", f".[{extras}]"], f"installing headrace[{extras}] and building the panel", env=env)
    else:
        run([*pip, "--no-deps", "-e", "."], "building the panel", env=env)
    for stamp, value in wanted.items():
        stamp.write_text(value)
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make or refresh the environment of this checkout.")
    parser.add_argument("--extras", default="dev", help="extras to install (default: dev)")
    parser.add_argument("--this-python", action="store_true", help="make it anew if it has another Python version")
    arguments = parser.parse_args()
    make(VENV, arguments.extras, this_python=arguments.this_python)
