"""Saves what cells left behind, and brings it back in another kernel: runs in the kernel, for the runner.

The runner sends this file's text to the kernel when it first needs it, so it
uses the standard library only and imports nothing of Headrace: a kernel whose
environment lacks Headrace can be continued too. Functions, classes and imports
come back by their own statements; all other values of a checkpoint are pickled
together, so that names which share an object still do.
"""

from __future__ import annotations

import ast
import gc
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
    cells: dict[str, dict[str, Any]],
    *,
    defined: list[str] | tuple[str, ...] = (),
    budget_seconds: float | None = None,
    limit_bytes: int = 1 << 33,
) -> dict[str, Any]:
    """Save the outputs of cells, each in a file of its own.

    Parameters
    ----------
    cells : dict
        Key → `{"names": outputs by analysis, "source": the cell's text, "path": its file}`, in their order.
    defined : list of str
        Names of functions and classes that cells define by statements: instances refer to them by name, for they
        come back by running the statements.
    budget_seconds : float or None, default None
        Save nothing more where it is reckoned to take longer in all; None saves whatever it takes.
    limit_bytes : int, default 8 GiB

    Returns
    -------
    dict
        `{"saved": {key: {"names", "deleted", "definitions", "bytes"}}, "skipped": {key: reason}, "seconds"}`.
    """
    spent = 0.0
    saved: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for key, cell in cells.items():
        # What the saves before have taken counts, not what a busy machine took to come here.
        left = None if budget_seconds is None else budget_seconds - spent
        began = time.perf_counter()
        found = _save_one(cell, frozenset(defined), left, limit_bytes)
        spent += time.perf_counter() - began
        if isinstance(found, str):
            skipped[key] = found[:300]
        else:
            saved[key] = found
    return {"saved": saved, "skipped": skipped, "seconds": spent}


def _save_one(cell: dict[str, Any], defined: frozenset[str], budget: float | None, limit: int) -> dict[str, Any] | str:
    """Save one cell's outputs; return what was saved, or why nothing was."""
    namespace = _shell().user_ns
    source, bound = _definitions(_shell().transform_cell(cell["source"]))
    names = [name for name in cell["names"] if name not in bound]
    values = {name: namespace[name] for name in names if name in namespace}
    for name, value in values.items():
        if isinstance(value, types.ModuleType):
            return f"{name} is a module"
        of = _viewed(value, namespace)
        if of:
            return f"{name} is a view of {of}"
    cost = LEAST_SECONDS + sum(_rough_bytes(value) for value in values.values()) / BYTES_PER_SECOND
    if budget is not None and cost > budget:
        return f"saving is reckoned to take {cost:.2g} s"
    found: dict[str, Any] = {
        "names": sorted(values),
        "deleted": sorted(name for name in names if name not in namespace),
        "definitions": source,
        "bytes": 0,
    }
    if values:
        try:
            found["bytes"] = _write(cell["path"], values, defined, limit)
        except Exception as error:
            return _culprit(values) or f"{type(error).__name__}: {error}"
        found["names"] = sorted(values)
    return found


def _viewed(value: Any, namespace: dict[str, Any]) -> str:
    """Return the variable whose memory an array shows, "" for none: pickled, it would show a copy of its own."""
    base, seen = getattr(value, "base", None), {id(value)}
    while base is not None and not isinstance(base, _PLAIN) and id(base) not in seen:
        seen.add(id(base))
        for name, other in namespace.items():
            shows = other is base or (other is not value and getattr(other, "base", None) is base)
            if shows and not name.startswith("_") and not isinstance(other, _PLAIN):
                return name
        base = getattr(base, "base", None)
    return ""


def _write(path: str, wanted: dict[str, Any], defined: frozenset[str], limit: int) -> int:
    """Pickle values, with every other name that shares an object with them: those are added to `wanted`."""
    namespace = _shell().user_ns
    part = f"{path}.part"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    try:
        while True:
            objects = _pickle(part, wanted, defined, limit)
            likely = [n for n, ids in _objects.items() if n in namespace and n not in wanted and ids & objects]
            more = _sharing(likely, wanted, namespace)
            if not more:
                break
            wanted.update(more)
        for name in wanted:
            _objects[name] = objects
        os.replace(part, path)
        return os.path.getsize(path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _sharing(likely: list[str], wanted: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """Return those of some names that share an object with values indeed.

    The ids of a pickling are only a first guess: it made passing objects whose ids others have had since.
    """
    if not likely:
        return {}
    mine = _reached(wanted.values())
    return {name: namespace[name] for name in likely if mine & _reached([namespace[name]])}


def _reached(values: Any) -> set[int]:
    """Return the ids of the changeable objects that values hold, however deep."""
    found: set[int] = set()
    pending = list(values)
    while pending and len(found) < MOST_OBJECTS:
        value = pending.pop()
        if isinstance(value, _PLAIN) or id(value) in found:
            continue
        found.add(id(value))
        pending.extend(gc.get_referents(value))
        base = getattr(value, "base", None)
        if base is not None:
            pending.append(base)
    return found


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
    from headrace.kernel_magic.pickling import pickler_class

    namespace = _shell().user_ns
    plain = pickler_class()

    class Pickler(plain):  # type: ignore[misc, valid-type]
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
            while (
                base is not None and not isinstance(base, _PLAIN) and id(base) not in found
            ):  # a dtype is its own base
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
        except Exception:  # noqa: S112  a strange object has no size
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
