"""The key by which a person's processes seal what they store (reliability.md, S-21): a file of mode 0600, or a team's."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from headrace.core import settings
from headrace.core.errors import StoreUnavailable, UsageError

BYTES = 32


def result_key() -> bytes:
    """Return the key: `HEADRACE_RESULT_KEY` (hexadecimal), else `result.key` in the data directory, made at the first call.

    Raises
    ------
    UsageError
        The team's key is not hexadecimal.
    StoreUnavailable
        The file is damaged.
    """
    team = settings.text("RESULT_KEY")
    if team:
        try:
            return bytes.fromhex(team)
        except ValueError:
            raise UsageError("HEADRACE_RESULT_KEY is not hexadecimal.", field="HEADRACE_RESULT_KEY") from None
    file = settings.data_dir() / "result.key"
    if not file.exists():
        _make(file)
    found = file.read_bytes()
    if len(found) < BYTES:
        # An empty key would seal all the same, and anybody could make its seals.
        raise StoreUnavailable(f"The key {file} is damaged; put it back from a backup, or delete it and run anew.")
    return found


def _make(file: Path) -> None:
    """Make the key, whole before it has its name: another process may be reading it already."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_bytes(BYTES))
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            pass  # another process was faster: its key is everybody's
        except OSError:  # a file system without hard links
            if not file.exists():
                os.replace(part, file)
    finally:
        Path(part).unlink(missing_ok=True)
