"""The key of seals: whole or not there, private, and never a weak one in silence."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from headrace.core.errors import StoreUnavailable, UsageError
from headrace.core.result_key import result_key


def test_a_key_that_is_being_made_is_read_by_nobody(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that read half a key would seal by it: with no key at all anybody could make its seals."""
    made, seen = secrets.token_bytes, []

    def token_bytes(count: int) -> bytes:
        monkeypatch.setattr(secrets, "token_bytes", made)
        seen.append(result_key())  # another process asks at this moment
        return made(count)

    monkeypatch.setattr(secrets, "token_bytes", token_bytes)
    assert result_key() == seen[0]
    assert len(seen[0]) == 32
    assert (data_dir / "result.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data_dir.iterdir()] == ["result.key"]


def test_a_damaged_key_is_refused(data_dir: Path) -> None:
    data_dir.mkdir(exist_ok=True)
    (data_dir / "result.key").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="damaged"):
        result_key()


def test_a_teams_key_is_hexadecimal_and_not_repeated_in_the_error(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_RESULT_KEY", "ab" * 32)
    assert result_key() == b"\xab" * 32
    monkeypatch.setenv("HEADRACE_RESULT_KEY", "hunter2")
    with pytest.raises(UsageError) as caught:
        result_key()
    assert "hunter2" not in str(caught.value)
