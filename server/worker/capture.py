"""What a run's process writes to its standard output and error becomes log lines of the run.

The process writes to files, not to pipes: it must go on when its worker dies.
How far each file was read is kept in the store in the transaction that keeps
the lines, so that a worker that takes over neither loses nor repeats one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.runs import Run

if TYPE_CHECKING:
    from headrace.store import Store

#: A longer line is cut, bytes (reliability.md, F-34).
LINE_LIMIT = 65_536
#: So much of one file is read at a time, bytes.
CHUNK = 1_048_576
#: So much of one stream becomes log lines; the rest stays in the file, bytes (F-33).
STREAM_LIMIT = 20 * 1_048_576
#: Stream → the level of its lines. What a program writes to stderr is not an error by itself: progress bars do.
STREAMS = {"stdout": 20, "stderr": 20}

Line = tuple[str, str, int, int, str, str]


class Tail:
    """The output files of one attempt.

    Parameters
    ----------
    run : Run
    folder : Path
        The attempt's folder; holds stdout.log and stderr.log.
    marks : mapping of str to int
        How far each file was read already.
    """

    def __init__(self, run: Run, folder: Path, marks: dict[str, int] | None = None) -> None:
        self._run = run
        self._folder = folder
        self._marks = {name: (marks or {}).get(self.mark(name), 0) for name in STREAMS}
        self._full: set[str] = set()

    def mark(self, stream: str) -> str:
        """Return the name under which the store keeps how far a stream was read."""
        return f"capture:{self._run.id}.{self._run.attempt}.{stream}"

    def marks(self) -> list[str]:
        """Return the names of all marks."""
        return [self.mark(stream) for stream in STREAMS]

    def read(self, now: int, *, final: bool = False) -> tuple[list[Line], dict[str, int]]:
        """Return the new lines and the new marks.

        Parameters
        ----------
        now : int, µs
        final : bool, default False
            The process has ended: an unfinished last line counts.
        """
        lines: list[Line] = []
        marks: dict[str, int] = {}
        for stream, level in STREAMS.items():
            size, found = self._read(stream, final=final)
            if size != self._marks[stream]:
                self._marks[stream] = marks[self.mark(stream)] = size
            lines += [(self._run.id, self._run.root_id, now, level, stream, text) for text in found]
        return lines, marks

    def _read(self, stream: str, *, final: bool) -> tuple[int, list[str]]:
        start = self._marks[stream]
        path = self._folder / f"{stream}.log"
        try:
            if os.stat(path).st_size <= start:
                return start, []
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(CHUNK)
        except FileNotFoundError:
            return start, []
        end = data.rfind(b"\n") + 1
        if not end and not final and len(data) < LINE_LIMIT:
            return start, []
        if not end or (final and len(data) < CHUNK):
            end = len(data)
        if start >= STREAM_LIMIT:
            return start + end, self._say_full(stream)
        return start + end, [_text(line) for line in data[:end].removesuffix(b"\n").split(b"\n")]

    def _say_full(self, stream: str) -> list[str]:
        if stream in self._full:
            return []
        self._full.add(stream)
        return [f"[more than {STREAM_LIMIT // 1_048_576} MiB of {stream}: the rest is in {self._folder}]"]

    def last_lines(self, stream: str = "stderr", *, count: int = 20) -> list[str]:
        """Return the last lines of a stream, for the message about a process that died."""
        try:
            with (self._folder / f"{stream}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
                return [_text(line) for line in file.read().splitlines()[-count:]]
        except OSError:
            return []


def _text(line: bytes) -> str:
    """Return a line as text: a carriage return's last state, cut, undecodable bytes replaced, NUL shown."""
    shown = line.rstrip(b"\r").rpartition(b"\r")[2]
    cut = shown[:LINE_LIMIT].decode("utf-8", "replace").replace("\x00", "\N{SYMBOL FOR NULL}")
    return cut if len(shown) <= LINE_LIMIT else f"{cut} … [{len(shown) - LINE_LIMIT} bytes more]"


def store_lines(store: Store, tails: list[tuple[Tail, bool]]) -> int:
    """Read some tails and keep their new lines in one transaction.

    Parameters
    ----------
    store : Store
    tails : list of (Tail, bool)
        With whether the process has ended.

    Returns
    -------
    int
        How many lines were new.
    """
    lines: list[Line] = []
    marks: dict[str, int] = {}
    now = store.clock.now_us()
    for tail, final in tails:
        found, moved = tail.read(now, final=final)
        lines += found
        marks.update(moved)
    store.captures.append(lines, marks)
    return len(lines)
