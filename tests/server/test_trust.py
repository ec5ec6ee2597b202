"""What the server process never does: import, evaluate or unpickle what users wrote; and what it never tells."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from server_help import Api

from headrace.server.services import Services

SERVER = Path(__file__).resolve().parents[2] / "server"
#: The runner is the user's own process; languages and notebook files are read by it and by nobody else.
NOT_THE_SERVER = ("runner", "worker/__main__.py")
FORBIDDEN = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
CALLS = {"eval", "exec", "compile", "__import__", "import_string"}


def files() -> list[Path]:
    return [p for p in SERVER.rglob("*.py") if not str(p.relative_to(SERVER)).startswith(NOT_THE_SERVER)]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SERVER)))
def test_no_file_of_the_server_opens_pickles_or_runs_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not FORBIDDEN & {name.split(".")[0] for name in names}, (path, node.lineno)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in CALLS, (path, node.lineno)
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert isinstance(node.value, ast.Constant), (path, node.lineno)
            assert not node.value.value, (path, node.lineno)


def test_an_unused_extension_brings_no_database_library_along() -> None:
    code = (
        "import sys; import jupyter_server.serverapp, jupyter_server.extension.application\n"
        "import headrace.server.app, headrace.server.background, headrace.server.stream\n"
        "from headrace.server.routes import all_routes; all_routes()\n"
        "heavy = {'sqlalchemy', 'alembic', 'papermill', 'nbclient', 'pandas', 'IPython', 'croniter', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


async def test_no_password_or_token_is_told_or_stored(
    api: Api, services: Services, write_notebook: Any, monkeypatch: pytest.MonkeyPatch, jp_auth_header: dict[str, str]
) -> None:
    from headrace.core.settings import StorePlace

    token = jp_auth_header["Authorization"].split()[1]
    write_notebook("r.ipynb")
    await api("POST", "/runs", {"notebook": "r.ipynb"}, headers={"Referer": f"http://x/?token={token}"})
    place = StorePlace(url="postgresql+psycopg://ada:hunter2@db/x", data_dir=services.place.data_dir, source="x")
    with monkeypatch.context() as patch:
        patch.setattr(services, "place", place)
        _, health = await api("GET", "/health")
    assert "hunter2" not in str(health)
    assert "ada" in health["store"]["url"]
    services.store.database.close()
    path = services.place.sqlite_path
    assert path is not None
    for file in path.parent.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


async def test_files_are_private_whatever_the_umask(api: Api, services: Services) -> None:
    import os

    before = os.umask(0)
    try:
        await api("PUT", "/limits/x", {"limit": 1})
    finally:
        os.umask(before)
    path = services.place.sqlite_path
    assert path is not None
    for file in path.parent.glob("headrace.db*"):
        assert file.stat().st_mode & 0o077 == 0, file
