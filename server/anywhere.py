"""The services without a server: what the command line does goes through the same managers and the same checks."""

from __future__ import annotations

import os

from headrace.core.errors import InvalidNotebook, NotFound, UsageError
from headrace.server.paths import Root
from headrace.server.services import Services


class Anywhere(Root):
    """Paths as a shell means them: relative to a folder, or absolute, wherever they lead.

    Parameters
    ----------
    folder : str
        What relative paths are relative to.
    """

    def _full(self, path: str) -> str:
        if "\x00" in path:
            raise UsageError("A path cannot hold the character NUL.", field="path")
        return os.path.realpath(os.path.join(self.folder, os.path.expanduser(path)))

    def resolve(self, path: str, *, field: str = "path") -> str:
        """Return the absolute path of an existing file.

        Raises
        ------
        NotFound
        """
        found = self._full(path)
        if not os.path.isfile(found):
            raise NotFound(f"There is no file {found}.", field=field)
        return found

    def notebook(self, path: str, *, field: str = "notebook") -> str:
        """Return the absolute path of an existing notebook.

        Raises
        ------
        NotFound, InvalidNotebook
        """
        found = self.resolve(path, field=field)
        if not found.endswith(".ipynb"):
            raise InvalidNotebook(f"{path} is not a notebook (.ipynb).", field=field)
        return found

    def new_file(self, path: str, *, field: str = "output_path", suffix: str = ".ipynb") -> str:
        """Return the absolute path of a file that may be written.

        Raises
        ------
        UsageError
        """
        found = self._full(path)
        if not found.endswith(suffix) or os.path.isdir(found):
            raise UsageError(f"{field}: {path} must be a file that ends in {suffix}.", field=field)
        return found

    def directory(self, path: str, *, field: str = "cwd") -> str:
        """Return the absolute path of an existing folder.

        Raises
        ------
        NotFound
        """
        found = self._full(path)
        if not os.path.isdir(found):
            raise NotFound(f"There is no folder {found}.", field=field)
        return found

    def relative(self, path: str | None) -> str | None:
        """Return the path as it is: the command line shows whole paths."""
        return path


def local_services(folder: str | None = None) -> Services:
    """Return the services of this person's store, without a server.

    Parameters
    ----------
    folder : str or None, default the working directory
        What relative paths are relative to.
    """
    return Services(Anywhere(folder or os.getcwd()))
