"""`headrace.execute_notebook` and `papermill --engine headrace`. Real kernels."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from waiting import wait_until

import headrace
from headrace.store import get_store
from notebooks import code, notebook, read, stored, texts, write

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def _engine(data_dir: Path) -> None:
    """Register the engine as the installed distribution's entry point does."""
    from papermill.engines import papermill_engines

    from headrace.server.papermill_engine import HeadraceEngine

    papermill_engines.register("headrace", HeadraceEngine)


def quiet(*args: Any, **options: Any) -> Any:
    return headrace.execute_notebook(*args, progress_bar=False, **options)


def newest() -> Any:
    return get_store().runs.page()[0][0]


def test_papermills_call_works_and_is_recorded(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("a = 1", "parameters"), "print(a)")
    found = quiet(source, tmp_path / "out.ipynb", {"a": 2}, kernel_name="python3", execution_timeout=30)
    assert texts(found.cells[2].outputs) == "2\n"
    assert read(tmp_path / "out.ipynb")["metadata"]["papermill"]["parameters"] == {"a": 2}
    assert (newest().state_name, newest().parameters, newest().trigger) == ("Completed", {"a": 2}, "api")


def test_what_cells_log_call_and_keep_belongs_to_the_notebooks_run(tmp_path: Path) -> None:
    cell = """
from headrace import get_run_logger, task
from headrace.artifacts import create_markdown_artifact

@task
def inner():
    get_run_logger().warning("from inside")
    create_markdown_artifact("**kept**")

inner()
"""
    quiet(write(tmp_path / "in.ipynb", f"%%task outer{cell}"), None, kernel_name="python3", execution_timeout=60)
    store, root = get_store(), newest()
    names = {run.name.partition("-")[0]: run for run in store.runs.tree(root.id)}
    assert names["inner"].parent_id == names["outer"].id
    assert [line.run_id for line in store.logs.lines(root.id) if "from inside" in line.message] == [names["inner"].id]
    (artifact,) = store.overview.artifacts(root_id=root.id)
    assert artifact["run_id"] == names["inner"].id


def test_a_notebook_object_needs_no_file(tmp_path: Path) -> None:
    found = quiet(nbformat.from_dict(notebook("print(6 * 7)")), None)
    assert texts(found.cells[0].outputs) == "42\n"


def test_any_fsspec_url_is_read_and_written(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/in/report.ipynb", json.dumps(notebook("print(6 * 7)")).encode())
    quiet("memory://in/report.ipynb", "memory://out/{notebook}.ipynb")
    assert texts(json.loads(memory.cat("/out/report.ipynb"))["cells"][0]["outputs"]) == "42\n"
    assert newest().notebook_path == "memory://in/report.ipynb"


def test_errors_are_papermills_and_ours(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "1", "1/0")
    with pytest.raises(PapermillExecutionError) as caught:
        quiet(source, tmp_path / "out.ipynb")
    error = caught.value
    assert isinstance(error, headrace.FailedRun)
    assert (error.ename, error.evalue, error.cell_index) == ("ZeroDivisionError", "division by zero", 1)
    assert "----> 1 1/0" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.run_id, str(copy)) == (type(error), newest().id, str(error))
    with pytest.raises(CellTimeoutError):
        quiet(write(tmp_path / "slow.ipynb", "import time\ntime.sleep(60)"), None, execution_timeout=0.3)
    with pytest.raises(DeadKernelError):
        quiet(write(tmp_path / "dies.ipynb", "import os\nos._exit(1)"), None)


def test_an_unknown_option_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(headrace.UsageError, match="did you mean 'execution_timeout'"):
        quiet(write(tmp_path / "in.ipynb", "1"), None, execution_timout=3)


def test_traits_of_nbclient_pass_through(tmp_path: Path) -> None:
    found = quiet(write(tmp_path / "in.ipynb", "1/0", "2"), None, record_timing=False, allow_errors=True)
    assert "execution" not in found.cells[0].metadata
    assert found.cells[1].outputs[0]["data"]["text/plain"] == "2"


def test_prepare_only_runs_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("a = 1", "parameters"), "1/0")
    found = quiet(source, tmp_path / "out.ipynb", {"a": 2}, prepare_only=True)
    assert found.cells[1].source == "# Parameters\na = 2"
    assert len(read(tmp_path / "out.ipynb")["cells"]) == 3
    assert get_store().runs.page()[0] == []


def test_threads_have_their_own_working_directories(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "import os\nprint(os.getcwd())")
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    here = os.getcwd()
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda folder: quiet(source, folder / "out.ipynb", cwd=folder), folders))
    assert [texts(nb.cells[0].outputs).strip() for nb in found] == [str(folder) for folder in folders]
    assert os.getcwd() == here


def test_it_can_be_called_and_awaited_where_a_loop_runs(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "print(1)")

    async def main() -> list[Any]:
        blocking = quiet(source, None)
        both = await asyncio.gather(
            *(headrace.execute_notebook_async(source, None, progress_bar=False) for _ in range(2))
        )
        return [blocking, *both]

    assert [texts(nb.cells[0].outputs) for nb in asyncio.run(main())] == ["1\n"] * 3


def test_cancelling_the_task_cancels_the_run(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "print('on', flush=True)\nimport time\ntime.sleep(60)")

    def is_on() -> bool:
        runs = get_store().runs.page()[0]
        return bool(runs) and any(line.message == "on" for line in get_store().logs.lines(runs[0].id))

    async def main() -> None:
        task = asyncio.ensure_future(headrace.execute_notebook_async(source, None, progress_bar=False))
        await asyncio.to_thread(wait_until, is_on, seconds=20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (newest().state_name, newest().state_message) == ("Cancelled", "the caller gave up")


def test_an_interrupt_is_recorded_and_raised_again(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "print('on', flush=True)\nimport time\ntime.sleep(60)")

    def interrupt() -> None:
        wait_until(
            lambda: any(
                line.message == "on" for run in get_store().runs.page()[0] for line in get_store().logs.lines(run.id)
            ),
            seconds=20,
        )
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        quiet(source, None)
    assert newest().state_name == "Cancelled"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_papermill_runs_by_our_engine(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("a = 1", "parameters"), "print(a)")
    target = tmp_path / "out.ipynb"
    papermill.execute_notebook(source, target, {"a": 5}, engine_name="headrace", progress_bar=False)
    assert texts(read(target)["cells"][2]["outputs"]) == "5\n"
    assert read(target)["metadata"]["papermill"]["parameters"] == {"a": 5}
    assert stored(read(target)["metadata"]["headrace"]["run"]["id"]).state_name == "Completed"


def test_papermill_sees_failures_and_dead_kernels_of_our_engine(tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        papermill.execute_notebook(
            write(tmp_path / "in.ipynb", "1/0", "2"), target, engine_name="headrace", progress_bar=False
        )
    cells = read(target)["cells"]
    assert [c["metadata"]["tags"] for c in cells].count(["papermill-error-cell-tag"]) == 2
    assert cells[-1]["metadata"]["papermill"]["status"] == "pending"
    with pytest.raises(DeadKernelError):
        papermill.execute_notebook(
            write(tmp_path / "dies.ipynb", "import os\nos._exit(1)"), target, engine_name="headrace", progress_bar=False
        )


def test_inspection_is_papermills_and_more(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("month: int = 3  # which month", "parameters"))
    found = headrace.inspect_notebook(source)["month"]
    assert (found["inferred_type_name"], found["default"], found["help"]) == ("int", "3", "which month")
    assert json.dumps(found)
