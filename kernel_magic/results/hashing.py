"""The digest of a value: equal content gives an equal digest, in every process and on every day.

Large buffers are hashed in chunks by several threads (SHA-256 releases the
interpreter's lock); pandas, NumPy, Polars and Arrow are recognised by module
name and never imported here. A value that cannot be hashed says where it sits.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import hashlib
import os
import pathlib
import re
import sys
import time
import types
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

from headrace.core.errors import HeadraceError

#: Buffers above this are hashed in chunks of it by several threads, bytes.
CHUNK_BYTES = 8 << 20
#: Items of a list or a column are looked at so many at once: few enough that they stay in the processor's cache
#: between two looks (a column that was sorted lies scattered in memory: twice to three times as fast).
ITEMS_AT_ONCE = 2048
#: Nesting deeper than this cannot be hashed (Python's own recursion ends near 1,000 frames).
MAX_DEPTH = 200

_THREADS = max(2, min(8, os.cpu_count() or 2))


#: What hashing is reckoned to manage, bytes a second of one core.
BYTES_PER_SECOND = 1e9
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class TooLong(Exception):
    """A digest would take longer than `within` allows."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let digests that are made in the block cost this thread no more processor time than this together.

    Raises
    ------
    TooLong
        They would.
    """
    token = _deadline.set(time.thread_time() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class UnhashableInput(HeadraceError, TypeError):
    """A value has no digest; the message says which part of it and of what type."""

    code = "unhashable_input"


def digest(value: Any, *, name: str = "value") -> str:
    """Return a value's digest.

    Parameters
    ----------
    value : object
    name : str, default "value"
        What it is called in an error.

    Returns
    -------
    str
        64 hexadecimal characters.

    Raises
    ------
    UnhashableInput
        Some part of it cannot be hashed.
    """
    return _Hasher().of(value, name, 0).hex()


def digest_bytes(*parts: bytes) -> bytes:
    """Return the digest of byte strings, each with its length."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def digest_buffer(buffer: Any, *, fill: Callable[[memoryview], object] | None = None) -> bytes:
    """Return the digest of a contiguous buffer; large ones in parallel.

    `fill` is called with each chunk, in order, before it is hashed: what is read is hashed while more is read.
    """
    view = memoryview(buffer)
    if view.format != "B" or view.ndim != 1:
        view = view.cast("B")

    def chunks() -> Iterator[memoryview]:
        for start in range(0, len(view), CHUNK_BYTES):
            chunk = view[start : start + CHUNK_BYTES]
            if fill is not None:
                fill(chunk)
            yield chunk

    if len(view) <= CHUNK_BYTES:
        return hashlib.sha256(next(chunks(), b"")).digest()
    with ThreadPoolExecutor(_THREADS) as pool:
        return digest_bytes(*pool.map(lambda chunk: hashlib.sha256(chunk).digest(), chunks()))


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda v: b"",
    type(...): lambda v: b"",
    bool: lambda v: b"1" if v else b"0",
    int: lambda v: (
        str(v).encode() if v.bit_length() < 10_000 else v.to_bytes(v.bit_length() // 8 + 1, "big", signed=True)
    ),
    float: lambda v: b"nan" if v != v else v.hex().encode(),
    complex: lambda v: repr(v).encode(),
    str: lambda v: v.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    datetime.datetime: lambda v: (v.isoformat() + str(v.tzinfo) + str(v.fold)).encode(),
    datetime.date: lambda v: v.isoformat().encode(),
    datetime.time: lambda v: (v.isoformat() + str(v.tzinfo)).encode(),
    datetime.timedelta: lambda v: repr(v).encode(),
    decimal.Decimal: lambda v: str(v).encode(),
    Fraction: lambda v: repr(v).encode(),
    uuid.UUID: lambda v: v.bytes,
    range: lambda v: repr(v).encode(),
    re.Pattern: lambda v: repr((v.pattern, v.flags)).encode(),
}


def _tag(kind: type) -> bytes:
    return f"{kind.__module__}.{kind.__qualname__}".encode()


