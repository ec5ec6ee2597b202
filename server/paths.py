"""Paths of requests stay below the server's root (reliability.md, S-10).

A path is compared by its components after every link is resolved. What is
refused and what is missing get the same answer, so that nobody learns what
lies outside.
"""

from __future__ import annotations

import os
from pathlib import Path

from headrace.core.errors import InvalidNotebook, NotFound, UsageError

#: A notebook larger than this is refused, bytes (F-43).
MAX_NOTEBOOK = 100 * 1024 * 1024


def _missing(field: str) -> NotFound:
    return NotFound("There is no such file below the server's root.", field=field)


class Root:
    """The folder below which a server reads and writes.

    Parameters
    ----------
    folder : str or Path
    allow_hidden : bool, default False
        Whether files and folders that begin with a dot may be named.
    follow_links : bool, default False
        Whether links may lead out of the folder (Jupyter's own file browser follows them).
    """

    def __init__(self, folder: str | Path, *, allow_hidden: bool = False, follow_links: bool = False) -> None:
        self.folder = Path(os.path.realpath(os.path.expanduser(str(folder))))
        self._allow_hidden = allow_hidden
        self._follow_links = follow_links

    def _parts(self, path: str, field: str) -> list[str]:
        if not path or "\x00" in path or "\\" in path or path.startswith(("/", "~")) or len(path) > 4096:
            raise _missing(field)
        parts = [part for part in path.split("/") if part not in ("", ".")]
        hidden = not self._allow_hidden and any(part.startswith(".") for part in parts)
        drive = bool(parts) and len(parts[0]) > 1 and parts[0][1] == ":"
        if not parts or ".." in parts or hidden or drive:
            raise _missing(field)
        return parts

    def _is_inside(self, real: str) -> bool:
        if self._follow_links:
            return True
        if not Path(real).is_relative_to(self.folder):
            return False
        # What a link leads to may be named only where it could be named itself.
        return self._allow_hidden or not any(p.startswith(".") for p in Path(real).relative_to(self.folder).parts)

    def resolve(self, path: str, *, field: str = "path") -> str:
        """Return the absolute path of an existing file below the root.

        Parameters
        ----------
        path : str
            Relative to the root, with `/`.
        field : str, default "path"
            The request's field, for the error.

        Raises
        ------
        NotFound
            It is not there, or is not below the root: the same answer.
        """
        target = self.folder.joinpath(*self._parts(path, field))
        try:
            real = os.path.realpath(target, strict=True)
        except (OSError, ValueError):
            raise _missing(field) from None
        if not self._is_inside(real) or not os.path.isfile(real):
            raise _missing(field)
        return real if not self._follow_links else str(target)

    def notebook(self, path: str, *, field: str = "notebook") -> str:
        """Return the absolute path of an existing notebook below the root.

        Raises
        ------
        NotFound
        InvalidNotebook
            It is no notebook by its name, or too large.
        """
        found = self.resolve(path, field=field)
        if not found.endswith(".ipynb"):
            raise InvalidNotebook(f"{path} is not a notebook (.ipynb).", field=field)
        if os.stat(found).st_size > MAX_NOTEBOOK:
            raise InvalidNotebook(f"{path} has more than {MAX_NOTEBOOK // 1024**2} MiB.", field=field)
        return found

    def new_file(self, path: str, *, field: str = "output_path", suffix: str = ".ipynb") -> str:
        """Return the absolute path of a file that may be written below the root; its folder need not be there yet.

        Raises
        ------
        NotFound
            It would not be below the root.
        UsageError
            It has another suffix, or is a folder.
        """
        parts = self._parts(path, field)
        if not parts[-1].endswith(suffix):
            raise UsageError(f"{field}: {path} must end in {suffix}.", field=field)
        target = self.folder.joinpath(*parts)
        if not self._is_inside(os.path.realpath(target)):
            raise _missing(field)
        if target.is_dir():
            raise UsageError(f"{field}: {path} is a folder.", field=field)
        return str(target)

    def directory(self, path: str, *, field: str = "cwd") -> str:
        """Return the absolute path of an existing folder below the root ("" or "." is the root itself).

        Raises
        ------
        NotFound
        """
        if path in ("", "."):
            return str(self.folder)
        target = os.path.realpath(self.folder.joinpath(*self._parts(path, field)))
        if not self._is_inside(target) or not os.path.isdir(target):
            raise _missing(field)
        return target

    def relative(self, path: str | None) -> str | None:
        """Return an absolute path as relative to the root where it is below, else as it is."""
        if path is None:
            return None
        try:
            return Path(path).relative_to(self.folder).as_posix()
        except ValueError:
            return path

    def read(self, path: str, *, field: str = "path") -> bytes:
        """Return a file's bytes; what is opened is looked at once more, so that no link swapped in between leads out.

        Raises
        ------
        NotFound
        """
        found = self.resolve(path, field=field)
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(found, flags if not self._follow_links else os.O_RDONLY)
        except OSError:
            raise _missing(field) from None
        with os.fdopen(handle, "rb") as file:
            opened = f"/proc/self/fd/{file.fileno()}"
            if os.path.exists(opened) and not self._is_inside(os.path.realpath(opened)):
                raise _missing(field)
            return file.read(MAX_NOTEBOOK + 1)
