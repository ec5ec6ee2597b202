"""The seal on stored results: nothing is unpickled that was not written with our key.

HMAC-SHA256 over the bytes, by a key file of mode 0600 in the data directory,
or a team's key in `HEADRACE_RESULT_KEY` (hexadecimal). A stored result has
several parts, which may be large: sealed is a list of their sizes and digests,
which stands before them, so that they are hashed in parallel and while they
are read.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, BinaryIO

from headrace.core import settings
from headrace.core.errors import UntrustedResultError
from headrace.core.result_key import result_key
from headrace.kernel_magic.results.hashing import digest_buffer

MAGIC = b"headrace1\n"
_MAC_BYTES = 32
#: Before the parts of a result: what it is, and how long the sealed list is. In the list, for each part: size and digest.
_HEAD, _PART = struct.Struct(">10sI"), struct.Struct(">Q32s")
PARTS_MAGIC = b"headrace2\n"


@lru_cache(maxsize=8)
def _key(_place: str, _team: str) -> bytes:
    return result_key()


def key() -> bytes:
    """Return this person's (or team's) key; it is made at the first call."""
    return _key(str(settings.data_dir()), settings.text("RESULT_KEY"))


def seal(data: bytes) -> bytes:
    """Return data behind a header and its code."""
    return MAGIC + hmac.digest(key(), data, hashlib.sha256) + data


def unseal(sealed: bytes, *, where: str) -> memoryview:
    """Return the data of what `seal` made.

    Raises
    ------
    UntrustedResultError
        It was not sealed with our key, or was changed since.
    """
    head = len(MAGIC) + _MAC_BYTES
    data = memoryview(sealed)[head:]
    expected = hmac.digest(key(), data, hashlib.sha256)
    if sealed[: len(MAGIC)] != MAGIC or not hmac.compare_digest(sealed[len(MAGIC) : head], expected):
        raise _untrusted(where)
    return data


def _untrusted(where: str) -> UntrustedResultError:
    return UntrustedResultError(
        f"The stored result {where} is not sealed with this person's key; it was not opened. "
        "If a team shares results, give every process the same HEADRACE_RESULT_KEY."
    )


def head_of(parts: Sequence[Any]) -> bytes:
    """Return what is written before the parts of a result: the sealed list of their sizes and digests.

    Parameters
    ----------
    parts : sequence of contiguous buffers
    """
    sealed = seal(b"".join(_PART.pack(memoryview(part).nbytes, digest_buffer(part)) for part in parts))
    return _HEAD.pack(PARTS_MAGIC, len(sealed)) + sealed


def read_parts(file: BinaryIO, *, where: str) -> list[bytearray]:
    """Return the parts behind a head that `head_of` made, each in memory of its own.

    Raises
    ------
    UntrustedResultError
        They were not sealed with our key, or were changed since.
    """

    def fill(chunk: memoryview) -> None:
        done = 0
        while done < len(chunk):
            count = file.readinto(chunk[done:])  # type: ignore[attr-defined]
            if not count:
                raise _untrusted(where)
            done += count

    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(PARTS_MAGIC):
        raise _untrusted(where)
    parts = []
    for size, digest in _PART.iter_unpack(unseal(file.read(_HEAD.unpack(head)[1]), where=where)):
        part = bytearray(size)
        if digest_buffer(part, fill=fill) != digest:
            raise _untrusted(where)
        parts.append(part)
    return parts
