"""Kernels without Headrace: named with their Python, and Headrace installed into exactly that one."""

from __future__ import annotations

import json
import os
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from server_help import Api, until

from headrace.core.clock import SYSTEM_CLOCK
from headrace.server.services import Services


def stand_in(folder: Path) -> Path:
    """Write a wheel that is called headrace and needs nothing."""
    path = folder / "headrace-9.9-py3-none-any.whl"
    info = "headrace-9.9.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("headrace/__init__.py", "here = True\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: headrace\nVersion: 9.9\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def bare_kernel(tmp_path: Path, jp_environ: None) -> Path:
    """A kernelspec `bare` of a Python of its own, without Headrace; return that Python."""
    venv.create(tmp_path / "bare", with_pip=True, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Bare",
        "language": "python",
        "env": {"PYTHONPATH": "", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
    }
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "bare"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    return python


async def test_headrace_is_installed_into_the_python_of_a_kernel_that_lacks_it(
    bare_kernel: Path, api: Api, services: Services, tmp_path: Path
) -> None:
    services.interpreters._source = str(stand_in(tmp_path))
    code, found = await api("GET", "/kernelspecs/bare")
    assert (code, found["kernelspec"]["headrace"]) == (200, False)
    assert found["kernelspec"]["interpreter"] == str(bare_kernel)
    assert (await api("GET", "/kernelspecs/bare/install"))[0] == 404
    code, begun = await api("POST", "/kernelspecs/bare/install", {})
    assert code == 202
    assert begun["installation"]["command"].startswith(f"{bare_kernel} -m pip install")

    async def ended() -> Any:
        installation = (await api("GET", "/kernelspecs/bare/install"))[1]["installation"]
        return installation if installation["state"] != "running" else None

    done = await until(ended, seconds=90)
    assert done["state"] == "done", done["output"]
    assert "Successfully installed headrace" in done["output"]
    assert (await api("GET", "/kernelspecs/bare"))[1]["kernelspec"]["headrace"] is True
    # What is there is not installed again.
    code, refused = await api("POST", "/kernelspecs/bare/install", {})
    assert (code, "has Headrace already" in refused["message"]) == (409, True)


async def test_a_kernel_of_another_language_is_not_asked_and_an_unknown_one_is_not_found(
    api: Api, services: Services
) -> None:
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "shell"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": ["sh"], "display_name": "Shell", "language": "bash"}))
    assert (await api("GET", "/kernelspecs/shell"))[1]["kernelspec"]["headrace"] is None
    assert (await api("POST", "/kernelspecs/shell/install", {}))[0] == 409
    assert (await api("GET", "/kernelspecs/none"))[0] == 404
    code, own = await api("GET", "/kernelspecs/python3")
    assert (code, own["kernelspec"]["headrace"]) == (200, True)
    assert own["kernelspec"]["interpreter"] == sys.executable


async def test_a_python_is_asked_once_in_a_while(api: Api, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    interpreters = services.interpreters
    real = interpreters._ask
    monkeypatch.setattr(interpreters, "_ask", lambda program, spec: asked.append(program) or real(program, spec))
    for _ in range(3):
        await api("GET", "/kernelspecs/python3")
    assert len(asked) == 1
    interpreters._answers["python3"] = (SYSTEM_CLOCK.monotonic() - 1000, {})
    await api("GET", "/kernelspecs/python3")
    assert len(asked) == 2
