"""Documents: one identity per notebook, revisions that only grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.errors import Conflict
from headrace.store import Store
from headrace.store.documents import Document

CELLS = ({"id": "a", "cell_type": "code", "source": "x = 1", "metadata": {}},)


def test_a_document_keeps_its_identity_and_its_revision_grows(store: Store) -> None:
    first = store.documents.save(Document(id="", path="/n.ipynb", cells=CELLS, source="file", revision=1))
    again = store.documents.save(Document(id="", path="/n.ipynb", cells=(), source="panel", revision=2, kernel_id="k"))
    assert again.id == first.id
    assert store.documents.at_path("/n.ipynb", owner="") == again
    assert store.documents.of_kernel("k", owner="") == again
    assert store.documents.source_of_kernel("k", owner="") == (again.id, again.source)
    assert store.documents.source_of_kernel("other", owner="") is None
    assert store.documents.find(first.id) == again


def test_an_older_revision_is_refused_unless_forced(store: Store) -> None:
    store.documents.save(Document(id="", path="/n.ipynb", cells=CELLS, revision=5))
    with pytest.raises(Conflict, match="newer revision"):
        store.documents.save(Document(id="", path="/n.ipynb", revision=4))
    assert store.documents.save(Document(id="", path="/n.ipynb", revision=0), force=True).revision == 6


def test_a_rename_keeps_the_identity_when_the_id_is_given(store: Store) -> None:
    first = store.documents.save(Document(id="", path="/old.ipynb", cells=CELLS))
    moved = store.documents.save(Document(id=first.id, path="/new.ipynb", cells=CELLS, revision=1))
    assert moved.id == first.id
    assert store.documents.at_path("/old.ipynb", owner="") is None


def test_two_notebooks_of_one_name_in_two_folders_never_collide(store: Store) -> None:
    one = store.documents.save(Document(id="", path="/a/Untitled.ipynb"))
    two = store.documents.save(Document(id="", path="/b/Untitled.ipynb"))
    assert one.id != two.id


def _cells(*ids: str) -> list[dict[str, object]]:
    return [{"id": i, "cell_type": "code", "source": "", "metadata": {}} for i in ids]


def test_twenty_notebooks_of_one_name_are_twenty_documents(store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "Untitled.ipynb")
    made = {store.documents.save(Document(id="", path=path, cells=_cells(f"c{n}"), revision=n)).id for n in range(20)}
    assert len(made) == 20
    assert store.documents.identify(path, ["c3"]).id in made  # type: ignore[union-attr]


def test_a_moved_notebook_is_the_same_and_a_copy_is_not(store: Store, tmp_path: Path) -> None:
    old, new = tmp_path / "old.ipynb", tmp_path / "new.ipynb"
    old.touch()
    held = store.documents.save(Document(id="", path=str(old), cells=_cells("a", "b"), revision=1))
    assert store.documents.identify(str(new), ["a", "b"]) is None
    old.unlink()
    moved = store.documents.save(Document(id="", path=str(new), cells=_cells("a", "b", "c"), revision=2))
    assert (moved.id, moved.path) == (held.id, str(new))
    assert store.documents.identify(str(tmp_path / "other.ipynb"), ["z"]) is None


def test_one_path_of_two_persons_is_two_documents(store: Store) -> None:
    """Every home of a hub looks alike: on a team's store nobody's cells may reach another person's kernel or panel."""
    path, theirs = "/home/jovyan/work/a.ipynb", [{"id": "a", "cell_type": "code", "source": "steal()", "metadata": {}}]
    mine = store.documents.save(
        Document(id="", path=path, owner="ada", cells=CELLS, source="panel", revision=1, kernel_id="k")
    )
    other = store.documents.save(
        Document(id="", path=path, owner="mallory", cells=theirs, source="panel", revision=9, kernel_id="k")
    )
    assert mine.id != other.id
    assert store.documents.at_path(path, owner="ada") == mine
    assert store.documents.of_kernel("k", owner="ada") == mine
    assert store.documents.source_of_kernel("k", owner="ada") == (mine.id, mine.source)
    with pytest.raises(Conflict):
        store.documents.save(Document(id=mine.id, path=path, owner="mallory", cells=theirs), force=True)
    assert store.documents.find(mine.id) == mine
