"""A notebook exported as Python gives the notebook's result; a stripped one runs without Headrace."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import InvalidNotebook, NotFound
from headrace.core.runs import RunFilter
from headrace.kernel_magic.cells.export import export, notebook_flow, strip
from headrace.store import get_store

BINDER = Path(__file__).resolve().parents[3] / "binder"


def write(path: Path, *sources: str, tags: dict[int, list[str]] | None = None) -> Path:
    """Write a notebook of code cells."""
    cells = [
        {
            "id": f"c{n}",
            "cell_type": "code",
            "source": s,
            "metadata": {"tags": (tags or {}).get(n, [])},
            "outputs": [],
            "execution_count": None,
        }
        for n, s in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.mark.lab
def test_the_exported_script_computes_what_the_notebook_computes(data_dir: Path, tmp_path: Path) -> None:
    script = tmp_path / "montreal.py"
    script.write_text(export(BINDER / "montreal-cycling.ipynb"))
    done = subprocess.run([sys.executable, str(script)], cwd=BINDER, capture_output=True, text=True, check=True)
    assert "2,985 cyclists on an average day" in done.stdout
    flow = get_store().runs.page(RunFilter(kinds=("flow",)))[0][0]
    assert flow.state_name == "Completed"
    names = {run.definition for run in get_store().runs.tree(flow.id) if run.kind.value == "task"}
    assert {"load_bikes", "clean", "daily_weather", "join", "fit", "report"} <= names


@pytest.mark.lab
def test_a_notebook_is_a_flow_with_parameters_for_scripts_and_tests(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BINDER)
    flow = notebook_flow("montreal-cycling.ipynb")
    assert flow(counter="Rachel1", first_month=4).startswith("Rachel1, months 4 to 12: 3,941 cyclists")


def test_changed_inputs_and_options_survive(data_dir: Path, tmp_path: Path) -> None:
    book = write(
        tmp_path / "a book.ipynb",
        "import math",
        "%%task make --retries 2 --retry-delay-seconds 1,2 --tags x\nitems = [1]",
        "%%task change\nitems.append(math.floor(2.5))",
        "def double(n):\n    return 2 * n",
        "%%task use\nresult = [double(n) for n in items]",
    )
    text = export(book)
    assert "retries=2" in text
    assert "retry_delay_seconds=[1.0, 2.0]" in text
    assert notebook_flow(book)() == [2, 4]


#: cells → what the notebook ends with, by its last task's last name
RESULTS: dict[str, tuple[list[str], Any]] = {
    "mutated": (["x = [1]", "%%task a\nx.append(2)\ny = len(x)", "%%task b\nx.append(y)\ntotal = sum(x)"], 5),
    "bound_again": (["%%task a\nx = 1", "%%task b\nx = x + 1", "%%task c\nx = x * 10\nresult = x"], 20),
    "plain_between": (["%%task a\nx = 1", "y = x + 1", "%%task b\nz = y * 2", "z = z + 1", "%%task c\nw = z"], 5),
    "globals_of_functions": (["def f(v):\n    return v * k", "k = 2", "%%task a\nv = f(3)", "%%task b\nw = v + 1"], 7),
    "changed_globals": (
        [
            "n = 0\ndef count():\n    global n\n    n += 1",
            "%%task a\ncount()\ncount()\nmade = n",
            "%%task b\nresult = made + n",
        ],
        4,
    ),
    "globals_made_by_tasks": (["def f():\n    return rate", "%%task a\nrate = 3", "%%task b\nresult = f() + rate"], 6),
    "texts_of_several_lines": (
        ["%%task a\ntext = '''\n  keep\nthis\n'''", "%%task b\nresult = text"],
        "\n  keep\nthis\n",
    ),
    "awaits": (["import asyncio", "%%task a\nv = await asyncio.sleep(0, 5)", "%%task b\nu = v + 1"], 6),
    "skipped": (["x = 1", "%%task a --skip-if 'x == 1'\nx = 2", "%%task b\nresult = x"], 1),
    "timed": (["%load_ext headrace", "%%task a\n%%time\nx = 1", "%%task b\nresult = x"], 1),
    "deleted": (["%%task a\nx = 1\ny = 2", "%%task b\ndel x\nz = y"], 2),
    "an_empty_loop": (["%%task a\nrows = []", "%%task b\nfor row in rows:\n    pass", "%%task c\nn = len(rows)"], 0),
    "names_that_are_none": (["%%task class\nx = 1", "%%task a-b.c\ny = x", "%%task\nz = y"], 1),
}


@pytest.mark.parametrize(("sources", "result"), RESULTS.values(), ids=RESULTS)
def test_the_flow_gives_what_the_notebook_gives(
    data_dir: Path, tmp_path: Path, sources: list[str], result: Any
) -> None:
    made = notebook_flow(write(tmp_path / "book.ipynb", *sources))()
    assert (asyncio.run(made) if inspect.isawaitable(made) else made) == result


def test_the_commands_write_files_and_the_terminal(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from headrace.cli.main import run

    book = str(write(tmp_path / "book.ipynb", "%%task a\nx = 20", "%%task b\nprint(x + 1)"))
    assert run(["export", book, str(tmp_path / "flow.py")]) == 0
    done = subprocess.run([sys.executable, str(tmp_path / "flow.py")], capture_output=True, text=True, check=True)
    assert done.stdout == "21\n"
    assert run(["strip", book]) == 0
    assert json.loads(capsys.readouterr().out)["cells"][0]["source"] == "# %%task a\nx = 20"
    assert run(["strip", str(tmp_path / "nothing.ipynb")]) == 2
    assert "There is no notebook" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "stripped"),
    [
        ("%%task a --retries 2\nx = 1", "# %%task a --retries 2\nx = 1"),
        ("\n%%task\nx = 1", "# %%task\nx = 1"),
        ("%%task a\n%%time\nx = 1", "%%time\nx = 1"),
        ("%%flow whole\n\n%%bash\nls", "%%bash\nls"),
        ("%load_ext headrace\n%flow run\nx = 1", "# %load_ext headrace\n# %flow run\nx = 1"),
        ("%%time\nx = 1", "%%time\nx = 1"),
        ("%%tasks\nx = 1", "%%tasks\nx = 1"),
    ],
)
def test_what_is_stripped_leaves_a_cell_that_runs_the_same(source: str, stripped: str) -> None:
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": ["task", "own"], "headrace": {"task": "a"}}}
    found = strip({"cells": [cell], "metadata": {"headrace": {"id": "x"}, "own": 1}})
    assert found == {
        "cells": [{"cell_type": "code", "source": stripped, "metadata": {"tags": ["own"]}}],
        "metadata": {"own": 1},
    }


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["x = = 1"], "cell 1"),
        (["files = !ls"], "cell 1: it uses IPython"),
        (["%%task a --retry 1\nx = 1"], "Did you mean --retries"),
    ],
    ids=["syntax", "shell", "option"],
)
def test_what_cannot_be_exported_names_the_cell(tmp_path: Path, sources: list[str], words: str) -> None:
    with pytest.raises(InvalidNotebook, match=re.escape(words)):
        export(write(tmp_path / "bad.ipynb", *sources))


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.ipynb"):
        export(tmp_path / "nothing.ipynb")
    (tmp_path / "x.ipynb").write_text("{")
    with pytest.raises(InvalidNotebook, match=r"x\.ipynb is no notebook"):
        export(tmp_path / "x.ipynb")


@pytest.mark.lab
def test_a_stripped_notebook_has_nothing_of_ours_and_runs(tmp_path: Path) -> None:
    notebook: dict[str, Any] = json.loads((BINDER / "montreal-cycling.ipynb").read_text())
    before = json.dumps(notebook)
    stripped = strip(notebook)
    assert json.dumps(notebook) == before
    code = ["".join(c["source"]) for c in stripped["cells"] if c["cell_type"] == "code"]
    assert not any(re.search(r"^\s*%", text, re.MULTILINE) for text in code)
    script = "import matplotlib; matplotlib.use('agg')\n" + "\n".join(code)
    done = subprocess.run([sys.executable, "-c", script], cwd=BINDER, capture_output=True, text=True, check=True)
    assert "2,985 cyclists" in done.stdout
