"""Which cells `%flow` calls stale when names are written more than once, by functions, and out of order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Kernel

pytestmark = pytest.mark.kernel

CELLS = {
    "load": "%load_ext headrace",
    "first": "%%task first\nx = 1",
    "reads": "%%task reads\ny = x",
    "second": "%%task second\nx = 2",
    "counter": "n = 0\ndef bump():\n    global n\n    n += 1",
    "bumps": "%%task bumps\nbump()",
    "shows": "%%task shows\nz = n",
    "star": "from colorsys import *",
    "free": "%%task free\nw = rgb_to_hsv(1, 0, 0)",
}


class Book:
    """A notebook with a kernel."""

    def __init__(self, folder: Path) -> None:
        self.cells, self.path = dict(CELLS), folder / "book.ipynb"
        self.save()
        self.kernel = Kernel(folder, HEADRACE_DATA_DIR=str(folder / "headrace"), JPY_SESSION_NAME=str(self.path))

    def save(self) -> None:
        cells = [
            {"id": n, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
            for n, s in self.cells.items()
        ]
        self.path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))

    def by_hand(self, *names: str) -> None:
        for name in names:
            said = self.kernel.run(self.cells[name], cell_id=name)
            assert said.status == "ok", said.error

    def flow(self) -> list[str]:
        """What `%flow run` ran."""
        said = self.kernel.run("%flow run", seconds=60)
        assert said.status == "ok", said.error + said.text
        return re.findall(r"^▶ (\w+) — ", said.text, re.MULTILINE)

    def why(self, name: str) -> str:
        """What `%flow status` says of a cell."""
        lines = self.kernel.run("%flow status").result.splitlines()
        line = next(x for x in lines if x.startswith(f"{name} "))
        found = re.search(r"\((.*)\)", line)
        return found.group(1) if found else ""

    def values(self) -> str:
        return self.kernel.value("x, y, n, z")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    made = Book(tmp_path_factory.mktemp("book"))
    made.by_hand(*made.cells)
    yield made
    made.kernel.close()


def test_a_name_that_is_written_again_below_makes_its_readers_above_not_stale(book: Book) -> None:
    assert book.why("reads") == ""
    assert book.flow() == []
    assert book.values() == "(2, 1, 1, 1)"


def test_what_a_called_function_writes_makes_its_readers_stale(book: Book) -> None:
    book.by_hand("bumps")
    assert book.why("shows") == "n changed: 1 → 2"
    assert book.flow() == ["shows"]
    assert book.values() == "(2, 1, 2, 2)"


def test_a_changed_first_writer_brings_its_reader_up_to_date_and_leaves_the_last_value(book: Book) -> None:
    book.cells["first"] = "%%task first\nx = 5"
    book.save()
    assert book.flow() == ["first", "reads", "second"]
    assert book.values() == "(2, 5, 2, 2)"
    assert book.flow() == []


def test_a_cell_that_ran_out_of_order_is_stale_and_says_whose_value_it_saw(book: Book) -> None:
    book.by_hand("second", "reads")
    assert book.values() == "(2, 2, 2, 2)"
    assert book.why("reads") == "x came from second, which is not the cell above that makes it"
    assert book.flow() == ["first", "reads", "second"]
    assert book.values() == "(2, 5, 2, 2)"


def test_a_star_import_is_no_wildcard_once_its_module_is_known(book: Book) -> None:
    book.cells["typo"] = "%%task typo\nv = rgb_to_hvs(1, 0, 0)"
    book.save()
    said = book.kernel.run("%flow run")
    assert said.status == "error"
    assert "typo reads 'rgb_to_hvs': no cell defines it" in said.text
