"""Where Headrace keeps its state, and every `HEADRACE_*` variable: the one file that reads the environment.

One store for all processes of a person (DESIGN.md, "One store"): argument >
what the server that started this process handed on (`HEADRACE_STORE_FILE`, a
file of mode 0600) > `HEADRACE_DATABASE_URL` / `HEADRACE_DATA_DIR` >
`headrace.toml` on Jupyter's config path > Jupyter's data directory.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from headrace.core.errors import StoreUnavailable

DATABASE_URL = "HEADRACE_DATABASE_URL"
DATA_DIR = "HEADRACE_DATA_DIR"
HANDED = "HEADRACE_STORE_FILE"
OWNER = "HEADRACE_OWNER"
OUTPUT_CAPTURED = "HEADRACE_OUTPUT_CAPTURED"
#: What decides where Jupyter's folders are (jupyter_core.paths).
_JUPYTER_LOOKS_AT = (
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "PROGRAMDATA",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_CONFIG_PATH",
    "JUPYTER_NO_CONFIG",
    "JUPYTER_PREFER_ENV_PATH",
    "JUPYTER_PLATFORM_DIRS",
    "XDG_CONFIG_HOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
)


def _jupyter_dirs(kind: str) -> list[Path]:
    """Jupyter's own folders, without importing jupyter_core when it is not installed."""
    try:
        from jupyter_core import paths
    except ImportError:
        home = Path.home()
        if kind == "data":
            return [Path(os.environ.get("JUPYTER_DATA_DIR", home / ".local" / "share" / "jupyter"))]
        return [Path(os.environ.get("JUPYTER_CONFIG_DIR", home / ".jupyter"))]
    if kind == "data":
        return [Path(paths.jupyter_data_dir())]
    return [Path(p) for p in paths.jupyter_config_path()]


