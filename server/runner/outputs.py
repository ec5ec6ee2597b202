"""A cell's outputs on their way to three places: the notebook file, the store, the log.

Each has its bound: the file 64 MiB a cell, the store 1 MiB a cell (DESIGN.md,
"The output file"), the log 64 KiB a line (reliability.md, F-34) and so many
lines a run. What is cut is counted and said where it was cut.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.server.output_file import OutputFile
from headrace.server.runner.recording import CellRun, Recording

FILE_LIMIT = 64 * 1024 * 1024
STORE_LIMIT = 1024 * 1024
LINE_LIMIT = 64 * 1024
#: Log lines, and characters of them, that one run keeps (reliability.md, F-33); the outputs have the rest.
LINES_LIMIT = 100_000
LOG_LIMIT = 20 * 1024 * 1024
#: Changed outputs reach the store at most this long after they arrived, seconds (the panel shows 0.5 s).
DELAY_SECONDS = 0.1
_LEVELS = {"stdout": 20, "stderr": 30}
#: What a run's logger shows in a kernel (headrace.kernel_magic.run_logging); the kernel has recorded it itself.
_SHOWN = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) *\| (?:Cell|Task|Flow) '.*' - ")

Printed = Callable[[CellRun, str, str], None]
Displayed = Callable[[CellRun, Mapping[str, Any]], None]


@dataclass(slots=True)
class _Cell:
    """One cell's outputs while it runs."""

    run: CellRun
    kept: int = 0
    dropped: int = 0
    dirty: set[int] = field(default_factory=set)
    sizes: dict[int, int] = field(default_factory=dict)
    total: int = 0
    cut: bool = False
    partial: dict[str, str] = field(default_factory=dict)


