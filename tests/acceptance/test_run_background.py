"""Cells in the background of a notebook run: recorded as long as they run, and the notebook ends when they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from notebooks import cell_runs, read, run, texts, write

pytestmark = pytest.mark.kernel


def test_it_runs_until_its_body_ends_and_the_notebook_waits_for_it(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(
        tmp_path / "book.ipynb",
        "import time\nfrom pathlib import Path",
        "%%task late --background\nwhile not Path('go').exists():\n    time.sleep(0.02)\nmade = 41\nprint('done')",
        "from headrace.core.runs import RunFilter\nfrom headrace.store import get_store\n"
        "print(get_store().runs.page(RunFilter(names=('late',), roots_only=False))[0][0].state_name)\nPath('go').touch()",
        "%%task reader\nprint(made)",
        "%%task last --background\nwhile not Path('go').exists():\n    time.sleep(0.02)\nprint('last words')\n[1, 2]",
    )
    result = run(path, tmp_path / "out.ipynb")
    assert result.ending.state_name == "Completed", result.ending.message
    assert {cell.state_name for cell in cell_runs(result.run.id)} == {"Completed"}
    cells = read(tmp_path / "out.ipynb")["cells"]
    # A reader that came early says first what it waits for.
    shown = [texts(cells[n]["outputs"]).splitlines()[-1] for n in (1, 2, 3, 4)]
    assert shown == ["done", "Running", "41", "last words"]
    assert cells[4]["outputs"][1]["data"]["text/plain"] == ["[1, 2]"]


def test_its_failure_fails_the_notebook_and_what_still_runs_is_cancelled(data_dir: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "book.ipynb",
        "%%task endless --background\nimport time\nwhile True:\n    time.sleep(0.02)",
        "%%task breaks --background\nprint(1 / 0)",
        "%%task good\nfine = 1",
    )
    result = run(path, tmp_path / "out.ipynb")
    assert (result.ending.state_name, result.ending.message) == (
        "Failed",
        "Cell 2 (breaks): ZeroDivisionError: division by zero",
    )
    endless, breaks, good = cell_runs(result.run.id)
    assert (endless.state_name, breaks.state_name, good.state_name) == ("Cancelled", "Failed", "Completed")
    shown = read(tmp_path / "out.ipynb")["cells"][1]["outputs"]
    assert [output["ename"] for output in shown] == ["ZeroDivisionError"]
