"""What a cell shows, kept with its run: streams, displays, results and errors, as nbformat outputs.

In a kernel every message to the front end passes one function, `session.send`;
each carries the request that caused it, so late output of a background cell
still finds its run. In a terminal, stdout and stderr are watched instead.
Kept is a bounded head and tail; what is between is counted.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import Any

#: Text and data of a run's outputs that are kept, bytes: so much of the beginning, and so much of the end.
HEAD_BYTES = 512 << 10
TAIL_BYTES = 512 << 10

_KINDS = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})
LogLine = Callable[[int, str, str], None]
_watching: ContextVar[CellOutputs | None] = ContextVar("headrace_watching", default=None)
_watch_lock = threading.Lock()
_watchers = 0
_before: tuple[Any, Any] = (None, None)


def as_output(kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a message's content as an nbformat output; None for what is none."""
    if kind == "stream":
        return {"output_type": "stream", "name": content["name"], "text": content["text"]}
    if kind in ("display_data", "update_display_data"):
        return {
            "output_type": "display_data",
            "data": dict(content["data"]),
            "metadata": dict(content.get("metadata") or {}),
        }
    if kind == "execute_result":
        return {
            "output_type": "execute_result",
            "data": dict(content["data"]),
            "metadata": dict(content.get("metadata") or {}),
            "execution_count": content.get("execution_count"),
        }
    if kind == "error":
        return {
            "output_type": "error",
            "ename": content["ename"],
            "evalue": content["evalue"],
            "traceback": list(content["traceback"]),
        }
    return None


