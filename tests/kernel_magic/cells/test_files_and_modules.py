"""Files that cells read and modules that they reach: a change makes stale, is named, and is what the next run uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Kernel, Said

pytestmark = pytest.mark.kernel

CELLS = {
    "setup": "%load_ext headrace\nfrom pathlib import Path\nimport sys\nsys.path.insert(0, '')\nfolder = Path('data')\ndebug = False",
    "literal": "%%task literal\nprint('ran literal')\na = int(open('a.txt').read())",
    "joined": "%%task joined\nprint('ran joined')\nb = int((folder / 'b.txt').read_text())",
    "declared": "%%task declared --reads 'data/*.csv'\nprint('ran declared')\nimport glob\nc = sum(len(open(f).read()) for f in glob.glob('data/' + '*.csv'))",
    "direct": "%%task direct\nprint('ran direct')\nfrom rates import rate\nd = rate()",
    "through": "def priced(x):\n    import_free = rate()\n    return x * import_free",
    "uses": "%%task uses\nprint('ran uses')\ne = priced(10)",
    "maybe": "%%task maybe\nprint('ran maybe')\nif debug:\n    extra = 1",
    "stdlib": "%%task stdlib\nprint('ran stdlib')\nimport json\nf = json.dumps(folder.name)",
}


class Place:
    """A folder with a notebook, files, a module, and a kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells = dict(CELLS)
        (folder / "data").mkdir()
        self.put("a.txt", "1")
        self.put("data/b.txt", "2")
        self.put("data/one.csv", "12")
        self.put("basis.py", "BASE = 3\n")
        self.put("rates.py", "from basis import BASE\n\ndef rate():\n    return BASE\n")
        self.save()
        path = folder / "book.ipynb"
        self.kernel = Kernel(folder, HEADRACE_DATA_DIR=str(folder / "headrace"), JPY_SESSION_NAME=str(path))

    def put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def save(self) -> None:
        cells = [
            {"id": n, "cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
            for n, s in self.cells.items()
        ]
        text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        self.put("book.ipynb", text)

    def flow(self) -> Said:
        said = self.kernel.run("%flow run", seconds=60)
        assert said.status == "ok", said.error + said.text
        return said

    def status(self) -> str:
        return self.kernel.run("%flow status").result

    def values(self) -> str:
        return self.kernel.value("a, b, c, d, e")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("place"))
    for name, source in made.cells.items():
        said = made.kernel.run(source, cell_id=name)
        assert said.status == "ok", said.error
    assert made.values() == "(1, 2, 2, 3, 30)"
    yield made
    made.kernel.close()


def ran(said: Said) -> list[str]:
    return re.findall(r"^ran (\w+)$", said.text, re.MULTILINE)


def test_nothing_is_stale_while_nothing_changed_the_cell_that_loaded_headrace_included(place: Place) -> None:
    assert ran(place.flow()) == []


@pytest.mark.parametrize(
    ("file", "text", "cell", "named"),
    [
        ("a.txt", "10", "literal", "a.txt"),
        ("data/b.txt", "20", "joined", "data/b.txt"),
        ("data/two.csv", "345", "declared", "data/*.csv"),
    ],
    ids=["literal-path", "path-with-a-name-of-another-cell", "pattern-declared"],
)
def test_a_changed_file_makes_its_reader_stale_and_is_named(
    place: Place, file: str, text: str, cell: str, named: str
) -> None:
    place.put(file, text)
    assert f"the file {named} is another" in place.status()
    said = place.flow()
    assert ran(said) == [cell]
    assert named in said.text
    assert ran(place.flow()) == []


def test_a_file_written_again_with_the_same_content_makes_nothing_stale(place: Place) -> None:
    place.put("a.txt", (place.folder / "a.txt").read_text())
    assert ran(place.flow()) == []


def test_an_edited_module_makes_stale_what_reaches_it_and_is_imported_again(place: Place) -> None:
    place.put("basis.py", "BASE = 400\n")
    assert "the file basis.py is another" in place.status()
    said = place.flow()
    assert ran(said) == ["direct", "uses"]
    assert "basis.py — edited, imported again" in said.text
    assert place.kernel.value("d, e") == "(400, 4000)"
    assert ran(place.flow()) == []


def test_a_cell_run_by_hand_with_an_old_module_stays_stale(place: Place) -> None:
    place.put("basis.py", "BASE = 5000\n")
    said = place.kernel.run(CELLS["direct"], cell_id="direct")
    assert said.status == "ok"
    assert place.kernel.value("d") == "400"
    assert "the file basis.py is another" in place.status()
    place.flow()
    assert place.kernel.value("d, e") == "(5000, 50000)"


def test_a_module_that_cannot_be_imported_is_named_in_a_line(place: Place) -> None:
    place.put("basis.py", "BASE = = 1\n")
    said = place.kernel.run("%flow run")
    assert said.status == "error"
    assert "basis.py cannot be imported as it is now (SyntaxError" in said.text
    assert "Traceback" not in said.text + said.error
    place.put("basis.py", "BASE = 6\n")
    place.flow()
    assert place.kernel.value("d") == "6"


def test_what_an_earlier_run_left_is_gone_where_the_cell_no_longer_binds_it(place: Place) -> None:
    place.cells["setup"] = CELLS["setup"].replace("debug = False", "debug = True")
    place.save()
    place.flow()
    assert place.kernel.value("extra") == "1"
    place.cells["setup"] = CELLS["setup"]
    place.save()
    assert "maybe" in ran(place.flow())
    assert place.kernel.value("'extra' in globals()") == "False"
