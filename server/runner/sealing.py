"""The seal of checkpoint files: a kernel opens none that this person's processes did not write.

HMAC-SHA256 by the key of stored results (`result.key` in the data directory,
mode 0600, or `HEADRACE_RESULT_KEY`); the code is kept in the store, not in the
file. The runner computes and checks it, and never unpickles.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from headrace.core import settings

_CHUNK = 1 << 20


def _key() -> bytes:
    team = settings.text("RESULT_KEY")
    if team:
        return bytes.fromhex(team)
    file = settings.data_dir() / "result.key"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_bytes(32))
    return file.read_bytes()


def seal_of(path: Path) -> str:
    """Return the code of a file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    code = hmac.new(_key(), digestmod=hashlib.sha256)
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            code.update(data)
    return code.hexdigest()


def is_sealed(path: Path, seal: str) -> bool:
    """Return whether a file is the one that the code was made of."""
    try:
        return hmac.compare_digest(seal_of(path), seal)
    except OSError:
        return False
