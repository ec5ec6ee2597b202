"""The output notebook as it goes: always a valid file, written in time linear in the notebook's length.

A save replaces the file atomically (a temporary file in the same folder, then
`os.replace`), so a reader finds the old notebook or the new one and never a
part. A cell that has not changed since the last save is copied from the file
that stands there, byte for byte, without being held in memory or encoded
again; saves are as far apart as `max(2 s, 20 × the last save's duration)`
(DESIGN.md, "The output file"), so that saving costs at most 5 % of a run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from headrace.core.errors import HeadraceError, UsageError
from headrace.core.run_spec import STANDARD
from headrace.server.notebook_file import is_url

#: A save may take this share of the time between two saves: 1 / 20.
SLOWNESS = 20
#: How much is copied from the old file at once, bytes.
_CHUNK = 1 << 20
_SPLIT_MIMES = ("application/javascript", "image/svg+xml")


class OutputUnwritable(HeadraceError):
    """The output notebook cannot be written."""

    code = "output_unwritable"


@dataclass(slots=True)
class SavePlan:
    """What one save writes: encoded pieces, and stretches of the file that stands there.

    Attributes
    ----------
    pieces : list of bytes or (offset, length)
    cells : list of (cell key, generation, index of its piece)
    """

    pieces: list[bytes | tuple[int, int]] = field(default_factory=list)
    cells: list[tuple[int, int, int]] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0.0


class OutputFile:
    """One output notebook.

    Parameters
    ----------
    path : str or None
        A path, an fsspec URL, "-" for standard output (written at the end only), None for nowhere.
    autosave_seconds : float, default 2
        How old the file may be at least; 0 turns saving on a timer off.
    """

    def __init__(self, path: str | None, *, autosave_seconds: float = 2.0) -> None:
        self.path = path
        self._autosave_seconds = autosave_seconds
        self._spans: dict[int, tuple[int, int]] = {}
        self._generations: dict[int, int] = {}
        self._held: IO[bytes] | None = None
        self._last_seconds = 0.0
        self._saved_at = time.monotonic()
        self._dirty = True
        self._count = 0

    @property
    def saves_as_it_goes(self) -> bool:
        """Whether there is a file that can be looked at while the run goes on."""
        return self.path not in (None, STANDARD)

    def touched(self, cell: Any) -> None:
        """Say that a cell was changed: it is encoded anew at the next save."""
        key = id(cell)
        self._generations[key] = self._generations.get(key, 0) + 1
        self._spans.pop(key, None)
        self._dirty = True

    def forget(self) -> None:
        """Say that another notebook is written from now on: nothing of the file that stands there is kept."""
        self._spans.clear()
        self._generations.clear()
        self._dirty = True

    def due_in(self) -> float | None:
        """Return how many seconds from now the next save may be made, None where nothing is to be saved."""
        if not self._dirty or not self._autosave_seconds or not self.saves_as_it_goes:
            return None
        wait = max(self._autosave_seconds, SLOWNESS * self._last_seconds)
        return max(0.0, self._saved_at + wait - time.monotonic())

    def plan(self, notebook: Mapping[str, Any]) -> SavePlan:
        """Encode what has changed; quick, and to be called where the notebook is not being changed."""
        started = time.monotonic()
        plan = SavePlan()
        head, tail = _frame(notebook)
        plan.pieces.append(head)
        for number, cell in enumerate(notebook["cells"]):
            key = id(cell)
            span = self._spans.get(key)
            plan.pieces.append(b",\n" if number else b"\n")
            plan.cells.append((key, self._generations.get(key, 0), len(plan.pieces)))
            plan.pieces.append(encode_cell(cell) if span is None else span)
        plan.pieces.append(b"\n " + tail if notebook["cells"] else tail)
        self._dirty = False
        plan.seconds = time.monotonic() - started
        return plan

    def write(self, plan: SavePlan, *, final: bool = False) -> None:
        """Write a plan; may run in another thread while the notebook goes on changing.

        Raises
        ------
        OutputUnwritable
            Nothing was changed; the file that stood there stands there still.
        """
        started = time.monotonic()
        if self.path is None:
            return
        if self.path == STANDARD:
            self._copy(plan, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        try:
            if is_url(self.path):
                self._upload(plan)
            else:
                self._replace(plan, final=final)
        except OSError as error:
            self._dirty = True
            raise OutputUnwritable(
                f"The output {self.path} cannot be written: {error.strerror or error}. The outputs are in the store."
            ) from error
        self._last_seconds = plan.seconds + time.monotonic() - started

    def commit(self, plan: SavePlan) -> None:
        """Remember where the cells stand in the file; those changed since the plan was made do not count."""
        for key, generation, piece in plan.cells:
            if self._generations.get(key, 0) == generation and piece in plan.spans:
                self._spans[key] = plan.spans[piece]
        self._saved_at = time.monotonic()

    def save(self, notebook: Mapping[str, Any], *, final: bool = False) -> None:
        """Write the notebook now.

        Parameters
        ----------
        notebook : mapping
            nbformat 4, multi-line strings joined.
        final : bool, default False
            Wait until it is on disk: it shall survive a power cut.

        Raises
        ------
        OutputUnwritable
        """
        plan = self.plan(notebook)
        self.write(plan, final=final)
        self.commit(plan)

    def close(self) -> None:
        """Give back the file that stands there."""
        if self._held is not None:
            self._held.close()
            self._held = None
        self._spans.clear()

    def _copy(self, plan: SavePlan, target: IO[bytes]) -> None:
        position = 0
        for number, piece in enumerate(plan.pieces):
            if isinstance(piece, bytes):
                target.write(piece)
                length = len(piece)
            else:
                length = piece[1]
                self._copy_span(piece, target)
            plan.spans[number] = (position, length)
            position += length

    def _copy_span(self, span: tuple[int, int], target: IO[bytes]) -> None:
        assert self._held is not None
        offset, left = span
        self._held.seek(offset)
        while left:
            data = self._held.read(min(_CHUNK, left))
            if not data:
                raise OSError(5, "the file was cut short by somebody else")
            target.write(data)
            left -= len(data)

    def _replace(self, plan: SavePlan, *, final: bool) -> None:
        path = os.path.realpath(str(self.path))
        self._count += 1
        temporary = f"{path}.{os.getpid()}-{self._count}.part"
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb", buffering=_CHUNK) as file:
                self._copy(plan, file)
                file.flush()
                if final:
                    os.fsync(file.fileno())
            if os.name == "nt":
                self._release()
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._release()
        # The file is held open: what is copied at the next save is what we wrote, whoever replaces the path meanwhile.
        self._held = open(path, "rb")  # noqa: SIM115

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _upload(self, plan: SavePlan) -> None:
        import tempfile

        import fsspec

        spool = tempfile.TemporaryFile()  # noqa: SIM115
        self._copy(plan, spool)
        spool.seek(0)
        with fsspec.open(self.path, "wb") as remote:
            while data := spool.read(_CHUNK):
                remote.write(data)
        self._release()
        self._held = spool


def encode_cell(cell: Mapping[str, Any]) -> bytes:
    """Return a cell as it stands in a notebook file: what nbformat writes, character by character."""
    return _indented(_split(cell), 2)


def encode_notebook(notebook: Mapping[str, Any]) -> bytes:
    """Return a whole notebook as it stands in a file."""
    head, tail = _frame(notebook)
    cells = [encode_cell(cell) for cell in notebook["cells"]]
    return head + (b"\n" + b",\n".join(cells) + b"\n " if cells else b"") + tail


def check_output_path(path: str, input_path: str) -> None:
    """Refuse an output path that cannot be, before a kernel is started.

    Raises
    ------
    UsageError
    """
    if path == STANDARD or is_url(path):
        if path != STANDARD and path == input_path:
            raise UsageError("The output is the input; the source notebook is never changed.", field="output_path")
        return
    target, folder = Path(path), Path(path).parent
    if target.is_dir():
        raise UsageError(f"The output {path} is a folder; name a file in it.", field="output_path")
    if not folder.is_dir():
        raise UsageError(f"The output folder {folder} does not exist; make it first.", field="output_path")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The output folder {folder} cannot be written.", field="output_path")
    if target.exists() and input_path != STANDARD and not is_url(input_path) and target.samefile(input_path):
        raise UsageError(
            f"The output {path} is the input itself; the source notebook is never changed. Name another file.",
            field="output_path",
        )


def _frame(notebook: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return what stands before the first cell and behind the last one."""
    rest = {name: value for name, value in notebook.items() if name != "cells"}
    metadata = {k: v for k, v in notebook["metadata"].items() if k not in ("orig_nbformat", "signature")}
    text = _indented({**rest, "metadata": metadata, "cells": []}, 0) + b"\n"
    # A key of the outermost object has one blank before it, deeper ones have more, and no string holds a line end.
    head, mark, tail = text.partition(b'\n "cells": []')
    return head + mark[:-1], b"]" + tail


