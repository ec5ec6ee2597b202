"""Documents: one identity per notebook, revisions that only grow."""

from __future__ import annotations

import pytest

from headrace.core.errors import Conflict
from headrace.store import Store
from headrace.store.documents import Document

CELLS = ({"id": "a", "cell_type": "code", "source": "x = 1", "metadata": {}},)


def test_a_document_keeps_its_identity_and_its_revision_grows(store: Store) -> None:
    first = store.documents.save(Document(id="", path="/n.ipynb", cells=CELLS, source="file", revision=1))
    again = store.documents.save(Document(id="", path="/n.ipynb", cells=(), source="panel", revision=2, kernel_id="k"))
    assert again.id == first.id
    assert store.documents.at_path("/n.ipynb") == again
    assert store.documents.of_kernel("k") == again
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
    assert store.documents.at_path("/old.ipynb") is None


def test_two_notebooks_of_one_name_in_two_folders_never_collide(store: Store) -> None:
    one = store.documents.save(Document(id="", path="/a/Untitled.ipynb"))
    two = store.documents.save(Document(id="", path="/b/Untitled.ipynb"))
    assert one.id != two.id
