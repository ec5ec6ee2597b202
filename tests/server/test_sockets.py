"""Where kernels of runs listen: folders that nobody else can enter, TCP where there is no other way, nothing left."""

from __future__ import annotations

import os
import socket
import stat
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.core.settings import runtime_dir
from headrace.server import sockets

PYTHON = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
SPECS = {
    "ipykernel": (PYTHON, {}, ""),
    "another Python": (["/opt/conda/bin/python3.12", "-m", "ipykernel", "-f", "x"], {}, ""),
    "bash": ([sys.executable, "-m", "bash_kernel", "-f", "x"], {}, ""),
    "conda's starter": (["python", "-m", "nb_conda_kernels.runner", "/env", "python", *PYTHON[1:]], {}, ""),
    "deno": (["deno", "jupyter", "--kernel", "--conn", "x"], {}, "not known"),
    "another module": (["python", "-m", "somebodys_kernel", "-f", "x"], {}, "not known"),
    "in a container": (["docker", "run", "image", *PYTHON], {}, "not known"),
    "no command": ([], {}, "not known"),
    "a cluster's": (PYTHON, {"kernel_provisioner": {"provisioner_name": "yarn"}}, "the provisioner yarn"),
}


@pytest.mark.parametrize("case", SPECS.values(), ids=SPECS.keys())
def test_a_kernelspec_says_whether_its_kernels_know_sockets(case: tuple[list[str], dict[str, object], str]) -> None:
    argv, metadata, reason = case
    why = sockets.why_not(SimpleNamespace(argv=argv, metadata=metadata))
    assert reason in why if reason else why == ""


def test_a_setting_asks_for_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KERNEL_TRANSPORT", "tcp")
    assert "HEADRACE_KERNEL_TRANSPORT" in sockets.why_not(SimpleNamespace(argv=PYTHON, metadata={}))


def test_a_folder_is_this_logins_alone_whatever_the_umask(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0)
    try:
        prefix = sockets.make_folder(str(uuid.uuid4()))
    finally:
        os.umask(before)
    assert prefix is not None
    folder = Path(prefix).parent
    assert (folder.parent.parent, stat.S_IMODE(folder.stat().st_mode)) == (runtime_dir(), 0o700)
    assert list(folder.iterdir()) == []
    sockets.remove(prefix)
    assert not folder.exists()


def test_where_paths_are_too_long_the_temporary_folder_is_taken_and_else_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_RUNTIME_DIR", str(tmp_path / ("long" * 25)))
    monkeypatch.setattr(sockets.tempfile, "tempdir", "/tmp")
    prefix = sockets.make_folder(str(uuid.uuid4()))
    assert prefix is not None
    assert prefix.startswith("/tmp/headrace-k-")
    sockets.remove(prefix)
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr(sockets.tempfile, "tempdir", str(deep))
    assert sockets.make_folder(str(uuid.uuid4())) is None
    assert list(deep.iterdir()) == []


def test_what_killed_kernels_left_is_removed_and_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_RUNTIME_DIR", str(tmp_path))
    dead, alive, young = (sockets.make_folder(str(uuid.uuid4())) for _ in range(3))
    assert dead is not None
    assert alive is not None
    assert young is not None
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(f"{dead}-1")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{alive}-1")
        listening.listen()
        for prefix in (dead, alive):
            os.utime(Path(prefix).parent, (0, 0))
        sockets.remove_forgotten()
    assert [Path(prefix).parent.exists() for prefix in (dead, alive, young)] == [False, True, True]
