"""nbclient, with what it has no hooks for: metadata in the request, outputs as they arrive, late outputs.

A subclass that overrides `process_message`, `output` and `clear_output`; the
execution itself is nbclient's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from queue import Empty
from typing import Any, Protocol

from nbclient import NotebookClient
from nbformat import NotebookNode

#: Stream outputs that follow each other are joined up to this length, characters: longer ones would make the
#: joining quadratic in what a cell prints.
JOINED_LENGTH = 65_536
#: How long a message is waited for before the socket is looked at again, seconds.
LOOK_AGAIN_SECONDS = 5.0
_DISPLAYS = frozenset({"display_data", "execute_result", "update_display_data"})


class OutputSink(Protocol):
    """Who is told of outputs; cells are named by their index in the notebook."""

    def has_room(self, index: int, message: Mapping[str, Any]) -> bool:
        """Return whether the cell may keep this output."""

    def changed(self, index: int, position: int) -> None:
        """An output is new or has changed."""

    def cleared(self, index: int) -> None:
        """The cell's outputs are gone."""

    def printed(self, index: int, stream: str, text: str) -> None:
        """A cell wrote to stdout or stderr."""

    def noted(self, level: int, message: str) -> None:
        """nbclient has something to say of the run."""


class _Channel:
    """A channel that looks again now and then, however long a message is waited for.

    A wait without a limit hangs for ever when the wake-up of a ZeroMQ socket is lost (seen with plain nbclient on a
    busy machine: kernel idle, reply never read); every further look takes what is there.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def get_msg(self, timeout: float | None = None) -> Any:
        while timeout is None:
            try:
                return await self._channel.get_msg(timeout=LOOK_AGAIN_SECONDS)
            except Empty:
                continue
        return await self._channel.get_msg(timeout=timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


class _Iopub(_Channel):
    """The iopub channel as nbclient sees it: only messages of the cell that runs; others go where they belong."""

    def __init__(self, requests: Requests, channel: Any) -> None:
        super().__init__(channel)
        self._requests = requests

    async def get_msg(self, timeout: float | None = None) -> Any:
        while True:
            message = await super().get_msg(timeout=timeout)
            parent = message["parent_header"].get("msg_id")
            if parent == self._requests.current or not self._requests.take_late(parent, message):
                return message


class Requests:
    """A kernel client as nbclient sees it: sends the code and the metadata that the runner chose for a cell.

    Parameters
    ----------
    client : jupyter_client's AsyncKernelClient

    Attributes
    ----------
    code : str or None
        Sent instead of the cell's source.
    metadata : mapping
        Put into the execute request.
    current : str
        The id of the latest request.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.code: str | None = None
        self.metadata: Mapping[str, Any] = {}
        self.current = ""
        self.late: Any = None
        self.iopub_channel = _Iopub(self, client.iopub_channel)
        self.shell_channel = _Channel(client.shell_channel)

    def execute(self, code: str, *, store_history: bool = True, stop_on_error: bool = True, **_: Any) -> str:
        """Send an execute request; return its id."""
        content = {
            "code": code if self.code is None else self.code,
            "silent": False,
            "store_history": store_history,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": stop_on_error,
        }
        message = self._client.session.msg("execute_request", content, metadata=dict(self.metadata))
        self._client.shell_channel.send(message)
        self.current = message["header"]["msg_id"]
        return str(self.current)

    def take_late(self, parent: str | None, message: Any) -> bool:
        """Hand over a message of an earlier cell; return whether it was one."""
        return bool(parent and self.late is not None and self.late(parent, message))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class CellClient(NotebookClient):
    """Executes the cells of one notebook in a kernel that was started elsewhere.

    Parameters
    ----------
    nb : NotebookNode
    manager, client : jupyter_client's
    sink : OutputSink
    **traits
        Any nbclient trait.
    """

    def __init__(self, nb: NotebookNode, *, manager: Any, client: Any, sink: OutputSink, **traits: Any) -> None:
        traits.setdefault("log", _logger(sink))
        super().__init__(nb, km=manager, **traits)
        self.requests = Requests(client)
        self.requests.late = self._late
        self.kc: Any = self.requests
        self.reply: Mapping[str, Any] = {}
        self.executing = False
        self._sink = sink
        self._earlier: dict[str, int] = {}
        self.on_cell_executed = self._executed

    def _executed(self, *, cell: Any, cell_index: int, execute_reply: Mapping[str, Any]) -> None:
        self.reply = execute_reply["content"]

    async def run_cell(self, index: int, code: str | None, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        """Execute a cell.

        Parameters
        ----------
        index : int
            Its place in the notebook.
        code : str or None
            Sent instead of its source.
        metadata : mapping
            For the execute request.

        Returns
        -------
        mapping
            The content of the kernel's reply.

        Raises
        ------
        nbclient.exceptions.CellExecutionError, nbclient.exceptions.DeadKernelError
        """
        self.requests.code, self.requests.metadata, self.reply = code, metadata, {}
        self.executing = False
        try:
            await self.async_execute_cell(self.nb.cells[index], index)
        finally:
            self._earlier[self.requests.current] = index
        return self.reply

    def _late(self, parent: str, message: Mapping[str, Any]) -> bool:
        """Put an output of an earlier cell (a thread of it, a background task) where it belongs."""
        index = self._earlier.get(parent)
        if index is None:
            return False
        if message["msg_type"] != "status":
            waiting, self.clear_before_next_output = self.clear_before_next_output, False
            try:
                self.process_message(dict(message), self.nb.cells[index], index)
            finally:
                self.clear_before_next_output = waiting
        return True

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Handle a message (see nbclient); tell of displays that another cell's message has updated."""
        if msg["msg_type"] == "execute_input":
            self.executing = True
        if msg["msg_type"] not in _DISPLAYS:
            return super().process_message(msg, cell, cell_index)
        result = super().process_message(msg, cell, cell_index)
        display_id = (msg["content"].get("transient") or {}).get("display_id")
        if display_id:
            for index, positions in self._display_id_map.get(display_id, {}).items():
                for position in positions:
                    self._sink.changed(index, position)
        return result

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        """Keep an output (see nbclient), join streams, and tell of it."""
        if not self._sink.has_room(cell_index, msg):
            return None
        if msg["msg_type"] == "error" and msg["content"].get("ename") == "StopSignal":
            msg = _told(msg)
        clearing = self.clear_before_next_output
        out = super().output(outs, msg, display_id, cell_index)
        if clearing and not self.clear_before_next_output:
            self._sink.cleared(cell_index)
        if out is None:
            return None
        if out["output_type"] == "stream":
            self._sink.printed(cell_index, out["name"], out["text"])
            if len(outs) > 1 and _joins(outs[-2], out):
                outs.pop()
                outs[-1]["text"] += out["text"]
        self._sink.changed(cell_index, len(outs) - 1)
        return out

    def clear_output(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """Clear a cell's outputs (see nbclient), and tell of it."""
        had = bool(outs)
        super().clear_output(outs, msg, cell_index)
        if had and not outs:
            self._sink.cleared(cell_index)

    async def drain_late(self) -> None:
        """Take the outputs of earlier cells that have come meanwhile."""
        self.requests.current = ""
        while True:
            try:
                await self.requests.iopub_channel.get_msg(timeout=0)
            except Empty:
                return

    async def drain(self) -> None:
        """Take what the kernel had sent before it died."""
        from nbclient.exceptions import CellExecutionComplete

        index = self._earlier.get(self.requests.current)
        while index is not None:
            try:
                message = await self.requests.iopub_channel.get_msg(timeout=0)
                if message["parent_header"].get("msg_id") == self.requests.current:
                    self.process_message(message, self.nb.cells[index], index)
            except CellExecutionComplete:
                continue
            except Empty:
                return


def _told(message: dict[str, Any]) -> dict[str, Any]:
    """Return what `headrace.stop()` shows in place of a traceback: it is no error."""
    reason = message["content"].get("evalue")
    data = {"text/plain": f"skipped: {reason}" if reason else "skipped"}
    header = {**message["header"], "msg_type": "display_data"}
    return {**message, "msg_type": "display_data", "header": header, "content": {"data": data, "metadata": {}}}


class _Notes(logging.Handler):
    """Hands nbclient's warnings to the run's log instead of somebody's terminal."""

    def __init__(self, sink: OutputSink) -> None:
        super().__init__(logging.WARNING)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        self._sink.noted(record.levelno, record.getMessage())


def _logger(sink: OutputSink) -> logging.Logger:
    """Return a logger of this run alone: it is in no tree of loggers, and gone with the run."""
    logger = logging.Logger("headrace.nbclient", logging.WARNING)
    logger.addHandler(_Notes(sink))
    return logger


def _joins(before: Mapping[str, Any], out: Mapping[str, Any]) -> bool:
    return bool(
        before["output_type"] == "stream"
        and before["name"] == out["name"]
        and len(before["text"]) + len(out["text"]) <= JOINED_LENGTH
    )
