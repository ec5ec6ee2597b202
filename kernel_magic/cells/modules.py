"""The modules of one's own that a cell reaches: whether their files are still what was imported, and importing them again."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import tokenize
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.core.errors import UsageError
from headrace.kernel_magic.cells.files import mark
from headrace.kernel_magic.results.source import is_installed

#: Objects looked at for one cell; who reaches more is told by the modules found so far.
_MOST_OBJECTS = 2000

#: Module → (the import it stems from, the mark of its file then).
_imported: dict[str, tuple[int, str]] = {}
#: Module → (the import it stems from, what it imports).
_imports: dict[str, tuple[int, set[str]]] = {}
#: Module → whether it is no module of one's own.
_foreign: dict[str, bool] = {}


def own_modules(names: Iterable[str], imports: Iterable[str], space: Mapping[str, Any]) -> list[types.ModuleType]:
    """Return the modules outside site-packages that a cell reaches.

    Parameters
    ----------
    names : iterable of str
        Names that the cell reads and binds: modules themselves, and functions, classes and instances of modules. The
        notebook's own functions are followed through the names that they use.
    imports : iterable of str
        Modules that the cell imports.
    space : mapping of str to object
        The notebook's namespace.

    Returns
    -------
    list of module
        Those that they import included, and before them.
    """
    found: dict[str, types.ModuleType] = {}
    pending: list[Any] = [sys.modules.get(name) for name in imports]
    pending += [space[name] for name in names if name in space]
    seen: set[int] = set()
    while pending and len(seen) < _MOST_OBJECTS:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        module = _module_of(value)
        if module is not None and module.__name__ not in found:
            found[module.__name__] = module
            pending += [v for v in list(vars(module).values()) if _module_of(v) is not None]
            pending += [sys.modules.get(name) for name in _imports_of(module)]
        elif isinstance(value, types.FunctionType) and value.__globals__ is space:
            pending += [space[name] for name in _names(value.__code__) if name in space]
    return _ordered(found)


def _ordered(found: Mapping[str, types.ModuleType]) -> list[types.ModuleType]:
    """Return modules with what they import before them; `sys.modules` does not tell after a failed reload."""
    ordered: dict[str, types.ModuleType] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in found and name not in begun:
            begun.add(name)
            for other in sorted(_imports_of(found[name])):
                visit(other)
            ordered[name] = found[name]

    for name in found:
        visit(name)
    return list(ordered.values())


def _module_of(value: Any) -> types.ModuleType | None:
    """Return the module of one's own that a value is, or was defined in."""
    if isinstance(value, types.ModuleType):
        module: Any = value
    else:
        kind = value if isinstance(value, types.FunctionType | type) else type(value)
        module = sys.modules.get(getattr(kind, "__module__", None) or "")
    if module is None or getattr(module, "__file__", None) is None:
        return None
    if module.__name__ not in _foreign:
        _foreign[module.__name__] = module.__name__ in ("__main__", "__mp_main__") or is_installed(module.__name__)
    return None if _foreign[module.__name__] else module


def _imports_of(module: types.ModuleType) -> set[str]:
    """Return the modules that a module's code imports: of `from basis import BASE` nothing else is left of `basis`."""
    known = _imports.get(module.__name__)
    if known is not None and known[0] == id(module.__spec__):
        return known[1]
    found: set[str] = set()
    try:
        with tokenize.open(str(module.__file__)) as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            try:
                base = importlib.util.resolve_name(base, module.__package__) if node.level else base
            except ImportError:
                continue
            found.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
    _imports[module.__name__] = (id(module.__spec__), found)
    return found


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def star_names(module: str) -> list[str] | None:
    """Return the names that `from module import *` gives; None where the module was not imported yet."""
    found = sys.modules.get(module)
    if found is None:
        return None
    return list(getattr(found, "__all__", None) or (name for name in vars(found) if not name.startswith("_")))


def path_of(module: types.ModuleType) -> str:
    """Return a module's file as people say it: from the current folder where it lies below."""
    file = os.path.abspath(str(module.__file__))
    short = os.path.relpath(file)
    return file if short.startswith(os.pardir) else short


def imported_marks(modules: Iterable[types.ModuleType]) -> dict[str, str]:
    """Return path → the mark that the file had when the module was imported, as far back as that was looked at."""
    found = {}
    for module in modules:
        known = _imported.get(module.__name__)
        if known is None or known[0] != id(module.__spec__):  # each import, also by reloading, makes a new one
            known = _imported[module.__name__] = (id(module.__spec__), mark(str(module.__file__)))
        found[path_of(module)] = known[1]
    return found


def current_marks(modules: Iterable[types.ModuleType]) -> dict[str, str]:
    """Return path → the mark that the file has now."""
    return {path_of(module): mark(str(module.__file__)) for module in modules}


def import_again(modules: Iterable[types.ModuleType]) -> list[str]:
    """Import again what is another file than was imported, and what imports it; return the paths that changed.

    Raises
    ------
    UsageError
        A module cannot be imported as it is now; it stays as it was.
    """
    each = list(modules)
    before, now = imported_marks(each), current_marks(each)
    changed = [path for path in now if now[path] != before[path]]
    if changed:
        importlib.invalidate_caches()
        for module in each:
            try:
                importlib.reload(module)
            except Exception as error:
                _imported[module.__name__] = (id(module.__spec__), before[path_of(module)])
                raise UsageError(
                    f"{path_of(module)} cannot be imported as it is now ({type(error).__name__}: {error}); correct it, then run again."
                ) from error
        imported_marks(each)
    return changed
