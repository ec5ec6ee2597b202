"""What a cell showed is kept with its run, and a hit shows it again as the cell did."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.core.runs import Run, RunFilter
from headrace.core.settings import find_store
from headrace.store import Store

from .conftest import Kernel, Said

pytestmark = [pytest.mark.kernel, pytest.mark.lab]

DRAWS = "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);"
#: As a kernel has it that is not a test's.
INLINE = "%matplotlib inline\nimport os\nos.environ['MPLBACKEND'] = 'module://matplotlib_inline.backend_inline'"
SHOWS = (
    "import sys\nfrom IPython.display import HTML, display\nprint('out')\nprint('err', file=sys.stderr)\n"
    "handle = display('first', display_id='one')\ndisplay(HTML('<b>x</b>'))\nhandle.update('second')\n{'a': 1}"
)


def kinds(said: Said) -> list[str]:
    """Return what a cell showed, message by message, without what is said of a hit to the person."""
    shown = [m for m in said.messages if m["msg_type"] in ("stream", "display_data", "execute_result")]
    notes = [m for m in shown if "cached, from" in m["content"].get("data", {}).get("text/plain", "")]
    return [m["msg_type"] for m in shown if m not in notes]


@pytest.fixture
def newest(kernel: Any) -> Callable[[str], tuple[Run, list[dict[str, Any]]]]:
    """Return the newest run of a name, and the outputs that are kept with it."""

    def find(name: str) -> tuple[Run, list[dict[str, Any]]]:
        store = Store(find_store(f"sqlite:///{kernel.data_dir / 'headrace.db'}"))
        run = store.runs.page(RunFilter(names=(name,)), limit=1)[0][0]
        outputs = store.logs.outputs(run.id)
        store.close()
        return run, outputs

    return find


def test_a_hit_shows_the_same_in_the_same_order_and_has_the_same_last_value(kernel: Kernel, newest: Any) -> None:
    source = f"%%task shows --cache-policy inputs\n{SHOWS}"
    first = kernel.run(source, cell_id="shows", answers=("",))
    kernel.run("'between'")
    again = kernel.run(source, cell_id="shows", answers=("",))
    assert newest("shows")[0].state_name == "Cached"
    assert kinds(again) == kinds(first)
    assert (again.text, again.result) == (first.text, first.result)
    assert again.displays[0]["text/plain"] == "'second'", "what an update left"
    assert again.displays[1]["text/html"] == "<b>x</b>"
    assert kernel.value("_") == "{'a': 1}"
    assert kernel.value(f"Out[{again.reply['execution_count']}]") == "{'a': 1}"


def test_a_hit_is_noted_for_a_person_and_not_in_an_executed_notebook(kernel: Kernel) -> None:
    source = "%%task noted --cache-policy inputs\n5"
    kernel.run(source, cell_id="noted")
    assert [shown["text/plain"] for shown in kernel.run(source, cell_id="noted").displays] == ["5"]
    by_hand = kernel.run(source, cell_id="noted", answers=("",)).displays
    assert by_hand[1]["text/plain"].startswith("cached, from ")


@pytest.mark.parametrize("where", ["", "--runner threads", "--runner processes"], ids=["here", "threads", "processes"])
def test_a_figure_is_kept_with_the_run_and_shown_again(kernel: Kernel, newest: Any, where: str) -> None:
    kernel.run(INLINE)
    name = f"draws{len(where)}"
    source = f"%%task {name} --cache-policy inputs {where}\n{DRAWS}"
    first = kernel.run(source, cell_id=name, seconds=60)
    assert [list(shown) for shown in first.displays] == [["text/plain", "image/png"]]
    _run, outputs = newest(name)
    assert ["image/png" in output["data"] for output in outputs] == [True]
    again = kernel.run(source, cell_id=name)
    assert newest(name)[0].state_name == "Cached"
    assert again.displays == first.displays


def test_a_notebook_whose_cells_are_stored_has_the_same_bytes_when_it_is_executed_again(tmp_path: Path) -> None:
    import nbclient
    import nbformat

    sources = ["%load_ext headrace", INLINE, f"%%task shows --cache-policy inputs\n{SHOWS}"]
    sources.append(f"%%task draws --cache-policy inputs\n{DRAWS}")
    texts = []
    for _ in range(2):
        cells = [nbformat.v4.new_code_cell(source, id=f"c{n}") for n, source in enumerate(sources)]
        book = nbformat.v4.new_notebook(cells=cells)
        client = nbclient.NotebookClient(book, kernel_name="python3", record_timing=False)
        client.execute(cwd=str(tmp_path), env={**os.environ, "HEADRACE_DATA_DIR": str(tmp_path / "h")})
        texts.append(nbformat.writes(book))
    store = Store(find_store(f"sqlite:///{tmp_path / 'h' / 'headrace.db'}"))
    states = {run.state_name for run in store.runs.page(RunFilter(kinds=("cell",)), limit=2)[0]}
    store.close()
    assert states == {"Cached"}
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "code",
    [
        "import ipywidgets\nipywidgets.IntSlider(3)",
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(out)\nwith out:\n    print('in it')",
        "import ipywidgets\n@ipywidgets.interact(x=(0, 5))\ndef f(x=2):\n    print(x)",
    ],
    ids=["slider", "output", "interact"],
)
def test_a_cell_that_shows_a_widget_runs_again_and_says_why(kernel: Kernel, newest: Any, code: str) -> None:
    for _ in range(2):
        said = kernel.run(f"%%task live --cache-policy inputs\n{code}", cell_id="live")
        assert any("application/vnd.jupyter.widget-view+json" in shown for shown in said.displays)
        run, _outputs = newest("live")
        assert run.state_name == "Completed"
        assert "it shows a widget, which ends with its kernel" in run.details["warnings"][0]
