"""A `%%task` cell behaves like the plain cell in all that a person sees, and is a run in the store besides."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.core.runs import Run, RunFilter
from headrace.core.settings import find_store
from headrace.kernel_magic.results.hashing import digest
from headrace.store import Store

from .conftest import Kernel

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def store(kernel: Any) -> Iterator[Store]:
    opened = Store(find_store(f"sqlite:///{kernel.data_dir / 'headrace.db'}"))
    yield opened
    opened.close()


def newest(store: Store, name: str) -> Run:
    page, _ = store.runs.page(RunFilter(names=(name,)), limit=1)
    assert page, f"no run called {name}"
    return page[0]


def test_the_cell_runs_and_is_a_run(kernel: Kernel, store: Store) -> None:
    said = kernel.run("%%task first --tags a,b\nx = 20\nprint('hello')\nx + 1", cell_id="c-first")
    assert (said.status, said.text, said.result) == ("ok", "hello\n", "21")
    run = newest(store, "first")
    assert (run.kind.value, run.state_name, run.cell_id, run.tags, run.trigger) == (
        "cell",
        "Completed",
        "c-first",
        ("a", "b"),
        "cell",
    )
    assert kernel.value("x") == "20"


def test_a_cell_that_asks_for_nothing_does_not_wait_for_its_inputs_to_be_hashed(kernel: Kernel, store: Store) -> None:
    kernel.run("import time\nlarge, huge = bytes(1 << 24), bytes(1 << 30)")
    kernel.run("%%task quick\nlength = len(huge)")
    run = newest(store, "quick")
    assert run.cache is not None
    assert (run.cache["parts"]["input:huge"], run.result) == ("", None)

    kernel.run("%%task slow\ntime.sleep(1.5)\ntotal = large.count(0)")
    kept = newest(store, "slow").result
    assert kept is not None, "it took so long that hashing its input afterwards costs little beside it"
    found = store.results.find(kept["key"])
    assert found is not None
    assert found.parts["input:large"] == digest(bytes(1 << 24))
    kernel.run("del large, huge")


def test_outputs_and_printed_lines_are_kept_with_the_run(kernel: Kernel, store: Store) -> None:
    kernel.run(
        "%%task shows\nimport sys\nfrom IPython.display import display, HTML\nprint('one\\ntwo')\n"
        "print('bad', file=sys.stderr)\ndisplay(HTML('<b>x</b>'))\n[1, 2]"
    )
    run = newest(store, "shows")
    outputs = store.logs.outputs(run.id)
    assert {o["output_type"] for o in outputs} == {"stream", "display_data", "execute_result"}
    assert outputs[-1]["data"]["text/plain"] == "[1, 2]"
    lines = [(line.logger, line.message) for line in store.logs.lines(run.id)]
    assert ("stdout", "one") in lines
    assert ("stdout", "two") in lines
    assert ("stderr", "bad") in lines


def test_a_task_that_reads_what_another_wrote_comes_after_it(kernel: Kernel, store: Store) -> None:
    kernel.run("%%task make_a\na = [1]")
    kernel.run("%%task change_a\na.append(2)")
    kernel.run("%%task use_a\nprint(len(a))")
    edges = store.runs.edges(newest(store, "use_a").id)
    assert [(e.upstream_id, e.name) for e in edges] == [(newest(store, "change_a").id, "a")]
    assert [e.upstream_id for e in store.runs.edges(newest(store, "change_a").id)] == [newest(store, "make_a").id]


def test_after_makes_an_edge_without_a_name(kernel: Kernel, store: Store) -> None:
    kernel.run("%%task before_it\npass")
    kernel.run("%%task behind_it --after before_it\npass")
    assert [e.upstream_id for e in store.runs.edges(newest(store, "behind_it").id)] == [newest(store, "before_it").id]


def test_an_error_is_shown_as_ipython_shows_it_with_the_users_own_line(kernel: Kernel, store: Store) -> None:
    said = kernel.run("%%task broken\n\nvalue = 1\nraise ValueError('no such thing')")
    assert said.status == "error"
    assert said.reply["ename"] == "ValueError"
    assert "----> 4 raise ValueError" in said.error
    assert "headrace" not in said.error
    run = newest(store, "broken")
    assert run.state_name == "Failed"
    assert run.error is not None
    assert run.error["type"] == "ValueError"
    assert "no such thing" in run.error["message"]
    assert run.error["traceback"].count("File ") == 1


def test_a_failed_cell_is_tried_again_and_the_error_before_is_folded(kernel: Kernel, store: Store) -> None:
    kernel.run("tries = 0")
    said = kernel.run(
        "%%task flaky --retries 3\ntries += 1\nif tries < 3:\n    print('try', tries); raise OSError('<b>not yet</b>')\ntries"
    )
    assert (said.status, said.result) == ("ok", "3")
    assert not said.error
    folded = [d["text/html"] for d in said.displays if "<details>" in d.get("text/html", "")]
    assert "&lt;b&gt;not yet" in folded[0]
    outputs = store.logs.outputs(newest(store, "flaky").id)
    kept = [o["data"]["text/plain"].partition(":")[0] for o in outputs if o["output_type"] == "display_data"]
    assert kept == ["attempt 1 failed", "attempt 2 failed"]
    assert "AwaitingRetry" not in said.text
    assert "WARNING" not in said.text
    run = newest(store, "flaky")
    assert (run.state_name, run.attempt) == ("Completed", 3)
    names = [e.state_name for e in store.runs.history(run.id)]
    assert names.count("AwaitingRetry") == 2
    assert "Failed" not in names


def test_the_last_failure_is_shown_once_when_no_retry_helps(kernel: Kernel, store: Store) -> None:
    said = kernel.run("%%task hopeless --retries 1\nraise KeyError('k')")
    assert said.status == "error"
    assert said.error.count("KeyError: 'k'") == 1
    assert newest(store, "hopeless").attempt == 2


def test_a_cell_that_takes_too_long_is_timed_out(kernel: Kernel, store: Store) -> None:
    began = time.monotonic()
    said = kernel.run("%%task slow --timeout-seconds 0.3\nimport time\nfor n in range(200):\n    time.sleep(0.05)")
    assert said.status == "error"
    assert time.monotonic() - began < 5
    assert "----> 4     time.sleep(0.05)" in said.error
    assert said.error.splitlines()[-1].startswith("TaskTimeout: cell run 'slow' exceeded its limit of 0.3 s")
    assert newest(store, "slow").state_name == "TimedOut"
    assert kernel.value("1 + 1") == "2"


def test_interrupting_cancels_at_once(kernel: Kernel, store: Store) -> None:
    # Not flushed at once: when it is heard the cell has long begun to sleep.
    message = kernel.send("%%task long\nimport time\nprint('began')\ntime.sleep(60)")
    while True:
        heard = kernel.client.get_iopub_msg(timeout=20)
        if heard["msg_type"] == "stream" and "began" in heard["content"]["text"]:
            break
    kernel.manager.interrupt_kernel()
    said = kernel.wait(message, 10)
    assert said.reply["ename"] == "KeyboardInterrupt"
    run = newest(store, "long")
    assert run.state_name == "Cancelled"


def test_top_level_await_works(kernel: Kernel, store: Store) -> None:
    said = kernel.run("%%task waits --retries 1\nimport asyncio\nawait asyncio.sleep(0.01)\ny = 5\ny")
    assert (said.status, said.result) == ("ok", "5")
    assert newest(store, "waits").state_name == "Completed"


def test_last_results_and_magics_inside_work_as_in_a_plain_cell(kernel: Kernel) -> None:
    assert kernel.run("%%task t_magic\n%time z = 3\nfiles = !echo one two\nfiles[0]").result == "'one two'"
    assert kernel.value("_") == "'one two'"
    assert kernel.run("%%task t_time\n%%time\nw = 8").status == "ok"
    assert kernel.value("w") == "8"


def test_the_magic_line_is_filled_in_as_for_every_magic(kernel: Kernel, store: Store) -> None:
    kernel.run("count = 2")
    kernel.run("%%task filled --retries {count}\npass")
    assert newest(store, "filled").max_attempts == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%task x --retry 3\npass", "Did you mean --retries"),
        ("%%task 1x\npass", "cannot be called"),
        ("%%task x --retries many\npass", "wants a number"),
        ("%flow stauts", "Did you mean status"),
        ("%headrace nothing", "There are: runs, logs, version, help"),
    ],
)
def test_bad_input_is_answered_in_one_line_and_nothing_runs(kernel: Kernel, code: str, words: str) -> None:
    said = kernel.run(code)
    shown = said.error or said.text
    assert said.status == "error"
    assert words in shown
    assert "Traceback" not in shown
    assert shown.strip().count("\n") == 0


def test_a_syntax_error_is_pythons_own(kernel: Kernel) -> None:
    said = kernel.run("%%task oops\nx = = 1")
    assert said.reply["ename"] == "SyntaxError"


def test_a_tag_or_metadata_makes_a_task_without_a_magic_line(kernel: Kernel, store: Store) -> None:
    kernel.run("by_meta = 1", cell_id="m1", headrace={"task": {"name": "by_metadata", "retries": 1}})
    run = newest(store, "by_metadata")
    assert (run.cell_id, run.max_attempts) == ("m1", 2)
    kernel.run("by_tag = 1", cell_id="t1", tags=["task"])
    page, _ = store.runs.page(RunFilter(cell_id="t1"))
    assert [r.state_name for r in page] == ["Completed"]


def test_what_a_cell_runs_itself_is_part_of_it_and_no_run_of_its_own(kernel: Kernel, store: Store) -> None:
    tagged = {"tags": ["task"]}
    kernel.run("%%capture held\nprint('hidden')", cell_id="c1", **tagged)
    kernel.run("get_ipython().run_cell('inside = 1')", cell_id="c1", **tagged)
    assert [run.state_name for run in store.runs.page(RunFilter(cell_id="c1"))[0]] == ["Completed"] * 2
    kernel.run("%%capture held\n%%task within\ninside = 2", cell_id="c2")
    assert newest(store, "within").state_name == "Completed"


def test_functions_called_in_a_task_cell_are_its_children(kernel: Kernel, store: Store) -> None:
    kernel.run("from headrace import flow, task\n@task\ndef double(n):\n    return 2 * n")
    said = kernel.run("%%task parent_cell\ndouble(4)")
    assert said.result == "8"
    parent = newest(store, "parent_cell")
    kernel.run("%headrace runs")
    children, _ = store.runs.page(RunFilter(parent_id=parent.id))
    assert [(c.kind.value, c.definition, c.state_name) for c in children] == [("task", "double", "Completed")]


def test_a_flow_cell_is_a_flow_run(kernel: Kernel, store: Store) -> None:
    kernel.run("%%flow whole\nresult = double(1) + double(2)")
    run = newest(store, "whole")
    assert run.kind.value == "flow"
    assert kernel.value("result") == "6"


def test_the_status_says_state_order_and_where_it_comes_from(
    start_kernel: Callable[..., Kernel], tmp_path: Any
) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"))
    one.run("%load_ext headrace")
    one.run("%%task load\nx = [1]", cell_id="a")
    one.run("y = x * 2", cell_id="b")
    one.run("%%task report\nprint(y)", cell_id="c")
    text = one.run("%flow status").result
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:3] == ["load", "✔", "Completed"]
    assert rows[2][0] == "report"
    assert rows[2][-1] == "load"
    assert "the cells run so far" in text
    picture = one.run("%flow graph").displays[0]
    assert picture["image/svg+xml"].startswith("<svg")
    assert "report" in picture["text/plain"]


def test_importing_headrace_registers_the_magics_too(start_kernel: Callable[..., Kernel], tmp_path: Any) -> None:
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"))
    one.run("import headrace")
    assert one.run("%%task t\n41 + 1").result == "42"
    assert one.run("%load_ext headrace").text == ""
    assert one.run("%unload_ext headrace").text == ""
    assert "Cell magic `%%task` not found" in one.run("%%task t\n1").text
    one.run("%load_ext headrace")
    assert one.run("%%task t\n1").result == "1"


def test_ipythons_configuration_loads_it_too(start_kernel: Callable[..., Kernel], tmp_path: Any) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.InteractiveShellApp.extensions = ['headrace']\n")
    one = start_kernel(HEADRACE_DATA_DIR=str(tmp_path / "h"), IPYTHONDIR=str(tmp_path / "ipython"))
    assert one.run("%%task t\n41 + 1").result == "42"


def test_an_adopted_run_is_moved_on_by_the_kernel(kernel: Kernel, store: Store) -> None:
    from headrace.core.ids import new_id

    root, child = new_id(), new_id()
    now = store.clock.now_us()
    for run_id, parent, kind in ((root, None, "notebook"), (child, root, "cell")):
        store.recorder.open(
            {
                "id": run_id,
                "root_id": root,
                "parent_id": parent,
                "kind": kind,
                "name": "handed",
                "state_type": "PENDING",
                "state_name": "Pending",
                "state_at": now,
                "created_at": now,
                "owner": "me",
            }
        )
    store.recorder.flush()
    kernel.run(
        "%%task handed\nhanded_value = 7",
        cell_id="h",
        headrace={"run_id": child, "root_id": root, "attempt": 1, "cell_id": "h"},
    )
    run = store.runs.get(child)
    assert run.state_name == "Completed"
    assert run.owner_id is not None


def test_output_of_a_thread_that_outlives_the_request_is_no_error(kernel: Kernel) -> None:
    said = kernel.run("%%task starts_thread\nimport threading\nthreading.Timer(0.05, lambda: print('late')).start()")
    assert said.status == "ok"
    threading.Event().wait(0.2)
    assert kernel.value("1") == "1"
