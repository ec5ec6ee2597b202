"""One store for all processes of a person: who decides which."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.core import settings
from headrace.core.errors import StoreUnavailable


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (settings.DATABASE_URL, settings.DATA_DIR, settings.HANDED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    (tmp_path / "config").mkdir()
    settings._configured.cache_clear()
    return tmp_path


def test_with_nothing_set_the_store_lies_under_jupyters_data_directory(place: Path) -> None:
    found = settings.find_store()
    assert found.sqlite_path == place / "data" / "headrace" / "headrace.db"
    assert found.source == "default"


def test_a_file_on_jupyters_config_path_decides_before_the_default(place: Path) -> None:
    (place / "config" / "headrace.toml").write_text(
        'database_url = "postgresql://db/team"\ndata_dir = "/srv/headrace"\n'
    )
    found = settings.find_store()
    assert found.url == "postgresql+psycopg://db/team"
    assert found.data_dir == Path("/srv/headrace")
    assert found.source.endswith("headrace.toml")


def test_the_environment_decides_before_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "config" / "headrace.toml").write_text('database_url = "postgresql://db/team"\n')
    monkeypatch.setenv(settings.DATA_DIR, str(place / "mine"))
    assert settings.find_store().sqlite_path == place / "mine" / "headrace.db"
    monkeypatch.setenv(settings.DATABASE_URL, str(place / "other.db"))
    assert settings.find_store().sqlite_path == place / "other.db"


def test_an_argument_decides_before_everything(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.DATABASE_URL, "sqlite:////elsewhere.db")
    found = settings.find_store("postgres://u:p@h/d")
    assert found.url == "postgresql+psycopg://u:p@h/d"
    assert found.sqlite_path is None
    assert found.source == "argument"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_a_yes_no_variable_is_read(place: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("HEADRACE_SOMETHING", text)
    assert settings.flag("SOMETHING", not value) is value


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        pytest.param({"LOGNAME": "jovyan"}, "jovyan", id="the login"),
        pytest.param(
            {"LOGNAME": "jovyan", "JUPYTERHUB_USER": "ada"}, "ada", id="the hub's name, for logins are alike there"
        ),
        pytest.param({"JUPYTERHUB_USER": "ada", "HEADRACE_OWNER": "team"}, "team", id="what was said"),
    ],
)
def test_runs_belong_to_a_person(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str) -> None:
    for each in ("HEADRACE_OWNER", "JUPYTERHUB_USER", "LOGNAME"):
        monkeypatch.delenv(each, raising=False)
    for each, value in variables.items():
        monkeypatch.setenv(each, value)
    settings.user_name.cache_clear()
    try:
        assert settings.user_name() == name
    finally:
        settings.user_name.cache_clear()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ada:hunter2@db/x", "postgresql+psycopg://ada:•••@db/x"),
        ("postgresql://ada:hun/ter?2#@db/x", "postgresql://ada:•••@db/x"),
        ("postgresql://ada:hun@ter2@db/x", "postgresql://ada:•••@db/x"),
        (
            "postgresql://db/x?user=ada&password=hunter2&sslmode=require",
            "postgresql://db/x?user=ada&password=•••&sslmode=require",
        ),
        ("postgresql://db/x?sslpassword=hunter2", "postgresql://db/x?sslpassword=•••"),
        ("sqlite:////home/ada/headrace.db", "sqlite:////home/ada/headrace.db"),
        ("postgresql://ada@db/x", "postgresql://ada@db/x"),
    ],
)
def test_a_shown_address_has_no_password(url: str, shown: str) -> None:
    assert settings.masked_url(url) == shown


def test_the_runtime_folder_is_private(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_RUNTIME_DIR", str(place / "run"))
    assert settings.runtime_dir().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("made", ["a link", "another login's"])
def test_a_runtime_folder_that_somebody_else_has_made_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    monkeypatch.delenv("HEADRACE_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(settings.tempfile, "gettempdir", lambda: str(place))
    folder = place / f"headrace-{os.getuid()}"
    if made == "a link":
        (place / "elsewhere").mkdir()
        folder.symlink_to(place / "elsewhere")
    else:
        folder.mkdir()
        uid = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
        folder.rename(place / f"headrace-{uid + 1}")
    with pytest.raises(StoreUnavailable, match="belongs to another login"):
        settings.runtime_dir()


def test_a_runtime_folder_that_is_open_to_others_is_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(settings.tempfile, "gettempdir", lambda: str(place))
    (place / f"headrace-{os.getuid()}").mkdir(mode=0o755)
    assert settings.runtime_dir().stat().st_mode & 0o777 == 0o700


def test_what_a_server_hands_on_decides_for_the_processes_it_starts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.DATA_DIR, str(place / "mine"))
    chosen = settings.find_store("postgresql://u:secret@db/team")
    path = settings.hand_on(chosen, place / "runtime")
    monkeypatch.setenv(settings.HANDED, str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    found = settings.find_store()
    assert (found.url, found.source) == (chosen.url, settings.HANDED)
    assert settings.find_store("sqlite:////x.db").source == "argument"
    path.unlink()
    assert settings.find_store().sqlite_path == place / "mine" / "headrace.db"


def test_a_kernel_that_records_elsewhere_is_found_and_one_that_ended_is_forgotten(place: Path) -> None:
    mine, other = settings.find_store("sqlite:///mine.db"), settings.find_store("postgresql://ada:secret@db/team")
    for kernel_id, where in (("same", mine), ("other", other), ("ended", other)):
        settings.declare_kernel(place, kernel_id, where)
    for kernel_id in ("same", "other"):
        (place / f"kernel-{kernel_id}.json").write_text("{}")
    assert settings.strange_kernels(place, mine) == [("other", "postgresql+psycopg://ada:•••@db/team")]
    assert not (place / "headrace-kernel-ended.json").exists()
    assert "secret" not in (place / "headrace-kernel-other.json").read_text()
