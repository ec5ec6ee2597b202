"""The command line's frame: exit codes, one-line errors, lazy commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from headrace.cli import main as cli
from headrace.core.errors import FailedRun, InvalidSchedule, StoreUnavailable


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Add a command `sample` that does what it is given."""

    def add(body: Callable[[], object]) -> None:
        module = type(sys)("headrace_sample")
        module.command = click.Command("sample", callback=body)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "headrace_sample", module)
        monkeypatch.setitem(cli.COMMANDS, "sample", cli.Entry("headrace_sample:command", "A sample."))

    return add


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(
            InvalidSchedule("cron '61 * * * *': minute 61 is out of range"),
            2,
            "headrace: cron '61 * * * *': minute 61 is out of range",
            id="usage",
        ),
        pytest.param(FailedRun("headrace: the run failed"), 1, "headrace: the run failed", id="run"),
        pytest.param(StoreUnavailable("two\nlines"), 1, "headrace: two lines", id="always one line"),
        pytest.param(KeyboardInterrupt(), 130, "headrace: interrupted", id="interrupted"),
        pytest.param(
            ZeroDivisionError("division by zero"),
            1,
            "headrace: internal error: ZeroDivisionError: division by zero (for the traceback: headrace --debug …)",
            id="ours to mend",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    command: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    command(raising(error))
    assert cli.run(["sample"]) == code
    out, err = capsys.readouterr()
    assert (out, err.lstrip("\n")) == ("", said + "\n")


def test_debug_shows_the_traceback(command: Callable[[Callable[[], object]], None]) -> None:
    command(raising(StoreUnavailable("locked")))
    with pytest.raises(StoreUnavailable):
        cli.run(["--debug", "sample"])


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_a_command_returns_its_exit_code(
    command: Callable[[Callable[[], object]], None], value: int | None, code: int
) -> None:
    command(lambda: value)
    assert cli.run(["sample"]) == code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["nonsense"], "headrace: No such command 'nonsense'", id="command"),
        pytest.param(["version", "--nonsense"], "headrace version: No such option '--nonsense'", id="option"),
        pytest.param(["version", "extra"], "headrace version: Got unexpected extra argument", id="argument"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_the_way_to_the_right_one(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.run(words) == 2
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1
    assert "--help)" in err


def test_no_command_at_all_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 2
    err = capsys.readouterr().err
    assert all(f"  {name} " in err for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: headrace {name}")


def test_jupyter_headrace_is_the_same_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["jupyter-headrace", "version"])
    assert cli.jupyter_main() == 0
    assert capsys.readouterr().out.startswith("headrace ")


@pytest.mark.parametrize(("words", "port"), [([], 4200), (["--port", "4300"], 4300)], ids=["nothing", "a port"])
def test_jupyter_headrace_alone_serves_on_this_machine(
    words: list[str], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.server.app import HeadraceApp

    started: list[list[str]] = []
    monkeypatch.setattr(HeadraceApp, "launch_instance", started.append)
    monkeypatch.setattr("headrace.server.ports.free_or_refuse", lambda host, port: port)
    monkeypatch.setattr(sys, "argv", ["jupyter-headrace", *words])
    assert cli.jupyter_main() == 0
    (options,) = started
    assert {"--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"} <= set(options)
    assert not any("token" in option or "password" in option for option in options), "Jupyter makes a token"


def test_the_help_imports_no_command() -> None:
    code = (
        "import json, sys\n"
        "from headrace.cli import main\n"
        "assert main.run(['--help']) == 0\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    ours = [name for name in loaded if name.startswith("headrace.cli.")]
    assert ours == ["headrace.cli.main"]
    assert [name for name in loaded if name in {"sqlalchemy", "pydantic", "rich", "tornado"}] == []


def test_a_command_of_the_lab_extra_names_it_where_it_is_missing(
    command: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(ModuleNotFoundError("No module named 'nbclient'", name="nbclient")))
    assert cli.run(["sample"]) == 2
    assert 'pip install "headrace[lab]"' in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = (
        "import sys, click\n"
        "from headrace.cli import main\n"
        "sample = click.Command('sample', callback=lambda: click.echo('x' * 1_000_000))\n"
        "main.headrace.add_command(sample)\n"
        "main.COMMANDS['sample'] = main.Entry('__main__:sample', '')\n"
        "sys.exit(main.run(['sample']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait(timeout=30)
    assert "Traceback" not in said
