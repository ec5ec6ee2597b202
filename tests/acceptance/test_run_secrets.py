"""Secret parameters: they reach the kernel, and no file that others can read. Real kernels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import headrace
from headrace.core.errors import InvalidParameter
from headrace.core.ids import new_id
from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.server.inspection import inspect_notebook_file
from headrace.server.runner.process import main
from headrace.server.secret_values import set_aside
from headrace.store import get_store
from notebooks import SETUP, code, go_on, read, run, slow, stored, take_ran, texts, write

pytestmark = pytest.mark.kernel


SECRET = "opensesame-4711"


def test_a_secret_reaches_the_kernel_and_nothing_else(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        code("month: int = 1\ntoken: str = ...  # secret: of the shop", "parameters"),
        SETUP,
        slow(2, "key = len(token)"),
        "print(month, key, token.isupper(), In)\nassert month == 3",
    )
    given = {"token": SECRET, "month": 2}
    first = run(source, tmp_path / "out.ipynb", parameters=given, cwd=str(tmp_path), checkpoint="always")
    assert texts(read(tmp_path / "out.ipynb")["cells"][-1]["outputs"]).startswith("2 15 False")
    assert dict(stored(first.run.id).parameters) == {"month": 2, "token": "•••"}
    with pytest.raises(InvalidParameter, match="secret parameter 'token' is not kept: give it again"):
        go_on(first, tmp_path / "two.ipynb", parameters={"month": 3})
    second = go_on(first, tmp_path / "two.ipynb", parameters={"month": 3, "token": SECRET})
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["2"], "the cell that used it was restored, without it"
    get_store().recorder.flush()
    places = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(places) > 5
    assert [path for path in places if SECRET.encode() in path.read_bytes()] == []


def test_a_secret_is_wrapped_where_the_notebook_wraps_it(data_dir: Path, tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        code("from pydantic import SecretStr\ntoken: SecretStr = SecretStr('')", "parameters"),
        "print(token, token.get_secret_value()[::-1])",
    )
    assert run(source, tmp_path / "out.ipynb", parameters={"token": SECRET}).ending.exit_code == 0
    assert texts(read(tmp_path / "out.ipynb")["cells"][-1]["outputs"]) == f"********** {SECRET[::-1]}\n"


def test_secrets_wait_outside_the_store_for_a_run_of_a_worker(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("token = ...  # secret", "parameters"), "print(token[::-1])")
    store = get_store()
    run_id, now = new_id(), store.clock.now_us()
    given = Run(
        id=run_id,
        root_id=run_id,
        kind=RunKind.NOTEBOOK,
        name="report-1",
        notebook_path=str(source),
        parameters={"token": SECRET},
        state_type=StateType.PENDING,
        state_name="Submitted",
        state_at=now,
        created_at=now,
        details={"spec": {"output_path": str(tmp_path / "o.ipynb")}},
    )
    shown = set_aside(store, given, inspect_notebook_file(str(source)).parameters)
    assert shown == {"token": "•••"}
    store.runs.create(replace(given, parameters=shown))
    (aside,) = (data_dir / "secrets").iterdir()
    assert (aside.stat().st_mode & 0o777, SECRET in aside.read_text()) == (0o600, True)
    assert main([given.id]) == 0
    assert texts(read(tmp_path / "o.ipynb")["cells"][-1]["outputs"]) == f"{SECRET[::-1]}\n"
    assert not aside.exists()
    assert dict(stored(given.id).parameters) == {"token": "•••"}


def test_no_other_engine_of_papermill_gets_a_secret(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", code("token = ...  # secret", "parameters"))
    with pytest.raises(InvalidParameter, match="never written into a cell"):
        headrace.execute_notebook(source, None, {"token": SECRET}, engine_name="plain", progress_bar=False)


def test_a_secret_of_a_notebook_task_is_handed_over_unseen(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    source = write(
        tmp_path / "in.ipynb", code("token = ''", "parameters"), "import headrace\nheadrace.publish(n=len(token))"
    )
    task = headrace.notebook_task(source, cwd=tmp_path)

    @headrace.flow
    def report() -> Any:
        return task(token=SecretStr(os.environ["SHOP_TOKEN"]))

    assert report() == {"n": len(SECRET)}
    get_store().recorder.flush()
    places = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in places if SECRET.encode() in path.read_bytes()] == []
