"""The seal of checkpoint files: a kernel opens none that this person's processes did not write.

HMAC-SHA256 by the key of stored results (`result.key` in the data directory,
mode 0600, or `HEADRACE_RESULT_KEY`); the code is kept in the store, not in the
file. The runner computes and checks it, and never unpickles.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from headrace.core.errors import StoreError
from headrace.core.result_key import result_key

_CHUNK = 1 << 20


def seal_of(path: Path) -> str:
    """Return the code of a file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    code = hmac.new(result_key(), digestmod=hashlib.sha256)
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            code.update(data)
    return code.hexdigest()


def is_sealed(path: Path, seal: str) -> bool:
    """Return whether a file is the one that the code was made of."""
    try:
        return hmac.compare_digest(seal_of(path), seal)
    except (OSError, StoreError):
        return False
