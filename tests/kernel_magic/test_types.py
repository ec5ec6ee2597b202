"""What type checkers see: decorated functions keep their parameters and results."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from headrace.kernel_magic.options import FlowOptions, TaskOptions
from headrace.kernel_magic.signatures import FlowArguments, TaskArguments

GOOD = """
from headrace import flow, task
from headrace import TaskFuture, FutureList

@task
def add(a: int, b: int = 1) -> int:
    return a + b

@task(retries=3, retry_delay_seconds=[1, 2], tags=["x"])
async def fetch(url: str) -> bytes:
    return url.encode()

@flow(name="all", log_prints=True)
def run_all(day: str) -> list[int]:
    future = add.submit(1, b=2)
    more = add.map([1, 2])
    value: int = future.result()
    data: bytes = fetch.submit("u").result()
    values: list[int] = more.result()
    direct: int = add(1)
    return [value, direct, *values, len(data)]

@flow
async def run_async() -> bytes:
    return await fetch("u")

found: list[int] = run_all("monday")
reveal_type(add(1))
reveal_type(add.submit(1))
reveal_type(fetch.submit("u"))
reveal_type(add.map([1]))
reveal_type(add.with_options(retries=2)(1))
reveal_type(run_all("d"))
"""
REVEALED = [
    "int",
    "TaskFuture[int]",
    "TaskFuture[bytes]",
    "FutureList[int]",
    "int",
    "list[int]",
]
BAD = {
    "add('x')": "arg-type",
    "add()": "call-arg",
    "add(1, c=2)": "call-arg",
    "add.submit('x')": "arg-type",
    "run_all(3)": "arg-type",
    "x: str = add(1)": "assignment",
    "task(retires=3)": "call-overload",
    "task(retries='three')": "call-overload",
    "flow(cache_policy=1)": "call-overload",
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """mypy's words about a module that uses the decorators."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("types")
    path = folder / "sample.py"
    path.write_text(GOOD + "".join(f"{line}  # {number}\n" for number, line in enumerate(BAD)))
    roots = [root for root in os.environ.get("PYTHONPATH", "").split(os.pathsep) if root and Path(root).is_dir()]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", str(path)]
    done = subprocess.run(
        command,
        env={**os.environ, "MYPYPATH": os.pathsep.join(roots), "MYPY_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_parameters_and_results_are_kept(checked: list[str]) -> None:
    revealed = [line.partition('Revealed type is "')[2].rstrip('"') for line in checked if "Revealed" in line]
    assert [text.replace("headrace.kernel_magic.futures.", "").replace("", "") for text in revealed] == REVEALED
    first_bad = GOOD.count("\n") + 1
    wrong = [line for line in checked if ": error:" in line and int(line.split(":")[1]) < first_bad]
    assert wrong == []


@pytest.mark.parametrize("line", BAD)
def test_wrong_calls_are_seen(checked: list[str], line: str) -> None:
    number = GOOD.count("\n") + 1 + list(BAD).index(line)
    said = [text for text in checked if text.split(":")[1] == str(number) and ": error:" in text]
    assert said, checked
    assert f"[{BAD[line]}]" in said[0]


@pytest.mark.parametrize(("record", "words"), [(TaskOptions, TaskArguments), (FlowOptions, FlowArguments)])
def test_the_typed_options_are_those_of_the_records(record: type, words: type) -> None:
    assert {f.name for f in fields(record) if f.init} == set(words.__annotations__)
