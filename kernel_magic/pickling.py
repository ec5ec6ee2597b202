"""cloudpickle, with the file names of functions kept.

From version 3.1.3 on it writes "<dynamic-code>" in their place. They are what
tracebacks show lines by, and what the source of a cell's function is found by
in the process that opens it (and by caches there).
"""

from __future__ import annotations

import io
import pickle
import threading
import types
from collections import ChainMap, Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

#: What cloudpickle writes in place of a file's name.
_NAMELESS = "<dynamic-code>"
#: How many threads pickle by value what stands in a module; cloudpickle's registry belongs to the whole process.
_BY_VALUE: Counter[str] = Counter()
_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def pickler_class() -> Any:
    """Return the class of picklers; cloudpickle is imported when something is pickled."""
    import cloudpickle

    plain = cloudpickle.CloudPickler
    reduce_code = plain.dispatch_table[types.CodeType]

    def reduce_named(code: types.CodeType) -> Any:
        kind, arguments, *rest = reduce_code(code)
        named = tuple(code.co_filename if type(each) is str and each == _NAMELESS else each for each in arguments)
        return (kind, named, *rest)

    class Pickler(plain):  # type: ignore[misc, valid-type]
        """cloudpickle's, with the file names of functions kept."""

        dispatch_table = ChainMap({types.CodeType: reduce_named}, plain.dispatch_table)

    return Pickler


def dumps(
    value: Any, protocol: int | None = None, *, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None
) -> bytes:
    """Return a value as bytes by cloudpickle.

    Parameters
    ----------
    value : object
    protocol : int or None, default pickle's highest
    buffer_callback : callable or None
        Takes buffers that are to be kept beside the bytes (see pickle.Pickler).

    Raises
    ------
    Exception
        Whatever the value's own pickling raises.
    """
    with io.BytesIO() as file:
        pickler_class()(file, protocol=protocol, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


@contextmanager
def by_value(module: types.ModuleType) -> Iterator[None]:
    """Let what stands in a module be pickled by value, in as many threads at once as like.

    Parameters
    ----------
    module : module
        One that the process which opens the bytes cannot import.
    """
    import cloudpickle

    name = module.__name__
    with _LOCK:
        ours = _BY_VALUE[name] > 0 or name not in cloudpickle.list_registry_pickle_by_value()
        if ours:
            _BY_VALUE[name] += 1
            cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        with _LOCK:
            if ours:
                _BY_VALUE[name] -= 1
                if not _BY_VALUE[name]:
                    cloudpickle.unregister_pickle_by_value(module)
