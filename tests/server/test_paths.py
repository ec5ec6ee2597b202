"""Paths of requests stay below the server's root, and nobody learns what lies outside (reliability.md, S-10)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.core.errors import HeadraceError, NotFound
from headrace.server.paths import Root

OUTSIDE = [
    "../secret.ipynb",
    "..",
    "a/../../secret.ipynb",
    "a/..",
    "./../secret.ipynb",
    "/etc/passwd",
    "//etc/passwd",
    "~/secret.ipynb",
    "~root/x",
    "..\\secret.ipynb",
    "a\\..\\..\\secret.ipynb",
    "C:/secret.ipynb",
    "C:\\secret.ipynb",
    "nul\x00.ipynb",
    ".hidden.ipynb",
    ".git/config.ipynb",
    "a/.hidden/x.ipynb",
    "link.ipynb",
    "linked/secret.ipynb",
    "loop/loop/x.ipynb",
    "",
    "   ",
    ".",
    "x" * 5000,
    "\ud800.ipynb",
    "root-sibling/../../root-sibling/secret.ipynb",
]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    folder = tmp_path / "root"
    sibling = tmp_path / "root-sibling"
    for place in (folder / "a" / ".hidden", folder / ".git", sibling):
        place.mkdir(parents=True)
    for path in (
        tmp_path / "secret.ipynb",
        sibling / "secret.ipynb",
        folder / "r.ipynb",
        folder / "a" / "b.ipynb",
        folder / ".hidden.ipynb",
        folder / ".git" / "config.ipynb",
        folder / "a" / ".hidden" / "x.ipynb",
        folder / "x.txt",
    ):
        path.write_text("{}")
    (folder / "link.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (folder / "linked").symlink_to(sibling)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "inside.ipynb").symlink_to(folder / "a" / "b.ipynb")
    return Root(folder)


@pytest.mark.parametrize("path", OUTSIDE, ids=[repr(p)[:40] for p in OUTSIDE])
def test_what_is_refused_and_what_is_missing_get_the_same_answer(root: Root, path: str) -> None:
    with pytest.raises(NotFound) as missing:
        root.resolve("gone.ipynb")
    for method in (root.resolve, root.notebook, root.read):
        with pytest.raises(NotFound) as caught:
            method(path)
        assert str(caught.value) == str(missing.value)


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in OUTSIDE
        if p not in ("", ".", "   ", "link.ipynb", "linked/secret.ipynb", "loop/loop/x.ipynb", "\ud800.ipynb")
    ],
)
def test_no_output_is_written_outside(root: Root, path: str) -> None:
    with pytest.raises(HeadraceError):
        root.new_file(path)


@pytest.mark.parametrize("path", ["link.ipynb", "linked/new.ipynb", "linked/deep/new.ipynb"])
def test_no_output_is_written_through_a_link(root: Root, path: str) -> None:
    with pytest.raises(NotFound):
        root.new_file(path)


@pytest.mark.parametrize("path", ["shown.ipynb", "shown/config.ipynb"])
def test_what_is_hidden_is_not_reached_by_a_link_either(root: Root, path: str) -> None:
    (root.folder / "shown.ipynb").symlink_to(root.folder / ".hidden.ipynb")
    (root.folder / "shown").symlink_to(root.folder / ".git")
    for method in (root.resolve, root.notebook, root.read):
        with pytest.raises(NotFound):
            method(path)
    assert Root(root.folder, allow_hidden=True).read(path) == b"{}"


def test_paths_below_the_root_are_found(root: Root) -> None:
    assert root.notebook("r.ipynb") == str(root.folder / "r.ipynb")
    assert root.notebook("./a//b.ipynb") == str(root.folder / "a" / "b.ipynb")
    assert root.notebook("inside.ipynb") == str(root.folder / "a" / "b.ipynb")
    assert root.new_file("new/deep.ipynb") == str(root.folder / "new" / "deep.ipynb")
    assert root.directory("a") == str(root.folder / "a")
    assert root.directory("") == str(root.folder)
    assert root.relative(str(root.folder / "a" / "b.ipynb")) == "a/b.ipynb"
    assert root.relative("/elsewhere/x") == "/elsewhere/x"


def test_links_are_followed_where_the_server_is_told_to(root: Root, tmp_path: Path) -> None:
    open_root = Root(root.folder, follow_links=True)
    assert open_root.read("link.ipynb") == b"{}"
    with pytest.raises(NotFound):
        open_root.resolve("../secret.ipynb")
    hidden = Root(root.folder, allow_hidden=True)
    assert hidden.read(".hidden.ipynb") == b"{}"


def test_a_link_that_is_swapped_in_between_leads_nowhere(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = root.folder / "r.ipynb"
    really_open = os.open

    def swap(path: str, flags: int, *more: int) -> int:
        if str(path) == str(target):
            target.unlink()
            target.symlink_to(tmp_path / "secret.ipynb")
        return really_open(path, flags, *more)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(NotFound):
        root.read("r.ipynb")


def test_a_pipe_is_no_file(root: Root) -> None:
    os.mkfifo(root.folder / "pipe.ipynb")
    with pytest.raises(NotFound):
        root.read("pipe.ipynb")
