"""Notebooks in other languages than Python: bash, and TypeScript in Deno, whose kernel is not written in Python."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import UsageError
from headrace.core.run_spec import NotebookSpec
from headrace.server.runner.prepare import prepare
from headrace.store import get_store
from notebooks import cell_runs, code, read, run, states, stored, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]

BASH = {"kernel": "of-bash", "language": "bash"}
DENO = {"kernel": "of-deno", "language": "typescript"}


@pytest.fixture
def languages(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kernelspecs of both kernels; return a folder for the test's files."""
    deno = shutil.which("deno", path=str(Path(sys.executable).parent)) or "deno"
    specs = {
        "of-bash": ([sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"], "bash"),
        "of-deno": ([deno, "jupyter", "--kernel", "--conn", "{connection_file}"], "typescript"),
    }
    for name, (argv, language) in specs.items():
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        folder.joinpath("kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": name, "language": language})
        )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("DENO_DIR", str(tmp_path / "deno"))
    return tmp_path


CELLS = {
    "bash": (["x=6", "echo $((x * 7))", "false", "echo never"], BASH, "42\n"),
    "deno": (
        ["const x: number = 6", "console.log(x * 7)", "throw new Error('no')", "console.log('never')"],
        DENO,
        "42\n",
    ),
}


@pytest.mark.parametrize("case", CELLS.values(), ids=CELLS.keys())
def test_cells_are_recorded_and_a_failure_is_honest(case: Any, languages: Path) -> None:
    cells, kernel, printed = case
    result = run(write(languages / "in.ipynb", *cells, **kernel), languages / "out.ipynb")
    assert result.ending.exit_code == 1, result.ending.message
    assert states(result.run.id) == [
        ("COMPLETED", "Completed"),
        ("COMPLETED", "Completed"),
        ("FAILED", "Failed"),
        ("CANCELLED", "NotRun"),
    ]
    second = cell_runs(result.run.id)[1]
    assert texts(get_store().logs.outputs(second.id)).strip() == printed.strip()
    facts = stored(result.run.id).details["kernel"]
    # Deno's kernel knows nothing but TCP; the run says so.
    reason = {"bash": None, "typescript": "its kernel is not known to listen on sockets"}[kernel["language"]]
    assert (facts["transport"], facts.get("on_tcp_because")) == ("tcp" if reason else "ipc", reason)
    content = read(languages / "out.ipynb")
    assert content["metadata"]["language_info"]["name"] == kernel["language"]
    assert [c["metadata"]["papermill"]["status"] for c in content["cells"] if c["cell_type"] == "code"] == [
        "completed",
        "completed",
        "failed",
        "pending",
    ]


def test_tasks_of_a_bash_notebook_have_names_retries_and_order(languages: Path) -> None:
    source = write(
        languages / "in.ipynb",
        "%%task load --retries 2\necho try >> tries\n[ $(wc -l < tries) -ge 2 ]",
        "%%task report --after load\necho done",
        **BASH,
    )
    result = run(source, languages / "out.ipynb", cwd=str(languages))
    assert result.ending.exit_code == 0, result.ending.message
    load, report = cell_runs(result.run.id)
    assert (load.name, load.attempt, report.name) == ("load", 2, "report")
    (edge,) = get_store().runs.edges(result.run.id)
    assert (edge.upstream_id, edge.run_id, edge.kind.value) == (load.id, report.id, "order")
    assert read(languages / "out.ipynb")["cells"][0]["source"][0] == "%%task load --retries 2\n"


def test_parameters_are_written_in_the_notebooks_language(languages: Path) -> None:
    hostile = "a'b\"c $(touch evil) `touch evil` \\ !! ü"
    source = write(languages / "in.ipynb", code("name=none", "parameters"), 'printf "%s" "$name" > got', **BASH)
    result = run(source, languages / "out.ipynb", parameters={"name": hostile}, cwd=str(languages))
    assert result.ending.exit_code == 0, result.ending.message
    assert (languages / "got").read_text() == hostile
    assert not (languages / "evil").exists()


def test_a_language_that_nobody_can_write_is_refused(languages: Path) -> None:
    source = write(languages / "in.ipynb", "1", **DENO)
    with pytest.raises(UsageError, match=r"typescript|of-deno"):
        prepare(NotebookSpec(input_path=str(source), parameters={"x": 1}))


def test_limits_and_deaths_are_the_same_everywhere(languages: Path) -> None:
    late = run(write(languages / "a.ipynb", "sleep 60", "2", **BASH), None, cell_timeout_seconds=0.5)
    assert stored(late.run.id).state_name == "TimedOut"
    gone = run(write(languages / "b.ipynb", "console.log('on'); Deno.exit(3)", "2", **DENO), None)
    assert (stored(gone.run.id).state_name, gone.ending.exit_code) == ("Crashed", 138)
    assert states(gone.run.id) == [("CRASHED", "Crashed"), ("CANCELLED", "NotRun")]
