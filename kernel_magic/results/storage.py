"""Where a result's bytes lie: a folder under the data directory, or any fsspec URL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from headrace.core import settings
from headrace.core.errors import InvalidOption, StoreFull, StoreUnavailable


class Storage:
    """A place for results.

    Parameters
    ----------
    base : str or Path or None, default None
        A folder or an fsspec URL such as `s3://bucket/prefix`; None means `<data dir>/results`.

    Raises
    ------
    InvalidOption
        The URL's scheme needs a package that is not installed, or is unknown.
    """

    def __init__(self, base: str | Path | None = None) -> None:
        text = "" if base is None else str(base)
        self._remote = "://" in text and not text.startswith("file://")
        if self._remote:
            self._base = text.rstrip("/")
            self._check_scheme()
        else:
            folder = Path(text.removeprefix("file://")).expanduser() if text else settings.data_dir() / "results"
            self._base = str(folder.absolute())

    def _check_scheme(self) -> None:
        import fsspec

        scheme = self._base.partition("://")[0]
        try:
            fsspec.get_filesystem_class(scheme)
        except (ValueError, ImportError) as error:
            raise InvalidOption(
                f"result_storage {self._base!r} cannot be used: {error}", field="result_storage"
            ) from error

    def location(self, key: str) -> str:
        """Return where a key's bytes lie; keys that would leave the place are refused.

        Raises
        ------
        InvalidOption
        """
        parts = [part for part in key.split("/") if part]
        if not parts or any(part in (".", "..") or "\x00" in part or "\\" in part for part in parts):
            raise InvalidOption(f"A result cannot be stored under the key {key!r}.", field="result_storage_key")
        if len(parts) == 1 and len(key) == 64:
            parts = [key[:2], key]
        return "/".join([self._base, *parts])

    def prepare(self) -> None:
        """Make the folder, so that one that cannot be written is told before the work and not after it.

        Raises
        ------
        StoreUnavailable
            A URL is only tried when something is written: asking first would cost as much.
        """
        if self._remote:
            return
        try:
            os.makedirs(self._base, mode=0o700, exist_ok=True)
            reason = None if os.access(self._base, os.W_OK | os.X_OK) else "permission denied"
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is not None:
            raise StoreUnavailable(
                f"Results cannot be stored in {self._base}: {reason}. Name a folder that can be written as result_storage.",
                field="result_storage",
            )

    def write(self, key: str, pieces: Iterable[Any]) -> str:
        """Store pieces of bytes, one behind the other, atomically, and return where they lie.

        Raises
        ------
        StoreFull, StoreUnavailable
        """
        place = self.location(key)
        try:
            if self._remote:
                import fsspec

                with fsspec.open(place, "wb") as file:
                    file.writelines(pieces)
            else:
                _write_local(Path(place), pieces)
        except OSError as error:
            kind = StoreFull if error.errno in (28, 122) else StoreUnavailable
            raise kind(f"The result could not be written to {place}: {error.strerror or error}.") from error
        return place


def _write_local(path: Path, pieces: Iterable[Any]) -> None:
    name = f"{path.parent}/.new-{secrets.token_hex(8)}"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(name, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(name, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def opened(place: str) -> BinaryIO:
    """Return an open file of the bytes at a place that `write` returned.

    Raises
    ------
    FileNotFoundError
        They are gone.
    """
    if "://" in place:
        import fsspec

        file: BinaryIO = fsspec.open(place, "rb").open()
        return file
    return open(place, "rb")


def remove(place: str) -> None:
    """Remove the bytes at a place; gone already is fine."""
    try:
        if "://" in place:
            import fsspec

            filesystem, path = fsspec.core.url_to_fs(place)
            filesystem.rm(path)
        else:
            os.unlink(place)
    except FileNotFoundError:
        pass
