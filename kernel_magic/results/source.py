"""The digest of a function: its code and what it reaches (helpers, globals, closure values, own modules).

Prefect's TASK_SOURCE hashes one function's text, so that an edited helper
gives a stale result. Here every name that the code uses is followed: functions
and classes that are not in an installed package by their own source, modules
outside site-packages by their file, other values by content.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import linecache
import os
import site
import sys
import sysconfig
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_NONE = object()


@lru_cache(maxsize=1)
def installed_folders() -> tuple[str, ...]:
    """Return the folders whose modules count as installed: they are followed by name, not by content."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update(getattr(site, "getsitepackages", list)())
    paths.add(site.getusersitepackages())
    paths.add(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return tuple(sorted(os.path.realpath(path) + os.sep for path in paths if path))


def is_installed(module_name: str) -> bool:
    """Return whether a module belongs to an installed package or to Python itself."""
    if module_name in ("__main__", "__mp_main__", ""):
        return False
    root = module_name.partition(".")[0]
    if root in sys.stdlib_module_names or root == "headrace":
        return True
    file = getattr(sys.modules.get(module_name) or sys.modules.get(root), "__file__", None)
    return file is None or os.path.realpath(file).startswith(installed_folders())


def source_digest(value: Any) -> str:
    """Return the digest of a function or class and of what it reaches.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    parts = source_parts(value)
    text = "\n".join(f"{name}={parts[name]}" for name in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()


def source_parts(value: Any) -> dict[str, str]:
    """Return what a function's digest is made of: "code" and each reached name with its digest.

    The mapping is what explains a miss: the name whose digest differs.
    """
    found: dict[str, str] = {}
    _follow(value, found, set())
    return found


def _bare(value: Any) -> Any:
    """Return the plain function of a task, flow, method or wrapper; anything else as it is."""
    value = inspect.unwrap(value) if callable(value) and hasattr(value, "__wrapped__") else value
    fn = getattr(value, "fn", None)
    if isinstance(fn, types.FunctionType) and not isinstance(value, types.FunctionType):
        value = fn
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    return value.__func__ if isinstance(value, types.MethodType) else value


def _follow(value: Any, found: dict[str, str], seen: set[int], name: str = "code") -> None:
    if id(value) in seen:
        return
    seen.add(id(value))
    value = _bare(value)
    if isinstance(value, types.FunctionType):
        found[name] = _text_digest(value, value.__code__)
        for key, entry in _reached(value):
            _note(key, entry, found, seen)
        for number, default in enumerate((*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())):
            _note(f"{name} default {number}", default, found, seen)
    elif isinstance(value, type):
        found[name] = _class_digest(value)
        for member in vars(value).values():
            target = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            target = target.fget if isinstance(target, property) else target
            if isinstance(target, types.FunctionType):
                for key, entry in _reached(target):
                    _note(key, entry, found, seen)
    else:
        found[name] = f"{type(value).__module__}.{type(value).__qualname__}"


def _note(name: str, value: Any, found: dict[str, str], seen: set[int]) -> None:
    """Add one reached name: followed if it is the user's code, by name if it is installed, else by content."""
    from headrace.kernel_magic.results.hashing import UnhashableInput, digest

    if isinstance(value, types.ModuleType):
        found[name] = module_digest(value)
        return
    if isinstance(value, types.FunctionType | type | types.MethodType) or hasattr(value, "fn"):
        module = getattr(value, "__module__", "") or ""
        if is_installed(module) and not isinstance(getattr(value, "fn", None), types.FunctionType):
            found[name] = f"{module}.{getattr(value, '__qualname__', '')}"
        else:
            _follow(value, found, seen, name)
        return
    if name in found:
        return
    try:
        found[name] = digest(value, name=name)
    except UnhashableInput:
        # What cannot be hashed (a connection, a lock) is a tool, not data: its type stands for it.
        found[name] = f"{type(value).__module__}.{type(value).__qualname__}"


def _functions(value: Any) -> Iterator[types.FunctionType]:
    """Yield a function and those of the user's that it reaches, methods of classes too."""
    ahead, seen = [value], set()
    while ahead:
        value = _bare(ahead.pop())
        if id(value) in seen or not isinstance(value, types.FunctionType | type):
            continue
        seen.add(id(value))
        if is_installed(getattr(value, "__module__", "") or ""):
            continue
        members = (
            [value] if isinstance(value, types.FunctionType) else [_bare(member) for member in vars(value).values()]
        )
        for function in members:
            if isinstance(function, types.FunctionType):
                yield function
                ahead.extend(entry for _, entry in _reached(function))


def _place(function: types.FunctionType) -> tuple[str, int]:
    """What tells a function from the others of its snapshot, whatever its file is called."""
    return function.__qualname__, function.__code__.co_firstlineno


@dataclass(frozen=True)
class Sources:
    """The sources of functions that lie in no file: cells of a notebook, the REPL.

    Parameters
    ----------
    files : mapping
        File name (made up) → text.
    places : mapping
        Qualified name and line → file name: cloudpickle does not keep the names of files that are none.
    """

    files: Mapping[str, str]
    places: Mapping[tuple[str, int], str]

    @classmethod
    def of(cls, value: Any) -> Sources:
        """Return the sources of a function and of what it reaches."""
        files: dict[str, str] = {}
        places: dict[tuple[str, int], str] = {}
        for function in _functions(value):
            name = function.__code__.co_filename
            if name not in files:
                files[name] = "" if os.path.exists(name) else "".join(linecache.getlines(name))
            if files[name]:
                places[_place(function)] = name
        return cls({name: text for name, text in files.items() if text}, places)

    def restore(self, value: Any) -> None:
        """Let Python find them again, where `value` has travelled to: for digests, tracebacks and a run's record."""
        for name, text in self.files.items():
            # A time of None tells linecache that there is no file to compare with.
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        for function in _functions(value):
            known = self.places.get(_place(function))
            if known is not None and function.__code__.co_filename != known:
                function.__code__ = _moved(function.__code__, known)


def _moved(code: types.CodeType, name: str) -> types.CodeType:
    constants = tuple(_moved(each, name) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=name, co_consts=constants)


def module_digest(module: types.ModuleType) -> str:
    """Return an installed module's name and version, any other module's file content."""
    file = getattr(module, "__file__", None)
    if is_installed(module.__name__) or file is None:
        return f"{module.__name__} {getattr(module, '__version__', '')}"
    try:
        with open(file, "rb") as handle:
            return hashlib.sha256(handle.read()).hexdigest()
    except OSError:
        return module.__name__


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _reached(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the globals and closure values that a function's code names."""
    names: set[str] = set()
    for code in _codes(function.__code__):
        names.update(code.co_names)
    for name in sorted(names):
        value = function.__globals__.get(name, _NONE)
        if value is not _NONE and not hasattr(builtins, name):
            yield name, value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def normal_form(source: str) -> str:
    """Return source in a form in which comments, blank lines and layout do not matter.

    Raises
    ------
    SyntaxError
        It is no Python.
    """
    return ast.dump(ast.parse(textwrap.dedent(source)), include_attributes=False)


def _text_digest(value: Any, code: types.CodeType | None) -> str:
    try:
        text = normal_form(inspect.getsource(value))
    except (OSError, TypeError, SyntaxError, IndentationError):
        text = repr(_bytecode(code)) if code is not None else repr(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _bytecode(code: types.CodeType) -> Any:
    constants = [_bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return (code.co_code.hex(), constants, code.co_names, code.co_varnames)


def _class_digest(kind: type) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        # From Python 3.13 on inspect trusts a line number, and reads another file's line for a class of `__main__`.
        if not (isinstance(tree.body[0], ast.ClassDef) and tree.body[0].name == kind.__name__):
            raise OSError("not this class's source")
        return hashlib.sha256(ast.dump(tree, include_attributes=False).encode()).hexdigest()
    except (OSError, TypeError, SyntaxError, IndentationError, IndexError):
        members = {k: repr(_bytecode(v.__code__)) for k, v in vars(kind).items() if isinstance(v, types.FunctionType)}
        return hashlib.sha256(repr(sorted(members.items())).encode()).hexdigest()
