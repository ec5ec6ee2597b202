"""How a result becomes bytes: pickle (by cloudpickle), JSON, and both compressed."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

from headrace.core.errors import InvalidOption, UnserializableResult
from headrace.kernel_magic.pickling import dumps

#: Buffers from this size on are stored beside the pickle, as they are: neither writing nor reading copies them.
BESIDE_BYTES = 64 << 10


class Serializer(Protocol):
    """Turns values into bytes and back.

    Attributes
    ----------
    name : str
        What is stored with the bytes.
    """

    name: str

    def dumps(self, value: Any) -> bytes:
        """Return a value's bytes.

        Raises
        ------
        UnserializableResult
            The value has none; the message names its type.
        """
        ...

    def loads(self, data: bytes) -> Any:
        """Return the value of bytes that `dumps` made."""
        ...


class PickleSerializer:
    """cloudpickle: anything Python, functions and classes of a notebook included."""

    name = "pickle"

    def dumps(self, value: Any) -> bytes:
        """Return a value's bytes (see Serializer)."""
        return self._dumps(value)

    def dump_parts(self, value: Any) -> list[Any]:
        """Return a value's pickle, and the large buffers of arrays and frames that belong to it.

        Raises
        ------
        UnserializableResult
        """
        buffers: list[memoryview] = []

        def goes_inside(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes >= BESIDE_BYTES:
                buffers.append(raw)
                return False
            return True

        return [self._dumps(value, buffer_callback=goes_inside), *buffers]

    def _dumps(self, value: Any, **options: Any) -> bytes:
        try:
            return dumps(value, protocol=5, **options)
        except Exception as error:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise UnserializableResult(
                f"The result, a {kind}, cannot be pickled ({type(error).__name__}: {error}); "
                "return plain data, or set persist_result=False."
            ) from error

    def loads(self, data: bytes) -> Any:
        """Return the value (see Serializer). The caller has checked the seal."""
        return self.load_parts([data])

    def load_parts(self, parts: Sequence[Any]) -> Any:
        """Return the value of parts that `dump_parts` made; arrays keep the buffers. The caller has checked the seal."""
        return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301


class JSONSerializer:
    """JSON: readable by everything; only JSON values come back equal."""

    name = "json"

    def dumps(self, value: Any) -> bytes:
        """Return a value's bytes (see Serializer)."""
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            kind = type(value).__qualname__
            raise UnserializableResult(
                f'The result, a {kind}, is no JSON ({error}); use result_serializer="pickle".'
            ) from error

    def loads(self, data: bytes) -> Any:
        """Return the value (see Serializer)."""
        return json.loads(data)


class CompressedSerializer:
    """Another serializer's bytes, compressed.

    Parameters
    ----------
    serializer : Serializer or str, default "pickle"
    level : int, default 3
        zlib's level, 1 (fast) to 9.
    """

    def __init__(self, serializer: Serializer | str = "pickle", level: int = 3) -> None:
        self._inner = get_serializer(serializer)
        self._level = level
        self.name = f"compressed/{self._inner.name}"

    def dumps(self, value: Any) -> bytes:
        """Return a value's bytes (see Serializer)."""
        return zlib.compress(self._inner.dumps(value), self._level)

    def loads(self, data: bytes) -> Any:
        """Return the value (see Serializer)."""
        return self._inner.loads(zlib.decompress(data))


def get_serializer(name: Serializer | str | None) -> Serializer:
    """Return a serializer by name: pickle, json, compressed/pickle, compressed/json; objects are taken as they are.

    Raises
    ------
    InvalidOption
    """
    if name is None or name == "pickle":
        return PickleSerializer()
    if name == "json":
        return JSONSerializer()
    if isinstance(name, str):
        kind, _, inner = name.partition("/")
        if kind == "compressed" and inner in ("", "pickle", "json"):
            return CompressedSerializer(inner or "pickle")
        raise InvalidOption(
            f"result_serializer is {name!r}; known: pickle, json, compressed/pickle, compressed/json.",
            field="result_serializer",
        )
    if not all(hasattr(name, part) for part in ("name", "dumps", "loads")):
        raise InvalidOption(
            f"result_serializer is {name!r}; a serializer has `name`, `dumps` and `loads`.", field="result_serializer"
        )
    return name