class CellOutputs:
    """The outputs of one cell run, in order, bounded.

    Parameters
    ----------
    log : callable(level, logger, line) or None
        Gets every full line of stdout and stderr.
    """

    def __init__(self, log: LogLine | None = None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._head: list[dict[str, Any]] = []
        self._tail: deque[dict[str, Any]] = deque()
        self._head_bytes = self._tail_bytes = self._dropped = 0
        self._clear_next = False
        self._partial = {"stdout": "", "stderr": ""}
        self._display: dict[str, dict[str, Any]] = {}

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take one message."""
        with self._lock:
            if kind == "clear_output":
                if content.get("wait"):
                    self._clear_next = True
                else:
                    self._clear()
                return
            display_id = (content.get("transient") or {}).get("display_id")
            if kind == "update_display_data":
                shown = self._display.get(str(display_id))
                if shown is not None:
                    shown["data"], shown["metadata"] = dict(content["data"]), dict(content.get("metadata") or {})
                return
            output = as_output(kind, content)
            if output is None:
                return
            if self._clear_next:
                self._clear_next = False
                self._clear()
            if kind == "stream":
                self._lines(output["name"], output["text"])
            if display_id:
                self._display[str(display_id)] = output
            self._keep(output)

    def _clear(self) -> None:
        self._head, self._tail = [], deque()
        self._head_bytes = self._tail_bytes = self._dropped = 0
        self._display = {}

    def _keep(self, output: dict[str, Any]) -> None:
        size = _size(output)
        if not self._tail and self._head_bytes + size <= HEAD_BYTES:
            last = self._head[-1] if self._head else None
            self._head_bytes += size
            if (
                last is not None
                and output["output_type"] == last["output_type"] == "stream"
                and last["name"] == output["name"]
            ):
                last["text"] += output["text"]
            else:
                self._head.append(output)
            return
        self._tail.append(output)
        self._tail_bytes += size
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            gone = _size(self._tail.popleft())
            self._tail_bytes -= gone
            self._dropped += gone

    def _lines(self, name: str, text: str) -> None:
        if self._log is None:
            return
        *lines, self._partial[name] = (self._partial[name] + text).split("\n")
        level = logging.WARNING if name == "stderr" else logging.INFO
        for line in lines:
            # What a progress bar overwrote is not kept: only what stood in the line at last.
            self._log(level, name, line.rstrip("\r").rpartition("\r")[2])
        if len(self._partial[name]) > HEAD_BYTES:
            self._log(level, name, self._partial[name])
            self._partial[name] = ""

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the outputs so far; what is on its way to the front end is waited for."""
        sys.stdout.flush()
        sys.stderr.flush()
        with self._lock:
            return _joined([*self._head, *self._tail])

    def finish(self) -> list[dict[str, Any]]:
        """Return the outputs kept; lines that were not ended are logged."""
        with self._lock:
            for name, text in self._partial.items():
                if text and self._log is not None:
                    self._log(logging.WARNING if name == "stderr" else logging.INFO, name, text)
            self._partial = dict.fromkeys(self._partial, "")
            found = list(self._head)
            if self._dropped:
                note = f"… {self._dropped:,} bytes of output are not kept …\n"
                found.append({"output_type": "stream", "name": "stderr", "text": note})
            return _joined([*found, *self._tail])


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return copies of outputs, each stretch of one stream as one."""
    found: list[dict[str, Any]] = []
    for _, stretch in groupby(outputs, lambda o: o["name"] if o["output_type"] == "stream" else id(o)):
        first, *others = stretch
        found.append({**first, "text": "".join(o["text"] for o in (first, *others))} if others else dict(first))
    return found


def _size(output: Mapping[str, Any]) -> int:
    kind = output["output_type"]
    if kind == "stream":
        return len(output["text"])
    if kind == "error":
        return sum(map(len, output["traceback"]))
    return sum(len(value) if isinstance(value, str | bytes) else 1000 for value in output["data"].values())


class KernelTap:
    """Listens to everything a kernel sends to its front ends, by the request that caused it.

    Parameters
    ----------
    session : jupyter_client.session.Session
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._send = session.send
        self._listeners: dict[str, CellOutputs] = {}
        self._buffers: dict[str, list[tuple[Any, ...]]] = {}
        self._replay = threading.Lock()
        session.send = self._tapped

    def _tapped(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if self._listeners:
            try:
                self._hear(msg_or_type, content, parent)
            except Exception as error:
                logging.getLogger("headrace.cells").debug("an output was not kept: %s", error)
        header = routed_header(msg_or_type, parent)
        if header is not None:
            is_question = isinstance(msg_or_type, str) and msg_or_type == "input_request"
            if header["msg_id"] in self._buffers and not is_question:
                self._buffers[header["msg_id"]].append((stream, msg_or_type, content, parent, args, kwargs))
                return None
            if is_question or not header.get("headrace_front"):
                msg_or_type, parent = _to_caller(msg_or_type, parent, header)
        return self._send(stream, msg_or_type, content, parent, *args, **kwargs)

    @contextmanager
    def holding_back(self, message_id: str) -> Iterator[None]:
        """Send what a request causes when the block ends, so that cells which run side by side show one after the other."""
        self._buffers[message_id] = []
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            with self._replay:
                for stream, message, content, parent, args, kwargs in self._buffers.pop(message_id):
                    self._tapped_again(stream, message, content, parent, args, kwargs)

    def _tapped_again(self, stream: Any, message: Any, content: Any, parent: Any, args: Any, kwargs: Any) -> None:
        header = routed_header(message, parent)
        if header is not None and not header.get("headrace_front"):
            message, parent = _to_caller(message, parent, header)
        self._send(stream, message, content, parent, *args, **kwargs)

    def _hear(self, msg_or_type: Any, content: Any, parent: Any) -> None:
        if isinstance(msg_or_type, str):
            kind, header = msg_or_type, (parent or {}).get("header", parent or {})
        else:
            kind, content = msg_or_type["header"]["msg_type"], msg_or_type["content"]
            header = msg_or_type.get("parent_header") or {}
        if kind in _KINDS and isinstance(content, Mapping):
            listener = self._listeners.get(header.get("msg_id", ""))
            if listener is not None:
                listener.add(kind, content)

    @contextmanager
    def listen(self, message_id: str, outputs: CellOutputs) -> Iterator[None]:
        """Collect what a request causes while the block runs."""
        before = self._listeners.get(message_id)
        self._listeners[message_id] = outputs
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            if before is None:
                self._listeners.pop(message_id, None)
            else:
                self._listeners[message_id] = before

    def close(self) -> None:
        """Stop listening."""
        self._session.send = self._send


def routed_header(msg_or_type: Any, parent: Any) -> dict[str, Any] | None:
    """Return the header of the request that caused a message, if that is a cell within `%flow run`."""
    if isinstance(msg_or_type, str):
        header = (parent or {}).get("header", parent) or {}
    else:
        header = msg_or_type.get("parent_header") or {}
    return header if "headrace_cell" in header else None


def _to_caller(msg_or_type: Any, parent: Any, header: Mapping[str, Any]) -> tuple[Any, Any]:
    """Let a message be caused by the cell that said `%flow run`."""
    plain = {name: value for name, value in header.items() if not name.startswith("headrace_")}
    plain["msg_id"] = header["headrace_parent"]
    if not isinstance(msg_or_type, str):
        return {**msg_or_type, "parent_header": plain}, parent
    return msg_or_type, ({**parent, "header": plain} if "header" in parent else plain)


class _Watched:
    """A stream that also tells what is written to it."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> Any:
        outputs = _watching.get()
        if outputs is not None:
            outputs.add("stream", {"name": self._name, "text": str(text)})
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def watch_streams(outputs: CellOutputs) -> Iterator[None]:
    """Collect stdout and stderr of a terminal while the block runs, of this context only."""
    global _watchers, _before
    token = _watching.set(outputs)
    with _watch_lock:
        if not _watchers:
            _before = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = _Watched(sys.stdout, "stdout"), _Watched(sys.stderr, "stderr")
        _watchers += 1
    try:
        yield
    finally:
        _watching.reset(token)
        with _watch_lock:
            _watchers -= 1
            if not _watchers:
                sys.stdout, sys.stderr = _before
