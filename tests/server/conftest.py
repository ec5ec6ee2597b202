"""A real Jupyter server with Headrace in it (run with `-p pytest_jupyter.jupyter_server`), one store each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from server_help import Api, Fetch

from headrace.server.services import Services


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Headrace enabled; no worker process is started by itself."""
    return {
        "ServerApp": {"jpserver_extensions": {"headrace": True}},
        "HeadraceApp": {"start_workers": False},
    }


@pytest.fixture
def jp_environ(jp_environ: None, data_dir: Path) -> None:
    """The store's folder is the test's own, whatever pytest-jupyter sets."""


@pytest.fixture
def services(jp_serverapp: ServerApp) -> Services:
    """What the handlers share."""
    found: Services = jp_serverapp.extension_manager.extension_points["headrace"].app.services
    return found


@pytest.fixture
def api(jp_fetch: Fetch, jp_serverapp: ServerApp) -> Api:
    """The API of a running server."""
    return Api(jp_fetch)


@pytest.fixture
def write_notebook(jp_root_dir: Path) -> Callable[..., str]:
    """Write a notebook below the server's root and return its path there."""

    def write(name: str = "report.ipynb", *sources: str, parameters: str = "month = 1", kernel: str = "python3") -> str:
        cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        cells += [nbformat.v4.new_code_cell(source) for source in sources or ("print(month)",)]
        metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
        path = jp_root_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
        return name

    return write
