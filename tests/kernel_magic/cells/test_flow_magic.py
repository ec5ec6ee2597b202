"""A notebook as a flow, in real kernels: what is stale runs again in order, stored outputs come back, background cells wait."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.store import Store

from .conftest import Kernel, Said

pytestmark = pytest.mark.kernel

CELLS = {
    "setup": "%load_ext headrace\nbase = 1",
    "load": "%%task load\nprint('ran load')\nx = [1, 2]",
    "double": "%%task double\nprint('ran double')\ny = [2 * n for n in x]\nprint('doubled', y)",
    "other": "%%task other\nprint('ran other')\nz = 5",
    "report": "%%task report\nprint('ran report')\ntotal = sum(y) + z\ntotal",
}


def write(path: Path, cells: dict[str, str]) -> None:
    """Write a notebook file."""
    found = [
        {"id": name, "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for name, source in cells.items()
    ]
    path.write_text(json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


class Book:
    """A notebook file with a kernel beside it."""

    def __init__(self, start: Callable[..., Kernel], folder: Path, cells: dict[str, str]) -> None:
        self.path = folder / "book.ipynb"
        self.cells = dict(cells)
        self.data = folder / "headrace"
        write(self.path, self.cells)
        self._start = start
        self.kernel = self._open()

    def _open(self) -> Kernel:
        return self._start(HEADRACE_DATA_DIR=str(self.data), JPY_SESSION_NAME=str(self.path))

    def restart(self) -> None:
        """Start a new kernel on the same notebook."""
        self.kernel = self._open()

    def run(self, *names: str) -> list[Said]:
        """Run cells as Lab sends them."""
        return [self.kernel.run(self.cells[name], cell_id=name) for name in names]

    def edit(self, name: str, source: str) -> None:
        """Change a cell and save the notebook."""
        self.cells[name] = source
        write(self.path, self.cells)

    def magic(self, line: str) -> Said:
        """Run a line magic."""
        return self.kernel.run(line)


def ran(said: Said) -> list[str]:
    """Return which task bodies ran."""
    return re.findall(r"^ran (\w+)$", said.text, re.MULTILINE)


@pytest.fixture
def book(start_kernel: Callable[..., Kernel], tmp_path: Path) -> Book:
    made = Book(start_kernel, tmp_path, CELLS)
    made.run("setup")
    return made


def test_a_flow_run_runs_what_never_ran_in_order_and_nothing_the_second_time(book: Book) -> None:
    said = book.magic("%flow run")
    assert said.status == "ok", said.error
    assert ran(said) == ["load", "double", "other", "report"]
    assert "doubled [2, 4]" in said.text
    assert book.kernel.value("total") == "11"
    assert "Nothing is stale" in book.magic("%flow run").result


def test_only_the_changed_cell_and_what_depends_on_it_run_again(book: Book) -> None:
    book.magic("%flow run")
    book.edit("other", CELLS["other"].replace("z = 5", "z = 6"))
    said = book.magic("%flow run")
    assert ran(said) == ["other", "report"]
    assert "other — its code changed" in said.text
    assert "report — uses z of other" in said.text
    assert book.kernel.value("total") == "12"


def test_a_changed_comment_makes_nothing_stale(book: Book) -> None:
    book.magic("%flow run")
    book.edit("other", CELLS["other"].replace("z = 5", "z = 5  # five"))
    assert "Nothing is stale" in book.magic("%flow run").result


def test_a_cell_run_by_hand_makes_what_uses_it_stale(book: Book) -> None:
    book.magic("%flow run")
    book.run("load")
    assert "x changed: load ran again" in book.magic("%flow status").result
    assert ran(book.magic("%flow run")) == ["double", "report"]


def test_a_failing_cell_skips_its_dependents_and_the_rest_goes_on(book: Book) -> None:
    book.edit("double", "%%task double\ny = x / 0")
    said = book.magic("%flow run")
    assert said.status == "error"
    assert "1 of 4 cells failed: double" in said.error + said.text
    assert ran(said) == ["load", "other"]
    store = Store(find_store(f"sqlite:///{book.data / 'headrace.db'}"))
    states = {r.name: r.state_name for r in store.runs.page(RunFilter(roots_only=False, kinds=("cell",)))[0]}
    assert states["double"] == "Failed"
    assert states["report"] == "UpstreamFailed"
    root = store.runs.page(RunFilter(kinds=("flow",)))[0][0]
    assert root.state_name == "Failed"
    assert len(store.runs.tree(root.id)) == 5
    store.close()
    book.edit("double", CELLS["double"])
    assert ran(book.magic("%flow run --keep-going")) == ["double", "report"]


def test_from_only_and_force_choose(book: Book) -> None:
    book.magic("%flow run")
    assert ran(book.magic("%flow run --from double")) == ["double", "report"]
    assert ran(book.magic("%flow run --only load")) == ["load"]
    assert len(ran(book.magic("%flow run --force"))) == 4


def test_the_status_says_which_value_and_which_module_changed(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    (tmp_path / "own_helpers.py").write_text("def double(n):\n    return 2 * n\n")
    cells = {
        "rate": "%%task rate_of\nrate = 0.2",
        "use": "%%task use\nfrom own_helpers import double\ny = double(rate)",
        "more": "%%task more\nz = double(y)",
    }
    book = Book(start_kernel, tmp_path, cells)
    book.kernel.run(f"%load_ext headrace\nimport sys\nsys.path.insert(0, {str(tmp_path)!r})")
    assert book.magic("%flow run").status == "ok"
    book.kernel.run("%%task rate_of\nrate = 0.3", cell_id="rate")
    book.edit("rate", "%%task rate_of\nrate = 0.3")
    assert "rate changed: 0.2 → 0.3" in book.magic("%flow status").result
    assert ran(book.magic("%flow run")) == []
    (tmp_path / "own_helpers.py").write_text("def double(n):\n    return n + n\n")
    status = book.magic("%flow status").result
    assert "own_helpers.py is another" in next(line for line in status.splitlines() if line.startswith("more"))


def test_a_file_that_changes_makes_its_reader_stale(book: Book, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1")
    book.edit("other", "%%task other\nz = int(open('data.txt').read())\nprint('ran other')")
    assert book.magic("%flow run").status == "ok"
    assert "Nothing is stale" in book.magic("%flow run").result
    (tmp_path / "data.txt").write_text("22")
    assert "data.txt" in book.magic("%flow status").result
    assert ran(book.magic("%flow run")) == ["other", "report"]


CACHED = {
    "setup": "%load_ext headrace\nbase = 0",
    "load": "%%task load --cache-policy inputs\nimport math\ndef half(n):\n    return n / 2\nframe = {'a': [1, 2]}\nprint('read it')",
    "change": "%%task change --cache-policy inputs\nframe['b'] = half(6)\nfrom IPython.display import HTML, display\ndisplay(HTML('<i>shown</i>'))",
    "use": "%%task use --cache-policy inputs\nresult = frame['b'] + rate\nresult",
}


@pytest.fixture
def cached(start_kernel: Callable[..., Kernel], tmp_path: Path) -> Book:
    made = Book(start_kernel, tmp_path, CACHED)
    made.run("setup")
    made.kernel.run("rate = 0.5")
    made.run("load", "change", "use")
    return made


def test_a_hit_restores_variables_and_mutated_inputs_and_shows_again(cached: Book) -> None:
    cached.restart()
    cached.run("setup")
    cached.kernel.run("rate = 0.5")
    load, change, use = cached.run("load", "change", "use")
    assert load.text == "read it\n"
    assert any("shown" in d.get("text/html", "") for d in change.displays)
    assert use.result == "3.5"
    assert cached.kernel.value("frame") == "{'a': [1, 2], 'b': 3.0}"
    assert cached.kernel.value("(result, half(4), math.pi > 3)") == "(3.5, 2.0, True)"
    store = Store(find_store(f"sqlite:///{cached.data / 'headrace.db'}"))
    newest = {r.name: r for r in reversed(store.runs.page(RunFilter(kinds=("cell",)))[0])}
    assert {r.state_name for r in newest.values()} == {"Cached"}
    store.close()


def test_a_changed_input_or_helper_is_a_miss_that_says_which(cached: Book) -> None:
    cached.kernel.run("rate = 0.25")
    cached.run("use")
    store = Store(find_store(f"sqlite:///{cached.data / 'headrace.db'}"))
    run = store.runs.page(RunFilter(names=("use",)))[0][0]
    assert run.state_name == "Completed"
    assert run.cache is not None
    assert run.cache["reason"] == "missed: input rate changed"
    cached.edit("load", CACHED["load"].replace("n / 2", "n / 4"))
    cached.run("load", "change")
    run = store.runs.page(RunFilter(names=("change",)))[0][0]
    assert run.cache is not None
    assert "half (which its code uses) changed" in run.cache["reason"]
    store.close()


def test_restore_brings_back_what_is_up_to_date_without_running_it(cached: Book) -> None:
    cached.restart()
    cached.run("setup")
    cached.kernel.run("rate = 0.5")
    said = cached.magic("%flow restore")
    assert said.status == "ok", said.error
    assert "read it" not in said.text
    assert said.result.count("restored") == 3
    assert cached.kernel.value("result") == "3.5"
    cached.edit("change", CACHED["change"].replace("half(6)", "half(8)"))
    cached.restart()
    cached.run("setup")
    cached.kernel.run("rate = 0.5")
    rows = {line.split()[0]: line for line in cached.magic("%flow restore").result.splitlines()}
    assert rows["load"].split()[-1] == "restored"
    assert "the task's code changed" in rows["change"]
    assert "change is not" in rows["use"]


def test_what_cannot_be_stored_is_said_and_runs_again(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    book = Book(
        start_kernel, tmp_path, {"lock": "%%task lock --cache-policy inputs\nimport threading\nlock = threading.Lock()"}
    )
    book.kernel.run("%load_ext headrace")
    book.run("lock")
    store = Store(find_store(f"sqlite:///{book.data / 'headrace.db'}"))
    run = store.runs.page(RunFilter(names=("lock",)))[0][0]
    assert run.state_name == "Completed"
    assert run.details["resumable"] is False
    assert "lock (a lock) cannot be stored" in run.details["warnings"][0]
    store.close()


def test_clear_makes_everything_stale(cached: Book) -> None:
    assert "3 stored outputs forgotten" in cached.magic("%flow clear").result
    assert cached.magic("%flow status").result.count("not run") == 3


def test_skip_if_skips(book: Book) -> None:
    said = book.kernel.run("%%task maybe --skip-if 'base == 1'\nskipped_value = 1")
    assert any("skipped" in d.get("text/plain", "") for d in said.displays)
    assert book.kernel.run("skipped_value").status == "error"


def test_a_cell_that_awaits_runs_within_a_flow_run_too(book: Book) -> None:
    book.edit("other", "%%task other\nimport asyncio\nawait asyncio.sleep(0.01)\nz = 9")
    said = book.magic("%flow run")
    assert said.status == "ok", said.error
    assert book.kernel.value("total") == "15"