#: What stands for a text and for what is missing among texts.
_TEXT_MARKS = {str: 0, type(None): 1, float: 2}


def _plain_block(block: Sequence[Any]) -> bytes | None:
    """Return the digest of plain values of one type, joined and hashed at once, missing ones among texts too; else None."""
    kinds, marks = set(map(type, block)), b""
    if len(kinds) > 1 and kinds <= _TEXT_MARKS.keys():
        if float in kinds and any(type(value) is float and value == value for value in block):
            return None
        marks = bytes(map(_TEXT_MARKS.__getitem__, map(type, block)))
        block, kinds = ["" if mark else value for value, mark in zip(block, marks, strict=True)], {str}
    kind = kinds.pop()
    encode = _SIMPLE.get(kind)
    if kinds or encode is None:
        return None
    encoded = block if kind is str else list(map(encode, block))
    joined = "\0".join(block).encode("utf-8", "surrogatepass") if kind is str else b"\0".join(encoded)
    # Where no value holds the separator, it alone tells them apart: that is seen faster than their lengths.
    lengths = b"" if joined.count(0) < len(block) else repr(list(map(len, encoded))).encode()
    return digest_bytes(b"plain", _tag(kind), marks, joined, lengths)


class _Hasher:
    """One walk over a value: remembers what it is inside of, so that circles end."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        self._done: dict[int, tuple[bytes, Any]] = {}
        self._deadline = _deadline.get()

    def _afford(self, size: int = 0) -> None:
        """Go on, with a buffer of so many bytes, only if there is time for it."""
        if self._deadline is not None and time.thread_time() + size / BYTES_PER_SECOND > self._deadline:
            raise TooLong

    def of(self, value: Any, path: str, depth: int) -> bytes:
        """Return the digest of one value, which sits at `path`."""
        kind = type(value)
        simple = _SIMPLE.get(kind)
        if simple is not None:
            if kind is str or kind is bytes:
                self._afford(len(value))
            return digest_bytes(_tag(kind), simple(value))
        self._afford()
        if depth > MAX_DEPTH:
            raise UnhashableInput(f"{path} is nested more than {MAX_DEPTH} levels deep and cannot be hashed.")
        key = id(value)
        if key in self._open:
            return digest_bytes(b"circle", str(len(self._open) - self._open[key]).encode())
        if key in self._done:
            return self._done[key][0]
        self._open[key] = len(self._open)
        try:
            found = digest_bytes(_tag(kind), self._content(value, kind, path, depth + 1))
        finally:
            del self._open[key]
        self._done[key] = (found, value)
        return found

    def _content(self, value: Any, kind: type, path: str, depth: int) -> bytes:
        own = getattr(kind, "__headrace_digest__", None)
        if own is not None:
            return self.of(own(value), path, depth)
        if kind in (list, tuple):
            return self._items(value, path, depth)
        if kind is deque:
            return self._items(list(value), path, depth)
        if kind in (dict, OrderedDict, defaultdict, types.MappingProxyType):
            return self._mapping(value, path, depth)
        if kind in (set, frozenset):
            return digest_bytes(*sorted(self.of(item, f"an item of {path}", depth) for item in value))
        if kind in (bytearray, memoryview):
            self._afford(len(value))
            return digest_buffer(bytes(value) if kind is memoryview else value)
        if isinstance(value, enum.Enum):
            return value.name.encode()
        if isinstance(value, pathlib.PurePath):
            return os.fsencode(value)
        if isinstance(value, slice):
            return self._sequence((value.start, value.stop, value.step), path, depth)
        if isinstance(value, functools.partial):
            return self._sequence((value.func, value.args, value.keywords), path, depth)
        if isinstance(value, types.ModuleType):
            return f"{value.__name__} {getattr(value, '__version__', '')}".encode()
        if isinstance(value, type | types.FunctionType):
            return self._code(value)
        if isinstance(value, types.MethodType):
            return self._sequence((value.__func__, value.__self__), path, depth)
        if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType | type(None)):
            return f"{value.__module__}.{value.__qualname__}".encode()
        foreign = self._foreign(value, kind, path, depth)
        if foreign is not None:
            return foreign
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
            return self._mapping(fields, path, depth, text_keys=True)
        return self._reduced(value, kind, path, depth)

    def _items(self, values: Any, path: str, depth: int) -> bytes:
        """A list, a tuple or an array of objects, block by block."""
        blocks = []
        for start in range(0, len(values), ITEMS_AT_ONCE):
            self._afford()
            block = values[start : start + ITEMS_AT_ONCE]
            block = block if isinstance(block, list | tuple) else block.tolist()
            # Not by _sequence: one frame more a level, and MAX_DEPTH would not fit into Python's recursion.
            found = _plain_block(block) or digest_bytes(
                *[self.of(item, f"{path}[{n}]", depth) for n, item in enumerate(block, start)]
            )
            blocks.append(found)
        return digest_bytes(*blocks)

    def _sequence(self, values: Iterable[Any], path: str, depth: int) -> bytes:
        return digest_bytes(*[self.of(item, f"{path}[{n}]", depth) for n, item in enumerate(values)])

    def _mapping(self, value: Any, path: str, depth: int, *, text_keys: bool = False) -> bytes:
        """Equal mappings are equal whatever their order."""
        items = []
        for key, entry in value.items():
            place = f"{path}.{key}" if text_keys else f"{path}[{key!r:.60}]"
            items.append(self.of(key, f"a key of {path}", depth) + self.of(entry, place, depth))
        return digest_bytes(*sorted(items))

    def _code(self, value: Any) -> bytes:
        from headrace.kernel_magic.results.source import source_digest

        return bytes.fromhex(source_digest(value))

    def _foreign(self, value: Any, kind: type, path: str, depth: int) -> bytes | None:
        """Arrays and frames, by the module that their type comes from."""
        for base in kind.__mro__:
            root = base.__module__.partition(".")[0]
            if root == "numpy":
                return self._numpy(value, path, depth)
            if root == "pandas":
                return self._pandas(value, path, depth)
            if root == "polars" and hasattr(value, "to_arrow"):
                return self._arrow(value.to_arrow(), path)
            if root == "pyarrow":
                return self._arrow(value, path)
            if root == "pydantic" and hasattr(value, "__dict__"):
                return self._mapping(dict(value.__dict__), path, depth, text_keys=True)
        return None

    def _numpy(self, value: Any, path: str, depth: int) -> bytes | None:
        numpy = sys.modules["numpy"]
        if isinstance(value, numpy.generic):
            return digest_bytes(str(value.dtype).encode(), value.tobytes())
        if isinstance(value, numpy.dtype):
            return str(value).encode()
        if isinstance(value, numpy.ma.MaskedArray):
            return self._sequence((numpy.ma.getmaskarray(value), value.filled()), path, depth)
        if not isinstance(value, numpy.ndarray):
            return None
        self._afford(value.nbytes)
        head = digest_bytes(
            str(value.dtype.descr if value.dtype.names else value.dtype.str).encode(), str(value.shape).encode()
        )
        if value.dtype.hasobject:
            return digest_bytes(head, self._items(value.ravel(), path, depth))
        return digest_bytes(
            head, digest_buffer(numpy.ascontiguousarray(value).view(numpy.uint8).reshape(-1)) if value.size else b""
        )

    def _pandas(self, value: Any, path: str, depth: int) -> bytes | None:
        pandas = sys.modules["pandas"]
        if isinstance(value, pandas.DataFrame):
            columns = [
                self._array(value.iloc[:, n].array, f"{path}.{name}", depth) for n, name in enumerate(value.columns)
            ]
            parts = [
                self.of(value.columns, f"{path}.columns", depth),
                self.of(value.index, f"{path}.index", depth),
                *columns,
            ]
            return digest_bytes(*parts, self.of(dict(value.attrs), f"{path}.attrs", depth))
        if isinstance(value, pandas.Series):
            head = (self.of(value.name, f"{path}.name", depth), self.of(value.index, f"{path}.index", depth))
            return digest_bytes(*head, self._array(value.array, path, depth))
        if isinstance(value, pandas.RangeIndex):
            return self._sequence((value.start, value.stop, value.step, value.name), path, depth)
        if isinstance(value, pandas.MultiIndex):
            return self._sequence(
                (list(value.levels), [c.astype("int64") for c in value.codes], list(value.names)), path, depth
            )
        if isinstance(value, pandas.Index):
            freq = str(getattr(value, "freqstr", ""))
            return digest_bytes(
                self.of(list(value.names), path, depth), freq.encode(), self._array(value.array, path, depth)
            )
        if isinstance(value, pandas.api.extensions.ExtensionArray):
            return self._array(value, path, depth)
        if isinstance(value, pandas.Timestamp | pandas.Timedelta | pandas.Period | pandas.Interval):
            return repr(value).encode()
        if value is pandas.NA or value is pandas.NaT:
            return b"missing"
        return None

    def _array(self, array: Any, path: str, depth: int) -> bytes:
        """One column of a frame, by what it stores."""
        dtype = str(array.dtype).encode()
        pandas = sys.modules["pandas"]
        if isinstance(array, pandas.Categorical):
            parts = (self.of(array.categories, path, depth), self.of(array.codes, path, depth))
            return digest_bytes(dtype, *parts, b"1" if array.ordered else b"0")
        arrow = getattr(array, "_pa_array", None)
        if arrow is not None:
            return digest_bytes(dtype, self._arrow(arrow, path))
        mask = getattr(array, "_mask", None)
        if mask is not None and hasattr(array, "_data"):
            data = array._data.copy()
            data[mask] = 0
            return digest_bytes(dtype, self.of(data, path, depth), self.of(mask, path, depth))
        numpy = sys.modules["numpy"]
        stored = getattr(array, "asi8", None)
        if stored is None:
            stored = numpy.asarray(array)
        return digest_bytes(dtype, self.of(stored, path, depth))

    def _arrow(self, value: Any, path: str) -> bytes:
        """Arrow data by its IPC stream, with chunks joined: slices and chunks of equal content are equal."""
        arrow = sys.modules.get("pyarrow")
        if arrow is None:
            raise UnhashableInput(f"{path} is Arrow data, but pyarrow is not installed.")
        if isinstance(value, arrow.Array | arrow.ChunkedArray):
            value = arrow.table({"value": value})
        if isinstance(value, arrow.RecordBatch):
            value = arrow.Table.from_batches([value])
        if not isinstance(value, arrow.Table):
            return str(value).encode()
        self._afford(value.nbytes)
        sink = arrow.BufferOutputStream()
        with arrow.ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value.combine_chunks())
        return digest_buffer(sink.getvalue())

    def _reduced(self, value: Any, kind: type, path: str, depth: int) -> bytes:
        """Any other object by what pickling would keep of it: constructor, arguments, state, items."""
        if isinstance(value, types.GeneratorType | types.CoroutineType | types.FrameType | types.TracebackType):
            raise UnhashableInput(f"{path} is a {kind.__name__}, which has no content that could be hashed.")
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            where = f"{kind.__module__}.{kind.__qualname__}"
            raise UnhashableInput(f"{path} is a {where}, which cannot be hashed ({error}).") from error
        if isinstance(reduced, str):
            return reduced.encode()
        function, arguments, *rest = reduced
        state, items, pairs = (rest + [None, None, None])[:3]
        parts = [
            f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}".encode(),
            self._sequence([a for a in arguments if a is not kind], path, depth),
            self._mapping(state, path, depth, text_keys=True)
            if isinstance(state, dict)
            else self.of(state, path, depth),
            self._sequence(items or (), path, depth),
            self._mapping(dict(pairs or ()), path, depth),
        ]
        return digest_bytes(*parts)
