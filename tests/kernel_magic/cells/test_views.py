"""What a person sees of flows in a notebook: tables, pictures, live views, help; and that none of it changes from run to run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.core.settings import find_store
from headrace.store import Store

from .conftest import Kernel, Said
from .test_flow_magic import write

pytestmark = pytest.mark.kernel

FLOW = (
    "from headrace import flow, task\n@task\ndef load(n):\n    return n\n@task\ndef clean(x):\n    return x\n"
    "@task\ndef report(x):\n    return x\n@flow\ndef pipe():\n    rows = load.map(range(3))\n"
    "    cleaned = [clean.submit(row) for row in rows]\n    return report(cleaned[0])"
)


def by_hand(kernel: Kernel, code: str, cell_id: str) -> Said:
    """Run a cell as JupyterLab does: it says which cell, and takes questions."""
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": True,
        "stop_on_error": True,
    }
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    kernel.client.shell_channel.send(message)
    return kernel.wait(str(message["header"]["msg_id"]), 60)


def data(said: Said) -> list[dict[str, Any]]:
    """Return what was displayed, without what stands in for widgets."""
    return [shown for shown in said.displays if "text/plain" in shown]


def test_a_flow_leaves_one_table_that_is_the_same_each_time(kernel: Kernel) -> None:
    kernel.run(FLOW)
    first, second = (data(kernel.run("pipe()")) for _ in range(2))
    assert first == second
    assert first[0]["text/plain"] == "task    state\nload    ✔ 3\nclean   ✔ 3\nreport  ✔ 1\nflow pipe: Completed"
    assert len(first) == 2


def test_a_failing_flow_shows_the_persons_own_lines_only(kernel: Kernel) -> None:
    kernel.run(FLOW + "\n@task\ndef bad():\n    raise OSError('no disk')\n@flow\ndef fails():\n    bad()")
    said = kernel.run("fails()")
    assert "headrace" not in said.error
    assert "in bad()" in said.error
    assert "ERROR   | Flow 'fails' - Failed: OSError: no disk\n" in said.text


def test_a_drawn_flow_shows_the_newest_runs_states(kernel: Kernel) -> None:
    kernel.run(
        FLOW.replace("def pipe", "def drawn").replace("@task\ndef load", "@task(viz_return_value=[1, 2])\ndef load")
    )
    fresh = kernel.run("drawn.visualize()").displays[-1]
    rows = [line.split() for line in fresh["text/plain"].splitlines()[1:-1]]
    assert rows[0][:2] == ["load", "(mapped)"]
    assert fresh["image/svg+xml"].startswith("<svg")
    kernel.run("drawn()")
    assert "✔ Completed 3 of 3" in kernel.run("drawn.visualize()").displays[-1]["text/plain"]


def test_records_show_themselves(kernel: Kernel) -> None:
    kernel.run(FLOW)
    assert kernel.run("pipe(return_state=True)").displays[-1]["text/plain"] == "<State Completed>"
    shown = kernel.run("from headrace.store import get_store\nget_store().runs.page()[0][0]").displays[-1]
    assert "✔ Completed" in shown["text/html"]
    assert shown["text/plain"].startswith("<Run ")


@pytest.mark.lab
def test_the_graph_is_a_widget_whose_saved_bytes_do_not_change(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    write(path, {"load": "%%task load\nx = 1", "use": "%%task use\ny = x", "graph": "%flow graph"})
    seen = []
    for _ in range(2):
        one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), JPY_SESSION_NAME=str(path))
        by_hand(one, "%load_ext headrace", "first")
        by_hand(one, "%flow run", "run")
        seen.append(by_hand(one, "%flow graph", "graph").displays[-1])
        updates = by_hand(one, "%%task load\nx = 1", "load").messages
        assert [m for m in updates if m["msg_type"] == "comm_msg"] or one.value("x") == "1"
    assert json.dumps(seen[0]) == json.dumps(seen[1])
    assert "application/vnd.jupyter.widget-view+json" in seen[0]
    assert "<table>" in seen[0]["text/html"]
    static = by_hand(one, "%flow graph --static", "graph").displays[-1]
    assert "application/vnd.jupyter.widget-view+json" not in static


def test_no_color_is_honoured(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), NO_COLOR="1")
    one.run("%load_ext headrace")
    one.run("%%task a\npass")
    assert "--c" not in one.run("%flow graph").displays[0]["image/svg+xml"]


def test_a_client_that_says_so_gets_each_cells_outputs_for_that_cell(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    write(path, {"load": "%%task load\nprint('from load')\n1 + 1", "asks": "%%task asks\nanswer = input('name? ')"})
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), JPY_SESSION_NAME=str(path))
    one.run("from headrace.kernel_magic.magics import attach\nattach()")
    live = [
        {"id": "load", "cell_type": "code", "source": "%%task load\nprint('unsaved')\n1 + 1", "metadata": {}},
        {"id": "new", "cell_type": "code", "source": "%%task new\nmade = 5", "metadata": {}},
    ]
    one.run(f"from headrace.kernel_magic.magics import take_document\ntake_document({json.dumps(json.dumps(live))})")
    message = one.send("%flow run", {"cellId": "run"})
    heard = []
    while True:
        found = one.client.get_iopub_msg(timeout=30)
        parent = found["parent_header"]
        if parent.get("headrace_parent") == message:
            heard.append((parent["headrace_cell"], found["msg_type"], found["content"]))
        elif parent.get("msg_id") == message and found["content"].get("execution_state") == "idle":
            break
    assert [kind for cell, kind, _ in heard if cell == "load"] == [
        "headrace_cell",
        "stream",
        "execute_result",
        "headrace_cell",
    ]
    assert heard[1][2]["text"] == "unsaved\n"
    assert one.value("made") == "5"
    assert "JupyterLab" in one.run("%flow status", cell_id="s").result


def test_questions_are_asked_and_figures_drawn_as_in_a_plain_cell(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"))
    one.run("%load_ext headrace")
    content = {"code": "%%task asks\nanswer = input('name? ')\nanswer", "silent": False, "allow_stdin": True}
    message = one.client.session.msg("execute_request", content)
    one.client.shell_channel.send(message)
    assert one.client.get_stdin_msg(timeout=30)["content"]["prompt"] == "name? "
    one.client.input("Ada")
    assert one.wait(message["header"]["msg_id"]).result == "'Ada'"
    drawn = one.run(
        "%%task draws\n%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", seconds=60
    )
    assert any("image/png" in shown for shown in drawn.displays)
    one.run("%%task breaks\ndef inner():\n    secret = 41\n    1 / 0\ninner()")
    assert one.value("__import__('sys').last_traceback.tb_next.tb_frame.f_locals.get('secret', 'outer')") in (
        "41",
        "'outer'",
    )


def test_help_and_tab_know_the_options(kernel: Kernel) -> None:
    said = kernel.run("%%task?")
    pages = said.reply["payload"]
    assert "--retry-delay-seconds" in pages[0]["data"]["text/plain"]

    def offered(code: str) -> list[str]:
        reply = kernel.client.complete(code, len(code), reply=True, timeout=30)
        return list(reply["content"]["matches"])

    assert offered("%%task a --ret") == ["--retries", "--retry-delay-seconds", "--retry-jitter-factor"]
    assert {"threads", "processes", "dask"} <= set(offered("%%task a --runner "))
    assert offered("%flow ru") == ["run"]
    assert offered("%flow run --pa") == ["--parallel"]
    assert offered("%headrace ver") == ["version"]


@pytest.mark.parametrize(
    ("code", "cell_id", "words"),
    [
        ("%%task named\nb = 2", "n2", "The name 'named' is taken: cell"),
        ("%%task z --after nothere\npass", "n3", "z: --after names 'nothere', but no task cell is called so"),
        ("%%task z --after nam\npass", "n3", "did you mean 'named'?"),
        ("%%task z --skip-if no_such_name\npass", "n3", "z: --skip-if no_such_name: NameError"),
        ("%%task z --runner nowhere\npass", "n3", "wants one of threads, processes, dask, ray"),
        ("%flow run --parallel many", "n4", "--parallel is 'many', but wants a whole number"),
    ],
)
def test_bad_input_is_one_line_that_names_the_cell(kernel: Kernel, code: str, cell_id: str, words: str) -> None:
    assert kernel.run("%%task named\na = 1", cell_id="n1").status == "ok"
    said = kernel.run(code, cell_id=cell_id)
    shown = (said.error or said.text).strip()
    assert said.status == "error"
    assert words in shown
    assert "\n" not in shown


def test_the_magics_outside_ipython_say_so() -> None:
    from headrace import load_ipython_extension
    from headrace.core.errors import UsageError

    with pytest.raises(UsageError, match="need IPython"):
        load_ipython_extension(None)


def test_large_outputs_come_back_when_a_cell_needs_them(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    cells = {
        "make": "%%task make --cache-policy inputs\nimport numpy as np\nbig = np.arange(9 << 20)",
        "use": "%%task use --cache-policy inputs\ntotal = int(big[-1])",
    }
    write(path, cells)
    for restarted in (False, True):
        one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), JPY_SESSION_NAME=str(path))
        one.run("%load_ext headrace")
        if not restarted:
            assert one.run("%flow run").status == "ok"
    said = one.run("%flow restore").result.splitlines()
    assert said[1].endswith("restored when it is needed: it is large")
    assert said[2].split() == ["use", "restored"]
    assert one.value("total, 'big' in globals()").startswith("(9437183")
    assert one.run("print(big[1])").text.splitlines()[-1] == "1"


def test_shutting_the_kernel_down_cancels_its_background_cells(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"))
    one.run("%load_ext headrace")
    one.run("%%task long --background\nimport time\nwhile True:\n    time.sleep(0.05)")
    one.client.shutdown()
    deadline = time.monotonic() + 30
    while one.manager.is_alive():
        assert time.monotonic() < deadline
    opened = Store(find_store(f"sqlite:///{tmp_path / 'h' / 'headrace.db'}"))
    run = opened.runs.page()[0][0]
    opened.close()
    assert (run.name, run.state_name) == ("long", "Cancelled")
    assert "shut down" in run.state_message


EXECUTED = (
    "%load_ext headrace\nimport time",
    "%%task load --retries 1\nx = [1, 2]\nx",
    "%%task use\ny = sum(x)",
    "x.append(5)",
    "%flow run",
    "%flow status",
    "%flow graph",
    FLOW + "\npipe()",
    "%%task elsewhere --runner threads\nz = len(x)\nprint(z)",
)


@pytest.mark.lab
def test_an_executed_notebook_has_one_table_a_flow_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    import nbclient
    import nbformat

    texts = []
    for n in range(2):
        cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(EXECUTED)]
        book = nbformat.v4.new_notebook(cells=cells)
        environment = {**os.environ, "HEADRACE_DATA_DIR": str(tmp_path / f"h{n}")}
        client = nbclient.NotebookClient(book, kernel_name="python3", record_timing=False)
        client.execute(cwd=str(tmp_path), env=environment)
        texts.append(nbformat.writes(book))
    assert texts[0] == texts[1]
    shown = [output for output in book.cells[7].outputs if "html" in str(output.get("data"))]
    assert len(shown) == 1
    assert "widget" not in texts[0]
