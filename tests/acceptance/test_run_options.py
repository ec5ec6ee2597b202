"""The options of `headrace run`, in this process. Real kernels."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from provision import chromium
from waiting import wait_until

from headrace.cli.main import run as command
from headrace.server.runner import exporting
from headrace.store import get_store
from notebooks import cell_runs, code, read, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


@pytest.fixture
def folder(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def newest() -> Any:
    return get_store().runs.page()[0][0]


def headrace(*words: object) -> int:
    return command(["run", *map(str, words)])


def outputs(path: str, number: int = -1) -> str:
    return texts(read(path)["cells"][number]["outputs"])


def test_parameters_from_all_options_in_papermills_order(folder: Path) -> None:
    write(folder / "in.ipynb", code("a = b = c = d = e = None", "parameters"), "print(repr([a, b, c, d, e]))")
    (folder / "p.yaml").write_text("b: file\nc: file\nd: file\ne: file\nwhen: 2026-11-24\n")
    encoded = "YToge3g6IDF9CmI6IGJhc2U2NA=="  # a: {x: 1}, b: base64
    words = [
        "-b",
        encoded,
        "-f",
        "p.yaml",
        "-y",
        "c: yaml\nd: yaml\ne: yaml",
        "-p",
        "d",
        "1.5",
        "-p",
        "e",
        "7",
        "-r",
        "e",
        "7",
    ]
    assert headrace("in.ipynb", "out.ipynb", "--lenient", *words) == 0
    assert outputs("out.ipynb") == "[{'x': 1}, 'file', 'yaml', 1.5, '7']\n"
    assert newest().parameters["when"] == "2026-11-24"


def test_paths_report_mode_files_and_logs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder / "in.ipynb",
        code("PAPERMILL_INPUT_PATH = PAPERMILL_OUTPUT_PATH = ''", "parameters"),
        "import sys\nprint(PAPERMILL_OUTPUT_PATH)\nprint('oops', file=sys.stderr)\n'shown'",
    )
    words = ["--inject-paths", "--report-mode", "--stdout-file", "o.txt", "--stderr-file", "e.txt", "--log-output"]
    assert headrace("in.ipynb", "out.ipynb", *words) == 0
    assert (folder / "o.txt").read_text() == "out.ipynb\n"
    assert (folder / "e.txt").read_text() == "oops\n"
    assert "'shown'" in capsys.readouterr().err
    cells = read("out.ipynb")["cells"]
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in cells)


def test_environment_and_folder_of_the_kernel(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "vars").write_text("# ours\nexport TOKEN='s3cret'\n")
    write(folder / "in.ipynb", "import os\nprint(os.environ['TOKEN'], os.path.basename(os.getcwd()))")
    assert headrace("in.ipynb", "out.ipynb", "--env-file", "vars", "--cwd", "sub") == 0
    assert outputs("out.ipynb") == "s3cret sub\n"
    assert newest().details["env"] == ["TOKEN"]
    assert "s3cret" not in json.dumps({**newest().details, **newest().parameters})


def test_a_file_that_stands_beside_the_notebook_is_hinted_at(folder: Path) -> None:
    (folder / "nb").mkdir()
    (folder / "nb" / "data.csv").write_text("x")
    write(folder / "nb" / "in.ipynb", "open('data.csv')")
    assert headrace("nb/in.ipynb", "out.ipynb", "--no-progress-bar") == 1
    assert f"run with --cwd {folder / 'nb'}" in newest().state_message


def test_prepare_only_and_help_run_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder / "in.ipynb", code("month: int = ...  # which month\nkind: Literal['a', 'b'] = 'a'", "parameters"), "1/0"
    )
    assert headrace("in.ipynb", "out.ipynb", "--prepare-only", "-p", "month", "3") == 0
    assert "".join(read("out.ipynb")["cells"][1]["source"]) == "# Parameters\nmonth = 3"
    assert headrace("in.ipynb", "--help-notebook") == 0
    said = capsys.readouterr().out
    assert "month: int (required)  which month" in said
    assert "kind: Literal['a', 'b'] (default 'a', one of 'a', 'b')" in said
    assert get_store().runs.page()[0] == []


def test_pages_are_written_beside_the_output(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_CHROMIUM", str(chromium()))
    write(folder / "in.ipynb", "print('in the page')")
    assert headrace("in.ipynb", "out.ipynb", "--html", "--pdf", "page.pdf") == 0
    assert "in the page" in (folder / "out.html").read_text()
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF")
    assert newest().details["html"] == "out.html"


def test_pdf_without_a_browser_is_refused_before_a_kernel_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("HEADRACE_CHROMIUM", raising=False)
    monkeypatch.setattr(exporting, "APPLICATIONS", ())
    write(folder / "in.ipynb", "1")
    assert headrace("in.ipynb", "--pdf") == 2
    assert "none was found" in capsys.readouterr().err
    assert os.listdir(folder) == ["in.ipynb"]
    playwrights = Path.home() / ".cache/ms-playwright/chromium-1200/chrome-linux64/chrome"
    playwrights.parent.mkdir(parents=True)
    playwrights.touch(mode=0o755)
    assert exporting.find_browser() == str(playwrights)


def test_memory_and_processor_time_are_limited(folder: Path) -> None:
    write(folder / "in.ipynb", "x = bytearray(3 << 30)")
    assert headrace("in.ipynb", "out.ipynb", "--memory-limit", "1G", "--no-progress-bar") == 1
    assert "MemoryError" in newest().state_message
    write(folder / "in.ipynb", "while True: pass")
    assert headrace("in.ipynb", "out.ipynb", "--cpu-limit", "2", "--no-progress-bar") == 138
    assert newest().state_name == "TimedOut"
    assert "more than 2 s of processor time" in newest().state_message


def test_another_engine_of_papermill_may_run_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from papermill.engines import NBClientEngine, papermill_engines

    papermill_engines.register("plain", NBClientEngine)
    write(folder / "in.ipynb", "print(1)")
    assert headrace("in.ipynb", "out.ipynb", "--engine", "plain") == 0
    assert outputs("out.ipynb") == "1\n"
    assert headrace("in.ipynb", "out.ipynb", "--engine", "plan") == 2
    write(folder / "in.ipynb", "1/0")
    assert headrace("in.ipynb", "out.ipynb", "--engine", "plain") == 1
    said = capsys.readouterr().err
    assert "No engine named 'plan' found" in said
    assert said.strip().endswith("headrace run: ZeroDivisionError: division by zero")
    assert get_store().runs.page()[0] == []


def test_a_saved_notebook_is_run_again_where_it_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.core.run_spec import NotebookSpec
    from headrace.server.runner import watching
    from headrace.server.runner.prepare import prepare
    from headrace.server.runner.process import run_here

    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    source = write(folder / "in.ipynb", "a = 1", "b = a + 1", "print(a, b)")
    seen: list[str] = []

    def run(spec: NotebookSpec) -> int:
        result = run_here(prepare(spec), own_process=False)
        seen.append(result.run.id)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return int(result.ending.exit_code)

    def edit() -> None:
        wait_until(lambda: seen, seconds=30)
        write(source, "a = 1", "b = a + 2", "print(a, b)")

    editor = threading.Thread(target=edit)
    editor.start()
    with pytest.raises(KeyboardInterrupt):
        watching.watch(NotebookSpec(input_path=str(source), output_path=str(folder / "out.ipynb")), run)
    editor.join()
    assert outputs("out.ipynb") == "1 3\n"
    assert [cell.state_name for cell in cell_runs(seen[1])] == ["Cached", "Completed", "Completed"]


def test_a_failed_run_is_continued_by_its_name(folder: Path) -> None:
    write(folder / "in.ipynb", code("limit = 0", "parameters"), "assert limit > 5\nprint('passed', limit)")
    assert headrace("in.ipynb", "out.ipynb", "-p", "limit", "1", "--no-progress-bar", "--name", "weekly") == 1
    assert headrace("--resume", "weekly", "-p", "limit", "9", "--no-progress-bar") == 0
    assert outputs("out.ipynb") == "passed 9\n"
    assert newest().resumed_from_id is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory-limit", "lots"], "give a size such as 500M or 2G"),
        (["--keep-kernel", "soon"], "give a time such as 90s, 30m or 2h"),
        (["-b", "%%%"], "-b is no Base64"),
        (["-y", "{a: [}"], "-y is no YAML"),
        (["-f", "none.yaml"], "There is no parameter file none.yaml"),
        (["--resume", "nobody"], "There is no run 'nobody'"),
        (["--env-file", "none"], "environment file none cannot be read"),
        (["--watch", "--engine", "nope"], "nope"),
    ],
)
def test_values_that_cannot_be_are_one_line(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "in.ipynb", "1")
    assert headrace("in.ipynb", "out.ipynb", *words) in (1, 2)
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1


BAD_NOTEBOOKS: dict[str, tuple[bytes | None, list[str], str]] = {
    "malformed": (b"{ no", [], "in.ipynb is no notebook"),
    "empty": (b"", [], "it is empty"),
    "of format 3": (b'{"nbformat": 3, "worksheets": []}', [], "its format is 3; open it in JupyterLab and save it"),
    "missing": (None, [], "There is no notebook in.ipynb; check the path"),
    "without a kernel": (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}',
        [],
        "choose one with -k",
    ),
    "a folder": (b"", ["."], ". is a folder; name a notebook in it"),
    "a path that cannot be": (b"", ["in.ipynb/x.ipynb"], "in.ipynb/x.ipynb"),
    "a folder as output": (b"{}", ["in.ipynb", "."], "is a folder; name a file in it"),
    "no place for the output": (b"{}", ["in.ipynb", "/dev/null/out.ipynb"], "/dev/null"),
    "an unknown field": (b"{}", ["in.ipynb", "{mont}.ipynb"], "unknown {mont}"),
}


@pytest.mark.parametrize("case", BAD_NOTEBOOKS.values(), ids=BAD_NOTEBOOKS.keys())
def test_notebooks_and_paths_that_cannot_be_are_one_line_and_write_nothing(
    case: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, words, message = case
    if content == b"{}":
        write(folder / "in.ipynb", "1")
    elif content is not None:
        (folder / "in.ipynb").write_bytes(content)
    before = os.listdir(folder)
    assert headrace(*(words or ["in.ipynb"])) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1
    assert os.listdir(folder) == before
    assert get_store().runs.page()[0] == []
