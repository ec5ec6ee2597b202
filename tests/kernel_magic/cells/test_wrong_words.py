"""Bad input of `%flow`: one line that names the cell and the remedy, and nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Kernel
from .test_flow_magic import ran, write

pytestmark = pytest.mark.kernel


class Notebook:
    """A kernel beside a notebook file that is written anew for each case."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "book.ipynb"
        write(self.path, {})
        self.kernel = Kernel(folder, HEADRACE_DATA_DIR=str(folder / "headrace"), JPY_SESSION_NAME=str(self.path))
        self.kernel.run("%load_ext headrace")

    def refused(self, line: str, cells: dict[str, str]) -> str:
        """Return the one line that a magic is refused with on a notebook of these cells."""
        write(self.path, cells)
        said = self.kernel.run(line)
        assert said.status == "error", said.result
        assert said.error == ""
        assert ran(said) == []
        assert said.text.count("\n") == 1
        return said.text.removeprefix("UsageError: ").strip()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    made = Notebook(tmp_path_factory.mktemp("book"))
    yield made
    made.kernel.close()


GOOD = {"load": "%%task load\nprint('ran load')\nx = 1", "double": "%%task double\nprint('ran double')\ny = 2 * x"}
CIRCLE = {
    "a": "%%task a --after b\nprint('ran a')",
    "b": "%%task b --after c\nprint('ran b')",
    "c": "%%task c --after a\nprint('ran c')",
}
#: name → the line, the notebook's further cells, and what is said.
CASES: dict[str, tuple[str, dict[str, str], str]] = {
    "no such command": ("%flow stauts", {}, "%flow has no 'stauts'. Did you mean status?"),
    "an open quote": ("%flow 'run", {}, '%flow: a quote is not closed in "\'run".'),
    "run, a close name": ("%flow run --from duoble", {}, "There is no cell 'duoble'; did you mean 'double'?"),
    "run, no such option": (
        "%flow run --fast",
        {},
        "%flow run has no '--fast'; known: --force, --from, --keep-going, --only, --parallel, --runner.",
    ),
    "run, no value": ("%flow run --only", {}, "%flow run: --only needs a cell's name."),
    "run, no number": (
        "%flow run --parallel 0",
        {},
        "%flow run: --parallel is '0', but wants a whole number from 1 to 1000.",
    ),
    "run, no such runner": (
        "%flow run --runner moon",
        {},
        "%flow run: --runner is 'moon', but wants one of threads, processes, dask, ray.",
    ),
    "status": ("%flow status --bad", {}, "%flow status has no '--bad'; known: --times."),
    "restore": ("%flow restore load", {}, "%flow restore has no 'load'; it takes no options."),
    "clear": ("%flow clear load", {}, "%flow clear has no 'load'; it takes no options."),
    "cancel": ("%flow cancel load", {}, "%flow cancel: no background cell 'load' runs; none runs."),
    "runs": ("%headrace runs many", {}, "%headrace runs wants a number of runs, or nothing, not 'many'."),
    "logs": ("%headrace logs nosuch", {}, "There is no run 'nosuch'; `headrace flow-run ls` lists them."),
    "syntax error": ("%flow run", {"bad": "%%task bad\ny = = 1"}, "bad: invalid syntax in line 2; correct it."),
    "asked for by name": (
        "%flow run --only bad",
        {"bad": "%%task bad\nreturn 1"},
        "bad: 'return' outside function in line 2; correct it.",
    ),
    "wrong option": (
        "%flow run",
        {"bad": "%%task bad --retry 3\n1"},
        "cell 3: %%task has no option --retry. Did you mean --retries?",
    ),
    "undefined": (
        "%flow run",
        {"bad": "%%task bad\nnowhere + 1"},
        "bad reads 'nowhere': no cell defines it; define it in a cell above.",
    ),
    "defined below": (
        "%flow run",
        {"bad": "%%task bad\nlate + 1", "late": "%%task late\nlate = 1"},
        "bad reads 'late': it is defined only below, in late; move late up.",
    ),
    "two of one name": (
        "%flow run",
        {"bad": "%%task bad\ny = = 1", "other": "%%task load\nz = 1"},
        "Cells 1 and 4 are both named 'load'; rename one of them.",
    ),
    "after nothing": (
        "%flow run",
        {"bad": "%%task bad --after laod\n1"},
        "bad: --after names 'laod', which is no cell here; did you mean 'load'?",
    ),
    **{
        f"a circle, {word}": (
            f"%flow {word}",
            CIRCLE,
            "--after makes a circle: a → c (--after) → b (--after) → a (--after); take one --after of it away.",
        )
        for word in ("run", "status", "graph", "restore", "clear")
    },
}


@pytest.mark.parametrize(("line", "cells", "words"), CASES.values(), ids=CASES)
def test_it_is_answered_in_one_line(notebook: Notebook, line: str, cells: dict[str, str], words: str) -> None:
    assert notebook.refused(line, {**GOOD, **cells}) == words


def test_a_cell_that_cannot_be_read_is_told_below_the_status_and_hinders_no_other(notebook: Notebook) -> None:
    write(notebook.path, {**GOOD, "bad": "%%task bad\ny = = 1", "note": "just a note ="})
    status = notebook.kernel.run("%flow status").result
    assert "bad: invalid syntax in line 2; correct it." in status
    assert "cell 4: invalid syntax in line 1; correct it." in status
    assert ran(notebook.kernel.run("%flow run --only load")) == ["load"]
    restored = notebook.kernel.run("%flow restore").result
    assert restored.splitlines()[-1] == "bad     not restored: invalid syntax in line 2; correct it."
    write(notebook.path, {**GOOD, "note": "just a note ="})
    assert ran(notebook.kernel.run("%flow run")) == ["double"]


def test_restore_runs_no_plain_cell_that_no_task_needs(notebook: Notebook) -> None:
    write(notebook.path, {**GOOD, "note": "print('ran note')", "base": "base = 1", "uses": "%%task uses\nz = base"})
    said = notebook.kernel.run("%flow restore")
    assert ran(said) == []
    assert "ran (a plain cell)" in said.result
    assert notebook.kernel.value("base") == "1"
