"""The seal on stored results: nothing is unpickled that was not written with our key.

HMAC-SHA256 over the bytes, by a key file of mode 0600 in the data directory,
or a team's key in `HEADRACE_RESULT_KEY` (hexadecimal).
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from headrace.core import settings
from headrace.core.errors import UntrustedResultError
from headrace.core.result_key import result_key

MAGIC = b"headrace1\n"
_MAC_BYTES = 32


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
        raise UntrustedResultError(
            f"The stored result {where} is not sealed with this person's key; it was not opened. "
            "If a team shares results, give every process the same HEADRACE_RESULT_KEY."
        )
    return data
