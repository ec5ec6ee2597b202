"""Kernels of failed runs that are kept: continued in the same memory, opened by others, ended in time. Real kernels."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from headrace.server.runner.keeping import note_path
from headrace.store import get_store
from notebooks import SETUP, cell_runs, fails_once, go_on, read, run, stored, take_ran, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


def is_gone(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sockets_of(facts: dict[str, Any]) -> Path:
    """Return the folder of a kernel's sockets."""
    return Path(read(facts["connection_file"])["ip"]).parent


@pytest.fixture
def kept(data_dir: Path, tmp_path: Path) -> Iterator[Any]:
    """A run that failed and keeps its kernel."""
    source = write(
        tmp_path / "in.ipynb",
        SETUP,
        "note(2)\nimport threading\nlock = threading.Lock()",
        fails_once(3, "print(lock.locked(), extra)"),
        "note(4)",
    )
    result = run(source, tmp_path / "one.ipynb", cwd=str(tmp_path), keep_kernel_seconds=600)
    pid = stored(result.run.id).details["kept_kernel"]["pid"]
    yield result
    if not is_gone(pid):
        os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid), seconds=10)


def test_a_run_goes_on_in_the_same_memory(kept: Any, tmp_path: Path) -> None:
    facts = stored(kept.run.id).details["kept_kernel"]
    assert not is_gone(facts["pid"])
    assert take_ran(tmp_path) == ["2", "3"]
    sockets = sockets_of(facts)
    (tmp_path / "ok").touch()
    mend(facts["connection_file"], "extra = 'mended'")
    second = go_on(kept, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 0, second.ending.message
    assert take_ran(tmp_path) == ["3", "4"]
    assert texts(read(tmp_path / "two.ipynb")["cells"][2]["outputs"]) == "False mended\n"
    assert [cell.state_name for cell in cell_runs(second.run.id)] == ["Cached", "Cached", "Completed", "Completed"]
    found = stored(second.run.id).details
    assert found["continues"]["kept_kernel"]
    assert found["kernel"]["pid"] == facts["pid"]
    wait_until(lambda: is_gone(facts["pid"]), seconds=10)
    wait_until(lambda: not sockets.exists(), seconds=30)
    wait_until(lambda: not note_path(get_store().place.data_dir, kept.run.id).exists(), seconds=10)


def mend(connection_file: str, code: str) -> None:
    """Execute code in a kernel, as a person does who looked round in Lab."""
    from jupyter_client.blocking import BlockingKernelClient

    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        assert client.execute_interactive(code, timeout=30)["content"]["status"] == "ok"
    finally:
        client.stop_channels()


def test_a_kept_kernel_that_fails_again_is_kept_again(kept: Any, tmp_path: Path) -> None:
    second = go_on(kept, tmp_path / "two.ipynb")
    assert second.ending.exit_code == 1
    pid = stored(kept.run.id).details["kept_kernel"]["pid"]
    assert stored(second.run.id).details["kept_kernel"]["pid"] == pid
    folder = get_store().place.data_dir
    wait_until(lambda: not note_path(folder, kept.run.id).exists(), seconds=10)
    assert not is_gone(pid)
    (tmp_path / "ok").touch()
    mend(stored(second.run.id).details["kept_kernel"]["connection_file"], "extra = 1")
    assert go_on(second, tmp_path / "three.ipynb").ending.exit_code == 0


def test_it_outlives_the_command_that_kept_it(data_dir: Path, tmp_path: Path) -> None:
    write(tmp_path / "in.ipynb", SETUP, "note(2)\nlock = object()", fails_once(3, "print(lock)"))
    words = [sys.executable, "-m", "headrace.cli.main", "run"]
    first = [*words, "in.ipynb", "out.ipynb", "--keep-kernel", "10m", "--name", "first"]
    assert subprocess.run(first, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    (tmp_path / "ok").touch()
    second = [*words, "--resume", "first", "--keep-kernel", "0"]
    done = subprocess.run(second, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 cells are in its kernel's memory" in done.stderr
    assert take_ran(tmp_path) == ["2", "3", "3"]


def test_only_one_continuation_gets_the_kernel(kept: Any) -> None:
    from headrace.server.runner.keeping import take_kept

    folder = get_store().place.data_dir

    async def take() -> list[bool]:
        found = [await take_kept(folder, stored(kept.run.id)) for _ in range(2)]
        for kernel in found:
            if kernel is not None:
                await kernel.stop(now=True)
        return [kernel is not None for kernel in found]

    assert asyncio.run(take()) == [True, False]


def test_lab_attaches_to_it_by_its_kernelspec(kept: Any) -> None:
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning import KernelProvisionerFactory

    facts = stored(kept.run.id).details["kept_kernel"]
    spec = json.loads((Path(facts["kernelspec"]) / "kernel.json").read_text())
    assert spec["display_name"].startswith(kept.run.name)
    factory = KernelProvisionerFactory.instance()
    point = EntryPoint("headrace-attach", "headrace.server.attach:AttachProvisioner", factory.GROUP_NAME)
    factory.provisioners["headrace-attach"] = point

    async def attach() -> str:
        manager = AsyncKernelManager(kernel_name=Path(facts["kernelspec"]).name)
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=30)
        reply = await client.execute_interactive("lock", user_expressions={"x": "lock.locked()"}, timeout=30)
        client.stop_channels()
        await manager.shutdown_kernel()
        return str(reply["content"]["user_expressions"]["x"]["data"]["text/plain"])

    sockets = sockets_of(facts)
    assert sockets.exists()
    assert asyncio.run(attach()) == "False"
    wait_until(lambda: is_gone(facts["pid"]), seconds=10)
    wait_until(lambda: not sockets.exists(), seconds=30)


def test_its_time_ends_it(data_dir: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.ipynb", "1/0"), None, keep_kernel_seconds=0.5)
    facts = stored(result.run.id).details["kept_kernel"]
    wait_until(lambda: is_gone(facts["pid"]), seconds=10)
    wait_until(lambda: not Path(facts["kernelspec"]).exists(), seconds=10)
    wait_until(lambda: not note_path(data_dir, result.run.id).exists(), seconds=10)


def test_no_more_are_kept_than_there_is_room_for(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_KEPT_KERNELS", "1")
    source = write(tmp_path / "in.ipynb", "1/0")
    first, second = (run(source, None, keep_kernel_seconds=600).run.id for _ in range(2))
    pids = [stored(run_id).details["kept_kernel"]["pid"] for run_id in (first, second)]
    wait_until(lambda: is_gone(pids[0]), seconds=20)
    assert not is_gone(pids[1])
    os.killpg(pids[1], signal.SIGKILL)
    wait_until(lambda: not note_path(data_dir, second).exists(), seconds=10)


def test_it_does_not_outlive_a_runner_that_was_killed(data_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "import time\nprint('on', flush=True)\ntime.sleep(60)")
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"input_path": str(source), "output_path": None, "keep_kernel_seconds": 600}))
    process = subprocess.Popen([sys.executable, "-m", "headrace.server.runner", str(spec)])
    try:
        wait_until(
            lambda: any(
                line.message == "on" for root in get_store().runs.page()[0] for line in get_store().logs.lines(root.id)
            ),
            seconds=20,
        )
    finally:
        process.kill()
        process.wait()
    (root,), _ = get_store().runs.page()
    wait_until(lambda: is_gone(root.details["kernel"]["pid"]), seconds=10)
