"""A `--background` cell shows what it shows under itself, whenever it ends, and leaves the cells after it alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.store import Store

from .conftest import Kernel

pytestmark = pytest.mark.kernel

GATE = "import os, time\nwhile not os.path.exists('{0}'):\n    time.sleep(0.02)\n"


def late(kernel: Kernel, message_id: str, kind: str) -> dict[str, Any]:
    """Return the content of the next message of a kind that a request causes after its answer."""
    deadline = time.monotonic() + 30
    while True:
        message = kernel.client.get_iopub_msg(timeout=max(0.01, deadline - time.monotonic()))
        if message["msg_type"] == kind and message["parent_header"].get("msg_id") == message_id:
            content: dict[str, Any] = message["content"]
            return content


def begin(kernel: Kernel, name: str, code: str, options: str = "") -> tuple[str, int]:
    """Start a background cell that waits for a file of its name; return its request and its count."""
    message_id = kernel.send(f"%%task {name} --background {options}\n{GATE.format(name)}{code}")
    said = kernel.wait(message_id)
    assert said.status == "ok", said.error
    return message_id, said.reply["execution_count"]


@pytest.fixture(autouse=True)
def imported(kernel: Kernel) -> None:
    kernel.run("import os, time")


def open_gate(kernel: Any, name: str) -> None:
    (kernel.data_dir.parent / name).touch()


def test_it_returns_at_once_and_its_reader_waits_for_it_and_says_so(kernel: Any) -> None:
    begin(kernel, "slow", "slow_value = 41\nprint('slow is done')")
    assert kernel.run("unrelated = 1").text == ""
    message_id = kernel.send("slow_value + 1")
    said = late(kernel, message_id, "stream")["text"]
    assert said.endswith(" waits for the background cell slow (slow_value) …\n")
    open_gate(kernel, "slow")
    assert kernel.wait(message_id).result == "42"
    store = Store(find_store(f"sqlite:///{kernel.data_dir / 'headrace.db'}"))
    run = store.runs.page(RunFilter(names=("slow",)))[0][0]
    assert run.state_name == "Completed"
    assert [output.get("text") for output in store.logs.outputs(run.id)] == ["slow is done\n"]
    store.close()


def test_interrupting_who_waits_leaves_it_running(kernel: Kernel) -> None:
    begin(kernel, "held", "held_value = 7")
    message_id = kernel.send("held_value")
    assert "waits for" in late(kernel, message_id, "stream")["text"]
    kernel.manager.interrupt_kernel()
    assert kernel.wait(message_id).reply["ename"] == "KeyboardInterrupt"
    open_gate(kernel, "held")
    assert kernel.value("held_value") == "7"


@pytest.mark.parametrize("options", ["", "--runner threads"], ids=["here", "threads"])
def test_its_last_value_is_its_own_out_and_not_the_persons_newest(kernel: Kernel, options: str) -> None:
    name = f"value_{len(options)}"
    message_id, count = begin(kernel, name, "[1, 2]", options)
    kernel.run("'newest'")
    open_gate(kernel, name)
    shown = late(kernel, message_id, "execute_result")
    assert (shown["data"]["text/plain"], shown["execution_count"]) == ("[1, 2]", count)
    assert kernel.value("_") == "'newest'"
    assert kernel.value(f"Out[{count}], _{count}") == "([1, 2], [1, 2])"
    assert kernel.value("'kept'") == kernel.value("_") == "'kept'"


def test_a_semicolon_is_its_own_and_not_that_of_the_newest_cell(kernel: Kernel) -> None:
    quiet, _ = begin(kernel, "quiet", "print('over')\n5;")
    loud, _ = begin(kernel, "loud", "6")
    open_gate(kernel, "quiet")
    assert late(kernel, quiet, "stream")["text"] == "over\n"
    kernel.run("'hidden';")
    open_gate(kernel, "loud")
    assert late(kernel, loud, "execute_result")["data"] == {"text/plain": "6"}


def test_a_module_that_is_imported_again_is_waited_for_by_nobody_and_a_new_value_in_its_name_is(kernel: Kernel) -> None:
    kernel.run("import math as m")
    begin(kernel, "imports", "import math as m\nm.pi")
    for harmless in ("import math as m", "m.pi", "time.sleep(0)", "import os, time"):
        assert "waits" not in kernel.run(harmless).text
    kernel.run("import threading\nthreading.Timer(0.2, lambda: open('imports', 'w').close()).start()")
    assert "waits for the background cell imports (m)" in kernel.run("m = 3").text


def test_its_error_is_shown_under_it_and_its_answer_was_good(kernel: Kernel) -> None:
    message_id, _ = begin(kernel, "breaks", "1 / 0")
    open_gate(kernel, "breaks")
    assert late(kernel, message_id, "error")["ename"] == "ZeroDivisionError"
    assert kernel.run("%%task at_once --background\n1 / 0").status == "ok"


def test_a_cell_that_a_flow_runs_hides_its_value_by_its_own_semicolon(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"))
    one.run("%load_ext headrace")
    one.run("%%task quiet\n7;", cell_id="quiet")
    one.run("%%task loud\n8", cell_id="loud")
    results = [
        m["content"]["data"]["text/plain"]
        for m in one.run("%flow run --force").messages
        if m["msg_type"] == "execute_result"
    ]
    assert results[:1] == ["8"]
    assert "7" not in results
