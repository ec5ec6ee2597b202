"""A cell in a runner is a function of its inputs; what it makes, shows and raises comes back as if it had run here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.store import Store

from .conftest import Kernel

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def store(kernel: Any) -> Iterator[Store]:
    opened = Store(find_store(f"sqlite:///{kernel.data_dir / 'headrace.db'}"))
    yield opened
    opened.close()


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_outputs_come_back_into_the_namespace(kernel: Kernel, where: str) -> None:
    kernel.run(
        "import os, threading\nitems = [1]\nfactor = 5\ndef times(n):\n    return n * factor\nhere = os.getpid()"
    )
    said = kernel.run(
        f"%%task {where}_ok --runner {where}\nprint('hello')\nitems.append(3)\nmade = times(items[0])\n"
        "def later():\n    return factor\nclass Box: pass\nbox = Box()\npid, thread = os.getpid(), threading.current_thread().name\n(made, len(items))"
    )
    assert (said.status, said.text, said.result) == ("ok", "hello\n", "(5, 2)")
    assert kernel.value("_") == "(5, 2)"
    assert kernel.value("items, made, pid == here") == f"([1, 3], 5, {where == 'threads'})"
    kernel.run("factor = 6")
    assert kernel.value("later()") == "6"
    assert kernel.value("thread != 'MainThread' or pid != here") == "True"


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_failures_retries_logs_and_displays_are_kept(kernel: Kernel, store: Store, where: str) -> None:
    said = kernel.run(f"%%task {where}_bad --runner {where} --retries 1\n\nprint('try')\nraise OSError('no disk')")
    assert said.status == "error"
    assert "Cell In[" in said.error
    assert "----> 4 raise OSError" in said.error
    assert "headrace" not in said.error
    folded = [d["text/html"] for d in said.displays if "<details>" in d.get("text/html", "")]
    assert len(folded) == 1
    page, _ = store.runs.page(RunFilter(names=(f"{where}_bad",)), limit=1)
    assert (page[0].state_name, page[0].attempt) == ("Failed", 2)
    assert [line.message for line in store.logs.lines(page[0].id) if line.logger == "stdout"] == ["try", "try"]
    shown = kernel.run(
        f"%%task {where}_shows --runner {where}\nfrom IPython.display import HTML, display\nimport sys\n"
        "display(HTML('<b>x</b>'))\nprint('oops', file=sys.stderr)\nwords = !echo one\nwords[0]"
    )
    assert shown.displays[0]["text/html"] == "<b>x</b>"
    assert (shown.text, shown.result) == ("oops\n", "'one'")
    page, _ = store.runs.page(RunFilter(names=(f"{where}_shows",)), limit=1)
    kinds = [output["output_type"] for output in store.logs.outputs(page[0].id)]
    assert kinds == ["display_data", "stream", "execute_result"]


def test_interrupting_ends_the_process_that_runs_the_cell(kernel: Kernel, store: Store) -> None:
    message = kernel.send(
        "%%task far --runner processes\nimport os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    while True:
        heard = kernel.client.get_iopub_msg(timeout=30)
        if heard["msg_type"] == "stream" and heard["content"]["text"].strip().isdigit():
            pid = int(heard["content"]["text"])
            break
    kernel.manager.interrupt_kernel()
    said = kernel.wait(message, 20)
    assert said.reply["ename"] == "KeyboardInterrupt"
    page, _ = store.runs.page(RunFilter(names=("far",)), limit=1)
    assert page[0].state_name == "Cancelled"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_cannot_travel_is_named_in_one_line(kernel: Kernel) -> None:
    kernel.run("import threading\nguard = threading.Lock()")
    said = kernel.run("%%task stays --runner processes\nguard.locked()")
    assert said.status == "error"
    assert said.error == (
        "InvalidParameter: stays: guard (a lock) cannot be sent to another process; "
        "make it in the cell itself, or use --runner threads instead of processes."
    )


BOOK = {
    "imports": "import os\nimport time",
    "a": "%%task a\nx = [1]\nprint('from a')\na_pid = os.getpid()",
    "b": "%%task b\ny = [2]\nprint('from b')",
    "ab": "%%task ab\nz = x + y\nx.append(9)",
    "bad": "%%task bad\n1 / 0",
    "needs_bad": "%%task needs_bad --after bad\npass",
    "later": "%%task later\nw = x[:]\nx = 'rebound'",
}


@pytest.mark.parametrize("options", ["--parallel 3", "--parallel 3 --runner processes"], ids=["threads", "processes"])
def test_independent_cells_run_side_by_side_and_end_as_in_document_order(
    start_kernel: Callable[..., Kernel], tmp_path: Path, options: str
) -> None:
    cells = [
        {"cell_type": "code", "id": i, "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in BOOK.items()
    ]
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), JPY_SESSION_NAME=str(path))
    one.run("%load_ext headrace")
    said = one.run(f"%flow run --keep-going {options}", seconds=90)
    rows = {line.split()[0]: line.split()[1:] for line in said.result.splitlines()[1:-1]}
    assert rows["needs_bad"][-1] == "UpstreamFailed"
    assert rows["bad"][1] == "Failed"
    assert [rows[name][1] for name in ("a", "b", "ab", "later")] == ["Completed"] * 4
    lines = said.text.splitlines()
    assert lines[lines.index("from a") - 1].startswith("▶ a")
    assert lines[lines.index("from b") - 1].startswith("▶ b")
    assert one.value("x, y, z, w") == "('rebound', [2], [1, 2], [1, 9])"
    assert one.value("a_pid == os.getpid()") == str("processes" not in options)
    assert "ERROR" not in said.text
