"""Saves what cells left behind, and brings it back in another kernel: runs in the kernel, for the runner.

The runner sends this file's text to the kernel when it first needs it, so it
uses the standard library only and imports nothing of Headrace: a kernel whose
environment lacks Headrace can be continued too. Functions, classes and imports
come back by their own statements; all other values of a checkpoint are pickled
together, so that names which share an object still do.
"""

from __future__ import annotations

import ast
import os
import pickle
import sys
import time
import types
from typing import Any

#: What saving is reckoned to manage, bytes a second, and what it costs at least, seconds.
BYTES_PER_SECOND, LEAST_SECONDS = 200e6, 0.005
#: More objects than this in one value are not looked at for sharing.
MOST_OBJECTS = 200_000
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, types.FunctionType)

#: name → ids of the objects in its value that can be changed, as of its last checkpoint.
_objects: dict[str, frozenset[int]] = {}
_opened: dict[str, dict[str, Any]] = {}


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()


def save(
    path: str,
    cells: dict[str, dict[str, Any]],
    *,
    defined: list[str] | tuple[str, ...] = (),
    budget_seconds: float | None = None,
    limit_bytes: int = 1 << 33,
) -> dict[str, Any]:
    """Save the outputs of cells in one file.

    Parameters
    ----------
    path : str
    cells : dict
        Key → `{"names": outputs by analysis, "source": the cell's text}`.
    defined : list of str
        Names of functions and classes that cells define by statements: instances refer to them by name, for they
        come back by running the statements.
    budget_seconds : float or None, default None
        Save nothing where it is reckoned to take longer; None saves whatever it takes.
    limit_bytes : int, default 8 GiB

    Returns
    -------
    dict
        `{"saved": {key: {"names", "deleted", "definitions"}}, "skipped": {key: reason}, "bytes", "seconds"}`.
    """
    began = time.perf_counter()
    namespace = _shell().user_ns
    saved: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    wanted: dict[str, Any] = {}
    for key, cell in cells.items():
        source, bound = _definitions(_shell().transform_cell(cell["source"]))
        names = [name for name in cell["names"] if name not in bound]
        values = {name: namespace[name] for name in names if name in namespace}
        modules = sorted(name for name, value in values.items() if isinstance(value, types.ModuleType))
        if modules:
            skipped[key] = f"{modules[0]} is a module"
            continue
        saved[key] = {
            "names": sorted(values),
            "deleted": sorted(name for name in names if name not in namespace),
            "definitions": source,
        }
        wanted.update(values)
    cost = LEAST_SECONDS + sum(_rough_bytes(value) for value in wanted.values()) / BYTES_PER_SECOND
    if budget_seconds is not None and cost > budget_seconds:
        reason = f"saving is reckoned to take {cost:.2g} s"
        return _answer({}, {**skipped, **dict.fromkeys(saved, reason)}, 0, began)
    size = 0
    if saved:
        try:
            size = _write(path, wanted, saved, frozenset(defined), limit_bytes)
        except Exception as error:
            reason = _culprit(wanted) or f"{type(error).__name__}: {error}"
            return _answer({}, {**skipped, **dict.fromkeys(saved, reason[:300])}, 0, began)
    return _answer(saved, skipped, size, began)


def _answer(saved: dict[str, Any], skipped: dict[str, str], size: int, began: float) -> dict[str, Any]:
    return {"saved": saved, "skipped": skipped, "bytes": size, "seconds": time.perf_counter() - began}


