"""What plain nbclient puts into a notebook, ours puts there too: the same cells through both, outputs compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

from headrace.store import get_store
from notebooks import cell_runs, code, notebook, read, run, write

pytestmark = pytest.mark.kernel

CELLS: dict[str, Any] = {
    "streams in turn": "import sys\nfor i in range(5):\n    print('out', i)\n    print('err', i, file=sys.stderr)",
    "carriage returns": "for i in range(50):\n    print(f'\\r{i}%', end='', flush=True)\nprint()",
    "unicode": "print('Häuser 東京 \\U0001f600 \\u2028 e\\u0301 \\x00 \\x1b[31mred\\x1b[0m')",
    "half a surrogate pair": "print('\\ud83d'.encode('utf-16', 'surrogatepass'))",
    "a result": "6 * 7",
    "a result of several kinds": (
        "class Rich:\n"
        "    def _repr_html_(self): return '<b>rich</b>'\n"
        "    def _repr_markdown_(self): return '**rich**'\n"
        "    def _repr_latex_(self): return '$rich$'\n"
        "    def _repr_json_(self): return {'rich': [1, 2.5, None]}\n"
        "    def __repr__(self): return 'rich'\n"
        "Rich()"
    ),
    "svg and png": (
        "from IPython.display import SVG, Image, display\n"
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>\'))\n'
        "display(Image(data=bytes.fromhex('89504e470d0a1a0a0000000d4948445200000001000000010806000000'\n"
        "    '1f15c4890000000d49444154789c6360f8cf000000020101e221bc330000000049454e44ae426082'), format='png'))"
    ),
    "clear_output": (
        "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('kept')\n"
        "clear_output(wait=True)\nprint('only this')"
    ),
    "clear_output that waits for nothing": "print('stays')\nclear_output(wait=True)",
    "a display with an id": "handle = display('first', display_id='one')\ndisplay('second', display_id='two')",
    "its update from another cell": "handle.update('third')\ndisplay('fourth', display_id='two', update=True)",
    "an update after clear_output": (
        "d = display('a', display_id='three')\nclear_output()\nd.update('b')\nprint('after')"
    ),
    "an error": code("def f():\n    return 1 / 0\nf()", "raises-exception"),
    "a syntax error": code("x = = 1", "raises-exception"),
    "a widget": "import ipywidgets\nbar = ipywidgets.IntProgress(value=3, max=5)\nbar",
    "an output widget": (
        "box = ipywidgets.Output()\ndisplay(box)\nwith box:\n    print('inside')\n    display('shown inside')\n"
        "print('outside')"
    ),
    "an output widget that is cleared": "with box:\n    clear_output()\n    print('new inside')",
    "a comm of its own": "from comm import create_comm\nc = create_comm('test', data={'x': 1})\nc.send({'y': 2})",
    "10 MB": "print('x' * 99 + '\\n', end='')\nprint(('y' * 99 + '\\n') * 100_000, end='')",
    "many small prints": "for i in range(2000):\n    print(i, flush=i % 100 == 0)",
    "nothing at all": "pass",
    "blank": "   \n",
    "skipped": code("print('never')", "skip-execution"),
    "a magic": "%%capture kept\nprint('hidden')",
    "a shell line": "!echo from the shell",
    "top-level await": "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')",
    "the last line of a matplotlib cell": (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);\nplt.show()"
    ),
}


def by_nbclient(source: Path) -> Any:
    """Execute a notebook by nbclient; on a busy machine it can wait for ever for a reply that is there: then again."""
    for _ in range(3):
        book = nbformat.read(source, 4)
        try:
            NotebookClient(book, timeout=60).execute()
        except CellTimeoutError:
            continue
        return book
    raise AssertionError("nbclient did not come to an end")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook, executed by nbclient and by us."""
    folder = tmp_path_factory.mktemp("fidelity")
    source = write(folder / "in.ipynb", *CELLS.values())
    plain = by_nbclient(source)
    result = run(source, folder / "out.ipynb")
    assert result.ending.exit_code == 0, result.ending.message
    ours = nbformat.read(folder / "out.ipynb", 4)
    nbformat.validate(ours)
    return plain, ours, result.run.id


