"""`headrace run` as a person types it: words, exit codes, files. Real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

from headrace.store import get_store
from notebooks import notebook, read, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


def headrace(*words: object, stdin: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace.cli.main", *map(str, words)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


def test_a_run_says_how_far_it_is_and_where_the_output_stands(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "report.ipynb", "# Load\nx = 1", "print(x)")
    done = headrace("run", source)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].endswith(f"2 cells ({source})")
    assert lines[1].startswith("[1/2] Load")
    assert lines[2].startswith("[2/2] print(x)")
    (made,) = (p for p in (tmp_path / "report-runs").iterdir() if p.name != "latest.ipynb")
    assert lines[3].startswith("Completed in")
    assert lines[3].endswith(str(made))
    assert (tmp_path / "report-runs" / "latest.ipynb").resolve() == made
    assert read(made)["cells"][1]["outputs"][0]["text"] == ["1\n"]


def test_a_terminal_shows_a_live_line(data_dir: Path, tmp_path: Path) -> None:
    import pty

    wait = "# Wait\nimport os, time\nprint('row 7 of 9', flush=True)\nwhile not os.path.exists('seen'):\n    time.sleep(0.01)"
    write(tmp_path / "in.ipynb", "x = 1", wait)
    main_end, terminal = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "headrace.cli.main",
        "run",
        "in.ipynb",
        "out.ipynb",
        "--name",
        "weekly",
        "--timeout",
        "60",
    ]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    shown = ""
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=terminal)
    os.close(terminal)
    said = b""
    try:
        while True:
            try:
                said += os.read(main_end, 4096)
            except OSError:  # the other end is closed
                break
            shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode(errors="replace"))
            if re.search(r"weekly .*1/2 \d:\d\d:\d\d Wait row 7 of 9", shown):
                (tmp_path / "seen").touch()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        os.close(main_end)
    assert (tmp_path / "seen").exists(), shown
    assert "Completed in" in shown.splitlines()[-1]


def test_a_failure_shows_the_traceback_and_one_line(data_dir: Path, tmp_path: Path) -> None:
    done = headrace("run", write(tmp_path / "in.ipynb", "1/0"), tmp_path / "out.ipynb")
    assert done.returncode == 1
    assert "----> 1 1/0" in done.stderr
    assert done.stderr.splitlines()[-1] == "headrace run: Cell 1 (1/0): ZeroDivisionError: division by zero"


def test_a_notebook_goes_through_pipes(data_dir: Path, tmp_path: Path) -> None:
    import json

    done = headrace("run", "-", "-", stdin=json.dumps(notebook("print(6 * 7)")))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"][0]["outputs"][0]["text"] == ["42\n"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.ipynb"], "There is no notebook none.ipynb"),
        (["in.ipynb", "in.ipynb"], "is the input itself"),
        (["in.ipynb", "none/out.ipynb"], "The output folder none does not exist"),
        (["in.ipynb", "{month}.ipynb"], "month"),
        (["in.ipynb", "-k", "nope"], "There is no kernel 'nope'; installed: "),
        (["in.ipynb", "--cwd", "none"], "The working directory none does not exist"),
        (["in.ipynb", "-y", "[1, 2]"], "is no mapping"),
        (["in.ipynb", "-p", "class", "1"], "a word of the Python language"),
        (["in.ipynb", "-p", "month", "1"], "month: unknown parameter"),
        (["in.ipynb", "--timeout", "0"], "timeout_seconds is 0"),
        (["in.ipynb", "--nope"], "No such option"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[str], message: str, data_dir: Path, tmp_path: Path) -> None:
    write(tmp_path / "in.ipynb", "1")
    done = headrace("run", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["home", "in.ipynb"]


def test_an_interrupt_at_the_terminal_cancels_the_run(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "import time\nprint('on', flush=True)\ntime.sleep(60)", "2")
    command = [sys.executable, "-m", "headrace.cli.main", "run", str(source), str(tmp_path / "out.ipynb")]
    process = subprocess.Popen([*command, "--log-output"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        wait_until(lambda: "on" in (process.stderr.readline() if process.stderr else ""), seconds=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.stderr.close()
    (root,), _ = get_store().runs.page()
    assert (root.state_type.value, root.state_message) == ("CANCELLED", "interrupted from the terminal")
    cells = [run for run in get_store().runs.tree(root.id) if run.parent_id == root.id]
    assert [cell.state_name for cell in cells] == ["Cancelled", "NotRun"]
    assert read(tmp_path / "out.ipynb")["metadata"]["headrace"]["run"]["state"] == "CANCELLED"
