"""What is in the wheel and the source archive, and that neither needs Node.js to install."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from .conftest import ROOT, run

FOLDERS = {"extension": "headrace", "kernel_magic": "headrace/kernel_magic", "server": "headrace/server"}
DATA = "headrace-0.1.0.data/data/"
NO_NODE = "/nonexistent"


def names_in_wheel(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def source_files() -> set[str]:
    """Return every file of the three folders under the name it has in the wheel."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = set()
    for name in listed:
        folder, _, inner = name.partition("/")
        if not inner.startswith("jupyter-config/"):
            found.add(f"{FOLDERS[folder]}/{inner}")
    return found


def test_the_wheel_has_every_file_of_the_three_folders(wheel: Path) -> None:
    missing = source_files() - names_in_wheel(wheel)
    assert not missing, sorted(missing)


def test_the_wheel_has_nothing_from_elsewhere(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in_wheel(wheel)}
    assert tops == {"headrace", "headrace-0.1.0.data", "headrace-0.1.0.dist-info"}


def test_the_wheel_switches_the_server_extension_on(wheel: Path) -> None:
    assert DATA + "etc/jupyter/jupyter_server_config.d/headrace.json" in names_in_wheel(wheel)


def test_a_wheel_from_the_source_archive_is_the_same_and_needs_no_node(
    wheel: Path, source_archive: Path, tmp_path: Path
) -> None:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source_archive)
    run(*pip, path=NO_NODE)
    (again,) = tmp_path.glob("*.whl")
    assert names_in_wheel(again) == names_in_wheel(wheel)


def test_the_source_archive_has_the_licence_and_the_sources(source_archive: Path) -> None:
    with tarfile.open(source_archive) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "setup.py", "extension/__init__.py"} <= names


class TestPanel:
    """The prebuilt panel travels with both."""

    LAB = "share/jupyter/labextensions/headrace/"

    def test_the_wheel_installs_the_panel_and_the_standalone_page(self, wheel: Path) -> None:
        names = names_in_wheel(wheel)
        assert {DATA + self.LAB + "package.json", DATA + self.LAB + "install.json"} <= names
        assert any(name.startswith("headrace/server/static/") and name.endswith(".js") for name in names)

    def test_the_source_archive_carries_it_built(self, source_archive: Path) -> None:
        with tarfile.open(source_archive) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {"labextension/dist/lab/package.json", "labextension/package-lock.json"} <= names

    def test_the_install_alone_enables_the_server_extension(self, lab_programs: Path) -> None:
        code = (
            "from jupyter_core.paths import jupyter_config_path\n"
            "from jupyter_server.extension.config import ExtensionConfigManager\n"
            "from jupyter_server.extension.manager import ExtensionPackage\n"
            "found = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()\n"
            "print(found['headrace'], ExtensionPackage(name='headrace', enabled=True).validate())"
        )
        assert run(lab_programs / "python", "-c", code).split()[-2:] == ["True", "True"]

    def test_jupyterlab_lists_it_enabled(self, lab_programs: Path) -> None:
        said = run(lab_programs / "python", "-m", "jupyter", "labextension", "list")
        assert "headrace v0.1.0" in said
        assert "enabled" in said