def comparable(outputs: list[Any]) -> list[Any]:
    """Return outputs with streams that follow each other joined, and without ids that differ from run to run."""
    found: list[Any] = []
    for output in outputs:
        plain = dict(output)
        if plain["output_type"] == "stream" and found and found[-1].get("name") == plain["name"]:
            found[-1]["text"] += plain["text"]
            continue
        if "data" in plain:
            plain["data"] = {mime: _without_ids(value) for mime, value in plain["data"].items()}
        found.append(plain)
    # stdout and stderr come by two pipes: their order among each other is chance.
    return sorted(found, key=lambda out: (out["output_type"] == "stream" and out["name"]) or "")


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "" if key == "model_id" else _without_ids(item) for key, item in value.items()}
    return re.sub(r"0x[0-9a-f]+", "0x", value) if isinstance(value, str) else value


@pytest.mark.parametrize("number", range(len(CELLS)), ids=list(CELLS))
def test_a_cell_shows_what_it_shows_in_nbclient(number: int, both: Any) -> None:
    plain, ours, _ = both
    expected, found = plain.cells[number], ours.cells[number]
    assert comparable(found.outputs) == comparable(expected.outputs)
    assert found.execution_count == expected.execution_count
    assert found.source == expected.source
    assert set(expected.metadata.get("execution", {})) == set(found.metadata.get("execution", {}))


def test_the_notebook_around_the_cells_is_the_same(both: Any) -> None:
    plain, ours, _ = both
    assert ours.metadata.language_info == plain.metadata.language_info
    assert ours.metadata.kernelspec == plain.metadata.kernelspec
    states = [nb.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"] for nb in (plain, ours)]
    kinds = [sorted(model["model_name"] for model in state.values()) for state in states]
    assert kinds[0] == kinds[1]
    (box,) = (m for m in states[1].values() if m["model_name"] == "OutputModel")
    assert box["state"]["outputs"][0]["text"] == "new inside\n"


def test_the_store_has_what_the_file_has_below_its_limit(both: Any, data_dir: Path) -> None:
    """The module's run was recorded in the session's store; a small one is looked at here."""
    result = run(write(data_dir.parent / "in.ipynb", *list(CELLS.values())[:14]), data_dir.parent / "out.ipynb")
    content = read(data_dir.parent / "out.ipynb")
    stored = {cell.cell_id: get_store().logs.outputs(cell.id) for cell in cell_runs(result.run.id)}
    from headrace.server.notebook_file import check_notebook

    for cell in check_notebook(content, "out").content["cells"]:
        if cell["id"] in stored:
            assert stored[cell["id"]] == cell["outputs"], cell["source"]


def test_late_outputs_go_to_the_cell_that_began_them(data_dir: Path, tmp_path: Path) -> None:
    late = (
        "import asyncio\nasync def work():\n    await asyncio.sleep(0.2)\n    print('late')\n"
        "task = asyncio.ensure_future(work())"
    )
    source = write(tmp_path / "in.ipynb", late, "await task\nprint('second')")
    result = run(source, tmp_path / "out.ipynb")
    first, second = cell_runs(result.run.id)
    assert [out["text"] for out in get_store().logs.outputs(first.id)] == ["late\n"]
    assert [out["text"] for out in get_store().logs.outputs(second.id)] == ["second\n"]


def test_too_much_output_is_cut_where_it_is_kept_and_said(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        "for i in range(90):\n    print('z' * 1_000_000)",
        "print('fine')",
        "import sys\nsys.stdout.write('w' * 200_000)\nsys.stdout.flush()",
    )
    result = run(source, tmp_path / "out.ipynb")
    big, fine, long_line = cell_runs(result.run.id)
    written = read(tmp_path / "out.ipynb")["cells"]
    size = sum(len("".join(out.get("text", []))) for out in written[0]["outputs"])
    assert 60e6 < size < 65 * 1024 * 1024
    assert "MB more were not kept: a cell keeps 64 MiB" in written[0]["outputs"][-1]["text"][-1]
    assert big.details["truncated"]
    assert 20e6 < big.details["dropped_bytes"] < 30e6
    kept = get_store().logs.outputs(big.id)
    assert sum(len(out["text"]) for out in kept) < 1.2 * 1024 * 1024
    assert "the output notebook has all of it" in kept[-1]["text"]
    assert get_store().logs.outputs(fine.id)[0]["text"] == "fine\n"
    lines = get_store().logs.lines(long_line.id, tree=False)
    assert all(len(line.message) < 66_000 for line in lines)


def test_a_notebook_of_one_kind_of_cell_only(data_dir: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.ipynb"
    empty.write_text(nbformat.writes(nbformat.from_dict(notebook())))
    assert run(empty, tmp_path / "out.ipynb").ending.exit_code == 0
