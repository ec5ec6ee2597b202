"""Notebooks as tasks of flows. Real processes and kernels."""

from __future__ import annotations

import pickle
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace import FailedRun, UsageError, flow, notebook_task, publish, task
from headrace.kernel_magic.notebook_task import Published
from headrace.store import get_store
from notebooks import code, stored, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


@pytest.fixture
def clean(data_dir: Path, tmp_path: Path) -> Any:
    path = write(
        tmp_path / "clean.ipynb",
        code("month: int = 1\nday = None", "parameters"),
        "import headrace\nassert month < 9, 'too late'\nheadrace.publish(rows=month * 10, day=day, table={'a': [month]})",
        "headrace.publish(rows=month * 100)",
    )
    return notebook_task(path, cwd=tmp_path)


def test_parameters_go_in_and_published_values_come_out(clean: Any) -> None:
    @task
    def total(found: Published) -> int:
        return int(found["rows"]) + 1

    @flow
    def report() -> Any:
        made = clean.submit(month=3, day=date(2026, 11, 24))
        return made.result(), total(made)

    found, count = report()
    assert (found, count) == ({"rows": 300, "day": date(2026, 11, 24), "table": {"a": [3]}}, 301)
    assert Path(found.output_path).is_file()
    assert pickle.loads(pickle.dumps(found)).run_id == found.run_id
    notebook = stored(found.run_id)
    tree = {run.id: run for run in get_store().runs.tree(notebook.root_id)}
    around = tree[notebook.parent_id]
    assert (around.name.startswith("clean.ipynb"), around.kind.value, notebook.trigger) == (True, "task", "flow")
    assert tree[around.parent_id].kind.value == "flow"
    assert [edge.upstream_id for edge in get_store().runs.edges(notebook.root_id) if edge.upstream_id == around.id]
    assert {run.kind.value for run in tree.values()} == {"flow", "task", "notebook", "cell"}


def test_it_is_mapped_in_processes_of_their_own(clean: Any) -> None:
    @flow
    def report() -> list[int]:
        return [found["rows"] for found in clean.map(month=[1, 2, 3]).result()]

    assert report() == [100, 200, 300]
    runs = get_store().runs.page()[0]
    (root,) = runs
    notebooks = [run for run in get_store().runs.tree(root.id) if run.kind.value == "notebook"]
    assert len({run.pid for run in notebooks}) == 3
    assert len({run.details["output_path"] for run in notebooks}) == 3


def test_a_notebook_that_fails_fails_its_task_with_the_cells_words(clean: Any) -> None:
    @flow
    def report() -> Any:
        return clean(month=9)

    with pytest.raises(FailedRun, match=r"clean\.ipynb: Cell 3 .*AssertionError: too late"):
        report()


def test_wrong_parameters_fail_it_before_a_kernel_starts(clean: Any) -> None:
    @flow
    def report() -> Any:
        return clean(mnth=1)

    with pytest.raises(UsageError, match="did you mean 'month'"):
        report()


def test_retries_run_it_again(data_dir: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "flaky.ipynb",
        "from pathlib import Path\nif not Path('once').exists():\n    Path('once').touch()\n    raise ValueError('no')",
    )
    flaky = notebook_task(path, cwd=tmp_path, retries=1, output_path=None)

    @flow
    def report() -> Any:
        return flaky()

    found = report()
    assert found == {}
    notebooks = [r for r in get_store().runs.tree(stored(found.run_id).root_id) if r.kind.value == "notebook"]
    assert [run.state_name for run in notebooks] == ["Failed", "Completed"]


def test_cancelling_the_flow_stops_the_notebook(data_dir: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "slow.ipynb", "import time\nprint('on', flush=True)\ntime.sleep(60)")
    slow = notebook_task(path, cwd=tmp_path, output_path=None)
    seen: list[BaseException] = []

    @flow
    def report() -> Any:
        return slow()

    def run() -> None:
        try:
            report()
        except BaseException as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    store = get_store()
    wait_until(
        lambda: any(line.message == "on" for r in store.runs.page()[0] for line in store.logs.lines(r.id)), seconds=30
    )
    (root,), _ = store.runs.page()
    store.runs.request_cancel(root.id)
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert seen
    notebooks = [r for r in store.runs.tree(root.id) if r.kind.value == "notebook"]
    assert [run.state_type.value for run in notebooks] == ["CANCELLED"]


def test_publish_does_nothing_where_no_runner_executes_it(data_dir: Path) -> None:
    publish(x=1)
    assert not data_dir.exists()
