"""Deployments run by the Python they were made with, whatever worker takes them; with that Python gone they are refused."""

from __future__ import annotations

import json
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace.core.runs import Run
from headrace.store import get_store
from notebooks import code, write

pytestmark = [pytest.mark.process, pytest.mark.kernel]


def environment(folder: Path) -> Path:
    """Make an environment that sees what this one has, and return its Python."""
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    seen = [path for path in dict.fromkeys((*site.getsitepackages(), *sys.path)) if path.endswith("site-packages")]
    # addsitedir reads the .pth files there too: Headrace itself may be installed by one.
    (packages / "seen.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    return folder / "bin" / "python"


@pytest.fixture
def pythons(tmp_path: Path) -> dict[str, Path]:
    """Two environments: only `mine` has the package `only_here`."""
    found = {name: environment(tmp_path / name) for name in ("mine", "other")}
    packages = next((tmp_path / "mine").glob("lib/python*/site-packages"))
    (packages / "only_here.py").write_text("WORD = 'only here'\n")
    return found


@pytest.fixture
def folder(data_dir: Path, tmp_path: Path) -> Path:
    """A notebook and a flow that need the package."""
    place = tmp_path / "work"
    place.mkdir()
    write(place / "report.ipynb", code("month = 1", "parameters"), "import only_here\nprint(only_here.WORD)")
    (place / "flows.py").write_text(
        "from headrace import flow\n\n\n@flow\ndef work():\n    import only_here\n    return only_here.WORD\n"
    )
    return place


def headrace(python: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [python, "-m", "headrace.cli.main", *words], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def worker(python: Path) -> Iterator[None]:
    words = [python, "-m", "headrace.server.worker", "--limit", "2"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def run_now(name: str) -> str:
    from headrace.core.settings import user_name
    from headrace.store.deploying import run_deployment

    return run_deployment(get_store(), name, owner=user_name()).id


def ended(ids: list[str]) -> list[Run]:
    store = get_store()
    wait_until(lambda: all(store.runs.get(run_id).is_final for run_id in ids), seconds=90)
    return [store.runs.get(run_id) for run_id in ids]


def test_a_run_has_the_packages_of_where_it_was_deployed_and_is_refused_once_they_are_gone(
    pythons: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_WARM_UNITS", "0")
    mine, other = pythons["mine"], pythons["other"]
    assert subprocess.run([other, "-c", "import only_here"], capture_output=True).returncode == 1
    out = "{scheduled_at:%Y-%m}/out.ipynb"
    headrace(mine, folder, "deploy", "report.ipynb", "--output", out, "--retries", "2")
    headrace(mine, folder, "deploy", "flows.py:work", "--retries", "2")
    shown: list[dict[str, Any]] = json.loads(headrace(other, folder, "deployment", "ls", "--json"))
    assert {one["name"]: one["interpreter"] for one in shown} == {"report": str(mine), "work": str(mine)}
    assert [one["error"] for one in shown] == [None, None]

    with worker(other):
        notebook, flow = ended([run_now("report"), run_now("work")])
        assert [run.state_type.value for run in (notebook, flow)] == ["COMPLETED", "COMPLETED"], (
            notebook.error,
            flow.error,
        )
        assert flow.result is not None
        assert "only here" in str(flow.result["preview"])
        (made,) = folder.glob("????-??/out.ipynb")
        assert "only here" in made.read_text()

        shutil.rmtree(mine.parents[1])
        gone = ended([run_now("report"), run_now("work")])
        assert [(run.state_type.value, run.attempt) for run in gone] == [("FAILED", 1)] * 2
        for run in gone:
            assert str(mine) in run.state_message
            assert "Deploy it again" in run.state_message
    for one in json.loads(headrace(other, folder, "deployment", "ls", "--json")):
        assert str(mine) in one["error"]
