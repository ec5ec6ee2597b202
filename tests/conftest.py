"""Fixtures of every suite: an environment that is nobody's, and databases that are empty.

`data_dir` isolates a test; `sqlite_url`, `postgres_url` and `database_url` (both in turn) give it a store.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from private_postgres import PrivatePostgres
from provision import CHROMIUM_FLAGS, chromium

#: What a test process keeps of the environment it was started in. All else, the person's settings, is emptied.
KEPT = (
    "PATH PYTHONPATH PYTHONSAFEPATH PYTHONDONTWRITEBYTECODE LANG LC_ALL TMPDIR TEMP TMP SYSTEMROOT VIRTUAL_ENV CI "
    "LD_LIBRARY_PATH SSL_CERT_FILE OPENBLAS_CORETYPE OPENBLAS_L2_SIZE HEADRACE_CHROMIUM HEADRACE_POSTGRES_BIN "
    "HEADRACE_RUNTIME_DIR"
).split()
KEPT_PREFIXES = ("PYTEST_", "PIP_", "NODE_", "COVERAGE_")


def kept(name: str) -> bool:
    """Tell whether a variable survives in tests."""
    return name in KEPT or name.startswith(KEPT_PREFIXES)


@pytest.fixture(scope="session", autouse=True)
def _nobody() -> Iterator[None]:
    """Empty the environment for the whole process, so that no test meets the person's store or settings.

    The runtime folder is one for the process: its owner file is made once and looked for there.
    """
    with tempfile.TemporaryDirectory(prefix="hr-") as folder, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if not kept(name)]:
            patch.delenv(name)
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        patch.setenv("HEADRACE_RUNTIME_DIR", str(runtime))
        # Else every notebook that fails in a worker leaves its kernel for ten minutes.
        patch.setenv("HEADRACE_KEEP_KERNEL_SECONDS", "0")
        _point_home_at(Path(folder) / "home", patch)
        yield


def _point_home_at(home: Path, patch: pytest.MonkeyPatch) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "HOME": home,
        "USERPROFILE": home,
        "HEADRACE_DATA_DIR": home / "headrace",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter" / "config",
        "JUPYTER_DATA_DIR": home / "jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter" / "runtime",
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_PREFER_ENV_PATH": "0",
        "MPLBACKEND": "agg",
        "TZ": "UTC",
    }.items():
        patch.setenv(name, str(value))


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a home of its own; return `HEADRACE_DATA_DIR` (not made yet). Stores are closed afterwards."""
    _point_home_at(tmp_path / "home", monkeypatch)
    _forget_stores()
    yield tmp_path / "home" / "headrace"
    _forget_stores()


def _forget_stores() -> None:
    store: Any = sys.modules.get("headrace.store")
    if store is not None:
        store.forget_stores()


@pytest.fixture
def sqlite_url(data_dir: Path) -> str:
    """The URL of an SQLite store that does not exist yet."""
    return f"sqlite:///{data_dir / 'headrace.db'}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """One PostgreSQL server for this test process."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
def postgres_url(data_dir: Path, postgres_server: PrivatePostgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    yield postgres_server.fresh_database()
    _forget_stores()
    postgres_server.disconnect()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database of each supported kind in turn; `HEADRACE_DATABASE_URL` names it for child processes too."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    monkeypatch.setenv("HEADRACE_DATABASE_URL", url)
    return url


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How pytest-playwright starts the browser: the machine's Chromium, quiet."""
    return {"executable_path": str(chromium()), "headless": True, "args": list(CHROMIUM_FLAGS)}
