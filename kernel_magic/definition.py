"""What is known about a function once, so that each run of it costs little: its signature, source and identity."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidName, InvalidParameter, ReservedArgumentError
from headrace.kernel_magic.options import RunOptions

#: Names that calls reserve.
RESERVED = ("wait_for", "return_state")
#: Longest source that a run's record keeps, characters.
LONGEST_SOURCE = 20_000

#: Modules that were loaded from a path under a made-up name begin so.
SCRIPT_PREFIX = "headrace_script_"

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Definition:
    """A function, or a cell, as the engine sees it.

    Parameters
    ----------
    kind : str
        "flow", "task", "cell" or "notebook" (RunKind's values).
    name : str
    key : str
        Identity: the same function has the same key in another process.
    source : str or None, default None
        Its source, if it is known already.
    options : RunOptions
        What it asks of the engine.
    version : str or None, default the hash of the source
    """

    #: The Flow or Task that it belongs to, for hooks.
    handle: Any = None
    #: Looks up and keeps its results in its own way (cells); None: as function tasks do.
    keeper: Any = None

    def __init__(
        self,
        kind: str,
        name: str,
        key: str,
        options: RunOptions,
        *,
        source: str | None = None,
        version: str | None = None,
    ) -> None:
        self.options = options
        self.kind = kind
        self.name = name
        self.key = key
        self._source = source
        self._version = version

    @property
    def source(self) -> str:
        """The source text, "" when there is none."""
        return self._source or ""

    @cached_property
    def version(self) -> str | None:
        """The given version, else 12 characters of the source's hash, else None."""
        if self._version is not None or not self.source:
            return self._version
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @cached_property
    def details(self) -> dict[str, Any]:
        """What a run's details say about the definition."""
        source = self.source
        if len(source) > LONGEST_SOURCE:
            source = source[:LONGEST_SOURCE] + "\n… (cut)"
        return {"source": source} if source else {}

    @cached_property
    def details_text(self) -> str:
        """`details` as JSON text, made once."""
        return json.dumps(self.details, ensure_ascii=False, separators=(",", ":"))


class FunctionDefinition(Definition):
    """A decorated function.

    Parameters
    ----------
    kind : str
    fn : callable
    name : str
    options : RunOptions
    key : str or None, default its module and qualified name
    """

    def __init__(
        self, kind: str, fn: Callable[..., Any], name: str, options: RunOptions, key: str | None = None
    ) -> None:
        super().__init__(kind, name, key or key_of(fn), options, version=options.version)
        self.fn = fn
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)
        self.is_generator = inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)
        self.is_special = self.is_async or self.is_generator
        try:
            self.signature = inspect.signature(fn)
        except (TypeError, ValueError) as error:
            raise InvalidParameter(f"The parameters of {name!r} cannot be read: {error}.") from error
        self.parameters: Mapping[str, inspect.Parameter] = self.signature.parameters
        for reserved in RESERVED:
            if reserved in self.parameters:
                raise ReservedArgumentError(
                    f"{kind} {name!r} has a parameter named {reserved!r}, which every call reserves; rename it.",
                    field=reserved,
                )
        self.open_ended = any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())
        self._plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in self.parameters.values())
        self._names = tuple(self.parameters)
        self._required = tuple(n for n, p in self.parameters.items() if p.default is p.empty)
        self._defaults = {n: p.default for n, p in self.parameters.items() if p.default is not p.empty}

    @property
    def source(self) -> str:
        if self._source is None:
            try:
                self._source = inspect.getsource(inspect.unwrap(self.fn))
            except (OSError, TypeError, SyntaxError, IndexError):
                self._source = ""
        return self._source

    @cached_property
    def entrypoint(self) -> str | None:
        """How another process finds it: "path.py:name" or "module:name"; None for what exists only in memory."""
        fn = inspect.unwrap(self.fn)
        qualname = getattr(fn, "__qualname__", "")
        if not qualname or "<" in qualname:
            return None
        module = sys.modules.get(fn.__module__)
        if module is not None and importable(fn.__module__):
            return f"{fn.__module__}:{qualname}"
        path = getattr(module, "__file__", None)
        if path is None or not Path(path).is_file():
            return None
        return f"{Path(path).resolve()}:{qualname}"

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by parameter name, defaults filled in.

        Raises
        ------
        InvalidParameter
            The call does not fit the signature.
        """
        if self._plain:
            count = len(args)
            names = self._names
            if count <= len(names):
                found = dict(zip(names, args, strict=False)) if count else {}
                if kwargs:
                    before = len(found)
                    found.update(kwargs)
                    if len(found) != before + len(kwargs):
                        return self._bind_slowly(args, kwargs)
                if len(found) != len(names):
                    for name, value in self._defaults.items():
                        if name not in found:
                            found[name] = value
                if len(found) == len(names) and (not kwargs or all(name in found for name in names)):
                    return found
        return self._bind_slowly(args, kwargs)

    def _bind_slowly(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidParameter(
                f"{self.kind} {self.name!r} cannot be called like this: {error}. Its signature is "
                f"{self.name}{self.signature}."
            ) from error
        bound.apply_defaults()
        return dict(bound.arguments)

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return `(args, kwargs)` that call the function with these parameters (the reverse of `bind`)."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                args.extend(parameters.get(name, ()))
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs.update(parameters.get(name, {}))
            elif name in parameters:
                if parameter.kind in _POSITIONAL and not kwargs:
                    args.append(parameters[name])
                else:
                    kwargs[name] = parameters[name]
        return tuple(args), kwargs


_named: dict[tuple[str, str, str], tuple[str, weakref.ref[Any]]] = {}


def claim_name(kind: str, name: str, handle: Any) -> None:
    """Note that a name was given to a flow or task.

    Raises
    ------
    InvalidName
        Another function of the same module has it: their runs could not be told apart. In a notebook or the REPL, where
        functions are written anew all the time, it is not.
    """
    fn = inspect.unwrap(handle.fn)
    module, qualname = getattr(fn, "__module__", ""), getattr(fn, "__qualname__", "")
    if "<" in qualname or not hasattr(sys.modules.get(module), "__file__"):
        return
    held = _named.get((kind, module, name))
    if held is not None and held[0] != qualname and held[1]() is not None:
        raise InvalidName(
            f"Two {kind}s of {module} are named {name!r}: {held[0]} and {qualname}; give one of them another name.",
            field="name",
        )
    _named[kind, module, name] = (qualname, weakref.ref(handle))


@lru_cache(maxsize=1024)
def importable(module: str) -> bool:
    """Return whether another process of this Python can import a module by its name.

    `__main__` cannot be, nor what a test runner or a notebook has made up.
    """
    from importlib.machinery import PathFinder

    top = module.partition(".")[0]
    if top == "__main__":
        return False
    return top in sys.builtin_module_names or PathFinder.find_spec(top) is not None or _is_editable(top)


def _is_editable(top: str) -> bool:
    """Return whether an editable install brings a package: setuptools finds it by a finder, not on the path."""
    finders = (each for each in sys.meta_path if getattr(each, "__module__", "").startswith("__editable__"))
    return any(finder.find_spec(top, None) is not None for finder in finders)


def key_of(fn: Callable[..., Any]) -> str:
    """Return a function's identity: module and qualified name.

    A script's file name stands for its module: it is the same whether the
    script is run, imported, or loaded by its path.
    """
    inner = inspect.unwrap(fn)
    qualname = getattr(inner, "__qualname__", type(inner).__qualname__)
    module = getattr(inner, "__module__", None) or "__main__"
    if module == "__main__" or module.startswith(SCRIPT_PREFIX):
        path = getattr(sys.modules.get(module), "__file__", None)
        module = Path(path).stem if path else "__main__"
    return f"{module}:{qualname}"