def _write(path: str, wanted: dict[str, Any], saved: dict[str, Any], defined: frozenset[str], limit: int) -> int:
    """Pickle the values, with every other name that shares an object with them."""
    namespace = _shell().user_ns
    part = f"{path}.part"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    try:
        while True:
            objects = _pickle(part, wanted, defined, limit)
            more = {
                name: namespace[name]
                for name, ids in _objects.items()
                if name in namespace and name not in wanted and not ids.isdisjoint(objects)
            }
            if not more:
                break
            wanted.update(more)
        for name in wanted:
            _objects[name] = objects
        shared = set(wanted).difference(*(set(cell["names"]) for cell in saved.values()))
        for cell in saved.values():
            cell["names"] = sorted({*cell["names"], *shared})
        os.replace(part, path)
        return os.path.getsize(path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _pickle(path: str, values: dict[str, Any], defined: frozenset[str], limit: int) -> frozenset[int]:
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        try:
            pickler = pickle.Pickler(file, protocol=5)
            pickler.dump(values)
        except (pickle.PicklingError, AttributeError, TypeError):
            # Functions without a name of their own, closures, classes made inside functions: by value, if it can be had.
            file.seek(0)
            file.truncate()
            pickler = _by_value(file, defined)
            pickler.dump(values)
        if file.tell() > limit:
            raise ValueError(f"{file.tell()} bytes are more than {limit}")
        return _changeable(pickler)


def _by_value(file: Any, defined: frozenset[str]) -> Any:
    """Return a pickler for functions and classes that no statement brings back."""
    import cloudpickle

    namespace = _shell().user_ns

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, (type, types.FunctionType)) and value.__module__ == "__main__":
                name = value.__qualname__
                if name in defined and namespace.get(name) is value:
                    return name
            return super().reducer_override(value)

    return Pickler(file, protocol=5)


def _changeable(pickler: Any) -> frozenset[int]:
    """Return the ids of the pickled objects that can be changed in place, the owners of shared buffers included."""
    memo = pickler.memo.copy()
    if len(memo) > MOST_OBJECTS:
        return frozenset()
    found = set()
    for entry in memo.values():
        value = entry[1]
        if not isinstance(value, _PLAIN):
            found.add(id(value))
            base = getattr(value, "base", None)
            while base is not None and not isinstance(base, _PLAIN):
                found.add(id(base))
                base = getattr(base, "base", None)
    return frozenset(found)


def _culprit(values: dict[str, Any]) -> str:
    for name, value in values.items():
        try:
            pickle.dumps(value, protocol=5)
        except Exception:
            try:
                import cloudpickle

                cloudpickle.dumps(value)
            except Exception as error:
                return f"{name} (a {type(value).__qualname__}) cannot be stored: {error}"
    return ""


def _definitions(python: str) -> tuple[str, frozenset[str]]:
    """Return a cell's top-level definitions and imports: their source, and the names that they bind."""
    nodes = [node for node in ast.parse(python).body if isinstance(node, _DEFINES)]
    lines = python.splitlines()
    names: set[str] = set()
    found = []
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name.partition(".")[0]) for alias in node.names if alias.name != "*")
        else:
            names.add(node.name)
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n".join(found), frozenset(names)


def _rough_bytes(value: Any) -> int:
    """Return about how many bytes a value has, without walking into it far."""
    for attribute in ("nbytes", "estimated_size"):
        size = getattr(value, attribute, None)
        try:
            size = size() if callable(size) else size
        except Exception:
            continue
        if isinstance(size, int):
            return size
    usage = getattr(value, "memory_usage", None)
    if callable(usage):
        try:
            total = usage(deep=False)
            return int(total.sum() if hasattr(total, "sum") else total) * 2
        except Exception:
            return 1 << 30
    try:
        size = sys.getsizeof(value)
        if isinstance(value, (list, tuple, set, frozenset, dict)) and value:
            size += len(value) * sys.getsizeof(next(iter(value)))
    except Exception:
        return 1 << 30
    return int(size)


def restore(path: str | None, cell: dict[str, Any]) -> dict[str, Any]:
    """Bring a cell's outputs back into the user's namespace.

    Parameters
    ----------
    path : str or None
        The file; the runner has checked its seal. None where the cell left definitions only.
    cell : dict
        What `save` answered for it.

    Returns
    -------
    dict
        `{"names": how many, "error": ""}`; with an error nothing was changed but definitions.
    """
    shell = _shell()
    try:
        if cell["definitions"]:
            name = shell.compile.cache(cell["definitions"])
            code = shell.compile(ast.parse(cell["definitions"]), name, "exec")
            exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102
        if path is not None and cell["names"]:
            if path not in _opened:
                with open(path, "rb") as file:
                    _opened[path] = pickle.load(file)  # noqa: S301
            values = _opened[path]
            shell.user_ns.update({name: values[name] for name in cell["names"]})
        for name in cell["deleted"]:
            shell.user_ns.pop(name, None)
    except Exception as error:
        return {"names": 0, "error": f"{type(error).__name__}: {error}"[:300]}
    return {"names": len(cell["names"]), "error": ""}


def forget() -> None:
    """Let go of the files that were opened."""
    _opened.clear()
