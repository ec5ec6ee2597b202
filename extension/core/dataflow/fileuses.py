"""Files between cells: who reads a file comes after the cell above that writes it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from headrace.core.dataflow.graph import EdgeKind

_WILD = frozenset("*?[")


class FileUses:
    """Responsibilities: which cells wrote and read which files, on the way down the document."""

    def __init__(self) -> None:
        self._writer: dict[str, int] = {}
        self._readers: dict[str, list[int]] = {}  # since the last writing

    def use(self, here: int, reads: Iterable[str], writes: Iterable[str]) -> Iterator[tuple[int, EdgeKind, str]]:
        """Put a cell's files on record.

        Parameters
        ----------
        here : int
            The cell's place.
        reads, writes : iterable of str
            Paths; those that are read may be patterns.

        Yields
        ------
        (int, {"data", "order"}, str)
            A cell that must come before, the kind of edge, and the path.
        """
        for read in reads:
            for path in self._written(read):
                yield self._writer[path], "data", path
            self._readers.setdefault(read, []).append(here)
        for path in writes:
            if path in self._writer:
                yield self._writer[path], "order", path
            for read in [r for r in self._readers if r == path or (_is_pattern(r) and fnmatch.fnmatch(path, r))]:
                for reader in self._readers[read]:
                    yield reader, "order", path
                if read == path:
                    del self._readers[read]
            self._writer[path] = here

    def _written(self, read: str) -> list[str]:
        if read in self._writer:
            return [read]
        return [path for path in self._writer if fnmatch.fnmatch(path, read)] if _is_pattern(read) else []


def _is_pattern(path: str) -> bool:
    return not _WILD.isdisjoint(path)
