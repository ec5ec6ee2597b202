"""`setup.py` and the environment maker: what is shipped, and when something is built anew."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import make_env
import pytest
import setuptools
from source_tree import ROOT, modules


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The functions of setup.py, with what it told setuptools under `told`."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", told.update)
    return {**runpy.run_path(str(ROOT / "setup.py")), "told": told}


@pytest.fixture
def front(build: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A small panel of its own, and the functions of setup.py looking at it."""
    folder = tmp_path / "labextension"
    for name, text in {"package.json": "{}", "src/index.ts": "1", "style/base.css": "a{}", "build.mjs": "0"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    lab = folder / "dist" / "lab"
    lab.mkdir(parents=True)
    (lab / "package.json").write_text("{}")
    scope = build["needs_build"].__globals__
    monkeypatch.setitem(scope, "ROOT", tmp_path)
    monkeypatch.setitem(scope, "FRONT", folder)
    monkeypatch.setitem(scope, "LAB_OUT", lab)
    monkeypatch.setitem(scope, "STAMP", folder / "dist" / "sources.sha256")
    (folder / "dist" / "sources.sha256").write_text(build["front_digest"]() + "\n")
    return SimpleNamespace(folder=folder, root=tmp_path, needs_build=build["needs_build"])


def test_every_module_belongs_to_a_shipped_package(build: dict[str, Any]) -> None:
    packages = set(build["told"]["packages"])
    assert packages <= {name for name, path in modules().items() if path.name == "__init__.py"}
    for name, path in modules().items():
        owner = name if path.name == "__init__.py" else name.rpartition(".")[0]
        assert owner in packages, f"{name} would not be shipped"


def test_files_beside_the_code_are_shipped(build: dict[str, Any]) -> None:
    data = build["told"]["package_data"]
    assert "py.typed" in data["headrace"]
    assert "migrations/fresh.sqlite.sql" in data["headrace.store"]
    assert any(name.startswith("migrations/versions/") for name in data["headrace.store"])
    assert "static/*" in data["headrace.server"]


def test_a_built_panel_is_not_built_again(front: SimpleNamespace) -> None:
    assert not front.needs_build()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "src" / "index.ts").write_text("2"), id="a source changed"),
        pytest.param(lambda folder: (folder / "src" / "new.ts").write_text(""), id="a source is new"),
        pytest.param(lambda folder: (folder / "style" / "base.css").unlink(), id="a source is gone"),
        pytest.param(
            lambda folder: (folder / "dist" / "sources.sha256").unlink(), id="nobody knows what it was built from"
        ),
        pytest.param(lambda folder: (folder / "dist" / "lab" / "package.json").unlink(), id="it is not there"),
    ],
)
def test_the_panel_is_built_again_when(front: SimpleNamespace, change: Any) -> None:
    change(front.folder)
    assert front.needs_build()


def test_a_source_archive_is_never_built_again(front: SimpleNamespace) -> None:
    (front.root / "PKG-INFO").write_text("")
    (front.folder / "src" / "index.ts").write_text("2")
    assert not front.needs_build()


def test_the_panel_can_be_left_out(front: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_SKIP_FRONT", "1")
    (front.folder / "src" / "index.ts").write_text("2")
    assert not front.needs_build()


@pytest.mark.parametrize(
    ("answer", "usable"),
    [("v20.11.1", True), ("v24.0.0", True), ("v18.20.0", False), ("nonsense", False)],
)
def test_node_on_path_is_used_from_version_20(
    build: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, usable: bool
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (build["system_node"]() is not None) == usable


def test_an_old_python_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    with pytest.raises(SystemExit, match=r"^headrace: Python 3\.10 or newer is needed") as caught:
        make_env.check_python()
    assert "\n" not in str(caught.value)


def test_a_python_without_venv_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match=r"apt-get install python3\.\d+-venv"):
        make_env.check_python()


def test_a_step_that_fails_shows_what_it_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^headrace: trying failed \(exit code 3\)"):
        make_env.run([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"], "trying")
    assert "the reason" in capsys.readouterr().out


def test_a_new_package_or_extra_makes_the_environment_stale() -> None:
    assert make_env.packages_digest("dev") == make_env.packages_digest("dev")
    assert make_env.packages_digest("dev") != make_env.packages_digest("lab")


def test_an_environment_knows_its_python(tmp_path: Path) -> None:
    assert make_env.version_of(tmp_path) == ()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")
    assert make_env.version_of(tmp_path) == (3, 12)