def _toml(path: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    with path.open("rb") as file:
        return tomllib.load(file)


@lru_cache(maxsize=8)
def _configured(paths: tuple[str, ...]) -> tuple[dict[str, object], str]:
    for folder in paths:
        path = Path(folder) / "headrace.toml"
        if path.is_file():
            return _toml(path), str(path)
    return {}, ""


@lru_cache(maxsize=8)
def _config_path(_environment: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(str(p) for p in _jupyter_dirs("config"))


def configuration() -> tuple[dict[str, object], str]:
    """Return the settings of the first `headrace.toml` on Jupyter's config path, and its path ("" if there is none)."""
    # Jupyter looks at the file system for its path each time, and a cell asks several times.
    return _configured(_config_path(tuple(map(os.environ.get, _JUPYTER_LOOKS_AT))))


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """Which store this process uses, and why.

    Parameters
    ----------
    url : str
        SQLAlchemy database URL.
    data_dir : Path
        Folder for results, keys, journals and, with SQLite, the database.
    source : str
        What decided: "argument", a variable's name, a file's path, or "default".
    """

    url: str
    data_dir: Path
    source: str

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, None when it is not SQLite."""
        prefix = "sqlite:///"
        return Path(self.url[len(prefix) :]) if self.url.startswith(prefix) else None


def data_dir() -> Path:
    """Return the folder of Headrace's state (not created here)."""
    return find_store().data_dir


def find_store(url: str | None = None) -> StorePlace:
    """Find the store that this process is to use.

    Parameters
    ----------
    url : str or None, default None
        An explicit database URL; it wins.

    Returns
    -------
    StorePlace
    """
    if not url:
        handed = _handed()
        if handed is not None:
            return handed
    settings, where = configuration()
    folder, folder_source = os.environ.get(DATA_DIR, ""), DATA_DIR
    if not folder:
        folder, folder_source = str(settings.get("data_dir") or ""), where
    if not folder:
        folder, folder_source = str(_jupyter_dirs("data")[0] / "headrace"), "default"
    base = Path(folder).expanduser()
    for candidate, source in (
        (url, "argument"),
        (os.environ.get(DATABASE_URL), DATABASE_URL),
    ):
        if candidate:
            return StorePlace(url=_driver(candidate), data_dir=base, source=source)
    if folder_source != DATA_DIR and settings.get("database_url"):
        return StorePlace(url=_driver(str(settings["database_url"])), data_dir=base, source=where)
    return StorePlace(url=f"sqlite:///{base / 'headrace.db'}", data_dir=base, source=folder_source)


def _handed() -> StorePlace | None:
    """Return the store that the server which started this process uses; None where none is handed on."""
    path = os.environ.get(HANDED)
    if not path:
        return None
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return StorePlace(url=str(found["url"]), data_dir=Path(found["data_dir"]), source=HANDED)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hand_on(place: StorePlace, folder: Path) -> Path:
    """Write a store's place into a file of mode 0600 and name it to every process that this one starts from now on.

    Parameters
    ----------
    place : StorePlace
    folder : Path
        Usually Jupyter's runtime folder.

    Returns
    -------
    Path
        The file; whoever wrote it removes it at the end.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"headrace-store-{os.getpid()}.json"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": place.url, "data_dir": str(place.data_dir)}, file)
    os.environ[HANDED] = str(path)
    return path


def masked_url(url: str) -> str:
    """Return a database URL without its password."""
    head, sign, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    shown = f"{head}{sign}{user.partition(':')[0]}:•••@{place}" if at and ":" in user else url
    # libpq takes passwords in the query, too.
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1•••", shown, flags=re.IGNORECASE)


def declare_kernel(folder: Path, kernel_id: str, place: StorePlace) -> Path:
    """Write down which store a kernel records into, for the server beside it (which says so where it is another one).

    Parameters
    ----------
    folder : Path
        The folder of the kernel's connection file.
    kernel_id : str
    place : StorePlace

    Returns
    -------
    Path
        The file; the kernel removes it at its end.
    """
    path = folder / f"headrace-kernel-{kernel_id}.json"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": masked_url(place.url)}, file)
    return path


def strange_kernels(folder: Path, place: StorePlace) -> list[tuple[str, str]]:
    """Return (kernel id, masked URL) of the living kernels that record into another store than `place`."""
    found = []
    for path in sorted(folder.glob("headrace-kernel-*.json")):
        kernel_id = path.stem.removeprefix("headrace-kernel-")
        if not (folder / f"kernel-{kernel_id}.json").exists():
            path.unlink(missing_ok=True)  # the kernel ended without a chance to do so
            continue
        try:
            url = str(json.loads(path.read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if url != masked_url(place.url):
            found.append((kernel_id, url))
    return found


def _driver(url: str) -> str:
    """Name psycopg 3 in PostgreSQL URLs, and turn a bare path into an SQLite URL."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    return url if "://" in url else f"sqlite:///{Path(url).expanduser().absolute()}"


def runtime_dir() -> Path:
    """Return the local, per-login folder for owner files (created, mode 0700).

    It must be on a local disk and the same for all processes of a login on one machine.

    Raises
    ------
    StoreUnavailable
        Somebody else has made the folder.
    """
    base = os.environ.get("HEADRACE_RUNTIME_DIR")
    if base:
        path = Path(base)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
    uid = os.getuid() if hasattr(os, "getuid") else user_name()
    path = Path(tempfile.gettempdir()) / f"headrace-{uid}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(path)
    return path


def _refuse_foreign(path: Path) -> None:
    """Refuse a folder in the machine's shared temporary one that another login has made.

    What lies in it is believed: who is alive, and journals that become records.

    Raises
    ------
    StoreUnavailable
    """
    if not hasattr(os, "getuid"):
        return
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid():
        raise StoreUnavailable(
            f"The folder {path} is a link or belongs to another login; set HEADRACE_RUNTIME_DIR to a folder of yours."
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)


@lru_cache(maxsize=1)
def user_name() -> str:
    """Return the name that owns this process's runs: `HEADRACE_OWNER`, else the hub's name for the person, else the login.

    In a hub's containers everybody has the same login: on a team's store it would make all runs everybody's, and each
    person's worker would execute what the others asked for.
    """
    override = os.environ.get(OWNER) or os.environ.get("JUPYTERHUB_USER")
    if override:
        return override
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "user"


def config_file() -> Path:
    """Return this person's `headrace.toml` (it need not be there)."""
    return _jupyter_dirs("config")[0] / "headrace.toml"


def forget_configuration() -> None:
    """Read `headrace.toml` again at the next question."""
    _configured.cache_clear()
    _config_path.cache_clear()


def _value(name: str) -> object | None:
    """Return what `HEADRACE_<NAME>` or `headrace.toml` says, None where neither does."""
    found = os.environ.get(f"HEADRACE_{name}")
    return configuration()[0].get(name.lower()) if found is None else found


def take_output_captured() -> bool:
    """Return whether a worker makes log lines of what this process writes; its children are told nothing of it.

    What is recorded anyway (prints of flows, lines of run loggers) must not be written as well then.
    """
    return os.environ.pop(OUTPUT_CAPTURED, "") == "1"


def flag(name: str, default: bool = False) -> bool:
    """Return a yes/no setting: `HEADRACE_<NAME>`, else `<name>` in headrace.toml."""
    value = _value(name)
    return default if value is None else str(value).strip().lower() in {"1", "true", "yes", "on"}


def text(name: str, default: str = "") -> str:
    """Return a text setting: `HEADRACE_<NAME>`, else `<name>` in headrace.toml."""
    value = _value(name)
    return default if value is None else str(value)


def number(name: str, default: float) -> float:
    """Return a numeric setting: `HEADRACE_<NAME>`, else `<name>` in headrace.toml; what is no number counts as unset."""
    value = _value(name)
    try:
        return default if value is None else float(str(value))
    except ValueError:
        return default
