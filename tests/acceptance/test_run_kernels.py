"""Kernels of runs that are not plain local ones, and what the worker keeps warm. Real kernels."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace.core.clock import Clock
from headrace.server.worker import warm
from headrace.server.worker.warm import Recipe, WarmUnits
from notebooks import cell_runs, read, run, stored, texts, write

pytestmark = [pytest.mark.kernel, pytest.mark.process]


LOOK = """
import json, os, psutil, stat
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
found = psutil.Process().net_connections("inet")
# The way in for output of forked children: it hands nothing out, and takes nothing without a secret of the kernel's.
own = app.iopub_thread._pipe_port
ports = [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN and one.laddr.port != own]
folder = os.path.dirname(app.ip)
print(json.dumps([app.transport, ports, oct(stat.S_IMODE(os.stat(folder).st_mode)), folder]))
"""


def test_a_kernel_listens_where_no_other_login_can_come_and_leaves_nothing(data_dir: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "in.ipynb", LOOK), tmp_path / "out.ipynb")
    assert result.ending.exit_code == 0, result.ending.message
    transport, ports, mode, folder = json.loads(texts(read(tmp_path / "out.ipynb")["cells"][0]["outputs"]))
    assert (transport, ports, mode) == ("ipc", [], "0o700")
    assert not Path(folder).exists()
    assert stored(result.run.id).details["kernel"]["transport"] == "ipc"


@pytest.fixture
def remote(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernelspec whose provisioner has the kernel elsewhere: no process of this machine is known."""
    from jupyter_client.provisioning import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    point = EntryPoint("test-remote", "remote_kernel:RemoteProvisioner", factory.GROUP_NAME)
    monkeypatch.setitem(factory.provisioners, "test-remote", point)
    folder = tmp_path / "jupyter" / "kernels" / "far"
    folder.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "far",
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": "test-remote", "config": {}}},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return "far"


def test_a_kernel_of_a_remote_provisioner_runs_a_notebook(remote: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", "x = 6", "print(x * 7)", kernel=remote)
    result = run(source, tmp_path / "out.ipynb")
    assert result.ending.exit_code == 0, result.ending.message
    assert texts(read(tmp_path / "out.ipynb")["cells"][1]["outputs"]) == "42\n"
    facts = stored(result.run.id).details["kernel"]
    assert "pid" not in facts
    assert facts["on_tcp_because"] == "the provisioner test-remote has it elsewhere"


@pytest.mark.parametrize(
    ("cell", "options", "name"),
    [
        ("import os\nos._exit(3)", {}, "Crashed"),
        ("import time\ntime.sleep(60)", {"cell_timeout_seconds": 0.5}, "TimedOut"),
    ],
    ids=["dies", "is late"],
)
def test_its_death_and_its_limits_are_seen(
    cell: str, options: dict[str, Any], name: str, remote: str, tmp_path: Path
) -> None:
    result = run(write(tmp_path / "in.ipynb", cell, "2", kernel=remote), None, **options)
    assert [found.state_name for found in cell_runs(result.run.id)] == [name, "NotRun"]
    assert stored(result.run.id).state_name == name


def test_a_provisioner_that_fails_is_a_crash_with_its_words(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMOTE_IS_FULL", "1")
    result = run(write(tmp_path / "in.ipynb", "1", kernel=remote), None)
    found = stored(result.run.id)
    assert (found.state_name, result.ending.exit_code) == ("Crashed", 138)
    assert "the cluster is full" in found.state_message


@pytest.mark.parametrize("short", ["memory", "setting"])
def test_no_unit_is_kept_warm_without_room(short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(warm, "FREE_BYTES", psutil.virtual_memory().total * 2 if short == "memory" else 0)
    monkeypatch.setenv("HEADRACE_WARM_UNITS", "0" if short == "setting" else "3")
    units = WarmUnits(Clock())
    started: list[Recipe] = []
    monkeypatch.setattr(WarmUnits, "_start", lambda self, recipe, now: started.append(recipe))
    units._want(Recipe(kernel_name="python3", cwd=str(tmp_path), environment={}))
    units.tick()
    assert started == []
