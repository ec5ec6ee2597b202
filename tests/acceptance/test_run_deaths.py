"""kill -9 of the kernel, the runner and whoever started it: no finished cell's output is lost. Real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_until

from headrace.server.worker.reaper import Reaper
from headrace.store import get_store
from notebooks import cell_runs, read, run, stored, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]

CELLS = [f"import time\nprint('cell {n}')\ntime.sleep(0.03)" for n in range(1, 31)]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Started:
    """A runner that another process has started."""

    def __init__(self, folder: Path) -> None:
        source = write(folder / "in.ipynb", *CELLS)
        spec = folder / "spec.json"
        spec.write_text(json.dumps({"input_path": str(source), "output_path": str(folder / "out.ipynb")}))
        # The parent waits for the runner as a worker does, and says which process it is.
        parent = (
            "import subprocess, sys\n"
            "p = subprocess.Popen([sys.executable, '-m', 'headrace.server.runner', sys.argv[1]], start_new_session=True)\n"
            "print(p.pid, flush=True)\np.wait()"
        )
        self.parent = subprocess.Popen(
            [sys.executable, "-c", parent, str(spec)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.parent.stdout is not None
        self.runner = int(self.parent.stdout.readline())

    def root(self) -> Any:
        runs = get_store().runs.page()[0]
        return runs[0] if runs else None

    def close(self) -> None:
        for pid in (self.runner, self.parent.pid):
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        self.parent.wait()
        assert self.parent.stdout is not None
        self.parent.stdout.close()


@pytest.fixture
def started(data_dir: Path, tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("victim", ["kernel", "runner", "parent"])
def test_no_finished_cells_output_is_lost(victim: str, started: Started, tmp_path: Path) -> None:
    done = random.randint(2, 20)
    wait_until(lambda: _completed(started) >= done, seconds=40)
    root = started.root()
    kernel = root.details["kernel"]["pid"]
    victims = {"kernel": kernel, "runner": started.runner, "parent": started.parent.pid}
    os.kill(victims[victim], signal.SIGKILL)
    if victim == "runner":
        # Its lock goes with its last thread, a moment after its first one.
        wait_until(lambda: Reaper(get_store()).reap(), seconds=10)
    wait_until(lambda: stored(root.id).is_final, seconds=40)
    state = {"kernel": "CRASHED", "runner": "CRASHED", "parent": "COMPLETED"}[victim]
    assert stored(root.id).state_type.value == state
    wait_until(lambda: is_gone(kernel), seconds=10)
    expected = [f"cell {n}\n" for n, cell in enumerate(cell_runs(root.id), 1) if cell.state_name == "Completed"]
    assert len(expected) >= done
    shown = [texts(get_store().logs.outputs(cell.id)) for cell in cell_runs(root.id) if cell.state_name == "Completed"]
    assert shown == expected
    wait_until(lambda: _written_state(tmp_path) == state, seconds=20)
    cells = [c for c in read(tmp_path / "out.ipynb")["cells"] if c["cell_type"] == "code"]
    assert [texts(c["outputs"]) for c in cells[: len(expected)]] == expected
    statuses = [c["metadata"]["papermill"]["status"] for c in cells]
    assert statuses[: len(expected)] == ["completed"] * len(expected)
    assert all(status in ("failed", "pending") for status in statuses[len(expected) :])


def _completed(started: Started) -> int:
    root = started.root()
    return 0 if root is None else sum(cell.state_name == "Completed" for cell in cell_runs(root.id))


def _written_state(folder: Path) -> str | None:
    try:
        found: str = read(folder / "out.ipynb")["metadata"]["headrace"]["run"]["state"]
    except (OSError, KeyError):
        return None
    return found


def test_a_reader_always_finds_a_valid_notebook(data_dir: Path, tmp_path: Path) -> None:
    path, faults, states = tmp_path / "out.ipynb", [], set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                states.add(json.loads(path.read_text())["metadata"]["headrace"]["run"]["state"])
            except FileNotFoundError:
                continue
            except (ValueError, KeyError) as error:
                faults.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        run(write(tmp_path / "in.ipynb", *CELLS), path, autosave_seconds=0.05)
    finally:
        over.set()
        reader.join()
    assert faults == []
    assert states == {"RUNNING", "COMPLETED"}


def test_a_kernel_that_does_not_start_is_a_crash_with_its_words(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = {
        "exits": (["-c", "import sys; sys.exit('no luck today')"], "no luck today"),
        "is silent": (["-c", "import time; time.sleep(60)"], "did not answer within"),
    }
    for name, (words, message) in cases.items():
        folder = tmp_path / "jupyter" / "kernels" / name.replace(" ", "-")
        folder.mkdir(parents=True)
        spec = {"argv": [sys.executable, *words], "display_name": name, "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
        source = write(tmp_path / "in.ipynb", "1", kernel=folder.name)
        result = run(source, tmp_path / "out.ipynb", start_timeout_seconds=2)
        found = stored(result.run.id)
        assert (found.state_name, result.ending.exit_code) == ("Crashed", 138)
        assert message in found.state_message
        assert [cell.state_name for cell in cell_runs(found.id)] == ["NotRun"]
        assert read(tmp_path / "out.ipynb")["cells"][0]["metadata"]["papermill"]["status"] == "pending"