def _indented(value: Any, depth: int) -> bytes:
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(_valid(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if depth:
        margin = " " * depth
        text = margin + text.replace("\n", "\n" + margin)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as in "\ud83d": JSON can say it, UTF-8 cannot
        return text.encode(errors="replace")


def _valid(value: Any) -> Any:
    """Return the nearest JSON value: NaN and infinities become text."""
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _valid(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _split(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell with its long texts as lists of lines, as notebook files have them."""
    found = dict(cell)
    if isinstance(found.get("source"), str):
        found["source"] = found["source"].splitlines(True)
    if "trusted" in found.get("metadata", {}):
        found["metadata"] = {k: v for k, v in found["metadata"].items() if k != "trusted"}
    if "attachments" in found:
        found["attachments"] = {name: _split_bundle(bundle) for name, bundle in found["attachments"].items()}
    if found.get("cell_type") == "code":
        found["outputs"] = [_split_output(output) for output in found.get("outputs", ())]
    return found


def _split_output(output: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = output.get("output_type")
    if kind in ("execute_result", "display_data"):
        return {**output, "data": _split_bundle(output.get("data", {}))}
    if kind == "stream" and isinstance(output.get("text"), str):
        return {**output, "text": output["text"].splitlines(True)}
    return output


def _split_bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    return {
        mime: value.splitlines(True)
        if isinstance(value, str) and (mime.startswith("text/") or mime in _SPLIT_MIMES)
        else value
        for mime, value in bundle.items()
    }