class Outputs:
    """Where the client's outputs go (see `OutputSink`).

    Parameters
    ----------
    cells : sequence of nbformat cells
        Of the notebook that runs.
    recording : Recording
    file : OutputFile
    printed : callable (cell run, stream, text) or None
        Told of everything that is printed, as it comes.
    displayed : callable (cell run, output) or None
        Told of everything else that is shown.
    """

    def __init__(
        self,
        cells: Any,
        recording: Recording,
        file: OutputFile,
        printed: Printed | None = None,
        displayed: Displayed | None = None,
    ) -> None:
        self._nodes = cells
        self._recording = recording
        self._file = file
        self._printed = printed
        self._displayed = displayed
        self._cells = {run.plan.index: _Cell(run=run) for run in recording.cells}
        self._lines = self._log_size = 0
        self._log_is_full = False
        self._timer: asyncio.TimerHandle | None = None
        self._changed: set[int] = set()

    def begin(self, index: int) -> None:
        """Start an attempt of a cell: its outputs are gone."""
        cell = self._cells[index]
        had = bool(cell.sizes)
        self._cells[index] = _Cell(run=cell.run)
        if had:
            self._recording.output(cell.run, 0, None)
        self._file.touched(self._nodes[index])

    def bring_back(self, index: int, outputs: list[Any]) -> None:
        """Show again what a restored cell had shown."""
        from nbformat import from_dict

        node = self._nodes[index]
        node["outputs"] = from_dict(outputs)
        self._cells[index].dirty.update(range(len(outputs)))
        self._record(index)
        self._file.touched(node)

    def has_room(self, index: int, message: Mapping[str, Any]) -> bool:
        """Return whether the file still keeps this output of the cell; a stream is cut to what fits."""
        cell = self._cells[index]
        content = message["content"]
        size = message_size(content)
        room = FILE_LIMIT - cell.kept
        if size > room:
            text = content.get("text")
            if not isinstance(text, str) or room <= 0:
                cell.dropped += size
                return False
            content["text"] = text[:room]
            cell.dropped += size - room
            size = room
        cell.kept += size
        return True

    def changed(self, index: int, position: int) -> None:
        """Note that an output is new or has changed; it is recorded within `DELAY_SECONDS`."""
        self._cells[index].dirty.add(position)
        self._changed.add(index)
        self._file.touched(self._nodes[index])
        if self._displayed is not None:
            output = self._nodes[index]["outputs"][position]
            if output["output_type"] != "stream":
                self._displayed(self._cells[index].run, output)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_SECONDS, self.flush)

    def cleared(self, index: int) -> None:
        """Note that a cell's outputs are gone."""
        cell = self._cells[index]
        cell.kept = cell.total = 0
        cell.dirty.clear()
        if cell.sizes:
            cell.sizes.clear()
            self._recording.output(cell.run, 0, None)
        cell.cut = False
        self._file.touched(self._nodes[index])

    def printed(self, index: int, stream: str, text: str) -> None:
        """Turn what a cell prints into log lines, whole lines only."""
        cell = self._cells[index]
        if self._printed is not None:
            self._printed(cell.run, stream, text)
        text = cell.partial.pop(stream, "") + text
        lines = text.split("\n")
        rest = lines.pop()
        for line in lines:
            if stream == "stdout" or not _SHOWN.match(line):
                self._log(cell, stream, line)
        if len(rest) > LINE_LIMIT:
            self._log(cell, stream, rest)
        elif rest:
            # A progress bar redraws its line with \r: only what stands there at last is a log line.
            cell.partial[stream] = rest.rpartition("\r")[2] if rest[-1] != "\r" else rest.split("\r")[-2] + "\r"

    def noted(self, level: int, message: str) -> None:
        """Keep what nbclient says of the run."""
        self._recording.log(None, min(level, logging.WARNING), "nbclient", message)

    def _log(self, cell: _Cell, stream: str, line: str) -> None:
        text = line.rstrip("\r").rpartition("\r")[2]
        if not text:
            return
        if self._lines >= LINES_LIMIT or self._log_size >= LOG_LIMIT:
            if not self._log_is_full:
                self._log_is_full = True
                note = f"[more than {LINES_LIMIT} lines or {LOG_LIMIT >> 20} MiB: the cells' outputs have the rest]"
                self._recording.log(None, 30, "headrace", note)
            return
        self._lines += 1
        self._log_size += min(len(text), LINE_LIMIT)
        if len(text) > LINE_LIMIT:
            text = f"{text[:LINE_LIMIT]} … [{len(text) - LINE_LIMIT} more characters]"
        self._recording.log(cell.run, _LEVELS.get(stream, 20), stream, text)

    def end(self, index: int) -> dict[str, Any]:
        """Finish a cell's attempt: what waits is recorded.

        Returns
        -------
        dict
            Facts for the run's details: `truncated`, `dropped_bytes`.
        """
        cell = self._cells[index]
        for stream, rest in list(cell.partial.items()):
            self._log(cell, stream, rest)
        cell.partial.clear()
        if cell.dropped:
            from nbformat.v4 import new_output

            note = f"\n… {cell.dropped / 1e6:.1f} MB more were not kept: a cell keeps {FILE_LIMIT >> 20} MiB.\n"
            outputs = self._nodes[index]["outputs"]
            outputs.append(new_output("stream", name="stderr", text=note))
            cell.dirty.add(len(outputs) - 1)
            self._file.touched(self._nodes[index])
        self._record(index)
        facts: dict[str, Any] = {}
        if cell.cut:
            facts["truncated"] = True
        if cell.dropped:
            facts["dropped_bytes"] = cell.dropped
        return facts

    def flush(self) -> None:
        """Record what has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for index in list(self._changed):
            self._record(index)

    def _record(self, index: int) -> None:
        self._changed.discard(index)
        cell = self._cells[index]
        outputs = self._nodes[index]["outputs"]
        for position in sorted(cell.dirty):
            if position < len(outputs):
                self._record_one(cell, position, outputs[position])
        cell.dirty.clear()

    def _record_one(self, cell: _Cell, position: int, output: Mapping[str, Any]) -> None:
        before = cell.sizes.get(position, 0)
        size = output_size(output)
        room = STORE_LIMIT - (cell.total - before)
        if size > room:
            if room <= 0 and cell.cut and not before:
                return
            cell.cut = True
            output, size = cut_output(output, size, max(0, room))
        cell.sizes[position] = size
        cell.total += size - before
        self._recording.output(cell.run, position, output)


def message_size(content: Mapping[str, Any]) -> int:
    """Return roughly how large a message's output is, in characters."""
    text = content.get("text")
    if isinstance(text, str):
        return len(text)
    data = content.get("data")
    if isinstance(data, Mapping):
        return sum(_value_size(value) for value in data.values())
    return sum(len(line) for line in content.get("traceback") or ())


def output_size(output: Mapping[str, Any]) -> int:
    """Return roughly how large an output is in the store, in characters."""
    return message_size(output)


def _value_size(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value, default=str))


def cut_output(output: Mapping[str, Any], size: int, room: int) -> tuple[dict[str, Any], int]:
    """Return what the store keeps of an output that is too large: the beginning of a text, a line for all else."""
    note = f"… cut here: the store keeps {STORE_LIMIT >> 20} MiB of a cell, the output notebook has all of it"
    if output["output_type"] == "stream":
        text = output["text"][:room]
        return {**output, "text": f"{text}\n[{note}]\n"}, room
    if output["output_type"] == "error":
        return {**output, "traceback": [f"[{note}]"]}, room
    line = f"[{size / 1e6:.1f} MB {note}]"
    return {"output_type": "display_data", "data": {"text/plain": line}, "metadata": {}}, room
