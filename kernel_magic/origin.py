"""Where a run's flow or task comes from, so that another process can run it again.

A function of a script or module is found by its entrypoint. What exists only
in memory (a notebook's cell, the REPL) is kept as a snapshot, and so are
arguments that JSON cannot hold. Snapshots are sealed: they are only opened by
processes that have the key, and never by the server.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pickle
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import HeadraceError, NotFound, UsageError, one_line
from headrace.core.runs import Run
from headrace.kernel_magic.definition import SCRIPT_PREFIX
from headrace.kernel_magic.pickling import pickler_class
from headrace.kernel_magic.previews import ENTRIES, TEXT

if TYPE_CHECKING:
    from headrace.kernel_magic.engine.live import LiveRun
    from headrace.store import Store

#: Larger functions and arguments are not kept: the run cannot be continued in another process then, bytes.
LARGEST = 5_000_000
#: The key of a run's details under which all this is.
ORIGIN = "origin"


@lru_cache(maxsize=1)
def _place(pid: int) -> dict[str, str]:
    return {"interpreter": sys.executable, "cwd": os.getcwd()}


def keep(handle: Any, run: LiveRun, parameters: Mapping[str, Any]) -> None:
    """Note in a root run's details how another process can run it again."""
    origin: dict[str, Any] = dict(_place(os.getpid()))
    store = run.session.store
    try:
        entrypoint = handle._definition.entrypoint
        if entrypoint is not None:
            origin["entrypoint"] = entrypoint
        elif store is not None:
            origin["snapshot_id"] = _kept_function(handle, store)
        if store is not None and not all(is_exact(value) for value in parameters.values()):
            origin["parameters_id"] = _keep(store, "parameters", _packed(dict(parameters), "its arguments"))
    except HeadraceError as error:
        run.details(resumable=False, not_resumable_because=one_line(error))
    run.details(**{ORIGIN: origin})


def _kept_function(handle: Any, store: Store) -> str:
    """Return the snapshot of a flow or task as it is now: the helpers and globals that it reaches may have changed."""
    from headrace.kernel_magic.results.source import Sources

    kept: dict[str, tuple[bytes, str]] = handle.__dict__.setdefault("_snapshots", {})
    function = _packed(handle, "its function, with the globals that it uses,")
    data = pack({"sources": Sources.of(handle), "function": function})
    digest = hashlib.sha256(data).digest()
    last = kept.get(store.place.url)
    if last is None or last[0] != digest:
        last = kept[store.place.url] = (digest, _keep(store, "function", data))
    return last[1]


def _packed(value: Any, what: str) -> bytes:
    try:
        return pack(value)
    except Exception as error:
        raise UsageError(f"{what} cannot be pickled: {type(error).__name__}: {one_line(error)}") from error


def _keep(store: Store, kind: str, data: bytes) -> str:
    from headrace.kernel_magic.results.seal import seal

    return store.deployments.keep_snapshot(kind, bytes(seal(data)))


class _Limited(bytearray):
    """A buffer that refuses to grow beyond what is kept."""

    def write(self, data: Any) -> int:
        if len(self) + len(data) > LARGEST:
            raise UsageError(f"more than {LARGEST // 1_000_000} MB")
        self.extend(data)
        return len(data)


def pack(value: Any) -> bytes:
    """Return a value as bytes by cloudpickle.

    Raises
    ------
    UsageError
        It would be larger than 5 MB.
    """
    buffer = _Limited()
    pickler_class()(buffer).dump(value)
    return bytes(buffer)


def unpack(store: Store, snapshot_id: str) -> Any:
    """Return what a snapshot holds, after its seal was checked.

    Raises
    ------
    NotFound, UntrustedResultError
    """
    from headrace.kernel_magic.results.seal import unseal

    data = unseal(store.deployments.snapshot(snapshot_id), where=f"the snapshot {snapshot_id}")
    return pickle.loads(data)  # noqa: S301  sealed by ourselves


def restore(store: Store, snapshot_id: str) -> Any:
    """Return the flow or task of a snapshot, with its sources.

    Raises
    ------
    NotFound, UntrustedResultError
    """
    found = unpack(store, snapshot_id)
    if not isinstance(found, dict):  # kept before the sources were
        return found
    handle = pickle.loads(found["function"])  # noqa: S301  sealed by ourselves
    found["sources"].restore(handle)
    return handle


def is_exact(value: Any, depth: int = 0) -> bool:
    """Return whether a run's record holds a parameter as it is, not only a picture of it."""
    kind = type(value)
    if kind is str:
        return len(value) <= TEXT
    if kind is float:
        return value == value and abs(value) != float("inf")
    if kind in (int, bool, type(None)):
        return True
    if depth < 3 and kind is list:
        return len(value) <= ENTRIES and all(is_exact(item, depth + 1) for item in value)
    if depth < 3 and kind is dict:
        return len(value) <= ENTRIES and all(type(k) is str and is_exact(v, depth + 1) for k, v in value.items())
    return False


def parameters_of(store: Store, run: Run) -> dict[str, Any]:
    """Return the arguments that a run was called with."""
    kept = (run.details.get(ORIGIN) or {}).get("parameters_id")
    return dict(unpack(store, kept)) if kept else dict(run.parameters)


def load(entrypoint: str) -> Any:
    """Return the flow or task of an entrypoint.

    Parameters
    ----------
    entrypoint : str
        "path.py:name" or "package.module:name"; the name may be dotted.

    Raises
    ------
    NotFound
        There is no such file, module or name.
    UsageError
        The name is no flow or task.
    Exception
        What the file raised when it was imported.
    """
    place, _, name = entrypoint.rpartition(":")
    if not place or not name:
        raise UsageError(f"{entrypoint!r} is not path.py:flow or package.module:flow.", field="entrypoint")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise NotFound(f"There is no {name!r} in {place}.", field="entrypoint")
    if not hasattr(found, "_definition"):
        raise UsageError(f"{name!r} in {place} is no flow or task: decorate it with @flow.", field="entrypoint")
    return found


def _load_module(name: str) -> Any:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise NotFound(
                f"There is no module {name!r} for this Python ({sys.executable}).", field="entrypoint"
            ) from None
        raise


def _load_file(path: Path) -> Any:
    """Import a script as a module of its own name; its `if __name__ == "__main__"` part does not run."""
    path = path.resolve()
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", field="entrypoint")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    if loaded is not None or not name.isidentifier():
        name = f"{SCRIPT_PREFIX}{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def chain_of(store: Store, run_id: str) -> str:
    """Return the first run of a chain of continued runs: what RUN_ID means to a cache."""
    for _ in range(1000):
        run = store.runs.find(run_id)
        if run is None or run.resumed_from_id is None:
            return run_id
        run_id = run.resumed_from_id
    return run_id
